//! The four stages, one after the other in this process, without messages.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use pipeline_core::stage::{Either, Record, Stage};
use pipeline_model::{
    contracts::{Activation, RunRequested},
    ids::RunId,
};
use pipeline_settings::settings::{self, MaxRemoved};
use pipeline_source::Source;
use pipeline_store::{Acceptance, Progress, RunState, Store, Tolerance, Violation};
use stage_activator::ActivatorStage;
use stage_bundles::BundlesStage;
use stage_providers::ProvidersStage;
use stage_root::RootStage;

use crate::folder::Row;

/// A target and a folder of its own.
pub struct Line {
    home: tempfile::TempDir,
    store: Store,
    source: Arc<dyn Source>,
}

/// In memory where the machine has a folder for that: it is not the disk that is to be proven.
fn home() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

/// An empty, migrated file, to be copied.
pub async fn migrated() -> PathBuf {
    static HOME: OnceLock<tempfile::TempDir> = OnceLock::new();
    let file = HOME.get_or_init(home).path().join("empty.db");
    let store = connect(&url_of(&file)).await;
    store.migrate().await.unwrap();
    store.close().await;
    file
}

fn url_of(file: &Path) -> String {
    format!("sqlite://{}", file.display())
}

async fn connect(url: &str) -> Store {
    Store::connect(&settings::Target { url: url.to_owned(), ..settings::Target::default() }).await.unwrap()
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap()
}

fn record<M>(message: M) -> Record<M> {
    Record { message, topic: String::new(), partition: 0, offset: 0, attempt: 1 }
}

impl Line {
    pub async fn start(migrated: &Path, seed: u64) -> Self {
        let home = home();
        let file = home.path().join(format!("{seed}.db"));
        std::fs::copy(migrated, &file).unwrap();
        let folder = home.path().join("source");
        std::fs::create_dir(&folder).unwrap();
        let url = format!("file://{}", folder.display());
        let source = pipeline_source::open(&settings::Source { url, ..settings::Source::default() }).unwrap();
        Self { store: connect(&url_of(&file)).await, home, source }
    }

    pub fn folder(&self) -> PathBuf {
        self.home.path().join("source")
    }

    /// One run, as far as it goes by itself.
    pub async fn run(&self, whole_run: bool, tolerance: Tolerance, bounds: MaxRemoved) -> Progress {
        let limits = settings::Run { max_removed: bounds, ..settings::Run::default() };
        let root = RootStage::new(Arc::clone(&self.source), self.store.clone(), limits);
        let providers = ProvidersStage::new(Arc::clone(&self.source), self.store.clone());
        let bundles = BundlesStage::new(Arc::clone(&self.source), self.store.clone());
        let activator = ActivatorStage::new(self.store.clone(), Duration::from_secs(1));
        let run_id = RunId::new();
        let request = RunRequested {
            run_id: run_id.to_string(),
            requested_by: "test".to_owned(),
            requested_at_ms: now_ms(),
            activation: if whole_run { Activation::WholeRun } else { Activation::PerService },
            scope: Vec::new(),
            batch_size: 3,
            max_rejected_providers: tolerance.max_providers,
            max_rejected_percent: tolerance.max_percent,
            target: None,
        };
        for service in root.handle(&record(request)).await.unwrap().messages {
            let Either::Left(service) = service else { panic!("{service:?}") };
            for planned in providers.handle(&record(service)).await.unwrap().messages {
                match planned {
                    Either::Left(batch) => {
                        for confirmed in bundles.handle(&record(batch)).await.unwrap().messages {
                            activator.handle(&record(confirmed)).await.unwrap();
                        }
                    }
                    Either::Right(confirmed) => drop(activator.handle(&record(confirmed)).await.unwrap()),
                }
            }
        }
        self.tick().await;
        self.store.progress(run_id).await.unwrap().expect("the ledger has the run")
    }

    /// What the activator's timer finds, until it finds nothing more.
    async fn tick(&self) {
        let activator = ActivatorStage::new(self.store.clone(), Duration::from_secs(1));
        for _ in 0..2 {
            activator.tick().await.unwrap();
        }
    }

    pub async fn accept(&self, progress: &Progress) {
        let accepted = self.store.accept_removals(progress.run.run_id, None, ("ada", "a test")).await.unwrap();
        assert!(matches!(accepted, Acceptance::Done(_)), "{accepted:?}");
        self.tick().await;
        let after = self.progress(progress).await;
        assert_eq!(after.exceeded, None, "{after:#?}");
        if after.run.state == RunState::Running {
            // Rejects hold it besides.
            self.abort(progress).await;
        }
    }

    pub async fn progress(&self, of: &Progress) -> Progress {
        self.store.progress(of.run.run_id).await.unwrap().expect("the ledger has the run")
    }

    pub async fn abort(&self, progress: &Progress) {
        self.store.abort_run(progress.run.run_id, "a test").await.unwrap();
    }

    pub async fn violations(&self) -> Vec<Violation> {
        self.store.check_invariants().await.unwrap()
    }

    /// The ids of all rows that readers see.
    pub async fn rows(&self) -> BTreeSet<Row> {
        let mut rows = BTreeSet::new();
        for service in self.store.copied_services(None).await.unwrap() {
            let (id, generation) = (service.service_id, service.generation);
            let row = |provider: &str, bundle: &str, field: &str| Row::new(id.as_str(), provider, bundle, field);
            rows.insert(row("", "", ""));
            let providers = self.store.copied_provider_ids(&id, generation, None, u32::MAX).await.unwrap();
            for (provider, copied) in self.store.copied_providers(&id, generation, &providers).await.unwrap() {
                rows.insert(row(provider.as_str(), "", ""));
                for bundle in &copied.bundles {
                    rows.insert(row(provider.as_str(), &bundle.id, ""));
                    rows.extend(bundle.fields.iter().map(|field| row(provider.as_str(), &bundle.id, &field.id)));
                }
            }
        }
        let shown = self.store.counts().await.unwrap();
        let shown = shown.services + shown.providers + shown.bundles + shown.subscription_fields;
        assert_eq!(i64::try_from(rows.len()), Ok(shown), "the views show the same");
        rows
    }

    pub async fn stop(self) {
        self.store.close().await;
    }
}
