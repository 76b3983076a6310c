//! Stage 4, the fan-in: asks the ledger whether a service, or the whole run, is proven complete, and switches readers.
//!
//! A confirmation is a hint and nothing more: it makes the stage look. Any number of activators may race; the ledger
//! lets one win and shows the others that it is done. A lost confirmation costs the timer's delay, for the timer looks
//! at everything that is still open. Announcements leave by the same pattern as the other stages' messages: they are
//! read from the ledger, and marked there when the brokers have them.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use pipeline_core::stage::{Emit, Record, Stage};
use pipeline_model::{
    contracts::{Activated, Confirmed},
    disposition::{Classify, Disposition},
    ids::{InvalidRunId, RunId, ServiceId},
    needs::Needs,
};
use pipeline_store::{Activatable, Counts, Hold, Outcome, Run, ServiceActivation, Store};
use pipeline_telemetry::run_events::{Activations, HeldBy, RunEvents};

/// How often a process tells how the copy is; a collector of metrics rarely asks more often.
const TELL_AFTER: Duration = Duration::from_secs(5);

/// The stage.
pub struct ActivatorStage {
    store: Store,
    tick_interval: Duration,
    events: RunEvents,
    activations: Activations,
    /// When this process told last how the copy is.
    told: Mutex<Option<Instant>>,
}

/// Why a service could not be activated.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts show what the fields are")]
pub enum Error {
    /// The message names no run.
    #[error("cannot activate a service of no run")]
    RunId(#[source] InvalidRunId),
    /// The ledger could not be read or written.
    #[error("could not activate service `{service_id}`")]
    Activate { service_id: ServiceId, source: pipeline_store::Error },
    /// What is open could not be read from the ledger, or an announcement not be marked.
    #[error("could not read what is to be activated or announced")]
    Ledger(#[source] pipeline_store::Error),
}

// === impl ActivatorStage ===

impl ActivatorStage {
    /// Activates in `store`; looks for what a lost confirmation should have told it every `tick_interval`.
    pub fn new(store: Store, tick_interval: Duration) -> Self {
        Self {
            store,
            tick_interval,
            events: RunEvents::new(),
            activations: Activations::default(),
            told: Mutex::default(),
        }
    }

    async fn activate(&self, run_id: RunId, service_id: &ServiceId) -> Result<Vec<ServiceActivation>, Error> {
        let attempt = self.activations.attempt(run_id, service_id);
        let outcome = attempt.of(self.store.activate(run_id, service_id)).await;
        match outcome.map_err(|source| Error::Activate { service_id: service_id.clone(), source })? {
            Outcome::Activated(activations) => {
                for level in Counts::LEVELS {
                    self.events.removed(level, activations.iter().map(|each| each.rows_removed.of(level)).sum());
                }
                attempt.activated(activations.iter().map(|each| (&each.service_id, each.duration_ms)));
                self.store.tell_ends(&self.events, None).await;
                Ok(activations)
            }
            Outcome::NotYet(waiting) => {
                self.events.not_yet_complete(run_id, service_id, &waiting);
                Ok(Vec::new())
            }
            Outcome::AlreadyDone | Outcome::Closed => Ok(Vec::new()),
        }
    }
}

impl ActivatorStage {
    /// Tells how the copy is, when the open run is expected to end, and how runs ended. Nothing rests on it.
    async fn observe(&self, run: Option<&Run>) {
        if self.is_time_to_tell() {
            self.store.tell_situation(&self.events).await;
        }
        if let Some(run) = run
            && let Err(error) = self.store.note_estimate(run).await
        {
            self.events.not_told("when the run will end", &error);
        }
        self.store.tell_ends(&self.events, None).await;
    }

    fn is_time_to_tell(&self) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_time = told.is_none_or(|told| told.elapsed() >= TELL_AFTER);
        if is_time {
            *told = Some(Instant::now());
        }
        is_time
    }

    /// Tells what holds the open run, and writes down once that the guard does.
    async fn tell(&self, Activatable { run, hold, .. }: &Activatable) -> Result<(), Error> {
        let by = |hold: &Hold| HeldBy {
            removals: hold.exceeded.is_some(),
            rejects: hold.rejects,
            dead_letters: hold.letters,
            unanswered: hold.unanswered,
        };
        self.events.held(hold.as_ref().map(by).unwrap_or_default());
        if let (Some(run), Some(Hold { exceeded: Some(exceeded), reason, .. })) = (run, hold)
            && run.held_at_ms.is_none()
            && self.store.note_hold(run.run_id, exceeded).await.map_err(Error::Ledger)?
        {
            self.events.held_by_guard(run.run_id, reason);
        }
        Ok(())
    }
}

impl Stage for ActivatorStage {
    const NAME: &'static str = "activator";
    type Input = Confirmed;
    type Output = Activated;
    type Error = Error;

    async fn handle(&self, record: &Record<Confirmed>) -> Result<Emit<Activated>, Error> {
        let run_id = RunId::parse(&record.message.run_id).map_err(Error::RunId)?;
        let service_id = ServiceId(record.message.service_id.clone());
        self.activations.confirmed(run_id, &service_id);
        Ok(self.activate(run_id, &service_id).await?.into_iter().map(Activated::from).collect())
    }

    async fn delivered(&self, emitted: &Emit<Activated>) -> Result<(), Error> {
        for message in &emitted.messages {
            let run_id = RunId::parse(&message.run_id).map_err(Error::RunId)?;
            let service_id = ServiceId(message.service_id.clone());
            self.store.mark_announced(run_id, &[service_id]).await.map_err(Error::Ledger)?;
        }
        Ok(())
    }

    fn needs(&self) -> impl Needs {
        &self.store
    }

    fn tick_interval(&self) -> Option<Duration> {
        Some(self.tick_interval)
    }

    async fn tick(&self) -> Result<Emit<Activated>, Error> {
        let found = self.store.activatable().await.map_err(Error::Ledger)?;
        self.tell(&found).await?;
        let goes_on = found.run.clone().filter(|_| found.hold.is_none());
        for (run_id, service_id) in found.due() {
            // What it activates is among the unannounced below.
            self.activate(run_id, &service_id).await?;
        }
        self.observe(goes_on.as_ref()).await;
        let unannounced = self.store.unannounced(None).await.map_err(Error::Ledger)?;
        Ok(unannounced.into_iter().map(Activated::from).collect())
    }
}

impl Classify for Error {
    fn disposition(&self) -> Disposition {
        match self {
            Self::RunId(_) => Disposition::Reject,
            Self::Activate { source, .. } | Self::Ledger(source) => source.disposition(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::RunId(_) => "SLUICE-STAGE-001",
            Self::Activate { source, .. } | Self::Ledger(source) => source.code(),
        }
    }
}
