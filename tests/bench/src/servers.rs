//! The servers that all figures share, and the pipeline over them: real processes, as deployed.
//!
//! The database is durable as it is by default: every commit is on disk before it is answered. It has a buffer pool and
//! a redo log that hold the data of size M, since what is measured is the way into the database and not its paging; all
//! counterparts use the same server.

use std::time::Duration;

use pipeline_core::settings::Settings;
use serde_json::Value;
use testkit::{
    kafka::Kafka,
    mariadb::{Account, Database, MariaDb, Session},
    process::{Launch, Process},
    registry::Registry,
    wait,
};

use crate::usage;

/// How the database server differs from those of ordinary tests.
const DATABASE_OPTIONS: [&str; 4] = [
    "--innodb-flush-log-at-trx-commit=1",
    "--innodb-buffer-pool-size=2G",
    "--innodb-log-file-size=1G",
    "--local-infile=ON",
];

/// Partitions of each topic: enough for the largest number of workers measured, evenly.
pub const PARTITIONS: &str = "12";

/// Longest wait for a run; only a hanging run takes it.
const RUN_DEADLINE: Duration = Duration::from_secs(3_600);

/// A broker, a registry and a database server.
pub struct Servers {
    /// The broker.
    pub kafka: Kafka,
    /// The schema registry.
    pub registry: &'static Registry,
    /// The database server.
    pub mariadb: MariaDb,
}

/// How to set up a pipeline.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where documents come from.
    pub source: String,
    /// Workers of the bundles stage.
    pub bundles: usize,
    /// Workers of the activator stage.
    pub activators: usize,
    /// More settings, such as `stage.in_flight` and `4`.
    pub settings: Vec<(String, String)>,
}

/// Stages at work on a database of their own.
pub struct Pipeline {
    /// The target.
    pub database: Database,
    workers: Vec<(&'static str, Process)>,
    environment: Vec<(String, String)>,
}

/// A run that is over.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Its id.
    pub id: String,
    /// From the request to the last activation.
    pub seconds: f64,
}

// === impl Servers ===

impl Servers {
    /// Starts the servers, makes the topics and registers the schemas.
    pub fn start() -> Self {
        let servers = std::thread::scope(|scope| {
            let kafka = scope.spawn(Kafka::start);
            let registry = scope.spawn(Registry::shared);
            let mariadb = MariaDb::start_with(&DATABASE_OPTIONS);
            let kafka = kafka.join().expect("kafka starts");
            Self { kafka, registry: registry.join().expect("the registry starts"), mariadb }
        });
        let database = servers.migrated_database();
        for arguments in [&["topics", "create", "--partitions", PARTITIONS][..], &["schema", "register"]] {
            let launch = Launch::binary("sluice").envs(servers.environment("", &database.administrator, &database));
            launch.args(arguments.iter().copied()).run().expect_code(0);
        }
        drop_database(&database);
        servers
    }

    /// A database with empty tables.
    pub fn migrated_database(&self) -> Database {
        let database = self.mariadb.fresh_database();
        let environment = self.environment("", &database.administrator, &database);
        Launch::binary("sluice").arg("migrate").envs(environment).run().expect_code(0);
        database
    }

    /// Starts the stages of a plan on an empty target and waits until they are ready.
    pub fn pipeline(&self, plan: &Plan) -> Pipeline {
        let database = self.migrated_database();
        let mut environment = self.environment(&plan.source, &database.loader, &database);
        for (key, value) in &plan.settings {
            let key = format!("SLUICE__{}", key.to_uppercase().replace('.', "__"));
            environment.push((key, value.clone()));
        }
        let mut pipeline = Pipeline { database, workers: Vec::new(), environment };
        let stages = [("stage-root", 1), ("stage-providers", 1), ("stage-bundles", plan.bundles)];
        for (stage, count) in stages.into_iter().chain([("stage-activator", plan.activators)]) {
            (0..count).for_each(|_| pipeline.start_worker(stage));
        }
        pipeline.workers.iter_mut().for_each(|(_, worker)| worker.wait_ready());
        pipeline
    }

    /// Processor seconds that the database server has used so far.
    pub fn database_cpu(&self) -> f64 {
        self.mariadb.process_id().map_or(0.0, usage::cpu_seconds)
    }

    /// Rows that the server was asked to insert so far, in any table.
    pub fn rows_inserted(&self, session: &mut Session) -> f64 {
        let rows = session.rows("SHOW GLOBAL STATUS LIKE 'Handler_write'");
        let count = rows.first().and_then(|row| row.get(1)).and_then(|cell| cell.parse().ok());
        count.expect("the server counts inserted rows")
    }

    /// Configuration of a process, by environment.
    pub fn environment(&self, source: &str, account: &Account, database: &Database) -> Vec<(String, String)> {
        let pair = |key: &str, value: String| (key.to_owned(), value);
        vec![
            pair("SLUICE__KAFKA__BOOTSTRAP_SERVERS", self.kafka.bootstrap()),
            pair("SLUICE__SCHEMA_REGISTRY__URL", self.registry.url()),
            pair("SLUICE__SOURCE__URL", source.to_owned()),
            pair("SLUICE__TARGET__URL", account.url(&database.name)),
            pair("SLUICE__TARGET__PASSWORD", account.password().to_owned()),
        ]
    }

    /// Settings for what runs inside this process.
    pub fn settings(&self, database: &Database) -> Settings {
        let mut settings = Settings::default();
        settings.kafka.bootstrap_servers = self.kafka.bootstrap();
        settings.schema_registry.url = self.registry.url();
        settings.target.url = database.loader_url();
        settings
    }
}

// === impl Plan ===

impl Plan {
    /// One worker of each stage, at the default settings.
    pub fn of(source: &str) -> Self {
        Self { source: source.to_owned(), bundles: 1, activators: 1, settings: Vec::new() }
    }
}

// === impl Pipeline ===

impl Pipeline {
    /// Asks for a run and waits until it is activated.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        let id = self.start_run(arguments);
        let mut session = self.database.session();
        let sql = format!("SELECT state FROM sync_run WHERE run_id = '{id}' AND state <> 'running'");
        let state = self.until("the run ends", || session.rows(&sql).into_iter().flatten().next());
        assert_eq!(state, "activated", "a run that is measured must succeed");
        let sql = format!("SELECT finished_at_ms - requested_at_ms FROM sync_run WHERE run_id = '{id}'");
        Ran { id, seconds: seconds(session.number(&sql)) }
    }

    /// Asks for a run and waits until all its batches are stored; seconds from the first plan to the last batch.
    pub fn run_to_stored(&self, arguments: &[&str]) -> Ran {
        let id = self.start_run(arguments);
        let mut session = self.database.session();
        let stored = format!(
            "SELECT COUNT(*) FROM sync_run WHERE run_id = '{id}' AND discovered = 1
             AND NOT EXISTS (SELECT 1 FROM sync_service s WHERE s.run_id = '{id}' AND s.state = 'discovered')
             AND NOT EXISTS (SELECT 1 FROM sync_batch b WHERE b.run_id = '{id}' AND b.state = 'planned')"
        );
        self.until("all batches are stored", || (session.number(&stored) == 1).then_some(()));
        let took = format!("SELECT MAX(stored_at_ms) - MIN(planned_at_ms) FROM sync_batch WHERE run_id = '{id}'");
        Ran { seconds: seconds(session.number(&took)), id }
    }

    /// Where the time of a run went, by the ledger: milliseconds since its request.
    pub fn timeline(&self, run: &Ran) -> String {
        let id = &run.id;
        let sql = format!(
            "SELECT r.started_at_ms - r.requested_at_ms,
             (SELECT MAX(discovered_at_ms) FROM sync_service WHERE run_id = '{id}') - r.requested_at_ms,
             (SELECT MIN(planned_at_ms) FROM sync_batch WHERE run_id = '{id}') - r.requested_at_ms,
             (SELECT MAX(planned_at_ms) FROM sync_batch WHERE run_id = '{id}') - r.requested_at_ms,
             (SELECT MIN(stored_at_ms) FROM sync_batch WHERE run_id = '{id}') - r.requested_at_ms,
             (SELECT MAX(stored_at_ms) FROM sync_batch WHERE run_id = '{id}') - r.requested_at_ms,
             r.finished_at_ms - r.requested_at_ms
             FROM sync_run r WHERE r.run_id = '{id}'"
        );
        let names =
            ["opened", "discovered", "first planned", "last planned", "first stored", "last stored", "finished"];
        let cells = self.database.session().rows(&sql).into_iter().flatten();
        let steps: Vec<String> = names.iter().zip(cells).map(|(name, cell)| format!("{name} {cell}")).collect();
        steps.join(", ")
    }

    /// Processor seconds that all workers have used so far.
    pub fn cpu(&self) -> f64 {
        self.workers.iter().map(|(_, worker)| usage::cpu_seconds(worker.id())).sum()
    }

    /// The peak memory of each worker, in MiB.
    pub fn peaks(&self) -> Vec<(&'static str, f64)> {
        self.workers.iter().map(|(stage, worker)| (*stage, usage::peak_mib(worker.id()))).collect()
    }

    /// Stops the workers in order, so that nothing is left on the topics, and drops the database.
    pub fn stop(self) {
        // All at once: leaving the group takes a while.
        self.workers.iter().for_each(|(_, worker)| worker.signal(testkit::process::Signal::SIGTERM));
        for (_, worker) in self.workers {
            worker.wait(wait::PATIENCE).expect_code(0);
        }
        drop_database(&self.database);
    }

    fn start_run(&self, arguments: &[&str]) -> String {
        let launch = Launch::binary("sluice").envs(self.environment.iter().map(|(key, value)| (key, value)));
        let launch = launch.args(["run", "start", "-o", "json"]).args(arguments.iter().copied());
        let answer: Value = serde_json::from_str(&launch.run().expect_code(0).stdout).expect("an answer in JSON");
        answer.get("run_id").and_then(Value::as_str).map(str::to_owned).expect("the answer has the run's id")
    }

    fn start_worker(&mut self, stage: &'static str) {
        let launch = Launch::binary(stage).envs(self.environment.iter().map(|(key, value)| (key, value)));
        self.workers.push((stage, launch.start()));
    }

    fn until<T>(&self, what: &str, look: impl FnMut() -> Option<T>) -> T {
        wait::until_blocking(what, RUN_DEADLINE, look)
    }
}

/// Drops a database and with it the pages that it has in memory.
pub fn drop_database(database: &Database) {
    database.session().run(&format!("DROP DATABASE {}", database.name));
}

fn seconds(milliseconds: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "runs are shorter than 2^53 milliseconds")]
    let milliseconds = milliseconds as f64;
    milliseconds / 1_000.0
}
