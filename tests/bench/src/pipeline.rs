//! A pipeline over the shared servers: the stages as processes on a database of their own, and what their runs took.

use std::time::Duration;

use serde_json::Value;
use testkit::{
    mariadb::Database,
    process::{Launch, Process, Signal},
    wait,
};

use crate::{
    servers::{PARTITIONS, Servers, drop_database},
    usage::{self, Named, Spent},
};

/// Longest wait for a run; only a hanging run takes it.
const RUN_DEADLINE: Duration = Duration::from_secs(3_600);

/// What the ledger says of a run's course, in this order unless batches are stored while others are planned.
pub const STEPS: [&str; 7] =
    ["opened", "discovered", "first planned", "last planned", "first stored", "last stored", "finished"];

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
    /// The target's URL for the stages, where it is another one than that of the command.
    link: Option<(&'static str, String)>,
}

/// A run that is over.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Its id.
    pub id: String,
    /// From the request to the last activation.
    pub seconds: f64,
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
    /// Starts the stages of a plan on an empty target and waits until they are ready and have their partitions: those
    /// of a stage that has just come are handed over in several rounds.
    pub fn start(servers: &Servers, plan: &Plan) -> Self {
        Self::start_in(servers.migrated_database(), "", servers, plan)
    }

    /// The same in a database that has empty tables, with these parameters of the target's URL for the stages.
    pub fn start_in(database: Database, parameters: &str, servers: &Servers, plan: &Plan) -> Self {
        let mut environment = servers.environment(&plan.source, &database.loader, &database);
        for (key, value) in &plan.settings {
            let key = format!("SLUICE__{}", key.to_uppercase().replace('.', "__"));
            environment.push((key, value.clone()));
        }
        let url = format!("{}{parameters}", database.loader.url(&database.name));
        let link = (!parameters.is_empty()).then_some(("SLUICE__TARGET__URL", url));
        let mut pipeline = Self { database, workers: Vec::new(), environment, link };
        let stages = [("stage-root", 1), ("stage-providers", 1), ("stage-bundles", plan.bundles)];
        for (stage, count) in stages.into_iter().chain([("stage-activator", plan.activators)]) {
            (0..count).for_each(|_| pipeline.start_worker(stage));
        }
        pipeline.workers.iter_mut().for_each(|(_, worker)| worker.wait_ready());
        pipeline.until("each worker has its partitions", || pipeline.is_settled().then_some(()));
        pipeline
    }

    /// Whether each worker has partitions, and no other worker of its stage has to give it more.
    fn is_settled(&self) -> bool {
        let of = |wanted: &str| -> Vec<f64> {
            self.workers
                .iter()
                .filter(|(stage, _)| *stage == wanted)
                .map(|(_, worker)| worker.metric("sluice_assigned_partitions"))
                .collect()
        };
        self.workers.iter().all(|(stage, _)| {
            let (each, wanted) = (of(stage), f64::from(PARTITIONS));
            let sum: f64 = each.iter().sum();
            let fair = (sum / each.iter().map(|_| 1.0).sum::<f64>()).ceil();
            sum >= wanted && sum % wanted == 0.0 && each.iter().all(|one| *one > 0.0 && *one <= fair)
        })
    }

    /// Asks for a run and waits until it is activated.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        let id = self.start_run(arguments);
        let mut session = self.database.session();
        let sql = format!("SELECT state FROM sluice_run WHERE run_id = '{id}' AND state <> 'running'");
        let state = self.until("the run ends", || session.rows(&sql).into_iter().flatten().next());
        assert_eq!(state, "activated", "a run that is measured must succeed");
        let sql = format!("SELECT finished_at_ms - requested_at_ms FROM sluice_run WHERE run_id = '{id}'");
        Ran { id, seconds: seconds(session.number(&sql)) }
    }

    /// Asks for a run and waits until all its batches are stored; seconds from the first plan to the last batch.
    pub fn run_to_stored(&self, arguments: &[&str]) -> Ran {
        let id = self.start_run(arguments);
        let mut session = self.database.session();
        let stored = format!(
            "SELECT COUNT(*) FROM sluice_run WHERE run_id = '{id}' AND discovered = 1
             AND NOT EXISTS (SELECT 1 FROM sluice_run_service s WHERE s.run_id = '{id}' AND s.state = 'discovered')
             AND NOT EXISTS (SELECT 1 FROM sluice_run_batch b WHERE b.run_id = '{id}' AND b.state = 'planned')"
        );
        self.until("all batches are stored", || (session.number(&stored) == 1).then_some(()));
        let took = format!("SELECT MAX(stored_at_ms) - MIN(planned_at_ms) FROM sluice_run_batch WHERE run_id = '{id}'");
        Ran { seconds: seconds(session.number(&took)), id }
    }

    /// When the steps of a run were made, by the ledger: milliseconds since its request.
    pub fn steps(&self, run: &Ran) -> Named {
        let id = &run.id;
        let of_batches = |what: &str| format!("(SELECT {what} FROM sluice_run_batch WHERE run_id = '{id}')");
        let times = [
            "r.started_at_ms".to_owned(),
            format!("(SELECT MAX(discovered_at_ms) FROM sluice_run_service WHERE run_id = '{id}')"),
            of_batches("MIN(planned_at_ms)"),
            of_batches("MAX(planned_at_ms)"),
            of_batches("MIN(stored_at_ms)"),
            of_batches("MAX(stored_at_ms)"),
            "r.finished_at_ms".to_owned(),
        ];
        let columns = times.map(|time| format!("{time} - r.requested_at_ms")).join(", ");
        let sql = format!("SELECT {columns} FROM sluice_run r WHERE r.run_id = '{id}'");
        let cells = self.database.session().rows(&sql).into_iter().flatten();
        let times: Vec<f64> = cells.map(|cell| cell.parse().expect("the ledger has the time of each step")).collect();
        assert_eq!(times.len(), STEPS.len(), "the ledger has one row for a run");
        STEPS.into_iter().zip(times).collect()
    }

    /// Processor time that the workers have used so far, by stage.
    pub fn spent(&self) -> Spent {
        self.workers.iter().map(|(stage, worker)| (*stage, usage::cpu_seconds(worker.id()))).collect()
    }

    /// Rows that workers of the bundles stage have written by a path, `load_data` or `insert`.
    pub fn rows_written(&self, path: &str) -> f64 {
        let of = |worker: &Process| worker.metric(&format!("sluice_rows_written_total{{path=\"{path}\"}}"));
        self.workers.iter().map(|(_, worker)| of(worker)).sum()
    }

    /// The peak memory of each worker, in MiB.
    pub fn peaks(&self) -> Named {
        self.workers.iter().map(|(stage, worker)| (*stage, usage::peak_mib(worker.id()))).collect()
    }

    /// Stops the workers in order, so that nothing is left on the topics, and drops the database.
    pub fn stop(self) {
        // All at once: leaving the group takes a while.
        self.workers.iter().for_each(|(_, worker)| worker.signal(Signal::SIGTERM));
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
        let launch = launch.envs(self.link.iter().map(|(key, value)| (key, value)));
        self.workers.push((stage, launch.start()));
    }

    fn until<T>(&self, what: &str, look: impl FnMut() -> Option<T>) -> T {
        wait::until_blocking(what, RUN_DEADLINE, look)
    }
}

fn seconds(milliseconds: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "runs are shorter than 2^53 milliseconds")]
    let milliseconds = milliseconds as f64;
    milliseconds / 1_000.0
}
