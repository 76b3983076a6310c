//! What can be observed of a run by the stages that see it as a whole; like [`super::events`], the log line and the metric of an
//! event are written together.

use std::fmt;

use pipeline_model::{
    documents::Level,
    ids::{RunId, ServiceId},
};
use tracing::{debug, info, warn};

use super::metrics::{self, ANNOUNCED_AGAIN, ROWS_REMOVED, ROWS_WRITTEN, RUN_HELD, RowPath};

/// The events of runs.
#[derive(Clone, Copy, Debug)]
pub struct RunEvents(());

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

    /// Readers were switched: a service, or with it all that were ready.
    pub fn activated(&self, run_id: RunId, service_id: &ServiceId, services: usize) {
        info!(%run_id, %service_id, services, "activated");
    }

    /// A service was looked at, and its proof does not close yet.
    pub fn not_yet_complete(&self, run_id: RunId, service_id: &ServiceId, waiting: &dyn fmt::Display) {
        debug!(%run_id, %service_id, %waiting, "not yet complete");
    }

    /// When the run will end could not be noted.
    pub fn not_estimated(&self, run_id: RunId, error: &dyn fmt::Display) {
        debug!(%run_id, %error, "the estimate was not noted");
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

impl Default for RunEvents {
    fn default() -> Self {
        Self::new()
    }
}
