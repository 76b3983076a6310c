//! What can be observed of a run by the stages that see it as a whole; like [`super::events`], the log line and the metric of an
//! event are written together.

use std::{
    collections::{BTreeSet, VecDeque},
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use pipeline_model::{
    documents::Level,
    ids::{RunId, ServiceId},
};
use tracing::{Instrument as _, debug, info, warn};

use super::{
    context::TraceContext,
    metrics::{
        self, ACTIVATION_DURATION, ANNOUNCED_AGAIN, END_TO_END, FRESHNESS, GENERATION, LETTERS_OPEN, PROVIDERS,
        ROWS_REMOVED, ROWS_WRITTEN, RUN_AGE, RUN_HELD, RUN_OPEN, RUN_PENDING, RUN_STANDS_STILL, RUNS_ENDED, RowPath,
    },
    span::{self, ActivationSpan, EndedRun},
};

/// The events of runs.
#[derive(Clone, Copy, Debug)]
pub struct RunEvents(());

/// How the copy is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Situation {
    /// The run that is open.
    pub run: Option<OpenRun>,
    /// Dead letters that wait for people.
    pub letters_open: i64,
    /// The newest generation that readers see of any service; 0 when there is none.
    pub generation: i64,
    /// How old what readers see is, in milliseconds: time since the oldest run was asked for whose services they see.
    pub freshness_ms: Option<i64>,
}

/// A run that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenRun {
    /// Milliseconds since it was opened.
    pub age_ms: i64,
    /// Milliseconds since something of it was planned, stored or switched.
    pub still_ms: i64,
    /// Services that are not planned.
    pub services_pending: i64,
    /// Batches that are not stored.
    pub batches_pending: i64,
    /// Planned services that are not switched.
    pub activations_pending: i64,
}

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
    begun: Instant,
}

/// Confirmations that are remembered, over all services.
const REMEMBERED: usize = 4_096;

/// Providers of a batch, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoredProviders {
    /// Their content was written.
    pub written: i64,
    /// Their content is as before.
    pub unchanged: i64,
    /// They are broken and keep what they had.
    pub rejected: i64,
    /// They were gone when they were read.
    pub skipped: i64,
}

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

    /// How the copy is now.
    pub fn situation(&self, situation: &Situation) {
        let Situation { run, letters_open, generation, freshness_ms } = situation;
        let set = |name: &'static str, value: i64| ::metrics::gauge!(name).set(value as f64);
        set(LETTERS_OPEN, *letters_open);
        set(GENERATION, *generation);
        ::metrics::gauge!(FRESHNESS).set(freshness_ms.map_or(-1.0, seconds));
        set(RUN_OPEN, i64::from(run.is_some()));
        ::metrics::gauge!(RUN_AGE).set(run.map_or(0.0, |run| seconds(run.age_ms)));
        ::metrics::gauge!(RUN_STANDS_STILL).set(run.map_or(0.0, |run| seconds(run.still_ms)));
        let pending = [
            ("services", run.map_or(0, |run| run.services_pending)),
            ("batches", run.map_or(0, |run| run.batches_pending)),
            ("activations", run.map_or(0, |run| run.activations_pending)),
        ];
        for (part, number) in pending {
            ::metrics::gauge!(RUN_PENDING, "part" => part).set(number as f64);
        }
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
        ::metrics::counter!(RUNS_ENDED, "state" => run.state).increment(1);
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

    /// Something that only tells how the copy or a run is could not be told, such as `when the run will end`. Nothing
    /// else fails because of it; the next turn tells it.
    pub fn not_told(&self, what: &'static str, error: &dyn fmt::Display) {
        debug!(what, %error, "not told");
    }

    /// A service was switched, and these rows left the views.
    pub fn removed(&self, level: Level, rows: i64) {
        if let Some(rows) = u64::try_from(rows).ok().filter(|rows| *rows > 0) {
            ::metrics::counter!(ROWS_REMOVED, "level" => level.as_str()).increment(rows);
        }
    }

    /// A batch was committed, with these providers.
    pub fn stored(&self, providers: &StoredProviders) {
        let StoredProviders { written, unchanged, rejected, skipped } = *providers;
        for (outcome, number) in
            [("written", written), ("unchanged", unchanged), ("rejected", rejected), ("skipped", skipped)]
        {
            if let Some(number) = u64::try_from(number).ok().filter(|number| *number > 0) {
                ::metrics::counter!(PROVIDERS, "outcome" => outcome).increment(number);
            }
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
        Attempt {
            events: self,
            run_id,
            service_id,
            span: ActivationSpan::new(run_id, service_id),
            begun: Instant::now(),
        }
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

    /// Readers were switched: a service, or with it all that were ready; each so many milliseconds after the request.
    pub fn activated<'s>(&self, services: impl Iterator<Item = (&'s ServiceId, i64)>) {
        ::metrics::histogram!(ACTIVATION_DURATION).record(self.begun.elapsed().as_secs_f64());
        let mut switched = BTreeSet::new();
        for (service, after_ms) in services {
            ::metrics::histogram!(END_TO_END).record(seconds(after_ms));
            switched.insert(service);
        }
        let services = switched;
        self.span.done(services.len(), &self.events.take(self.run_id, &services));
        let Self { run_id, service_id, .. } = self;
        info!(%run_id, %service_id, services = services.len(), "activated");
    }
}

fn seconds(milliseconds: i64) -> f64 {
    milliseconds as f64 / 1e3
}

impl Default for RunEvents {
    fn default() -> Self {
        Self::new()
    }
}
