//! Servers, links that misbehave, and workers that can be killed, stopped and replaced.
//!
//! Every worker reaches the database and the registry through a fault proxy; tests and checker go straight. A broker
//! tells its clients its own address, so it has no proxy: it is killed, stopped and restarted instead.

use std::time::Duration;

use e2e::rows::Rows;
use testkit::{
    kafka::Kafka,
    mariadb::{Database, MariaDb},
    process::{Launch, Process},
    proxy::Proxy,
    registry::Registry,
    wait,
};

use crate::{fail_points, messenger::Messenger, server::Server};

/// Time for a whole run with faults on a busy machine; only a hanging run takes it.
pub const RUN_DEADLINE: Duration = Duration::from_secs(300);

/// How to set up a world.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Where documents come from.
    pub source: &'static str,
    /// Partitions of each topic.
    pub partitions: i32,
    /// Whether the database server is to be hurt, and so must not be shared with other tests.
    pub own_database: bool,
}

/// A pipeline and everything around it.
pub struct World {
    /// The target.
    pub database: Database,
    /// The link from every worker to the database.
    pub database_link: Proxy,
    /// The link from every worker to the registry.
    pub registry_link: Proxy,
    /// The broker, to be killed and restarted.
    pub broker: Server,
    /// The database server, to be killed and restarted; only when it is this world's own.
    pub database_server: Option<Server>,
    /// Writes to any topic, reads dead letters.
    pub messenger: Messenger,
    /// What readers should see in the end.
    pub expected: Rows,
    environment: Vec<(&'static str, String)>,
    // Kept for their end: dropping them ends the servers.
    _kafka: Kafka,
    _mariadb: Option<MariaDb>,
}

// === impl Plan ===

impl Plan {
    /// Six partitions and the shared database server.
    pub const fn of(source: &'static str) -> Self {
        Self { source, partitions: 6, own_database: false }
    }
}

// === impl World ===

impl World {
    /// Starts and prepares the servers; no worker runs yet.
    pub fn start(plan: Plan) -> Self {
        let (kafka, registry, own) = std::thread::scope(|scope| {
            let kafka = scope.spawn(Kafka::start);
            let registry = scope.spawn(Registry::shared);
            let own = plan.own_database.then(MariaDb::start);
            (kafka.join().expect("kafka starts"), registry.join().expect("the registry starts"), own)
        });
        let database = match &own {
            Some(own) => own.fresh_database(),
            None => MariaDb::shared().fresh_database(),
        };
        let database_server = own.as_ref().and_then(MariaDb::process_id).map(|id| Server::of("mariadbd", id));
        let migrate = Launch::binary("sluice").arg("migrate").env("SLUICE__TARGET__URL", &database.url());
        migrate.run().expect_code(0);
        let messenger = Messenger::prepare(&kafka.bootstrap(), &registry.url(), plan.partitions);
        let target = database.loader.url(&database.name);
        let (database_link, registry_link) = (link(&target), link(&registry.url()));
        let environment = vec![
            ("SLUICE__KAFKA__BOOTSTRAP_SERVERS", kafka.bootstrap()),
            ("SLUICE__SCHEMA_REGISTRY__URL", through(&registry.url(), &registry_link)),
            ("SLUICE__SOURCE__URL", plan.source.to_owned()),
            ("SLUICE__TARGET__URL", through(&target, &database_link)),
            ("SLUICE__TARGET__PASSWORD", database.loader.password().to_owned()),
        ];
        Self {
            database,
            database_link,
            registry_link,
            broker: Server::of("kafka", kafka.process_id()),
            database_server,
            messenger,
            expected: Rows::of_source(plan.source),
            environment,
            _kafka: kafka,
            _mariadb: own,
        }
    }

    /// Starts a worker of a stage; it may not be ready yet.
    pub fn worker(&self, stage: &str) -> Process {
        started(|| self.launch(stage))
    }

    /// Starts a worker that ends itself at a fail point, such as `bundles::after-emit=1*off->return`.
    pub fn failing_worker(&self, stage: &str, fail_point: &str) -> Process {
        let binary = fail_points::binary(stage);
        started(|| self.launch(&binary).env("FAILPOINTS", fail_point))
    }

    /// Starts so many workers of a stage and waits until they are ready.
    pub fn workers(&self, stage: &str, count: usize) -> Vec<Process> {
        let mut workers: Vec<Process> = (0..count).map(|_| self.worker(stage)).collect();
        workers.iter_mut().for_each(Process::wait_ready);
        workers
    }

    /// One worker of each of these stages, ready.
    pub fn one_each(&self, stages: &[&str]) -> Vec<Process> {
        let mut workers: Vec<Process> = stages.iter().map(|stage| self.worker(stage)).collect();
        workers.iter_mut().for_each(Process::wait_ready);
        workers
    }

    /// The first cell of the answer, as a number.
    pub fn number(&self, sql: &str) -> i64 {
        self.database.session().number(sql)
    }

    /// Number of batches that are stored, in all runs.
    pub fn stored_batches(&self) -> i64 {
        self.number("SELECT COUNT(*) FROM sync_batch WHERE state = 'stored'")
    }

    /// Waits until at least so many batches are stored.
    pub fn wait_for_stored_batches(&self, count: i64) {
        let mut session = self.database.session();
        wait::until_blocking(&format!("{count} batches are stored"), RUN_DEADLINE, || {
            let stored = session.number("SELECT COUNT(*) FROM sync_batch WHERE state = 'stored'");
            (stored >= count).then_some(())
        });
    }

    /// Waits until the run has this state.
    pub fn wait_for_state(&self, run_id: &str, state: &str) {
        let sql = format!("SELECT COUNT(*) FROM sync_run WHERE run_id = '{run_id}' AND state = '{state}'");
        let mut session = self.database.session();
        wait::until_blocking(&format!("the run is {state}"), RUN_DEADLINE, || {
            (session.number(&sql) == 1).then_some(())
        });
    }

    /// Calls the command with the loader's rights, past the proxies; it must end with 0.
    pub fn sluice(&self, arguments: &[&str]) {
        let target = self.database.loader.url(&self.database.name);
        let launch = self.launch("sluice").env("SLUICE__TARGET__URL", &target);
        launch.args(arguments.iter().copied()).run().expect_code(0);
    }

    fn launch(&self, binary: &str) -> Launch {
        Launch::binary(binary).envs(self.environment.iter().map(|(key, value)| (key, value)))
    }
}

/// Starts a worker and waits until it listens. On a machine with many tests another process may have taken its port
/// since it was chosen; then the worker has not begun, and another is started.
fn started(launch: impl Fn() -> Launch) -> Process {
    loop {
        let process = launch().start();
        let listens = wait::until_blocking("the worker listens or cannot", wait::PATIENCE, || {
            let log = process.stderr();
            let taken = log.contains("cannot listen on");
            (taken || log.contains("the admin endpoint listens")).then_some(!taken)
        });
        if listens {
            return process;
        }
    }
}

/// A proxy in front of the server that a URL names.
fn link(url: &str) -> Proxy {
    Proxy::to(authority(url))
}

/// The URL with the proxy's address in it.
fn through(url: &str, link: &Proxy) -> String {
    url.replacen(authority(url), &link.address(), 1)
}

/// `host:port` of a URL.
fn authority(url: &str) -> &str {
    let (_, rest) = url.split_once("://").expect("a URL has a scheme");
    let authority = rest.split('/').next().unwrap_or(rest);
    authority.rsplit('@').next().unwrap_or(authority)
}
