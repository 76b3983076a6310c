//! Old and new stages work on one run, each with its own version of a record, and the run ends right: while the new
//! ones are rolled out, and while they are rolled back.
//!
//! The evolved record makes every change that FULL_TRANSITIVE allows; see `pipeline-core/src/contracts/evolved.rs`. The
//! evolved schema is registered first, as a deployment does.
#![expect(clippy::expect_used, reason = "test code outside of test functions")]

use std::collections::BTreeMap;

use compatibility::evolved;
use e2e::{pipeline::Pipeline, rows::Rows};
use pipeline_core::registry::{Registry, SchemaId};
use pipeline_kafka::{Partition, PlaceReader, admin};
use pipeline_model::contracts::{Confirmed, Message, subject};
use pipeline_schema::{Level, Past, Schema, check};
use pipeline_settings::settings;
use serde_json::Value;
use testkit::process::Process;

/// Two thousand providers below forty services: two hundred batches of ten.
const GENERATED: &str = "generator:?services=40&providers=2000&bundles=3&fields=3&seed=7";

#[test]
fn stages_are_upgraded_and_rolled_back_in_the_middle_of_runs() {
    let mut upgrade = Upgrade::begin();

    // Forward: an old and a new worker of each stage share the partitions when the run begins; the rest follows.
    upgrade.replace_one_bundles_worker(|stage| evolved::STAGES.binary(stage));
    upgrade.replace_one_activator(|stage| evolved::STAGES.binary(stage));
    upgrade.run_while(|upgrade| {
        upgrade.replace_providers(|stage| evolved::STAGES.binary(stage));
        upgrade.replace_one_bundles_worker(|stage| evolved::STAGES.binary(stage));
        upgrade.replace_one_activator(|stage| evolved::STAGES.binary(stage));
    });

    // Back, from half-way: what is new goes on reading and writing beside what is old again.
    upgrade.replace_one_bundles_worker(str::to_owned);
    upgrade.replace_one_activator(str::to_owned);
    upgrade.run_while(|upgrade| {
        upgrade.replace_providers(str::to_owned);
        upgrade.replace_one_bundles_worker(str::to_owned);
        upgrade.replace_one_activator(str::to_owned);
    });
    upgrade.pipeline.stop();
}

struct Upgrade {
    pipeline: Pipeline,
    kafka: settings::Kafka,
    old: SchemaId,
    new: SchemaId,
}

impl Upgrade {
    /// A pipeline of old stages, and the evolved schema registered beside theirs.
    fn begin() -> Self {
        // Before the servers start: it takes a while.
        evolved::STAGES.binary("stage-bundles");
        let (old, new) = (parse(Confirmed::SCHEMA), parse(evolved::CONFIRMED));
        assert_eq!(check(&new, &[Past { label: "old", schema: &old }], Level::FullTransitive), []);

        let pipeline = Pipeline::start(GENERATED);
        let settings = settings::SchemaRegistry { url: pipeline.registry_url(), ..settings::SchemaRegistry::default() };
        let registry = Registry::new(&settings).expect("an address");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let subject = subject(Confirmed::TOPIC);
        let (old, new) = runtime.block_on(async {
            assert_eq!(registry.level(&subject).await.expect("a level"), Level::FullTransitive);
            let old = registry.lookup(&subject, Confirmed::SCHEMA).await.expect("an answer");
            let new = registry.register(&subject, evolved::CONFIRMED).await.expect("the registry takes it");
            (old.expect("the deployment registered it"), new.id)
        });
        assert_ne!(old, new);
        let kafka = settings::Kafka { bootstrap_servers: pipeline.bootstrap_servers(), ..settings::Kafka::default() };
        Self { pipeline, kafka, old, new }
    }

    fn replace_one_bundles_worker(&mut self, version: impl Fn(&str) -> String) {
        let new = self.start(&version("stage-bundles"));
        let old = self.pipeline.workers.bundles.remove(0);
        self.pipeline.workers.bundles.push(new);
        old.stop().expect_code(0);
    }

    fn replace_one_activator(&mut self, version: impl Fn(&str) -> String) {
        let new = self.start(&version("stage-activator"));
        let old = self.pipeline.workers.activators.remove(0);
        self.pipeline.workers.activators.push(new);
        old.stop().expect_code(0);
    }

    fn replace_providers(&mut self, version: impl Fn(&str) -> String) {
        let new = self.start(&version("stage-providers"));
        std::mem::replace(&mut self.pipeline.workers.providers, new).stop().expect_code(0);
    }

    /// As an orchestrator does: the new one is ready before the old one is told to stop.
    fn start(&self, binary: &str) -> Process {
        let mut worker = self.pipeline.worker(binary);
        worker.wait_ready();
        worker
    }

    /// A run in whose middle something is done. It ends right, and confirmations of both versions travelled in it.
    fn run_while(&mut self, change: impl FnOnce(&mut Self)) {
        let before = self.written();
        let run = self.pipeline.start_run(&["--batch-size", "10"]);
        self.pipeline.wait_for_stored_batches(&run, 20);
        change(self);
        let report = self.pipeline.wait(&run, 0);
        assert_eq!(report.pointer("/batches/stored").and_then(Value::as_i64), Some(200), "{report}");
        Rows::of_views(&self.pipeline.database).assert_equals(&Rows::of_source(GENERATED));
        let after = self.written();
        for id in [self.old, self.new] {
            assert!(after.get(&id) > before.get(&id), "schema {id} travelled: before {before:?}, after {after:?}");
        }
    }

    /// How many confirmations of each schema lie in the topic.
    fn written(&self) -> BTreeMap<SchemaId, u64> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let marks = admin::watermarks(&self.kafka, Confirmed::TOPIC).expect("the topic is there");
        let mut written = BTreeMap::new();
        for (number, (first, next)) in (0..).zip(marks) {
            let partition = Partition { topic: Confirmed::TOPIC.to_owned(), number };
            let mut reader = PlaceReader::open(&self.kafka, partition).expect("a reader");
            for offset in first..next {
                let message = runtime.block_on(reader.read(offset)).expect("the broker answers");
                let bytes = message.and_then(|message| message.payload).unwrap_or_default();
                *written.entry(SchemaId::of_message(&bytes).expect("the wire format")).or_default() += 1;
            }
        }
        written
    }
}

fn parse(text: &str) -> Schema {
    Schema::parse(text).expect("a valid schema")
}
