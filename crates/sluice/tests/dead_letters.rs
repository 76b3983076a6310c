//! Poison in one service, from the failure to the end of its run, as a person at a shell lives through it: the command
//! itself, against broker, registry and stages in this process.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

use std::{
    path::Path,
    process::Command,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use pipeline_core::{
    admin::Health,
    registry::{EmbeddedRegistry, Registry},
    runtime::{self, Context},
    stage::{Emit, Record, Stage},
};
use pipeline_kafka::{Outbound, Producer, admin, local::LocalBroker};
use pipeline_model::{
    contracts::{Activated, BatchPlanned, Confirmed, Message as _, batch_of},
    needs::Needs,
};
use pipeline_settings::settings::{self, Settings};
use pipeline_store::Store;
use serde_json::{Value, json};
use stage_activator::ActivatorStage;
use stage_bundles::BundlesStage;
use stage_providers::ProvidersStage;
use stage_root::RootStage;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The bundles stage, which refuses one batch of one service until it is mended.
struct Poisoned {
    stage: BundlesStage,
    /// The service: the first one that is seen.
    service: OnceLock<String>,
    mended: Arc<AtomicBool>,
}

impl Stage for Poisoned {
    const NAME: &'static str = BundlesStage::NAME;
    type Input = BatchPlanned;
    type Output = Confirmed;
    type Error = stage_bundles::Error;

    async fn handle(&self, record: &Record<BatchPlanned>) -> Result<Emit<Confirmed>, Self::Error> {
        let BatchPlanned { service_id, batch_no, .. } = &record.message;
        let poisoned = self.service.get_or_init(|| service_id.clone()) == service_id && *batch_no == 1;
        if !poisoned || self.mended.load(SeqCst) {
            return self.stage.handle(record).await;
        }
        let subject = format!("{service_id}/{batch_no}");
        Err(stage_bundles::Error::Write {
            service_id: service_id.clone(),
            batch_no: *batch_no,
            source: pipeline_store::Error::NotInLedger { operation: "store batch", subject, what: "batch" },
        })
    }

    fn needs(&self) -> impl Needs {
        self.stage.needs()
    }
}

/// A pipeline in this process and the command on it.
struct World {
    settings: Settings,
    folder: tempfile::TempDir,
    stages: JoinSet<Result<(), runtime::Error>>,
    mended: Arc<AtomicBool>,
    _broker: LocalBroker,
    _registry: EmbeddedRegistry,
}

impl World {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let broker = LocalBroker::start(&settings::Kafka::default().names().topics()).unwrap();
        let embedded = EmbeddedRegistry::start("127.0.0.1:0").await.unwrap();
        let mut settings = Settings::default();
        settings.kafka.bootstrap_servers = broker.bootstrap_servers().to_owned();
        settings.schema_registry.url = embedded.url().to_owned();
        settings.source.url = "generator:?services=3&providers=9&bundles=1&fields=1&seed=1".to_owned();
        settings.target.url = format!("sqlite://{}/copy.db", folder.path().display());
        settings.stage.register_schemas = true;
        settings.stage.batch_size = 2;
        let store = Store::connect(&settings.target).await.unwrap();
        store.migrate().await.unwrap();
        let source = pipeline_source::open(&settings.source).unwrap();
        let mended = Arc::new(AtomicBool::new(false));
        let poisoned = Poisoned {
            stage: BundlesStage::new(Arc::clone(&source), store.clone()),
            service: OnceLock::new(),
            mended: Arc::clone(&mended),
        };
        let context = || Context {
            settings: settings.clone(),
            registry: Registry::new(&settings.schema_registry).unwrap(),
            health: Health::new(),
            shutdown: CancellationToken::new(),
            local_budget: Some(broker.budget()),
        };
        let tick = std::time::Duration::from_millis(200);
        let mut stages = JoinSet::new();
        stages.spawn(runtime::run(RootStage::new(Arc::clone(&source), store.clone(), settings.run), context()));
        stages.spawn(runtime::run(ProvidersStage::new(source, store.clone()), context()));
        stages.spawn(runtime::run(poisoned, context()));
        stages.spawn(runtime::run(ActivatorStage::new(store, tick), context()));
        Self { settings, folder, stages, mended, _broker: broker, _registry: embedded }
    }

    /// The command's JSON answer, or null, and its exit code.
    async fn sluice(&self, arguments: &[&str]) -> (Value, i32) {
        self.sluice_at(&self.settings.kafka.bootstrap_servers, arguments).await
    }

    /// The same with a broker elsewhere.
    async fn sluice_at(&self, broker: &str, arguments: &[&str]) -> (Value, i32) {
        let mut arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        for (key, value) in [
            ("kafka.bootstrap_servers", broker),
            ("schema_registry.url", &self.settings.schema_registry.url),
            ("target.url", &self.settings.target.url),
        ] {
            arguments.extend(["-X".to_owned(), format!("{key}={value}")]);
        }
        arguments
            .extend(["-X", "stage.register_schemas=true", "-X", "stage.batch_size=2", "-o", "json"].map(str::to_owned));
        let folder = self.folder.path().to_owned();
        tokio::task::spawn_blocking(move || call(&folder, &arguments)).await.unwrap()
    }

    /// Starts a run and follows it to its end, or until it is held.
    async fn run(&self) -> (String, Value, i32) {
        let (started, code) = self.sluice(&["run", "start"]).await;
        assert_eq!(code, 0, "{started}");
        let id = started["run_id"].as_str().unwrap().to_owned();
        let (run, code) = self.wait(&id).await;
        (id, run, code)
    }

    async fn wait(&self, run: &str) -> (Value, i32) {
        self.sluice(&["run", "wait", run, "--timeout", "120s"]).await
    }
}

fn call(folder: &Path, arguments: &[String]) -> (Value, i32) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SLUICE_")) {
        command.env_remove(name);
    }
    let output = command.current_dir(folder).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let code = output.status.code().unwrap_or_else(|| panic!("{arguments:?}: {said}"));
    eprintln!("{arguments:?} ended with {code}: {said}");
    (serde_json::from_slice(&output.stdout).unwrap_or(Value::Null), code)
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_lets_the_others_activate_says_why_and_a_person_ends_the_run() {
    let mut world = World::start().await;

    // Poison: the other services are activated, the run says what it waits for.
    let (run_id, run, code) = world.run().await;
    assert_eq!((code, &run["state"], &run["services"]["activated"]), (20, &json!("held"), &json!(2)), "{run}");
    assert!(run["held"].as_str().unwrap().starts_with("1 dead letter holds"), "{run}");

    // The letter says all that is needed to mend it.
    let (letters, _) = world.sluice(&["dlq", "ls", "--run", &run_id, "--stage", "bundles"]).await;
    assert_eq!(letters.as_array().unwrap().len(), 1, "{letters}");
    let id = letters[0]["id"].to_string();
    let (letter, code) = world.sluice(&["dlq", "show", &id]).await;
    assert_eq!((code, &letter["code"], &letter["run_state"]), (0, &json!("SLUICE-TARGET-011"), &json!("running")));
    assert_eq!(letter["trace_id"], run_id.replace('-', ""));
    assert_eq!(letter["message"]["record"]["batch_no"], 1, "{letter}");
    assert_eq!(letter["message"]["record"]["service_id"], letter["service_id"]);
    assert!(
        letter["remedy"].is_string() && letter["reason"].as_str().unwrap().contains("the ledger has no such batch")
    );

    // Replayed before it is mended, it comes back as a new letter; a rehearsal does nothing.
    let (rehearsal, code) = world.sluice(&["dlq", "replay", &id, "--dry-run"]).await;
    assert_eq!((code, &rehearsal["letters"][0]["route"]), (0, &json!("produce")));
    assert_eq!(world.sluice(&["dlq", "replay", "--run", "@latest"]).await.1, 0);
    let (run, code) = world.wait(&run_id).await;
    assert_eq!((code, &run["state"]), (20, &json!("held")), "{run}");
    let (letters, _) = world.sluice(&["dlq", "ls"]).await;
    assert_ne!(letters[0]["id"].to_string(), id, "{letters}");

    // Mended and replayed, it closes its run.
    world.mended.store(true, SeqCst);
    let id = letters[0]["id"].to_string();
    assert_eq!(world.sluice(&["dlq", "replay", &id, "--rate", "10/s"]).await.1, 0);
    let (run, code) = world.wait(&run_id).await;
    assert_eq!((code, &run["state"], &run["providers"]["stored"]), (0, &json!("activated"), &json!(9)), "{run}");

    // Once more is refused; by force, it becomes a small run of its own, which finds nothing to change.
    assert_eq!(world.sluice(&["dlq", "replay", &id]).await.1, 1);
    let (again, code) = world.sluice(&["dlq", "replay", &id, "--again"]).await;
    assert_eq!((code, &again["letters"][0]["route"]), (0, &json!("repair")), "{again}");
    let (repair, code) = world.wait(again["repair_run"].as_str().unwrap()).await;
    assert_eq!((code, &repair["generation"], &repair["scope"]), (0, &json!(2), &json!([letter["service_id"]])));
    assert_eq!((&repair["providers"]["unchanged"], &repair["bundles_written"]), (&json!(3), &json!(0)), "{repair}");

    // Given up instead, the run ends with rejects and readers keep what they had.
    world.mended.store(false, SeqCst);
    let (run_id, _, code) = world.run().await;
    assert_eq!(code, 20);
    retried_letters_are_replayed_when_their_messages_are_out(&world, &run_id).await;
    assert_eq!(world.sluice(&["dlq", "discard", "--run", &run_id]).await.1, 2, "a reason is asked for");
    let discard = ["dlq", "discard", "--run", &run_id, "--reason", "not needed"];
    let (rehearsal, _) = world.sluice(&[&discard[..], &["--dry-run"]].concat()).await;
    let (discarded, code) = world.sluice(&discard).await;
    assert_eq!(rehearsal["letters"], discarded["letters"], "a rehearsal says what happens");
    assert_eq!((code, &discarded["letters"][0]["outcome"]["batch"]["providers"]), (0, &json!(1)), "{discarded}");
    let (run, code) = world.wait(&run_id).await;
    assert_eq!((code, &run["state"], &run["providers"]["rejected"]), (20, &json!("activated"), &json!(1)), "{run}");
    assert_eq!(run["rejects"][0]["code"], "SLUICE-STAGE-002");
    its_history_and_its_times_can_be_read(&world, &run_id).await;

    bytes_that_are_no_record_hold_nothing(&world).await;
    rollbacks_are_announced_and_deeds_can_be_read(&world).await;
    world.stages.abort_all();
}

/// What happened to a run, who did it and why, and where its time went.
async fn its_history_and_its_times_can_be_read(world: &World, run_id: &str) {
    let (history, code) = world.sluice(&["run", "history", run_id]).await;
    let steps = history.as_array().unwrap();
    let whats: Vec<&str> = steps.iter().filter_map(|step| step["what"].as_str()).collect();
    assert_eq!((code, whats.first(), whats.last()), (0, Some(&"run requested"), Some(&"run activated")), "{history}");
    let count = |what: &str| whats.iter().filter(|found| **found == what).count();
    assert_eq!(["service discovered", "service planned", "service activated"].map(count), [3, 3, 3], "{history}");
    assert!(count("message given up") >= 1, "{history}");
    let discard = steps.iter().find(|step| step["detail"].as_str().is_some_and(|it| it.contains("not needed")));
    assert!(discard.unwrap()["subject"].as_str().unwrap().starts_with("dead letter "), "{history}");
    assert_eq!(discard.unwrap()["what"], "dlq discard");
    assert!(steps.is_sorted_by_key(|step| step["at_ms"].as_i64()));

    let (trace, code) = world.sluice(&["run", "trace", run_id]).await;
    assert_eq!((code, &trace["trace_id"], &trace["state"]), (0, &json!(run_id.replace('-', "")), &json!("activated")));
    let services = trace["services"].as_array().unwrap();
    assert_eq!(services.len(), 3, "{trace}");
    for service in services {
        assert!(service["plan_ms"].is_i64() && service["switch_ms"].is_i64(), "{trace}");
        assert_eq!(service["waits_for"], Value::Null);
    }
}

/// What the ledger says of a letter is true, whether or not the broker is there.
async fn retried_letters_are_replayed_when_their_messages_are_out(world: &World, run_id: &str) {
    let (letters, _) = world.sluice(&["dlq", "ls"]).await;
    let id = letters[0]["id"].to_string();
    let retry = ["run", "retry", run_id, "--yes"];
    let (_, code) = world.sluice_at("127.0.0.1:1", &retry).await;
    let (letter, _) = world.sluice(&["dlq", "show", &id]).await;
    assert_eq!((code, &letter["state"]), (75, &json!("open")), "nothing was produced: {letter}");
    let (retried, code) = world.sluice(&retry).await;
    let (letter, _) = world.sluice(&["dlq", "show", &id]).await;
    assert_eq!((code, &retried["batches_announced"], &letter["state"]), (0, &json!(1), &json!("replayed")), "{letter}");
    let (run, code) = world.wait(run_id).await;
    assert_eq!((code, &run["state"]), (20, &json!("held")), "it is not mended, and came back: {run}");
}

/// Somebody else produces to a topic of ours.
async fn bytes_that_are_no_record_hold_nothing(world: &World) {
    let foreign = Outbound {
        topic: BatchPlanned::TOPIC.to_owned(),
        key: Some(b"\x1b[31mred/0".to_vec()),
        payload: Some(b"{\"not\": \"avro\"}".to_vec()),
        headers: vec![("origin".to_owned(), Some(vec![0, 255]))],
    };
    Producer::new(&world.settings.kafka, batch_of, None).unwrap().send_all(vec![foreign]).await.unwrap();
    let id = loop {
        let (letters, _) = world.sluice(&["dlq", "ls", "--code", "SLUICE-MESSAGE-002"]).await;
        if let Some(letter) = letters.as_array().unwrap().first() {
            break letter["id"].to_string();
        }
    };
    let (letter, _) = world.sluice(&["dlq", "show", &id]).await;
    assert_eq!((&letter["run_id"], &letter["message"]["record"]), (&Value::Null, &Value::Null), "{letter}");
    assert_eq!(letter["message"]["bytes"], "7b226e6f74223a20226176726f227d");
    assert_eq!(letter["message"]["headers"][0], json!({ "name": "origin", "value": "00ff" }));
    assert_eq!(world.sluice(&["dlq", "replay", &id]).await.1, 1, "there is no run to replay it into");
    let (discarded, code) = world.sluice(&["dlq", "discard", &id, "--reason", "not ours"]).await;
    assert_eq!((code, &discarded["letters"][0]["outcome"]), (0, &json!("nothing")), "{discarded}");
}

/// The newest run is undone: others learn of it as of an activation.
async fn rollbacks_are_announced_and_deeds_can_be_read(world: &World) {
    let activated = || {
        let marks = admin::watermarks(&world.settings.kafka, Activated::TOPIC).unwrap();
        marks.iter().map(|(low, high)| high - low).sum::<i64>()
    };
    let before = activated();
    let (rolled, code) = world.sluice(&["generation", "rollback", "--yes", "--reason", "bad prices"]).await;
    assert_eq!((code, &rolled["unannounced"]), (0, &Value::Null), "{rolled}");
    let moved = rolled["services"].as_array().unwrap().len() as i64;
    assert!(moved > 0 && activated() >= before + moved, "{rolled}");

    let (audits, code) = world.sluice(&["audit", "ls"]).await;
    assert_eq!((code, &audits[0]["what"], &audits[0]["why"]), (0, &json!("generation rollback"), &json!("bad prices")));
    let whats: Vec<&str> = audits.as_array().unwrap().iter().filter_map(|deed| deed["what"].as_str()).collect();
    for what in ["dlq replay", "dlq discard"] {
        assert!(whats.contains(&what), "{what} is not among {whats:?}");
    }
}
