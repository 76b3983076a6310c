//! Every metric of the runtime, declared once: the recorder, the reference and the tests read the same table.
//!
//! Labels have few values, known beforehand. A run, a document or a key is never a label: each value is a time series
//! that the database of metrics keeps for ever.

use std::{fmt, sync::OnceLock, time::Duration};

use metrics::{Counter, Gauge, Histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use super::{REVISION, VERSION};
use pipeline_model::chain::Chain;

mod declared;

pub use declared::*;

/// How rows of content are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum RowPath {
    /// As text, by `LOAD DATA LOCAL`.
    LoadData,
    /// By statements.
    Insert,
}

// === impl RowPath ===

impl RowPath {
    /// Its label.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// What a stage's handler answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Outcome {
    /// The message is done.
    Ok,
    /// It can never be.
    Reject,
    /// It may be later.
    Retry,
    /// A dependency is away.
    Unavailable,
    /// The stage has to stop.
    Halt,
}

/// Bounds of the buckets of durations, in seconds: from a message that finds its work done to a transaction that waits
/// for a lock.
const SECONDS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// The same for what takes as long as a run: from a run with nothing to do to the eight hours that it replaces.
const MINUTES: [f64; 12] = [0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 150.0, 300.0, 900.0, 1_800.0, 3_600.0, 28_800.0];

/// Gives the metrics as text. Cheap to clone.
#[derive(Clone)]
pub struct Handle(PrometheusHandle);

/// Makes this process record its metrics. Any number of calls give the same recorder: in local mode four stages share a
/// process.
pub fn install() -> Handle {
    static INSTALLED: OnceLock<Handle> = OnceLock::new();
    INSTALLED.get_or_init(first_install).clone()
}

fn first_install() -> Handle {
    let buckets: [(Matcher, &[f64]); 2] =
        [(Matcher::Suffix("_duration_seconds".to_owned()), &SECONDS), (Matcher::Full(END_TO_END.to_owned()), &MINUTES)];
    let mut builder = PrometheusBuilder::new();
    for (matcher, bounds) in buckets {
        builder = match builder.set_buckets_for_metric(matcher, bounds) {
            Ok(builder) => builder,
            Err(source) => {
                tracing::warn!(error = %Chain(&source), "the buckets of durations are not as declared");
                PrometheusBuilder::new()
            }
        };
    }
    let recorder = builder.build_recorder();
    let handle = Handle(recorder.handle());
    if let Err(source) = metrics::set_global_recorder(recorder) {
        // Somebody who embeds Sluice records elsewhere; `/metrics` stays empty then.
        tracing::warn!(error = %source, "this process has another metrics recorder already");
    }
    for declared in DECLARED {
        match declared.kind {
            Kind::Counter => metrics::describe_counter!(declared.name, declared.unit, declared.help),
            Kind::Gauge => metrics::describe_gauge!(declared.name, declared.unit, declared.help),
            Kind::Histogram => metrics::describe_histogram!(declared.name, declared.unit, declared.help),
        }
    }
    metrics::gauge!(BUILD_INFO, "version" => VERSION, "revision" => REVISION).set(1.0);
    handle
}

/// The metrics of one stage, looked up once: a message costs a few additions.
pub(super) struct StageMetrics {
    pub(super) consumed: Counter,
    handled: [Counter; Outcome::ALL.len()],
    pub(super) duration: Histogram,
    pub(super) in_flight: Gauge,
    pub(super) waiting: Gauge,
    pub(super) replaced: Counter,
    pub(super) fenced: Counter,
    pub(super) commit_failures: Counter,
    pub(super) tick_failures: Counter,
    pub(super) committed: Counter,
    pub(super) assigned: Gauge,
    pub(super) paused: Gauge,
    stage: &'static str,
}

// === impl StageMetrics ===

impl StageMetrics {
    /// Installs the recorder first; a handle taken before that would record nothing.
    pub(super) fn new(stage: &'static str) -> Self {
        install();
        Self {
            consumed: metrics::counter!(CONSUMED, "stage" => stage),
            handled: Outcome::ALL
                .map(|outcome| metrics::counter!(HANDLED, "stage" => stage, "outcome" => outcome.as_str())),
            duration: metrics::histogram!(HANDLE_DURATION, "stage" => stage),
            in_flight: metrics::gauge!(IN_FLIGHT, "stage" => stage),
            waiting: metrics::gauge!(WAITING, "stage" => stage),
            replaced: metrics::counter!(REPLACED, "stage" => stage),
            fenced: metrics::counter!(FENCED, "stage" => stage),
            commit_failures: metrics::counter!(COMMIT_FAILURES, "stage" => stage),
            tick_failures: metrics::counter!(TICK_FAILURES, "stage" => stage),
            committed: metrics::counter!(COMMITTED, "stage" => stage),
            assigned: metrics::gauge!(ASSIGNED, "stage" => stage),
            paused: metrics::gauge!(PAUSED, "stage" => stage),
            stage,
        }
    }

    pub(super) fn handled(&self, outcome: Outcome) {
        self.handled_many(outcome, 1);
    }

    pub(super) fn handled_many(&self, outcome: Outcome, messages: u64) {
        if let Some(counter) = self.handled.get(outcome as usize) {
            counter.increment(messages);
        }
    }

    pub(super) fn emitted(&self, topic: &'static str) {
        metrics::counter!(EMITTED, "stage" => self.stage, "topic" => topic).increment(1);
    }

    pub(super) fn behind(group: &str, topic: &str, partition: i32, messages: u64, age: Duration) {
        let labels =
            [("consumergroup", group.to_owned()), ("topic", topic.to_owned()), ("partition", partition.to_string())];
        metrics::gauge!(LAG, &labels).set(messages as f64);
        metrics::gauge!(LAG_SECONDS, &labels).set(age.as_secs_f64());
    }

    pub(super) fn dead_letter(&self, code: &'static str) {
        metrics::counter!(DEAD_LETTERS, "stage" => self.stage, "code" => code).increment(1);
    }
}

// === impl Outcome ===

impl Outcome {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::Ok, Self::Reject, Self::Retry, Self::Unavailable, Self::Halt];

    /// The label's value.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

// === impl Handle ===

impl Handle {
    /// All metrics in the text format of Prometheus.
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Folds what histograms have gathered into their buckets; without it they grow while nobody reads them.
    pub fn upkeep(&self) {
        self.0.run_upkeep();
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("metrics::Handle")
    }
}

// === impl Kind ===

impl Kind {
    pub(super) fn as_str(self) -> &'static str {
        self.into()
    }
}
