//! An installation in this process: SQLite, librdkafka's broker, the embedded registry; and what stages do, without
//! messages.

use std::fmt::Debug;

use pipeline_core::registry::EmbeddedRegistry;
use pipeline_kafka::{admin, local::LocalBroker};
use pipeline_model::{
    documents::{Attributes, Bundle, Provider, Service, Subtree, SubtreeContent},
    ids::{RunId, ServiceId},
};
use pipeline_operations::{By, Error, Installation, Operation};
use pipeline_settings::settings::{MaxRemoved, Settings};
use pipeline_store::{ActivationMode, BatchKey, Begin, LetterFilter, RunRequest, Store, Tolerance};

/// The services of a source, each with its providers.
pub type Source<'a> = &'a [(&'a str, &'a [&'a str])];

/// A whole source, and one that lacks most of a service.
pub const WHOLE: Source<'_> = &[("s0", &["p0", "p1"]), ("s1", &["p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7"])];
pub const CUT: Source<'_> = &[("s0", &["p0", "p1"]), ("s1", &["p0"])];

pub struct World {
    pub store: Store,
    pub settings: Settings,
    _folder: tempfile::TempDir,
    _broker: LocalBroker,
    _registry: EmbeddedRegistry,
}

impl World {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        let broker = LocalBroker::start(&settings.kafka.names().topics()).unwrap();
        let registry = EmbeddedRegistry::start("127.0.0.1:0").await.unwrap();
        settings.kafka.bootstrap_servers = broker.bootstrap_servers().to_owned();
        settings.schema_registry.url = registry.url().to_owned();
        settings.stage.register_schemas = true;
        settings.target.url = format!("sqlite://{}/copy.db", folder.path().display());
        let store = Store::connect(&settings.target).await.unwrap();
        store.migrate().await.unwrap();
        Self { store, settings, _folder: folder, _broker: broker, _registry: registry }
    }

    /// A world whose readers see the whole source at generation 1.
    pub async fn with_a_copy() -> Self {
        let world = Self::new().await;
        let run = world.load(WHOLE).await;
        world.activate(run).await;
        world
    }

    pub fn at(&self) -> Installation<'_> {
        Installation::new(&self.store, &self.settings)
    }

    pub async fn open(&self) -> RunId {
        let request = RunRequest {
            run_id: RunId::new(),
            requested_by: "test".to_owned(),
            requested_at_ms: 1,
            mode: ActivationMode::PerService,
            scope: Vec::new(),
            batch_size: 3,
            tolerance: Tolerance::default(),
            max_removed: Some(MaxRemoved::default()),
        };
        self.store.open_run(&request).await.unwrap().run_id
    }

    /// A run that has stored everything of the source and switched nothing.
    pub async fn load(&self, source: Source<'_>) -> RunId {
        let run = self.open().await;
        self.discover(run, source).await;
        for (service, providers) in source {
            self.plan(run, service, providers).await;
            self.store_batches(run, service).await;
        }
        run
    }

    pub async fn discover(&self, run: RunId, source: Source<'_>) {
        let Begin::Work(mut discovery) = self.store.begin_discovery(run).await.unwrap() else { panic!("closed") };
        let services: Vec<Service> = source.iter().map(|(id, _)| service(id)).collect();
        discovery.put(&services).await.unwrap();
        discovery.finish().await.unwrap();
    }

    pub async fn plan(&self, run: RunId, service: &str, providers: &[&str]) {
        let generation = self.store.run(run).await.unwrap().unwrap().generation.unwrap();
        let begun = self.store.begin_plan(run, generation, &service.into()).await.unwrap();
        let Begin::Work(mut plan) = begun else { panic!("closed") };
        let documents: Vec<Provider> = providers.iter().map(|id| provider(service, id)).collect();
        plan.put(&documents, &[]).await.unwrap();
        plan.finish().await.unwrap();
    }

    pub async fn store_batches(&self, run_id: RunId, service: &str) {
        let service_id = ServiceId::from(service);
        let generation = self.store.run(run_id).await.unwrap().unwrap().generation.unwrap();
        for batch in self.store.planned_batches(run_id, &service_id).await.unwrap() {
            let key = BatchKey { run_id, generation, service_id: service_id.clone(), batch_no: batch.batch_no };
            let subtrees = batch.provider_ids.into_iter().map(|provider_id| Subtree {
                provider_id,
                content: SubtreeContent::Complete(vec![bundle(run_id)]),
                etag: None,
            });
            self.store.store_batch(&key, subtrees.collect()).await.unwrap().unwrap();
        }
    }

    /// What the activator's timer does.
    pub async fn activate(&self, run: RunId) {
        for (due, service) in self.store.activatable().await.unwrap().due() {
            assert_eq!(due, run);
            self.store.activate(due, &service).await.unwrap();
        }
    }

    pub async fn audits(&self) -> usize {
        self.store.audits(1_000).await.unwrap().len()
    }

    /// Messages on all topics.
    pub fn messages(&self) -> i64 {
        let topics = self.settings.kafka.names().topics();
        let marks = topics.iter().flat_map(|topic| admin::watermarks(&self.settings.kafka, topic).unwrap());
        marks.map(|(first, next)| next - first).sum()
    }

    /// Everything that an operation could change.
    async fn state(&self) -> String {
        let runs = self.store.runs(100).await.unwrap();
        let mut parts = vec![
            format!("{:?}", self.store.plan_rollback(&[]).await.unwrap()),
            format!("{:?}", self.store.dead_letters(&LetterFilter::default(), 100).await.unwrap()),
            format!("{:?}", self.store.counts().await.unwrap()),
            format!("{:?}", self.store.plan_prune(1).await.unwrap()),
            self.messages().to_string(),
        ];
        for run in runs {
            parts.push(format!("{:?}", self.store.progress(run.run_id).await.unwrap()));
            parts.push(format!("{:?}", self.store.removals(run.run_id).await.unwrap()));
        }
        parts.join("\n")
    }
}

/// Looks, which must change nothing, and then does; gives both answers. The deed must be in the audit, once for each of
/// these subjects.
pub async fn done<O: Operation>(world: &World, operation: &O, what: &str, rows: usize) -> (O::Answer, O::Answer) {
    let (state, audits) = (world.state().await, world.audits().await);
    let shown = operation.preview(&world.at()).await.unwrap();
    assert_eq!(world.state().await, state, "looking changed something");
    assert_eq!(world.audits().await, audits, "looking was written down");
    let answer = operation.carry_out(&world.at(), Some(&shown), &by()).await.unwrap();
    let written = world.store.audits(1_000).await.unwrap();
    assert_eq!(written.len(), audits + rows, "{written:?}");
    for deed in &written[..rows] {
        assert_eq!((deed.what.as_str(), deed.who.as_str(), deed.why.as_str()), (what, "ada@desk", "a test"));
    }
    (shown, answer)
}

/// Looks, then somebody changes something, then it must be refused without a trace.
pub async fn refused<O: Operation>(world: &World, operation: &O, meanwhile: impl AsyncFnOnce(&World)) -> Error
where
    O::Answer: Debug,
{
    let shown = operation.preview(&world.at()).await.unwrap();
    meanwhile(world).await;
    let (state, audits) = (world.state().await, world.audits().await);
    let error = operation.carry_out(&world.at(), Some(&shown), &by()).await.unwrap_err();
    assert_eq!(world.state().await, state, "what was refused changed something");
    assert_eq!(world.audits().await, audits, "what was refused was written down");
    error
}

pub fn by() -> By {
    By { who: "ada@desk".to_owned(), why: "a test".to_owned() }
}

fn service(id: &str) -> Service {
    Service { id: id.into(), name: None, attributes: Attributes::empty(), source_cas: None }
}

fn provider(service: &str, id: &str) -> Provider {
    Provider {
        service_id: service.into(),
        id: id.into(),
        name: None,
        attributes: Attributes::empty(),
        source_cas: None,
    }
}

/// Another one in each run, so that each run writes.
fn bundle(run: RunId) -> Bundle {
    Bundle {
        id: "b".into(),
        name: Some(run.to_string().as_str().into()),
        attributes: Attributes::empty(),
        source_cas: None,
        fields: Vec::new(),
    }
}
