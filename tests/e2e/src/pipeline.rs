//! The four stages as processes of their own, configured by environment alone and started as an operator would:
//! migrate, create topics, register schemas, then the stages.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use serde_json::Value;
use testkit::{
    kafka::Kafka,
    mariadb::{Account, Database, MariaDb},
    process::{Launch, Process, Signal},
    registry::Registry,
    wait,
};

/// Time for a whole run on a busy machine; only a hanging run takes it.
const RUN_DEADLINE: Duration = Duration::from_secs(300);

/// Partitions of each topic: more than workers, so that a killed worker's share is split.
pub const PARTITIONS: &str = "6";

static REGISTERED: OnceLock<()> = OnceLock::new();

/// A running pipeline with a broker and a database of its own.
pub struct Pipeline {
    /// The target.
    pub database: Database,
    /// The workers of each stage.
    pub workers: Workers,
    surroundings: Surroundings,
}

/// The processes of each stage.
pub struct Workers {
    /// Finds the services.
    pub root: Process,
    /// Plans the batches.
    pub providers: Process,
    /// Store the batches, side by side.
    pub bundles: Vec<Process>,
    /// Race for the activations.
    pub activators: Vec<Process>,
}

/// What every process of a pipeline is configured with.
struct Surroundings {
    source_url: String,
    /// What else the source needs.
    environment: Vec<(&'static str, String)>,
    kafka: Arc<Kafka>,
    registry: &'static Registry,
    database: Database,
}

/// A run that was asked for.
#[derive(Clone, Debug)]
pub struct StartedRun {
    /// Its id.
    pub id: String,
}

impl Pipeline {
    /// Starts servers, prepares them and starts the stages: one root, one providers, two bundles, two activators.
    pub fn start(source_url: &str) -> Self {
        Self::start_with(source_url, Vec::new())
    }

    /// The same, with more settings, by environment.
    pub fn start_with(source_url: &str, environment: Vec<(&'static str, String)>) -> Self {
        let (kafka, registry, mariadb) = std::thread::scope(|scope| {
            let kafka = scope.spawn(Kafka::start);
            let registry = scope.spawn(Registry::shared);
            let mariadb = MariaDb::shared();
            (kafka.join().expect("kafka starts"), registry.join().expect("the registry starts"), mariadb)
        });
        let database = mariadb.fresh_database();
        let source_url = source_url.to_owned();
        let surroundings = Surroundings { source_url, environment, kafka: Arc::new(kafka), registry, database };
        // Once: the tests share the registry.
        surroundings.prepare(|register| *REGISTERED.get_or_init(register));
        Self::with(surroundings)
    }

    /// Another installation on the same broker and registry, whose topics begin with another word.
    pub fn neighbour(&self, source_url: &str, topic_prefix: &str) -> Self {
        let surroundings = Surroundings {
            source_url: source_url.to_owned(),
            environment: vec![("SLUICE__KAFKA__TOPIC_PREFIX", topic_prefix.to_owned())],
            kafka: Arc::clone(&self.surroundings.kafka),
            registry: self.surroundings.registry,
            database: MariaDb::shared().fresh_database(),
        };
        surroundings.prepare(|register| register());
        Self::with(surroundings)
    }

    fn with(surroundings: Surroundings) -> Self {
        let mut workers = Workers {
            root: surroundings.worker("stage-root"),
            providers: surroundings.worker("stage-providers"),
            bundles: ["stage-bundles", "stage-bundles"].map(|name| surroundings.worker(name)).into(),
            activators: ["stage-activator", "stage-activator"].map(|name| surroundings.worker(name)).into(),
        };
        workers.all().for_each(Process::wait_ready);
        Self { database: surroundings.database.clone(), workers, surroundings }
    }

    /// Starts one more worker of a stage; it may not be ready yet.
    pub fn worker(&self, stage: &str) -> Process {
        self.surroundings.worker(stage)
    }

    /// This pipeline's broker.
    pub fn kafka(&self) -> &Kafka {
        &self.surroundings.kafka
    }

    /// Creates the topics that are missing, as an operator would.
    pub fn create_topics(&self) {
        self.sluice(&["topic", "create", "--partitions", PARTITIONS]).run().expect_code(0);
    }

    /// Prepares a worker of a stage, or a call of the command, with the loader's rights.
    pub fn configured(&self, binary: &str) -> Launch {
        self.surroundings.configured(binary, &self.database.loader)
    }

    /// Address of this pipeline's broker.
    pub fn bootstrap_servers(&self) -> String {
        self.surroundings.kafka.bootstrap()
    }

    /// Address of the registry that this pipeline shares.
    pub fn registry_url(&self) -> String {
        self.surroundings.registry.url()
    }

    /// Prepares a call of the command, with the loader's rights.
    pub fn sluice(&self, arguments: &[&str]) -> Launch {
        self.surroundings.configured("sluice", &self.database.loader).args(arguments.iter().copied())
    }

    /// Asks for a run, waits for its activation and gives its report: `sluice run start --wait`.
    pub fn run(&self, arguments: &[&str]) -> Value {
        let launch = self.sluice(&["run", "start", "--wait", "-o", "json"]).args(arguments.iter().copied());
        answer(launch, 0)
    }

    /// Asks for a run and goes on.
    pub fn start_run(&self, arguments: &[&str]) -> StartedRun {
        let launch = self.sluice(&["run", "start", "-o", "json"]).args(arguments.iter().copied());
        let id = answer(launch, 0).get("run_id").and_then(Value::as_str).map(str::to_owned);
        StartedRun { id: id.expect("the answer has the run's id") }
    }

    /// Waits until a run ends and gives its report; `code` is how `sluice run wait` should end.
    pub fn wait(&self, run: &StartedRun, code: i32) -> Value {
        answer(self.sluice(&["run", "wait", &run.id, "-o", "json"]), code)
    }

    /// Calls the command and gives the JSON that it answers; `code` is how it should end.
    pub fn ask(&self, arguments: &[&str], code: i32) -> Value {
        answer(self.sluice(arguments).args(["-o", "json"]), code)
    }

    /// Kills every worker of every stage at once and starts others in their places.
    pub fn replace_all_workers(&mut self) {
        self.workers.all().for_each(|worker| worker.signal(Signal::SIGKILL));
        for (stage, worker) in self.workers.named() {
            *worker = self.surroundings.worker(stage);
        }
        self.workers.all().for_each(Process::wait_ready);
    }

    /// Number of batches of a run that are stored.
    pub fn stored_batches(&self, run: &StartedRun) -> i64 {
        let id = &run.id;
        let sql = format!("SELECT COUNT(*) FROM sluice_run_batch WHERE run_id = '{id}' AND state = 'stored'");
        self.database.session().number(&sql)
    }

    /// Waits until at least `count` batches of a run are stored.
    pub fn wait_for_stored_batches(&self, run: &StartedRun, count: i64) {
        let what = format!("{count} batches are stored");
        wait::until_blocking(&what, RUN_DEADLINE, || (self.stored_batches(run) >= count).then_some(()));
    }

    /// Stops every worker as an orchestrator would; each ends by itself with 0.
    pub fn stop(self) {
        let Workers { root, providers, bundles, activators } = self.workers;
        for worker in [root, providers].into_iter().chain(bundles).chain(activators) {
            worker.stop().expect_code(0);
        }
    }
}

impl Workers {
    fn all(&mut self) -> impl Iterator<Item = &mut Process> {
        self.named().map(|(_, worker)| worker)
    }

    fn named(&mut self) -> impl Iterator<Item = (&'static str, &mut Process)> {
        let bundles = self.bundles.iter_mut().map(|worker| ("stage-bundles", worker));
        let activators = self.activators.iter_mut().map(|worker| ("stage-activator", worker));
        [("stage-root", &mut self.root), ("stage-providers", &mut self.providers)]
            .into_iter()
            .chain(bundles)
            .chain(activators)
    }
}

impl Surroundings {
    fn worker(&self, stage: &str) -> Process {
        self.configured(stage, &self.database.loader).start()
    }

    fn prepare(&self, once: impl FnOnce(&dyn Fn())) {
        let administrator = &self.database.administrator;
        let step = |arguments: &[&str]| {
            let launch = self.configured("sluice", administrator).args(arguments.iter().copied());
            launch.run().expect_code(0);
        };
        step(&["migrate"]);
        step(&["topic", "create", "--partitions", PARTITIONS]);
        once(&|| step(&["schema", "register"]));
    }

    fn configured(&self, binary: &str, account: &Account) -> Launch {
        Launch::binary(binary).envs(self.environment.clone()).envs([
            ("SLUICE__KAFKA__BOOTSTRAP_SERVERS", self.kafka.bootstrap()),
            ("SLUICE__SCHEMA_REGISTRY__URL", self.registry.url()),
            ("SLUICE__SOURCE__URL", self.source_url.clone()),
            ("SLUICE__TARGET__URL", account.url(&self.database.name)),
            ("SLUICE__TARGET__PASSWORD", account.password().to_owned()),
        ])
    }
}

/// Runs a command until it ends with this code and gives the JSON that it printed.
fn answer(launch: Launch, code: i32) -> Value {
    let ended = launch.start().wait(RUN_DEADLINE).expect_code(code);
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("not JSON: {error}\n{}", ended.stdout))
}
