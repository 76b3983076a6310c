//! What can be observed of a run by the stages that see it as a whole; like [`super::events`], the log line and the metric of an
//! event are written together.

use std::{
    collections::{BTreeSet, VecDeque},
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use pipeline_model::{
    documents::Level,
    ids::{RunId, ServiceId},
};
use tracing::{Instrument as _, debug, info, warn};

use super::{
    context::TraceContext,
    metrics::{self, ANNOUNCED_AGAIN, ROWS_REMOVED, ROWS_WRITTEN, RUN_HELD, RowPath},
    span::{self, ActivationSpan, EndedRun},
};

/// The events of runs.
#[derive(Clone, Copy, Debug)]
pub struct RunEvents(());

/// The events of activations, which know what they waited for.
#[derive(Debug, Default)]
pub struct Activations {
    /// Spans of confirmations that this process took, the newest last.
    confirmed: Mutex<VecDeque<(RunId, ServiceId, TraceContext)>>,
}

/// An attempt to switch readers.
#[derive(Debug)]
pub struct Attempt<'a> {
    events: &'a Activations,
    run_id: RunId,
    service_id: &'a ServiceId,
    span: ActivationSpan,
}

/// Confirmations that are remembered, over all services.
const REMEMBERED: usize = 4_096;

/// What an open run waits for people for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeldBy {
    /// It would take away more than it may.
    pub removals: bool,
    /// More is rejected than it tolerates.
    pub rejects: bool,
    /// Messages of it were given up.
    pub dead_letters: bool,
    /// Messages of it were announced again and again, and nobody took them.
    pub unanswered: bool,
}

// === impl RunEvents ===

impl RunEvents {
    /// Installs the metrics recorder if nobody has.
    pub fn new() -> Self {
        metrics::install();
        Self(())
    }

    /// What holds the open run now; nothing when none is open.
    pub fn held(&self, by: HeldBy) {
        let HeldBy { removals, rejects, dead_letters, unanswered } = by;
        let all =
            [("removals", removals), ("rejects", rejects), ("dead_letters", dead_letters), ("unanswered", unanswered)];
        for (by, held) in all {
            ::metrics::gauge!(RUN_HELD, "by" => by).set(f64::from(u8::from(held)));
        }
    }

    /// Whether this process can show how a run ended; see [`RunEvents::ended`].
    pub fn shows_ends(&self) -> bool {
        #[cfg(feature = "otlp")]
        return super::otlp::is_exporting();
        #[cfg(not(feature = "otlp"))]
        false
    }

    /// A run has ended, whoever ended it: the root of its trace is exported. Told once for each run.
    pub fn ended(&self, run: &EndedRun) {
        #[cfg(feature = "otlp")]
        super::otlp::export_run(run);
        let EndedRun { run_id, state, services, batches, providers, rejected_providers, reason, .. } = run;
        let reason = reason.as_deref();
        info!(%run_id, state, services, batches, providers, rejected_providers, reason, "the run has ended");
    }

    /// The guard holds a run; told once for each.
    pub fn held_by_guard(&self, run_id: RunId, reason: &str) {
        warn!(%run_id, reason, "the run is held: it would take away more than it may without acceptance");
    }

    /// These many messages of the run are on a topic once more, because nothing of it moved.
    pub fn announced_again(&self, stage: &'static str, run_id: &str, topic: &'static str, messages: u64) {
        ::metrics::counter!(ANNOUNCED_AGAIN, "stage" => stage, "topic" => topic).increment(messages);
        warn!(stage, run_id, topic, messages, "nothing of the run has moved: announced again what is not done");
    }

    /// A request makes no run: it is too old, or meant for another target.
    pub fn request_refused(&self, run_id: RunId, reason: &str) {
        warn!(%run_id, reason, "a request is refused");
    }

    /// There is nothing to do for the run of a request: it has ended, or another one is open.
    pub fn nothing_to_do(&self, run_id: RunId, state: &str, reason: Option<&str>) {
        info!(%run_id, state, reason, "nothing to do for this run");
    }

    /// The services of a run are in the ledger, and so many go with it.
    pub fn discovered(&self, run_id: RunId, services: i64, removed: i64) {
        info!(%run_id, services, removed, "services discovered");
    }

    /// The root stage ended a run: its source cannot be what it was asked for.
    pub fn ended_as_failed(&self, run_id: RunId, reason: &str) {
        warn!(%run_id, reason, "the run is ended as failed");
    }

    /// The plan of a service is in the ledger.
    pub fn planned(&self, run_id: RunId, service_id: &ServiceId, batches: i64, providers: i64) {
        debug!(%run_id, %service_id, batches, providers, "service planned");
    }

    /// A service was looked at, and its proof does not close yet.
    pub fn not_yet_complete(&self, run_id: RunId, service_id: &ServiceId, waiting: &dyn fmt::Display) {
        debug!(%run_id, %service_id, %waiting, "not yet complete");
    }

    /// A service was switched, and these rows left the views.
    pub fn removed(&self, level: Level, rows: i64) {
        if let Some(rows) = u64::try_from(rows).ok().filter(|rows| *rows > 0) {
            ::metrics::counter!(ROWS_REMOVED, "level" => level.as_str()).increment(rows);
        }
    }

    /// A batch was committed with these rows of content.
    pub fn written(&self, path: RowPath, rows: i64) {
        if let Some(rows) = u64::try_from(rows).ok().filter(|rows| *rows > 0) {
            ::metrics::counter!(ROWS_WRITTEN, "path" => path.as_str()).increment(rows);
        }
    }

    /// Rows are inserted where they could be loaded; told once for each reason.
    pub fn inserted(&self, reason: &str) {
        info!(reason, "rows are inserted, which costs more than to load them");
    }
}

// === impl Activations ===

impl Activations {
    /// A confirmation was taken, in the span that is current.
    pub fn confirmed(&self, run_id: RunId, service_id: &ServiceId) {
        let Some(context) = span::sampled_context() else { return };
        let mut confirmed = self.lock();
        if confirmed.len() == REMEMBERED {
            confirmed.pop_front();
        }
        confirmed.push_back((run_id, service_id.clone(), context));
    }

    /// An attempt to switch a service, or the whole run with it, begins.
    pub fn attempt<'a>(&'a self, run_id: RunId, service_id: &'a ServiceId) -> Attempt<'a> {
        Attempt { events: self, run_id, service_id, span: ActivationSpan::new(run_id, service_id) }
    }

    /// The newest confirmations of these services, which are forgotten.
    fn take(&self, run_id: RunId, services: &BTreeSet<&ServiceId>) -> Vec<TraceContext> {
        let mut confirmed = self.lock();
        let (taken, kept): (Vec<_>, Vec<_>) =
            confirmed.drain(..).partition(|(run, service, _)| *run == run_id && services.contains(service));
        *confirmed = kept.into();
        taken.into_iter().rev().take(span::LINKS).map(|(.., context)| context).collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(RunId, ServiceId, TraceContext)>> {
        self.confirmed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Attempt ===

impl Attempt<'_> {
    /// What is tried, in the span of the attempt.
    pub async fn of<T>(&self, tried: impl Future<Output = T>) -> T {
        tried.instrument(self.span.span().clone()).await
    }

    /// Readers were switched: a service, or with it all that were ready.
    pub fn activated<'s>(&self, services: impl Iterator<Item = &'s ServiceId>) {
        let services: BTreeSet<&ServiceId> = services.collect();
        self.span.done(services.len(), &self.events.take(self.run_id, &services));
        let Self { run_id, service_id, .. } = self;
        info!(%run_id, %service_id, services = services.len(), "activated");
    }
}

impl Default for RunEvents {
    fn default() -> Self {
        Self::new()
    }
}
