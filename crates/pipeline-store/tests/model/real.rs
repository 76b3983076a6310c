//! The store, asked the same as the model: numbers become ids and documents, answers become the model's.

use std::path::{Path, PathBuf};

use pipeline_model::{
    documents::{
        Attributes, Bundle, DataType, DocumentFault, Etag, FaultCode, Known, Level, Provider, Service,
        SubscriptionField, Subtree, SubtreeContent, format_text,
    },
    ids::{BatchNo, Generation, ProviderId, RunId, ServiceId},
};
use pipeline_settings::settings;
use pipeline_store::{
    Acceptance, BatchKey, BatchState, Begin, Error, Move, Outcome as Activation, Plan, RolledBack, RunRequest, Store,
    StoredBatch,
};
use sqlx::{Connection, mysql::MySqlConnection, sqlite::SqliteConnection};
use testkit::mariadb::MariaDb;
use tokio::sync::Mutex;

use crate::{
    calls::{Call, Outcome},
    ledger::{Counts, Request, RunState, Set},
    rows::RUNS,
    source::{Document, PROVIDERS, ProviderDocuments, Read, Reads, SERVICES, ServiceDocuments, Sums, is_tagged, shape},
};

const BY: (&str, &str) = ("ada", "a test");

/// Empty, migrated SQLite files, each a copy of one that was migrated once.
pub struct Files {
    folder: tempfile::TempDir,
}

/// One target, with two handles on it as two processes would have.
pub struct Real {
    pub store: Store,
    pub other: Store,
    /// For the views.
    pub reader: Mutex<Reader>,
    pub runs: [RunId; RUNS],
    file: Option<PathBuf>,
}

/// A connection of its own, as a reader of the views has.
pub enum Reader {
    Sqlite(SqliteConnection),
    MySql(MySqlConnection),
}

// === impl Files ===

impl Files {
    /// In memory where the machine has a folder for that: it is not the disk that is to be proven.
    pub async fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let store = connect(&url_of(&folder.path().join("empty.db"))).await;
        store.migrate().await.unwrap();
        store.close().await;
        Self { folder }
    }

    pub async fn open(&self) -> Real {
        let runs = [(); RUNS].map(|()| RunId::new());
        let file = self.folder.path().join(format!("{}.db", runs[0]));
        std::fs::copy(self.folder.path().join("empty.db"), &file).unwrap();
        Real::connect(url_of(&file), runs, Some(file)).await
    }
}

fn url_of(file: &Path) -> String {
    format!("sqlite://{}", file.display())
}

async fn connect(url: &str) -> Store {
    let target = settings::Target { url: url.to_owned(), ..settings::Target::default() };
    Store::connect(&target).await.unwrap()
}

// === impl Real ===

impl Real {
    /// A database of its own on the tests' MariaDB or MySQL server.
    pub async fn mysql() -> Self {
        let server = MariaDb::shared();
        let database = tokio::task::spawn_blocking(|| server.fresh_database()).await.unwrap();
        connect(&server.url(&database.name)).await.migrate().await.unwrap();
        let runs = [(); RUNS].map(|()| RunId::new());
        Self::connect(database.loader.url_with_password(&database.name), runs, None).await
    }

    async fn connect(url: String, runs: [RunId; RUNS], file: Option<PathBuf>) -> Self {
        let reader = match file {
            Some(_) => Reader::Sqlite(SqliteConnection::connect(&url).await.unwrap()),
            None => Reader::MySql(MySqlConnection::connect(&url).await.unwrap()),
        };
        Self { store: connect(&url).await, other: connect(&url).await, reader: Mutex::new(reader), runs, file }
    }

    pub async fn close(self) {
        self.store.close().await;
        self.other.close().await;
        match self.reader.into_inner() {
            Reader::Sqlite(connection) => connection.close().await.unwrap(),
            Reader::MySql(connection) => connection.close().await.unwrap(),
        }
        if let Some(file) = self.file {
            std::fs::remove_file(file).unwrap();
        }
    }

    /// The model's call, made to a handle of the store, and the answer in the model's words.
    pub async fn call(&self, store: &Store, call: Call) -> Result<Outcome, Error> {
        match call {
            Call::Open { run, request } => {
                let opened = store.open_run(&self.request(run, &request)).await?;
                Ok(Outcome::Opened(run_state(opened.state)))
            }
            Call::Discover { run, documents } => discover(store, self.runs[run], &documents).await,
            Call::Plan { run, generation, service, documents, reads } => {
                plan(store, self.runs[run], generation, service, (&documents, &reads)).await
            }
            Call::Store { run, generation, service, batch, reads, seen } => {
                let key = self.key(run, generation, service, batch);
                store_batch(store, &key, &reads, seen).await
            }
            Call::Activate { run, service, .. } => {
                Ok(match store.activate(self.runs[run], &service_id(service)).await? {
                    Activation::Activated(switched) => {
                        Outcome::Activated(switched.iter().fold(0, |set, each| set | bit(&each.service_id)))
                    }
                    Activation::NotYet(waiting) => Outcome::NotYet(waiting),
                    Activation::AlreadyDone => Outcome::Done,
                    Activation::Closed => Outcome::Closed,
                })
            }
            Call::End { run, state: RunState::Failed } => Ok(match store.fail_run(self.runs[run], "a test").await? {
                // It does not tell what it undid.
                true => Outcome::Ended { kept: 0, undone: 0, deleted: 0 },
                false => Outcome::Closed,
            }),
            Call::End { run, .. } => Ok(match store.abort_run(self.runs[run], "a test").await? {
                Some(aborted) => Outcome::Ended {
                    kept: small(aborted.services_kept_active),
                    undone: small(aborted.rows_undone),
                    deleted: small(aborted.rows_deleted),
                },
                None => Outcome::Closed,
            }),
            Call::RollBack { .. } => panic!("a rollback goes by an order"),
            Call::Retry { run, .. } => Ok(match store.retry_run(self.runs[run], BY).await? {
                Some(retried) => Outcome::Retried {
                    batches: small(retried.batches),
                    services: retried.services.iter().fold(0, |set, each| set | bit(each)),
                    left: retried.left.iter().fold(0, |set, each| set | bit(each)),
                },
                None => Outcome::Closed,
            }),
            Call::Tolerate { run, max_providers } => {
                let tolerance = Request { max_providers, max_percent: None, ..Request::PLAIN }.tolerance();
                let tolerated = store.set_tolerance(self.runs[run], &tolerance, BY).await?;
                Ok(if tolerated { Outcome::Tolerated } else { Outcome::Closed })
            }
            Call::Accept { run, .. } => Ok(match store.accept_removals(self.runs[run], None, BY).await? {
                Acceptance::Done(accepted) => {
                    Outcome::Accepted { services: small(accepted.services), rows: accepted.rows }
                }
                Acceptance::NotOpen | Acceptance::Changed => Outcome::Closed,
            }),
            Call::Discard { run, service, batch, .. } => self.discard(store, run, service, batch).await,
        }
    }

    /// A rollback as a person has seen and ordered it.
    pub async fn roll_back(&self, store: &Store, order: &[Move]) -> Result<Outcome, Error> {
        Ok(match store.roll_back(order, "ada", "a test").await? {
            RolledBack::Done => Outcome::RolledBack(order.iter().fold(0, |set, each| set | bit(&each.service_id))),
            RolledBack::RunOpen(_) => Outcome::RunOpen,
            RolledBack::Moved(_) => Outcome::Moved,
        })
    }

    fn request(&self, run: usize, request: &Request) -> RunRequest {
        let covered = (0..SERVICES).filter(|service| request.scope != 0 && request.covers(*service));
        RunRequest {
            run_id: self.runs[run],
            requested_by: "test".to_owned(),
            requested_at_ms: 1,
            mode: request.mode(),
            scope: covered.map(service_id).collect(),
            batch_size: request.batch_size.into(),
            tolerance: request.tolerance(),
            max_removed: request.max_removed(),
        }
    }

    fn key(&self, run: usize, generation: u8, service: usize, batch: usize) -> BatchKey {
        BatchKey {
            run_id: self.runs[run],
            generation: Generation(generation.into()),
            service_id: service_id(service),
            batch_no: BatchNo(i32::try_from(batch).unwrap()),
        }
    }
}

async fn discover(store: &Store, run: RunId, documents: &ServiceDocuments) -> Result<Outcome, Error> {
    let mut discovery = match store.begin_discovery(run).await? {
        Begin::Work(discovery) => discovery,
        Begin::DoneBefore => return Ok(Outcome::Done),
        Begin::NotOpen | Begin::Rejected => return Ok(Outcome::Closed),
    };
    for (service, document) in documents.iter().enumerate() {
        let written = |says: u8| Service {
            id: service_id(service),
            name: Some(format!("v{says}")),
            attributes: Attributes::empty(),
            source_cas: None,
        };
        match document {
            Document::Absent => {}
            Document::Sound(says) => discovery.put(&[written(*says)]).await?,
            Document::Twice => discovery.put(&[written(7), written(8)]).await?,
            Document::Broken => discovery.reject(&[fault(Level::Service, service, None)]).await?,
        }
    }
    let discovered = discovery.finish().await?;
    Ok(match discovered.failed {
        Some(_) => Outcome::Failed,
        None => Outcome::Discovered { services: small(discovered.services), removed: small(discovered.removed) },
    })
}

async fn plan(
    store: &Store,
    run: RunId,
    generation: u8,
    service: usize,
    (documents, reads): (&ProviderDocuments, &Reads),
) -> Result<Outcome, Error> {
    let mut plan = match store.begin_plan(run, Generation(generation.into()), &service_id(service)).await {
        Ok(Begin::Work(plan)) => plan,
        Ok(Begin::DoneBefore) => return Ok(Outcome::Done),
        Ok(Begin::NotOpen | Begin::Rejected) => return Ok(Outcome::Closed),
        Err(Error::NotInLedger { .. }) => return Ok(Outcome::NotInLedger),
        Err(error) => return Err(error),
    };
    let documents = if plan.removed() { &[] } else { documents.as_slice() };
    for (provider, document) in documents.iter().enumerate() {
        let written = |says: u8| Provider {
            service_id: service_id(service),
            id: provider_id(provider),
            name: Some(format!("v{says}")),
            attributes: Attributes::empty(),
            source_cas: None,
        };
        match document {
            Document::Absent => {}
            Document::Sound(says) => put(store, &mut plan, &[written(*says)], reads).await?,
            Document::Twice => put(store, &mut plan, &[written(7), written(8)], reads).await?,
            Document::Broken => plan.reject(&[fault(Level::Provider, service, Some(provider))]).await?,
        }
    }
    let planned = plan.finish().await?;
    Ok(Outcome::Planned {
        batches: small(planned.batches),
        providers: small(planned.providers),
        removed: small(planned.removed),
    })
}

/// As a worker does it: the source is asked which of the contents that the target knows are what they were.
async fn put(store: &Store, plan: &mut Plan, providers: &[Provider], reads: &Reads) -> Result<(), Error> {
    let Some(first) = providers.first() else { return Ok(()) };
    let mut known = store.known(&first.service_id, providers).await?;
    known.retain(|Known { provider_id, etag: known }| etag(number(provider_id.as_str()), reads) == Some(*known));
    plan.put(providers, &known).await
}

/// As a worker does it: first it looks what the batch has, then it brings the content that it has read. A worker that
/// has looked long ago brings what it read for the providers that it saw.
async fn store_batch(store: &Store, key: &BatchKey, reads: &Reads, seen: Option<Set>) -> Result<Outcome, Error> {
    let providers = match seen {
        Some(seen) => (0..PROVIDERS).filter(|provider| seen & (1 << provider) != 0).map(provider_id).collect(),
        None => match store.batch_state(key).await {
            Ok(BatchState::Planned { providers }) => providers,
            Ok(BatchState::Stored(stored)) => return Ok(Outcome::Stored(counts(&stored))),
            Ok(BatchState::Closed) => return Ok(Outcome::Closed),
            Err(Error::NotInLedger { .. }) => return Ok(Outcome::NotInLedger),
            Err(error) => return Err(error),
        },
    };
    let subtrees = providers.into_iter().map(|id| subtree(key, id, reads)).collect();
    Ok(match store.store_batch(key, subtrees).await {
        Ok(Some(stored)) => Outcome::Stored(counts(&stored)),
        Ok(None) => Outcome::Closed,
        Err(Error::NotInLedger { .. }) => Outcome::NotInLedger,
        Err(error) => return Err(error),
    })
}

fn subtree(key: &BatchKey, provider_id: ProviderId, reads: &Reads) -> Subtree {
    let provider = number(provider_id.as_str());
    let service = number(key.service_id.as_str());
    let content = match reads[provider] {
        Read::Complete(content) => SubtreeContent::Complete(bundles(content)),
        Read::Rejected => SubtreeContent::Rejected(vec![fault(Level::Bundle, service, Some(provider))]),
        Read::Vanished => SubtreeContent::Vanished,
    };
    Subtree { provider_id, content, etag: etag(provider, reads) }
}

/// What the source calls the content of a provider.
fn etag(provider: usize, reads: &Reads) -> Option<Etag> {
    match reads[provider] {
        Read::Complete(content) if is_tagged(provider) => Some(Etag([content; 32])),
        _ => None,
    }
}

/// As many bundles and fields as the model counts, named after the content.
fn bundles(content: u8) -> Vec<Bundle> {
    let Sums { bundles, fields } = shape(content);
    let field = |place: u8| SubscriptionField {
        id: format_text!("f{place}"),
        name: None,
        value: Some(format_text!("{content}")),
        data_type: DataType::Number,
        required: None,
        position: place.into(),
        attributes: Attributes::empty(),
    };
    let bundle = |place: u8| Bundle {
        id: format_text!("b{place}"),
        name: Some(format_text!("c{content}")),
        attributes: Attributes::empty(),
        source_cas: None,
        // The first one has what the others do not.
        fields: (0..if place == 0 { fields + 1 - bundles } else { 1 }).map(field).collect(),
    };
    (0..bundles).map(bundle).collect()
}

fn fault(level: Level, service: usize, provider: Option<usize>) -> DocumentFault {
    DocumentFault {
        level,
        service_id: Some(service_id(service)),
        provider_id: provider.map(provider_id),
        bundle_id: None,
        document_id: None,
        place: "test.jsonl:1".to_owned(),
        code: FaultCode::WrongType,
        reason: "a test".to_owned(),
    }
}

fn counts(stored: &StoredBatch) -> Counts {
    let sums = |bundles: i64, fields: i64| Sums { bundles: small(bundles), fields: small(fields) };
    let counts = Counts {
        stored: small(stored.stored),
        unchanged: small(stored.unchanged),
        rejected: small(stored.rejected),
        skipped: small(stored.skipped),
        rows: sums(stored.bundles, stored.fields),
        written: sums(stored.bundles_written, stored.fields_written),
        lost: sums(stored.removed_bundles, stored.removed_fields),
    };
    assert_eq!(stored.providers, stored.stored + stored.unchanged + stored.rejected + stored.skipped);
    counts
}

pub fn run_state(state: pipeline_store::RunState) -> RunState {
    match state {
        pipeline_store::RunState::Running | pipeline_store::RunState::Held => RunState::Running,
        pipeline_store::RunState::Activated => RunState::Activated,
        pipeline_store::RunState::Aborted => RunState::Aborted,
        pipeline_store::RunState::Failed => RunState::Failed,
        pipeline_store::RunState::Refused => RunState::Refused,
    }
}

pub fn service_id(service: usize) -> ServiceId {
    ServiceId(format!("s{service}"))
}

pub fn provider_id(provider: usize) -> ProviderId {
    ProviderId(format!("p{provider}"))
}

/// The number in an id, or in a text that a document says.
pub fn number(text: &str) -> usize {
    text[1..].parse().unwrap()
}

pub fn bit(service: &ServiceId) -> Set {
    1 << number(service.as_str())
}

pub fn small(number: i64) -> u8 {
    u8::try_from(number).unwrap()
}
