//! Stage 2: reads the providers of one service, plans them in batches, and announces each batch.
//!
//! The source is read first. Provider rows, the closing of vanished ones and the whole plan are then one transaction. The plan is the outbox: what is
//! announced is read back from it, so a service that is handed over twice announces the same batches, with the same
//! numbers and the same providers, even when the source has changed in between.
//!
//! Messages may be lost: on its timer the stage announces again the batches that have stood still for too long.

use std::{collections::HashSet, sync::Arc, time::Duration};

use futures::StreamExt as _;
use pipeline_core::{
    announcing::{AtWork, Undelivered},
    stage::{Either, Emit, Record, Stage},
};
use pipeline_model::{
    contracts::{BatchPlanned, Confirmation, Confirmed, ServiceDiscovered},
    disposition::{Classify, Disposition},
    documents::{DocumentFault, Found, Known, Provider},
    ids::{Generation, InvalidRunId, ProviderId, RunId, ServiceId},
    needs::Needs,
};
use pipeline_settings::settings;
use pipeline_source::{Source, spool::Spool};
use pipeline_store::{Again, Begin, Part, Plan, PlannedBatch, Store, Undone, announcing_interval};
use pipeline_telemetry::run_events::RunEvents;
use serde::{Deserialize, Serialize};

/// Documents that are compared and written together, whatever the size of the batches that they are planned in.
const CHUNK: usize = 256;
/// Bytes of a document in memory beside its attributes, about.
const DOCUMENT: usize = 200;

/// The stage.
pub struct ProvidersStage {
    source: Arc<dyn Source>,
    store: Store,
    announce_after: Duration,
    at_work: AtWork,
    undelivered: Undelivered<Either<BatchPlanned, Confirmed>>,
    events: RunEvents,
}

/// Documents that were read together.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Chunk {
    providers: Vec<Provider>,
    /// The contents of these providers that have not changed.
    unchanged: Vec<Known>,
    faults: Vec<DocumentFault>,
}

/// Why a service could not be planned.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts show what the fields are")]
pub enum Error {
    /// The message names no run.
    #[error("cannot plan a service of no run")]
    RunId(#[source] InvalidRunId),
    /// The providers could not be read.
    #[error("could not read the providers of service `{service_id}`")]
    Read { service_id: ServiceId, source: pipeline_source::Error },
    /// The ledger could not be read or written.
    #[error("could not plan service `{service_id}`")]
    Ledger { service_id: ServiceId, source: pipeline_store::Error },
    /// What is to be announced again could not be read from the ledger.
    #[error("could not look for lost messages")]
    Announce(#[source] pipeline_store::Error),
}

// === impl ProvidersStage ===

impl ProvidersStage {
    /// Reads providers from `source` and plans them in `store`.
    pub fn new(source: Arc<dyn Source>, store: Store) -> Self {
        let announce_after = settings::Run::default().announce_after();
        let undelivered = Undelivered::new(Self::NAME);
        Self { source, store, announce_after, at_work: AtWork::default(), undelivered, events: RunEvents::new() }
    }

    /// The same; a run that stands still for so long has lost its messages.
    pub fn announcing_after(self, announce_after: Duration) -> Self {
        Self { announce_after, ..self }
    }

    /// Reads everything first: nothing waits for the source while the service is locked.
    async fn read(&self, service_id: &ServiceId) -> Result<Spool<Chunk>, Error> {
        let ledger = |source| Error::Ledger { service_id: service_id.clone(), source };
        let read = |source| Error::Read { service_id: service_id.clone(), source };
        let mut spool = Spool::new(self.source.spool_dir());
        let mut chunks = self.source.providers(service_id).ready_chunks(CHUNK);
        while let Some(found) = chunks.next().await {
            let mut chunk = Chunk::default();
            for found in found {
                match found.map_err(read)? {
                    Found::Document(provider) => chunk.providers.push(provider),
                    Found::Fault(fault) => chunk.faults.push(fault),
                }
            }
            // What still is what its tag names is planned as stored, and never read.
            let mut known = self.store.known(service_id, &chunk.providers).await.map_err(ledger)?;
            let unchanged = self.source.unchanged(service_id, known.clone()).await.map_err(read)?;
            let unchanged: HashSet<ProviderId> = unchanged.into_iter().collect();
            known.retain(|known| unchanged.contains(&known.provider_id));
            chunk.unchanged = known;
            let bytes = chunk.bytes();
            spool.push(chunk, bytes).map_err(read)?;
        }
        Ok(spool)
    }

    async fn plan(
        &self,
        mut plan: Plan,
        read: Spool<Chunk>,
        (run_id, service_id): (RunId, &ServiceId),
    ) -> Result<(), Error> {
        let ledger = |source| Error::Ledger { service_id: service_id.clone(), source };
        let failed = |source| Error::Read { service_id: service_id.clone(), source };
        for chunk in read.into_items().map_err(failed)? {
            let Chunk { providers, unchanged, faults } = chunk.map_err(failed)?;
            plan.put(&providers, &unchanged).await.map_err(ledger)?;
            plan.reject(&faults).await.map_err(ledger)?;
        }
        let planned = plan.finish().await.map_err(ledger)?;
        self.events.planned(run_id, service_id, planned.batches, planned.providers);
        Ok(())
    }
}

// === impl Chunk ===

impl Chunk {
    /// About so many, in memory.
    fn bytes(&self) -> usize {
        let providers = self.providers.iter().map(|provider| provider.attributes.0.len() + DOCUMENT).sum::<usize>();
        let faults = self.faults.iter().map(|fault| fault.reason.len() + DOCUMENT).sum::<usize>();
        providers + faults + self.unchanged.len() * DOCUMENT
    }
}

/// The message of a batch.
fn announcement(run_id: &str, generation: i64, service_id: &str, batch: PlannedBatch) -> BatchPlanned {
    BatchPlanned {
        run_id: run_id.to_owned(),
        generation,
        service_id: service_id.to_owned(),
        batch_no: batch.batch_no.0,
        provider_ids: batch.provider_ids.into_iter().map(|id| id.0).collect(),
    }
}

/// The messages of what the ledger says is to be announced again.
fn messages(Again { run, generation, undone, .. }: Again) -> Vec<Either<BatchPlanned, Confirmed>> {
    let run_id = run.run_id.to_string();
    let Undone::Batches(batches) = undone else { return Vec::new() };
    let message = |(service, batch): (ServiceId, PlannedBatch)| {
        Either::Left(announcement(&run_id, generation.0, service.as_str(), batch))
    };
    batches.into_iter().map(message).collect()
}

impl Stage for ProvidersStage {
    const NAME: &'static str = "providers";
    type Input = ServiceDiscovered;
    type Output = Either<BatchPlanned, Confirmed>;
    type Error = Error;

    async fn handle(&self, record: &Record<ServiceDiscovered>) -> Result<Emit<Self::Output>, Error> {
        let message = &record.message;
        let _in_hand = self.at_work.begin(&message.run_id);
        let run_id = RunId::parse(&message.run_id).map_err(Error::RunId)?;
        let service_id = ServiceId(message.service_id.clone());
        let ledger = |source| Error::Ledger { service_id: service_id.clone(), source };
        let generation = Generation(message.generation);
        let read = match self.store.plan_state(run_id, generation, &service_id).await.map_err(ledger)? {
            // A service that is gone has no providers; its empty plan takes it out of the views.
            Begin::Work(removed) if removed => Some(Spool::new(self.source.spool_dir())),
            Begin::Work(_) => Some(self.read(&service_id).await?),
            Begin::DoneBefore => None,
            Begin::NotOpen | Begin::Rejected => return Ok(Emit::nothing()),
        };
        if let Some(read) = read {
            match self.store.begin_plan(run_id, generation, &service_id).await.map_err(ledger)? {
                Begin::Work(plan) => self.plan(plan, read, (run_id, &service_id)).await?,
                Begin::DoneBefore => {}
                Begin::NotOpen | Begin::Rejected => return Ok(Emit::nothing()),
            }
        }
        let batches = self.store.planned_batches(run_id, &service_id).await.map_err(ledger)?;
        let providers = batches.iter().map(|batch| batch.provider_ids.len() as i64).sum();
        let confirmed = Confirmed {
            run_id: message.run_id.clone(),
            generation: message.generation,
            service_id: message.service_id.clone(),
            what: Confirmation::ServicePlanned,
            batch_no: None,
            providers,
            rejected: 0,
        };
        // A batch that is stored already has been announced before, and its own message sees to its confirmation; or it
        // is one of unchanged providers, and the plan's confirmation is enough.
        let waiting = batches
            .into_iter()
            .filter(|batch| !batch.stored)
            .map(|batch| Either::Left(announcement(&message.run_id, message.generation, &message.service_id, batch)));
        Ok(waiting.chain([Either::Right(confirmed)]).collect())
    }

    async fn delivered(&self, emitted: &Emit<Self::Output>) -> Result<(), Error> {
        self.undelivered.delivered(emitted);
        Ok(())
    }

    fn tick_interval(&self) -> Option<Duration> {
        Some(announcing_interval(self.announce_after))
    }

    async fn tick(&self) -> Result<Emit<Self::Output>, Error> {
        self.store.at_work(&self.at_work.runs(), Part::Services).await.map_err(Error::Announce)?;
        let again = self.store.announce_again(Part::Batches, self.announce_after).await;
        Ok(self.undelivered.emit(again.map_err(Error::Announce)?.map(messages)))
    }

    fn needs(&self) -> impl Needs {
        (&self.store, self.source.as_ref())
    }
}

impl Classify for Error {
    fn disposition(&self) -> Disposition {
        match self {
            Self::RunId(_) => Disposition::Reject,
            Self::Read { source, .. } => source.disposition(),
            Self::Ledger { source, .. } | Self::Announce(source) => source.disposition(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::RunId(_) => "SLUICE-STAGE-001",
            Self::Read { source, .. } => source.code(),
            Self::Ledger { source, .. } | Self::Announce(source) => source.code(),
        }
    }
}
