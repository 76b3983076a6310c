//! Stage 3: reads what is below the providers of one batch, stores it under them, and confirms.
//!
//! The subtrees are read before the transaction begins, so a slow source holds no lock, and memory is bounded by the
//! batch. The transaction then checks the fence and the batch's state, compares digests, writes what changed and marks
//! the batch stored: all or nothing. A bad document rejects its provider, which keeps its last good content; the other
//! providers of the batch go on.

use std::{sync::Arc, time::Duration};

use pipeline_core::{
    announcing::AtWork,
    stage::{Emit, Record, Stage},
};
use pipeline_model::{
    contracts::{BatchPlanned, Confirmation, Confirmed},
    disposition::{Classify, Disposition},
    ids::{BatchNo, Generation, InvalidRunId, RunId, ServiceId},
    needs::Needs,
};
use pipeline_settings::settings;
use pipeline_source::Source;
use pipeline_store::{BatchKey, BatchState, Part, Store, StoredBatch, announcing_interval};

/// The stage.
pub struct BundlesStage {
    source: Arc<dyn Source>,
    store: Store,
    announce_after: Duration,
    at_work: AtWork,
}

/// Why a batch could not be stored.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts show what the fields are")]
pub enum Error {
    /// The message names no run.
    #[error("cannot store a batch of no run")]
    RunId(#[source] InvalidRunId),
    /// The subtrees could not be read.
    #[error("could not read the bundles of batch {batch_no} of service `{service_id}`")]
    Read { service_id: String, batch_no: i32, source: pipeline_source::Error },
    /// The batch could not be written.
    #[error("could not store batch {batch_no} of service `{service_id}`")]
    Write { service_id: String, batch_no: i32, source: pipeline_store::Error },
    /// That batches are in hand could not be noted.
    #[error("could not note that batches are in hand")]
    AtWork(#[source] pipeline_store::Error),
}

// === impl BundlesStage ===

impl BundlesStage {
    /// Reads subtrees from `source` and keeps them in `store`.
    pub fn new(source: Arc<dyn Source>, store: Store) -> Self {
        let announce_after = settings::Run::default().announce_after();
        Self { source, store, announce_after, at_work: AtWork::default() }
    }

    /// The same; a run that stands still for so long has lost its messages, unless this stage says that it is at work.
    pub fn announcing_after(self, announce_after: Duration) -> Self {
        Self { announce_after, ..self }
    }
}

impl Stage for BundlesStage {
    const NAME: &'static str = "bundles";
    type Input = BatchPlanned;
    type Output = Confirmed;
    type Error = Error;

    async fn handle(&self, record: &Record<BatchPlanned>) -> Result<Emit<Confirmed>, Error> {
        let message = &record.message;
        let _in_hand = self.at_work.begin(&message.run_id);
        let BatchPlanned { service_id, batch_no, .. } = message;
        let write = |source| Error::Write { service_id: service_id.clone(), batch_no: *batch_no, source };
        let read = |source| Error::Read { service_id: service_id.clone(), batch_no: *batch_no, source };
        let key = BatchKey {
            run_id: RunId::parse(&message.run_id).map_err(Error::RunId)?,
            generation: Generation(message.generation),
            service_id: ServiceId(service_id.clone()),
            batch_no: BatchNo(*batch_no),
        };
        let providers = match self.store.batch_state(&key).await.map_err(write)? {
            BatchState::Planned { providers } => providers,
            BatchState::Stored(batch) => return Ok(Emit::one(confirmation(message, &batch))),
            BatchState::Closed => return Ok(Emit::nothing()),
        };
        let subtrees = self.source.subtrees(&key.service_id, &providers).await.map_err(read)?;
        let stored = self.store.store_batch(&key, subtrees).await.map_err(write)?;
        Ok(stored.iter().map(|batch| confirmation(message, batch)).collect())
    }

    fn tick_interval(&self) -> Option<Duration> {
        Some(announcing_interval(self.announce_after))
    }

    /// Says which runs are at work, so that a slow batch is not taken for a lost one.
    async fn tick(&self) -> Result<Emit<Confirmed>, Error> {
        self.store.at_work(&self.at_work.runs(), Part::Batches).await.map_err(Error::AtWork)?;
        Ok(Emit::nothing())
    }

    fn needs(&self) -> impl Needs {
        (&self.store, self.source.as_ref())
    }
}

fn confirmation(message: &BatchPlanned, batch: &StoredBatch) -> Confirmed {
    Confirmed {
        run_id: message.run_id.clone(),
        generation: message.generation,
        service_id: message.service_id.clone(),
        what: Confirmation::BatchStored,
        batch_no: Some(message.batch_no),
        providers: batch.stored + batch.unchanged,
        rejected: batch.rejected,
    }
}

impl Classify for Error {
    fn disposition(&self) -> Disposition {
        match self {
            Self::RunId(_) => Disposition::Reject,
            Self::Read { source, .. } => source.disposition(),
            Self::Write { source, .. } | Self::AtWork(source) => source.disposition(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::RunId(_) => "SLUICE-STAGE-001",
            Self::Read { source, .. } => source.code(),
            Self::Write { source, .. } | Self::AtWork(source) => source.code(),
        }
    }
}
