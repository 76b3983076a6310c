//! Servers, links that misbehave, and workers that can be killed, stopped and replaced.
//!
//! Every worker reaches the broker, the database and the registry through a fault proxy of its own kind; tests and
//! checker go straight.

use std::time::Duration;

use e2e::rows::Rows;
use testkit::{
    clock::Clock,
    http,
    kafka::{self, Kafka, PartitionState},
    mariadb::{Database, MariaDb},
    process::{Ended, Launch, Process},
    proxy::Proxy,
    registry::Registry,
    wait,
};

use crate::{brokers::Brokers, fail_points, messenger::Messenger, server::Server};

/// Time for a whole run with faults on a busy machine; only a hanging run takes it.
pub const RUN_DEADLINE: Duration = Duration::from_secs(300);

pub(crate) const BROKER: &str = "SLUICE__KAFKA__BOOTSTRAP_SERVERS";
const REGISTRY: &str = "SLUICE__SCHEMA_REGISTRY__URL";
const TARGET: &str = "SLUICE__TARGET__URL";

/// How to set up a world.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// Where documents come from.
    pub source: &'a str,
    /// Partitions of each topic.
    pub partitions: i32,
    /// Whether the database server is to be hurt, and so must not be shared with other tests.
    pub own_database: bool,
    /// Whether the same holds for the registry.
    pub own_registry: bool,
    /// Whether there are three brokers instead of one, with three replicas of each partition, of which two must be in
    /// sync.
    pub three_brokers: bool,
}

/// A pipeline and everything around it.
pub struct World {
    /// The target.
    pub database: Database,
    /// The link from every worker to the database.
    pub database_link: Proxy,
    /// The link from every worker to the registry.
    pub registry_link: Proxy,
    /// The broker, to be killed and restarted; the first of three.
    pub broker: Server,
    /// The second and the third of three.
    pub other_brokers: Vec<Server>,
    /// The database server, to be killed and restarted; only when it is this world's own.
    pub database_server: Option<Server>,
    /// The registry, to be killed and restarted; only when it is this world's own. It keeps its schemas in memory: after
    /// a restart they have to be registered again.
    pub registry_server: Option<Server>,
    /// Writes to any topic, reads dead letters.
    pub messenger: Messenger,
    /// What readers should see in the end.
    pub expected: Rows,
    /// How workers reach everything: through the proxies.
    environment: Vec<(&'static str, String)>,
    /// How to get past them.
    straight: Vec<(&'static str, String)>,
    brokers: Brokers,
    // Kept for their end: dropping them ends the servers.
    _registry: Option<Registry>,
    _mariadb: Option<MariaDb>,
}

// === impl Plan ===

impl<'a> Plan<'a> {
    /// Six partitions, the shared database server and the shared registry.
    pub const fn of(source: &'a str) -> Self {
        Self { source, partitions: 6, own_database: false, own_registry: false, three_brokers: false }
    }
}

// === impl World ===

impl World {
    /// Starts and prepares the servers; no worker runs yet.
    pub fn start(plan: Plan<'_>) -> Self {
        let (brokers, own_registry, own_mariadb) = std::thread::scope(|scope| {
            let brokers = scope.spawn(|| Brokers::start(plan.three_brokers));
            let registry = scope.spawn(|| plan.own_registry.then(Registry::start));
            // The shared one takes its time too, but only the first time.
            scope.spawn(|| (!plan.own_registry).then(Registry::shared));
            let mariadb = plan.own_database.then(MariaDb::start);
            (brokers.join().expect("kafka starts"), registry.join().expect("the registry starts"), mariadb)
        });
        let registry_url = own_registry.as_ref().unwrap_or_else(|| Registry::shared()).url();
        let database = own_mariadb.as_ref().unwrap_or_else(|| MariaDb::shared()).fresh_database();
        let migrate = Launch::binary("sluice").arg("migrate").env("SLUICE__TARGET__URL", &database.url());
        migrate.run().expect_code(0);
        brokers.create_topics(plan.partitions);
        let messenger = Messenger::prepare(&brokers.straight(), &registry_url, plan.partitions);
        let target = database.loader.url(&database.name);
        let (database_link, registry_link) = (link(&target), link(&registry_url));
        let environment = vec![
            (BROKER, brokers.behind_links()),
            (REGISTRY, through(&registry_url, &registry_link)),
            (TARGET, through(&target, &database_link)),
            ("SLUICE__TARGET__PASSWORD", database.loader.password().to_owned()),
            ("SLUICE__SOURCE__URL", plan.source.to_owned()),
        ];
        let mut broker_servers = brokers.all().iter().map(|kafka| Server::of("kafka", kafka.process_id()));
        let database_process = own_mariadb.as_ref().and_then(MariaDb::process_id);
        Self {
            database,
            database_link,
            registry_link,
            broker: broker_servers.next().expect("at least one broker"),
            other_brokers: broker_servers.collect(),
            database_server: database_process.map(|id| Server::of("mariadbd", id)),
            registry_server: own_registry.as_ref().map(|registry| Server::of("registry", registry.process_id())),
            messenger,
            expected: Rows::of_source(plan.source),
            environment,
            straight: vec![(BROKER, brokers.straight()), (REGISTRY, registry_url), (TARGET, target)],
            brokers,
            _registry: own_registry,
            _mariadb: own_mariadb,
        }
    }

    /// The link from every worker to the broker, or to the first of three.
    pub fn broker_link(&self) -> &Proxy {
        self.brokers.all().first().expect("at least one broker").link()
    }

    /// The broker with this node id; ids begin with 1.
    pub fn broker_number(&mut self, node: i32) -> &mut Server {
        let mut brokers = std::iter::once(&mut self.broker).chain(&mut self.other_brokers);
        let index = usize::try_from(node - 1).expect("node ids begin with 1");
        brokers.nth(index).unwrap_or_else(|| panic!("no broker has the node id {node}"))
    }

    /// Where the partitions of a topic are, as the first broker that answers sees it; `None` when none does.
    pub fn partitions_of(&self, topic: &str) -> Option<Vec<PartitionState>> {
        self.brokers.all().iter().find_map(|broker| kafka::partitions(&broker.bootstrap(), topic).ok())
    }

    /// Deletes every message of a topic, as retention would. Asks again while the broker is restarting.
    pub fn lose_messages(&self, topic: &str) {
        let address = self.brokers.all().first().map(Kafka::bootstrap).expect("at least one broker");
        wait::until_blocking("the broker deletes records", wait::PATIENCE, || kafka::empty(&address, topic).ok());
    }

    /// Sets a variable for the workers that are started from now on.
    pub fn set(&mut self, key: &'static str, value: &str) {
        self.environment.retain(|(set, _)| *set != key);
        self.environment.push((key, value.to_owned()));
    }

    /// The database server, which must be this world's own.
    pub fn own_database(&mut self) -> &mut Server {
        self.database_server.as_mut().expect("a plan with a database of its own")
    }

    /// The registry, which must be this world's own.
    pub fn own_registry(&mut self) -> &mut Server {
        self.registry_server.as_mut().expect("a plan with a registry of its own")
    }

    /// Waits until the database server answers.
    pub fn wait_for_database(&self) {
        let answers = || self.database.session().try_rows("SELECT 1").ok();
        wait::until_blocking("the database is back", wait::PATIENCE, answers);
    }

    /// Waits until the registry answers, past its link.
    pub fn wait_for_registry(&self) {
        let url = self.straight.iter().find(|(key, _)| *key == REGISTRY).map_or("", |(_, url)| url);
        let path = url.split_once(authority(url)).map_or("", |(_, path)| path);
        let answers = || http::get(authority(url), &format!("{path}/subjects")).ok().filter(|it| it.status == 200);
        wait::until_blocking("the registry is back", wait::PATIENCE, answers);
    }

    /// Starts a worker of a stage; it may not be ready yet.
    pub fn worker(&self, stage: &str) -> Process {
        started(|| self.launch(stage))
    }

    /// Starts a worker that ends itself at a fail point, such as `bundles::after-emit=1*off->return`.
    pub fn failing_worker(&self, stage: &str, fail_point: &str) -> Process {
        let binary = fail_points::STAGES.binary(stage);
        started(|| self.launch(&binary).env("FAILPOINTS", fail_point))
    }

    /// Starts a worker that lives by this clock.
    pub fn worker_with_clock(&self, stage: &str, clock: &Clock) -> Process {
        started(|| self.launch(stage).envs(clock.environment()))
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
        self.number("SELECT COUNT(*) FROM sluice_run_batch WHERE state = 'stored'")
    }

    /// Waits until at least so many batches are stored.
    pub fn wait_for_stored_batches(&self, count: i64) {
        let mut session = self.database.session();
        wait::until_blocking(&format!("{count} batches are stored"), RUN_DEADLINE, || {
            let stored = session.number("SELECT COUNT(*) FROM sluice_run_batch WHERE state = 'stored'");
            (stored >= count).then_some(())
        });
    }

    /// Waits until the run has this state.
    pub fn wait_for_state(&self, run_id: &str, state: &str) {
        let sql = format!("SELECT COUNT(*) FROM sluice_run WHERE run_id = '{run_id}' AND state = '{state}'");
        let mut session = self.database.session();
        wait::until_blocking(&format!("the run is {state}"), RUN_DEADLINE, || {
            (session.number(&sql) == 1).then_some(())
        });
    }

    /// Calls the command with the loader's rights, past the proxies; it must end with 0.
    pub fn sluice(&self, arguments: &[&str]) {
        self.command(arguments).expect_code(0);
    }

    /// As [`World::sluice`], whatever it ends with.
    pub fn command(&self, arguments: &[&str]) -> Ended {
        self.begin_command(arguments).wait(wait::PATIENCE)
    }

    /// As [`World::command`], without waiting for its end.
    pub fn begin_command(&self, arguments: &[&str]) -> Process {
        let launch = self.launch("sluice").envs(self.straight.iter().map(|(key, value)| (key, value)));
        launch.args(arguments.iter().copied()).start()
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
