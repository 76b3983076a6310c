//! Stage 1: on a run request, puts every provider service into the ledger and announces each.
//!
//! The source is read first. What is written then is one transaction: the services' rows, their place in the run, and
//! the closing of those that are gone.
//! What is announced is then read back from the ledger, so a request that is handed over twice, by a crash between
//! the transaction and the offset for instance, announces the same services again and changes nothing.

use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _};
use pipeline_core::{
    contracts::{RunRequested, ServiceDiscovered},
    disposition::{Classify, Disposition},
    documents::{DocumentFault, Found, Service},
    settings::MaxRemoved,
    stage::{Emit, GivenUp, Record, Stage},
};
use pipeline_source::{Source, spool::Spool};
use pipeline_store::{Begin, Discovery, Run, RunRequest, RunState, Store};
use serde::{Deserialize, Serialize};

/// Documents read before they are written together.
const CHUNK: usize = 500;
/// Bytes of a document in memory beside its attributes, about.
const DOCUMENT: usize = 200;

/// The stage.
pub struct RootStage {
    source: Arc<dyn Source>,
    store: Store,
    max_removed: MaxRemoved,
}

/// Documents that were read together.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Chunk {
    services: Vec<Service>,
    faults: Vec<DocumentFault>,
}

/// Why a run could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request makes no sense.
    #[error("cannot open the run: the request is not valid")]
    Request(#[source] pipeline_store::Error),
    /// The services could not be read.
    #[error("could not read the provider services")]
    Read(#[source] pipeline_source::Error),
    /// The ledger could not be read or written.
    #[error("could not put the run into the ledger")]
    Ledger(#[source] pipeline_store::Error),
    /// The target is not there.
    #[error("the target cannot be used")]
    Target(#[source] pipeline_store::Error),
    /// The source is not there.
    #[error("the source cannot be used")]
    Source(#[source] pipeline_source::Error),
    /// A message that was given up could not be noted.
    #[error("could not put a dead letter into the ledger")]
    DeadLetter(#[source] pipeline_store::Error),
}

// === impl RootStage ===

impl RootStage {
    /// Reads services from `source` and keeps them in `store`; the runs that it opens may take away `max_removed`.
    pub fn new(source: Arc<dyn Source>, store: Store, max_removed: MaxRemoved) -> Self {
        Self { source, store, max_removed }
    }

    /// Reads everything first: nothing waits for the source while the run is locked.
    async fn read(&self) -> Result<Spool<Chunk>, Error> {
        let mut spool = Spool::new(self.source.spool_dir());
        let mut chunks = self.source.services().ready_chunks(CHUNK);
        while let Some(found) = chunks.next().await {
            let mut chunk = Chunk::default();
            for found in found {
                match found.map_err(Error::Read)? {
                    Found::Document(service) => chunk.services.push(service),
                    Found::Fault(fault) => chunk.faults.push(fault),
                }
            }
            chunk.spool(&mut spool)?;
        }
        let mut unreachable = self.source.unreachable().try_ready_chunks(CHUNK);
        while let Some(faults) = unreachable.try_next().await.map_err(|error| Error::Read(error.1))? {
            Chunk { faults, ..Chunk::default() }.spool(&mut spool)?;
        }
        Ok(spool)
    }

    async fn discover(&self, mut discovery: Discovery, read: Spool<Chunk>) -> Result<(), Error> {
        for chunk in read.into_items().map_err(Error::Read)? {
            let Chunk { services, faults } = chunk.map_err(Error::Read)?;
            discovery.put(&services).await.map_err(Error::Ledger)?;
            discovery.reject(&faults).await.map_err(Error::Ledger)?;
        }
        let discovered = discovery.finish().await.map_err(Error::Ledger)?;
        match discovered.failed {
            Some(reason) => tracing::warn!(reason, "the run is ended as failed"),
            None => {
                tracing::info!(services = discovered.services, removed = discovered.removed, "services discovered");
            }
        }
        Ok(())
    }

    async fn announce(&self, run: &Run) -> Result<Emit<ServiceDiscovered>, Error> {
        let Some(generation) = run.generation else { return Ok(Emit::nothing()) };
        let services = self.store.discovered_services(run.run_id).await.map_err(Error::Ledger)?;
        let announcement = |service_id: pipeline_core::ids::ServiceId| ServiceDiscovered {
            run_id: run.run_id.to_string(),
            generation: generation.0,
            service_id: service_id.0,
        };
        Ok(services.into_iter().map(announcement).collect())
    }
}

// === impl Chunk ===

impl Chunk {
    fn spool(self, spool: &mut Spool<Self>) -> Result<(), Error> {
        let services = self.services.iter().map(|service| service.attributes.0.len() + DOCUMENT).sum::<usize>();
        let faults = self.faults.iter().map(|fault| fault.reason.len() + DOCUMENT).sum::<usize>();
        spool.push(self, services + faults).map_err(Error::Read)
    }
}

impl Stage for RootStage {
    const NAME: &'static str = "root";
    type Input = RunRequested;
    type Output = ServiceDiscovered;
    type Error = Error;

    async fn handle(&self, record: &Record<RunRequested>) -> Result<Emit<ServiceDiscovered>, Error> {
        let request = RunRequest::try_from(&record.message).map_err(Error::Request)?;
        let request = RunRequest { max_removed: Some(self.max_removed), ..request };
        let run = self.store.open_run(&request).await.map_err(Error::Ledger)?;
        if run.state != RunState::Running {
            tracing::info!(run_id = %run.run_id, state = ?run.state, reason = run.reason, "nothing to do for this run");
            return Ok(Emit::nothing());
        }
        if !run.discovered {
            let read = self.read().await?;
            match self.store.begin_discovery(run.run_id).await.map_err(Error::Ledger)? {
                Begin::Work(discovery) => self.discover(discovery, read).await?,
                Begin::Done => {}
                Begin::Closed => return Ok(Emit::nothing()),
            }
        }
        self.announce(&run).await
    }

    async fn ready(&self) -> Result<(), Error> {
        self.store.ready().await.map_err(Error::Target)?;
        self.source.ready().await.map_err(Error::Source)
    }

    async fn given_up(&self, letter: &GivenUp<'_>) -> Result<(), Error> {
        self.store.record_dead_letter(Self::NAME, letter).await.map_err(Error::DeadLetter)
    }
}

impl Classify for Error {
    fn disposition(&self) -> Disposition {
        match self {
            Self::Request(source) | Self::Ledger(source) | Self::DeadLetter(source) | Self::Target(source) => {
                source.disposition()
            }
            Self::Read(source) | Self::Source(source) => source.disposition(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Request(source) | Self::Ledger(source) | Self::DeadLetter(source) | Self::Target(source) => {
                source.code()
            }
            Self::Read(source) | Self::Source(source) => source.code(),
        }
    }
}
