//! The servers that all figures share: real processes, as deployed.
//!
//! The database is durable as it is by default: every commit is on disk before it is answered. It has a buffer pool and
//! a redo log that hold the data of size M, since what is measured is the way into the database and not its paging; all
//! counterparts use the same server.

use pipeline_settings::settings::Settings;
use testkit::{
    kafka::Kafka,
    mariadb::{Account, Database, MariaDb, Session},
    process::Launch,
    registry::Registry,
};

use crate::{
    pipeline::{Pipeline, Plan},
    usage::{self, Spent},
};

/// How the database server differs from those of ordinary tests.
pub const DATABASE_OPTIONS: [&str; 4] = [
    "--innodb-flush-log-at-trx-commit=1",
    "--innodb-buffer-pool-size=2G",
    "--innodb-log-file-size=1G",
    "--local-infile=ON",
];

/// Partitions of each topic: enough for the largest number of workers measured, evenly.
pub const PARTITIONS: u8 = 12;

/// What warms the broker up: many small messages, since each provider is a batch.
const WARM_UP_SOURCE: &str = "generator:?services=40&providers=2000&bundles=1&fields=1&seed=1";
/// Providers in a batch of such a run.
const WARM_UP_BATCH: [&str; 2] = ["--batch-size", "1"];
/// The most of them.
const MOST_WARM_UP_RUNS: usize = 12;

/// A broker, a registry and a database server.
pub struct Servers {
    /// The broker.
    pub kafka: Kafka,
    /// The schema registry.
    pub registry: &'static Registry,
    /// The database server.
    pub mariadb: MariaDb,
}

// === impl Servers ===

impl Servers {
    /// Starts the servers, makes the topics and registers the schemas.
    pub fn start() -> Self {
        let servers = std::thread::scope(|scope| {
            let kafka = scope.spawn(Kafka::start_for_service);
            let registry = scope.spawn(Registry::shared);
            let mariadb = MariaDb::start_with(&DATABASE_OPTIONS);
            let kafka = kafka.join().expect("kafka starts");
            Self { kafka, registry: registry.join().expect("the registry starts"), mariadb }
        });
        let database = servers.migrated_database();
        for arguments in [&["topic", "create", "--partitions", &PARTITIONS.to_string()][..], &["schema", "register"]] {
            let launch = Launch::binary("sluice").envs(servers.environment("", &database.administrator, &database));
            launch.args(arguments.iter().copied()).run().expect_code(0);
        }
        drop_database(&database);
        servers
    }

    /// A database with empty tables.
    pub fn migrated_database(&self) -> Database {
        self.migrated_database_of(&self.mariadb)
    }

    /// The same on another database server.
    pub fn migrated_database_of(&self, mariadb: &MariaDb) -> Database {
        let database = mariadb.fresh_database();
        let environment = self.environment("", &database.administrator, &database);
        Launch::binary("sluice").arg("migrate").envs(environment).run().expect_code(0);
        database
    }

    /// Processor time that a pipeline's stages, the database server and the broker have used so far.
    pub fn spent(&self, pipeline: &Pipeline) -> Spent {
        let servers = [("database", self.database_cpu()), ("broker", self.broker_cpu())];
        pipeline.spent().and(servers)
    }

    /// Lets the broker do runs of many small messages, until they cost it no less; gives their number.
    ///
    /// The broker is a Java process, which translates what it does often. One in service has done that long ago; one
    /// that has just started would do it while something is measured, on the same processors.
    pub fn warm_up(&self) -> usize {
        let mut costs = Vec::new();
        while costs.len() < MOST_WARM_UP_RUNS && !is_warm(&costs) {
            let before = self.broker_cpu();
            let pipeline = Pipeline::start(self, &Plan::of(WARM_UP_SOURCE));
            pipeline.run(&WARM_UP_BATCH);
            pipeline.stop();
            costs.push(self.broker_cpu() - before);
        }
        println!("bench: the broker is warm: {costs:.2?} s of its processor time in {} runs", costs.len());
        costs.len()
    }

    /// Processor seconds that the broker has used so far.
    fn broker_cpu(&self) -> f64 {
        usage::cpu_seconds(self.kafka.process_id())
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

/// Drops a database and with it the pages that it has in memory.
pub fn drop_database(database: &Database) {
    database.session().run(&format!("DROP DATABASE {}", database.name));
}

/// Whether the last two runs cost about as much as the cheapest before them.
fn is_warm(costs: &[f64]) -> bool {
    let least = |costs: &[f64]| costs.iter().copied().fold(f64::INFINITY, f64::min);
    let (before, last) = costs.split_at(costs.len().saturating_sub(2));
    !before.is_empty() && least(last) > 0.95 * least(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_is_warm_when_two_more_runs_cost_it_no_less() {
        assert!(!is_warm(&[]));
        assert!(!is_warm(&[2.0, 1.0]));
        assert!(!is_warm(&[2.0, 2.1, 1.0]), "one run may be dear by chance");
        assert!(!is_warm(&[2.0, 1.0, 0.9]));
        assert!(is_warm(&[2.0, 1.0, 0.98, 1.1]));
    }
}
