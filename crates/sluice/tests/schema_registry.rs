//! The verbs that ask a registry and read topics: over the embedded registry and the in-process broker, whose protocols
//! are the real ones.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{fs, path::Path, process::Command};

use pipeline_core::registry::{Codec, EmbeddedRegistry, Level, Registry, SchemaId};
use pipeline_kafka::{Outbound, Producer, local::LocalBroker};
use pipeline_model::contracts::{self, Activation, Confirmed, Message, RunRequested, batch_of};
use pipeline_settings::settings::{self, Names};
use serde_json::Value;

/// A registry and a broker with all topics.
struct World {
    embedded: EmbeddedRegistry,
    broker: LocalBroker,
    registry: Registry,
}

impl World {
    async fn start() -> Self {
        let embedded = EmbeddedRegistry::start("127.0.0.1:0").await.unwrap();
        let topics: Vec<&str> =
            contracts::ALL.iter().map(|(topic, _)| *topic).chain([contracts::DEAD_LETTERS]).collect();
        let broker = LocalBroker::start(&topics).unwrap();
        let settings = settings::SchemaRegistry { url: embedded.url().to_owned(), ..Default::default() };
        let registry = Registry::new(&settings).unwrap();
        Self { embedded, broker, registry }
    }

    async fn produce(&self, topic: &str, payload: Vec<u8>) {
        let settings =
            settings::Kafka { bootstrap_servers: self.broker.bootstrap_servers().to_owned(), ..Default::default() };
        let key = Some(b"k".to_vec());
        let message = Outbound { topic: topic.to_owned(), key, payload: Some(payload), headers: Vec::new() };
        Producer::new(&settings, batch_of, None).unwrap().send_all(vec![message]).await.unwrap();
    }

    /// `sluice schema …`, which has to end with this code; gives its JSON.
    async fn sluice(&self, code: i32, arguments: &[&str]) -> Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SLUICE_")) {
            command.env_remove(name);
        }
        command.env("SLUICE__SCHEMA_REGISTRY__URL", self.embedded.url());
        command.env("SLUICE__KAFKA__BOOTSTRAP_SERVERS", self.broker.bootstrap_servers());
        command.args(["schema"]).args(arguments).args(["-o", "json"]);
        // The embedded registry is served by this test's threads.
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

fn schemas() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas").display().to_string()
}

/// The confirmation as it was before it had `rejected`.
fn earlier() -> String {
    let text: Vec<&str> = Confirmed::SCHEMA.lines().filter(|line| !line.contains("\"rejected\"")).collect();
    let earlier = text.join("\n");
    let last = earlier.rfind("},").unwrap();
    format!("{}}}{}", &earlier[..last], &earlier[last + 2..])
}

fn states(answer: &Value) -> Vec<String> {
    answer.as_array().unwrap().iter().map(|it| it["state"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn registering_sets_levels_and_is_idempotent() {
    let world = World::start().await;
    assert_eq!(states(&world.sluice(0, &["register", "--dry-run"]).await), ["to register"; 5]);
    assert_eq!(world.registry.subjects().await.unwrap().len(), 0, "a rehearsal writes nothing");
    assert_eq!(states(&world.sluice(0, &["register"]).await), ["registered"; 5]);
    let again = world.sluice(0, &["register"]).await;
    assert_eq!(states(&again), ["present"; 5]);
    assert_eq!(world.sluice(0, &["ls"]).await, again);
    for (topic, _) in contracts::ALL {
        assert_eq!(world.registry.level(&contracts::subject(topic)).await.unwrap(), Level::FullTransitive);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn history_diff_and_prune_speak_of_the_registered_versions() {
    let world = World::start().await;
    let subject = contracts::subject(Confirmed::TOPIC);
    let first = world.registry.register(&subject, &earlier()).await.unwrap().id;
    let folder = schemas();
    let file = format!("{folder}/{}.avsc", Confirmed::TOPIC);

    let diff = world.sluice(0, &["diff", "--against", "registry", &file]).await;
    assert_eq!(diff[0]["version"], "version 1");
    assert_eq!(diff[0]["changes"][0]["path"], "Confirmed.rejected");
    world.sluice(0, &["register"]).await;
    let history = world.sluice(0, &["history", &file]).await;
    let readable: Vec<&Value> = history.as_array().unwrap().iter().map(|it| &it["readable"]).collect();
    assert_eq!(readable, [&Value::Null, &Value::from("full")]);
    assert_eq!(history[1]["changes"], serde_json::json!(["+ Confirmed.rejected: long = 0"]));

    // A dead letter keeps the bytes, and with them the need for the schema that they were written with.
    let SchemaId(number) = first;
    let mut letter = vec![0];
    letter.extend(number.to_be_bytes());
    world.produce(contracts::DEAD_LETTERS, letter).await;
    let kept = world.sluice(0, &["prune", "--keep", "1", "--yes"]).await;
    assert_eq!(kept[0]["state"], "kept: a message needs it");
    assert_eq!(world.registry.versions(&subject).await.unwrap(), [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_nothing_needs_is_pruned() {
    let world = World::start().await;
    let subject = contracts::subject(Confirmed::TOPIC);
    world.registry.register(&subject, &earlier()).await.unwrap();
    world.sluice(0, &["register"]).await;
    let planned = world.sluice(0, &["prune", "--keep", "1", "--dry-run"]).await;
    assert_eq!((planned.as_array().unwrap().len(), &planned[0]["state"]), (1, &"unused".into()));
    assert_eq!(world.registry.versions(&subject).await.unwrap(), [1, 2]);
    assert_eq!(world.sluice(0, &["prune", "--keep", "1", "--yes"]).await[0]["state"], "deleted");
    assert_eq!(world.registry.versions(&subject).await.unwrap(), [2]);
    world.sluice(0, &["prune", "--keep", "1", "--yes"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proposed_schema_is_tried_on_the_messages_in_the_topics() {
    let world = World::start().await;
    let writes = [(RunRequested::TOPIC, RunRequested::SCHEMA)];
    let codec = Codec::prepare(&world.registry, &Names::default(), &[], &writes, true).await.unwrap();
    let record = RunRequested {
        run_id: "r".to_owned(),
        requested_by: "t".to_owned(),
        requested_at_ms: 1,
        activation: Activation::PerService,
        scope: Vec::new(),
        batch_size: 1,
        max_rejected_providers: None,
        max_rejected_percent: None,
        target: None,
    };
    // What nobody can read says nothing about the proposal.
    world.produce(RunRequested::TOPIC, b"rubbish".to_vec()).await;
    world.produce(RunRequested::TOPIC, codec.encode(&record).unwrap()).await;

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(format!("{}.avsc", RunRequested::TOPIC));
    fs::write(&file, RunRequested::SCHEMA).unwrap();
    let (proposed, current) = (folder.path().to_str().unwrap().to_owned(), schemas());
    let check = ["check", "--level", "NONE", "--topics", "--against", &current, &proposed];
    // The other four schemas are absent from the folder on purpose; NONE does not mind.
    assert_eq!(world.sluice(0, &check).await["findings"], serde_json::json!([]));

    fs::write(
        &file,
        RunRequested::SCHEMA.replace(r#""batch_size", "type": "int""#, r#""batch_size", "type": "string""#),
    )
    .unwrap();
    let found = world.sluice(100, &check).await;
    assert_eq!(found["findings"][0]["rule"], "TOPIC_MESSAGE_UNREADABLE");
    let said = found["findings"][0]["message"].as_str().unwrap();
    assert!(said.starts_with("offset 1 of sluice.sync.run-requested.v1["), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_is_checked_against_its_own_subjects_and_topics() {
    let world = World::start().await;
    world.sluice(0, &["register"]).await;
    let prefix = ["-X", "kafka.topic_prefix=acme"];
    assert_eq!(states(&world.sluice(0, &[&["ls"][..], &prefix].concat()).await), ["missing"; 5]);
    // What the neighbour had before does not bind this installation.
    world.registry.register("acme.sync.confirmed.v1-value", &earlier()).await.unwrap();
    let (folder, all) = (tempfile::tempdir().unwrap(), schemas());
    let file = folder.path().join(format!("{}.avsc", Confirmed::TOPIC));
    let retyped = Confirmed::SCHEMA
        .replace(r#""rejected", "type": "long", "default": 0"#, r#""rejected", "type": "string", "default": """#);
    assert_ne!(retyped, Confirmed::SCHEMA);
    fs::write(&file, retyped).unwrap();
    let changed = folder.path().to_str().unwrap();
    let check = ["check", "--against", "registry", "--topics"];
    let ours = async |code, path| world.sluice(code, &[&check[..], &[path]].concat()).await;
    let theirs = async |code, path| world.sluice(code, &[&check[..], &[path], &prefix].concat()).await;
    ours(0, all.as_str()).await;
    theirs(0, all.as_str()).await;
    // A field of another type breaks who has it; who never had it only gets a new one.
    ours(100, changed).await;
    theirs(0, changed).await;
}
