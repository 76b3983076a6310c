//! Stage 1: on a run request, puts every provider service into the ledger and announces each.
//!
//! The source is read first. What is written then is one transaction: the services' rows, their place in the run, and
//! the closing of those that are gone.
//! What is announced is then read back from the ledger, so a request that is handed over twice, by a crash between
//! the transaction and the offset for instance, announces the same services again and changes nothing.
//!
//! Messages may be lost. On its timer the stage announces again what has stood still for too long: services that are not
//! planned, and the run's own request while its services are not discovered.
//!
//! A request that is older than `run.max_request_age_ms` when it is first seen, or meant for another target, makes no run:
//! it is refused with a note.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures::{StreamExt as _, TryStreamExt as _};
use pipeline_core::{
    announcing::{AtWork, Undelivered},
    stage::{Either, Emit, Record, Stage},
};
use pipeline_model::{
    contracts::{RunRequested, ServiceDiscovered},
    disposition::{Classify, Disposition},
    documents::{DocumentFault, Found, Service},
    ids::{Generation, RunId, ServiceId, TargetId},
    needs::Needs,
};
use pipeline_settings::settings;
use pipeline_source::{Source, spool::Spool};
use pipeline_store::{
    Again, Begin, Discovery, Part, Run, RunRequest, RunState, Store, Undone, announcing_interval, meant_for_another,
};
use pipeline_telemetry::run_events::RunEvents;
use serde::{Deserialize, Serialize};

/// Documents read before they are written together.
const CHUNK: usize = 500;
/// Bytes of a document in memory beside its attributes, about.
const DOCUMENT: usize = 200;

/// The stage.
pub struct RootStage {
    source: Arc<dyn Source>,
    store: Store,
    limits: settings::Run,
    at_work: AtWork,
    undelivered: Undelivered<Either<ServiceDiscovered, RunRequested>>,
    events: RunEvents,
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
}

// === impl RootStage ===

impl RootStage {
    /// Reads services from `source` and keeps them in `store`; `limits` are those of the runs that it opens.
    pub fn new(source: Arc<dyn Source>, store: Store, limits: settings::Run) -> Self {
        let undelivered = Undelivered::new(Self::NAME);
        Self { source, store, limits, at_work: AtWork::default(), undelivered, events: RunEvents::new() }
    }

    /// The run of a request: opened, or refused because the request is not for us, or as the ledger has it already.
    async fn run_of(&self, request: &RunRequest, meant: Option<&str>) -> Result<Run, Error> {
        let target = self.store.identity().await.map_err(Error::Ledger)?;
        let reason = too_old(request.requested_at_ms, now_ms(), self.limits.max_request_age())
            .or_else(|| meant_for_another(meant, &target));
        let Some(reason) = reason else {
            return self.store.open_run(request).await.map_err(Error::Ledger);
        };
        let run = self.store.refuse_run(request, &reason).await.map_err(Error::Ledger)?;
        if run.state == RunState::Refused {
            self.events.request_refused(run.run_id, &reason);
        }
        Ok(run)
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

    async fn discover(&self, mut discovery: Discovery, read: Spool<Chunk>, run_id: RunId) -> Result<(), Error> {
        for chunk in read.into_items().map_err(Error::Read)? {
            let Chunk { services, faults } = chunk.map_err(Error::Read)?;
            discovery.put(&services).await.map_err(Error::Ledger)?;
            discovery.reject(&faults).await.map_err(Error::Ledger)?;
        }
        let discovered = discovery.finish().await.map_err(Error::Ledger)?;
        match discovered.failed {
            Some(reason) => {
                self.events.ended_as_failed(run_id, &reason);
                self.store.tell_ends(&self.events, None).await;
            }
            None => self.events.discovered(run_id, discovered.services, discovered.removed),
        }
        Ok(())
    }

    async fn announce(&self, run: &Run) -> Result<Emit<<Self as Stage>::Output>, Error> {
        let Some(generation) = run.generation else { return Ok(Emit::nothing()) };
        let services = self.store.discovered_services(run.run_id).await.map_err(Error::Ledger)?;
        Ok(services.into_iter().map(|service| announcement(run.run_id, generation, service)).collect())
    }
}

fn announcement(
    run_id: RunId,
    generation: Generation,
    service_id: ServiceId,
) -> Either<ServiceDiscovered, RunRequested> {
    Either::Left(ServiceDiscovered { run_id: run_id.to_string(), generation: generation.0, service_id: service_id.0 })
}

/// The messages of what the ledger says is to be announced again.
fn messages(
    Again { run, generation, undone, .. }: Again,
    target: &TargetId,
) -> Vec<Either<ServiceDiscovered, RunRequested>> {
    match undone {
        Undone::Request => vec![Either::Right(run.request(target))],
        Undone::Services(services) => {
            services.into_iter().map(|service| announcement(run.run_id, generation, service)).collect()
        }
        Undone::Batches(_) => Vec::new(),
    }
}

/// Why a request is too old to become a run, if it is. One from the future is not: clocks differ.
fn too_old(requested_at_ms: i64, now_ms: i64, max_age: Duration) -> Option<String> {
    let age = Duration::from_millis(u64::try_from(now_ms.saturating_sub(requested_at_ms)).ok()?);
    (age > max_age).then(|| {
        format!(
            "the request was {} s old when a root stage saw it first, and may be {} s (`run.max_request_age_ms`)",
            age.as_secs(),
            max_age.as_secs()
        )
    })
}

fn now_ms() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
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
    type Output = Either<ServiceDiscovered, RunRequested>;
    type Error = Error;

    async fn handle(&self, record: &Record<RunRequested>) -> Result<Emit<Self::Output>, Error> {
        let _in_hand = self.at_work.begin(&record.message.run_id);
        let request = RunRequest::try_from(&record.message).map_err(Error::Request)?;
        let request = RunRequest { max_removed: Some(self.limits.max_removed), ..request };
        let run = self.run_of(&request, record.message.target.as_deref()).await?;
        if run.state != RunState::Running {
            self.events.nothing_to_do(run.run_id, run.state.as_str(), run.reason.as_deref());
            let refused = (run.state == RunState::Refused).then_some(run.run_id);
            self.store.tell_ends(&self.events, refused).await;
            return Ok(Emit::nothing());
        }
        if !run.discovered {
            let read = self.read().await?;
            match self.store.begin_discovery(run.run_id).await.map_err(Error::Ledger)? {
                Begin::Work(discovery) => self.discover(discovery, read, run.run_id).await?,
                Begin::DoneBefore => {}
                Begin::NotOpen | Begin::Rejected => return Ok(Emit::nothing()),
            }
        }
        self.announce(&run).await
    }

    async fn delivered(&self, emitted: &Emit<Self::Output>) -> Result<(), Error> {
        self.undelivered.delivered(emitted);
        Ok(())
    }

    fn tick_interval(&self) -> Option<Duration> {
        Some(announcing_interval(self.limits.announce_after()))
    }

    async fn tick(&self) -> Result<Emit<Self::Output>, Error> {
        self.store.at_work(&self.at_work.runs(), Part::Services).await.map_err(Error::Ledger)?;
        let again = self.store.announce_again(Part::Services, self.limits.announce_after()).await;
        let Some(again) = again.map_err(Error::Ledger)? else { return Ok(self.undelivered.emit(None)) };
        let target = self.store.identity().await.map_err(Error::Ledger)?;
        Ok(self.undelivered.emit(Some(messages(again, &target))))
    }

    fn needs(&self) -> impl Needs {
        (&self.store, self.source.as_ref())
    }
}

impl Classify for Error {
    fn disposition(&self) -> Disposition {
        match self {
            Self::Request(source) | Self::Ledger(source) => source.disposition(),
            Self::Read(source) => source.disposition(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Request(source) | Self::Ledger(source) => source.code(),
            Self::Read(source) => source.code(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_too_old_beyond_its_bound_and_never_from_the_future() {
        let day = Duration::from_secs(86_400);
        let now = 1_000 * 86_400_000;
        assert_eq!(too_old(now - 86_400_000, now, day), None);
        assert_eq!(too_old(now + 86_400_000, now, day), None, "clocks differ");
        let reason = too_old(now - 86_401_000, now, day).unwrap();
        assert!(reason.contains("86401 s old") && reason.contains("may be 86400 s"), "{reason}");
        assert!(too_old(i64::MIN, now, day).is_some());
    }
}
