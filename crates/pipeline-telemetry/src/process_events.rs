//! What can be observed of a process, whichever stage or command it is; like [`super::events`], the log line and the metric of
//! an event are written together.

use std::fmt;

use tracing::warn;

use super::metrics::{DATABASE_CONNECTIONS, EXPORT_FAILURES, SPANS_DROPPED};

/// A batch of spans is lost, since the trace collector did not take it. The line is written for the first one only.
pub fn spans_lost(collector: &str, reason: &'static str, error: impl fmt::Display, is_first: bool) {
    metrics::counter!(EXPORT_FAILURES, "reason" => reason).increment(1);
    if is_first {
        warn!(collector, reason, %error, "spans are lost until the trace collector takes them; this is said once");
    }
}

/// Why a span is not exported, though it was to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Dropped {
    /// The exporter is slower than the spans come.
    QueueFull,
    /// The collector did not take the spans.
    NotTaken,
    /// So many spans of the trace failed or were slow that it would become too large.
    TooManyOfTrace,
    /// Too many spans wait for the end of the one above them.
    TooManyOpen,
}

/// Spans are dropped. No line: the collector's trouble has one, and the rest is no trouble.
pub fn spans_dropped(reason: Dropped, spans: usize) {
    metrics::counter!(SPANS_DROPPED, "reason" => reason.as_str()).increment(spans as u64);
}

/// So many connections to the target are at work more than before, or fewer.
pub fn connections_in_use(more: f64) {
    metrics::gauge!(DATABASE_CONNECTIONS).increment(more);
}

/// Tasks of a stage that has stopped compute without a pause; the end of the process ends them.
pub fn left_behind(stage: &'static str, tasks: usize) {
    warn!(stage, tasks, "tasks compute without a pause and are left behind");
}

// === impl Dropped ===

impl Dropped {
    /// The label's value.
    fn as_str(self) -> &'static str {
        self.into()
    }
}
