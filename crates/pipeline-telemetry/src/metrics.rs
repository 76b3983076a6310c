//! Every metric of the runtime, declared once: the recorder, the reference and the tests read the same table.
//!
//! Labels have few values, known beforehand. A run, a document or a key is never a label: each value is a time series
//! that the database of metrics keeps for ever.

use std::{fmt, sync::OnceLock};

use metrics::{Counter, Gauge, Histogram, Unit};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use super::{REVISION, VERSION};
use pipeline_model::chain::Chain;

/// Messages taken from a topic.
pub const CONSUMED: &str = "sluice_messages_consumed_total";
/// Answers of a stage's handler.
pub const HANDLED: &str = "sluice_messages_handled_total";
/// Messages put on a topic and acknowledged.
pub const EMITTED: &str = "sluice_messages_emitted_total";
/// Messages announced again, because nothing of their run moved.
pub const ANNOUNCED_AGAIN: &str = "sluice_messages_announced_again_total";
/// Messages put on the dead-letter topic.
pub const DEAD_LETTERS: &str = "sluice_dead_letters_total";
/// Time in a stage's handler.
pub const HANDLE_DURATION: &str = "sluice_handle_duration_seconds";
/// Messages begun and not yet acknowledged.
pub const IN_FLIGHT: &str = "sluice_in_flight_messages";
/// Messages that a newer one of their key replaced.
pub const REPLACED: &str = "sluice_messages_replaced_total";
/// Batches that the target of a sink turned away.
pub const FENCED: &str = "sluice_fenced_batches_total";
/// Messages that wait by themselves.
pub const WAITING: &str = "sluice_waiting_messages";
/// Commits that the brokers did not take.
pub const COMMIT_FAILURES: &str = "sluice_commit_failures_total";
/// Ticks that failed.
pub const TICK_FAILURES: &str = "sluice_tick_failures_total";
/// Offsets committed.
pub const COMMITTED: &str = "sluice_committed_offsets_total";
/// Partitions held.
pub const ASSIGNED: &str = "sluice_assigned_partitions";
/// Whether a stage waits for a dependency.
pub const PAUSED: &str = "sluice_stage_paused";
/// Whether the open run waits for people.
pub const RUN_HELD: &str = "sluice_run_held";
/// Rows that left the views.
pub const ROWS_REMOVED: &str = "sluice_rows_removed_total";
/// Rows of content written, by how.
pub const ROWS_WRITTEN: &str = "sluice_rows_written_total";
/// Batches of spans that the trace collector did not take.
pub const EXPORT_FAILURES: &str = "sluice_trace_export_failures_total";
/// Which build runs.
pub const BUILD_INFO: &str = "sluice_build_info";

/// A metric: what it is called, what it counts, and by what it is told apart.
#[derive(Clone, Copy, Debug)]
pub struct Declared {
    /// Its name, as Prometheus shows it.
    pub name: &'static str,
    /// How it behaves.
    pub kind: Kind,
    /// What one of it is.
    pub unit: Unit,
    /// What it says when it moves.
    pub help: &'static str,
    /// Its labels with the values they can have.
    pub labels: &'static [(&'static str, &'static str)],
}

/// How a metric behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by size, in buckets.
    Histogram,
}

const STAGE: (&str, &str) = ("stage", "the stage's name");

/// All of them.
pub const DECLARED: [Declared; 20] = [
    Declared {
        name: CONSUMED,
        kind: Kind::Counter,
        unit: Unit::Count,
        help: "Messages taken from the stage's topics, redelivered ones included.",
        labels: &[STAGE],
    },
    Declared {
        name: HANDLED,
        kind: Kind::Counter,
        unit: Unit::Count,
        help: "Answers of the stage's handler; a message that is retried is counted at each attempt.",
        labels: &[STAGE, ("outcome", "`ok`, `reject`, `retry`, `unavailable`, `halt`")],
    },
    Declared {
        name: EMITTED,
        kind: Kind::Counter,
        unit: Unit::Count,
        help: "Messages that the stage put on a topic and the brokers acknowledged.",
        labels: &[STAGE, ("topic", "the topics of the contracts")],
    },
    Declared {
        name: ANNOUNCED_AGAIN,
        kind: Kind::Counter,
        unit: Unit::Count,
        help: "Messages put on a topic once more because nothing of their run moved: the first ones were probably lost.",
        labels: &[STAGE, ("topic", "the topics of the contracts")],
    },
    Declared {
        name: DEAD_LETTERS,
        kind: Kind::Counter,
        unit: Unit::Count,
        help: "Messages that the stage put on the dead-letter topic: each one wants a person.",
        labels: &[STAGE, ("code", "the error codes in `docs/errors/`")],
    },
    Declared {
        name: HANDLE_DURATION,
        kind: Kind::Histogram,
        unit: Unit::Seconds,
        help: "Time that the stage's handler took for one attempt, whatever its outcome.",
        labels: &[STAGE],
    },
    Declared {
        name: IN_FLIGHT,
        kind: Kind::Gauge,
        unit: Unit::Count,
        help: "Messages that the stage has begun and not finished; at `stage.in_flight` it is at its bound.",
        labels: &[STAGE],
    },
    Declared {
        name: WAITING,
        kind: Kind::Gauge,
        unit: Unit::Count,
        help: "Messages in flight that a dependency does not answer while the stage is ready: a held lock, a statement that \
               never ends. After `stage.patience_ms` each becomes a dead letter.",
        labels: &[STAGE],
    },
    Declared {
        name: REPLACED,
        kind: Kind::Counter,
        unit: Unit::Count,
        help: "Messages that were settled unhandled, because a newer one of their key came before their turn.",
        labels: &[STAGE],
    },
    Declared {
        name: FENCED,
        kind: Kind::Counter,
        unit: Unit::Count,
        help: "Batches that a sink's target turned away, since it holds another offset than they begin at. A few come with \
               a rebalance; many mean that two sinks believe in the same partition.",
        labels: &[STAGE],
    },
    Declared {
        name: COMMITTED,
        kind: Kind::Counter,
        unit: Unit::Count,
        help: "Offsets that the stage committed and the broker acknowledged. Stands still while messages are consumed: something blocks a partition.",
        labels: &[STAGE],
    },
    Declared {
        name: COMMIT_FAILURES,
        kind: Kind::Counter,
        unit: Unit::Count,
        help: "Commits that the brokers did not take. Each is sent again; while they fail, a crash repeats more.",
        labels: &[STAGE],
    },
    Declared {
        name: TICK_FAILURES,
        kind: Kind::Counter,
        unit: Unit::Count,
        help: "Turns of the stage's own timer that failed. The next turn repeats the work.",
        labels: &[STAGE],
    },
    Declared {
        name: ASSIGNED,
        kind: Kind::Gauge,
        unit: Unit::Count,
        help: "Partitions that the stage holds in this process.",
        labels: &[STAGE],
    },
    Declared {
        name: PAUSED,
        kind: Kind::Gauge,
        unit: Unit::Count,
        help: "1 while the stage waits for a dependency that is away, else 0.",
        labels: &[STAGE],
    },
    Declared {
        name: RUN_HELD,
        kind: Kind::Gauge,
        unit: Unit::Count,
        help: "1 while nothing of the open run goes on, for want of a decision or of somebody who takes its messages \
               (`unanswered`), else 0; told by activators.",
        labels: &[("by", "`removals`, `rejects`, `dead_letters`, `unanswered`")],
    },
    Declared {
        name: ROWS_REMOVED,
        kind: Kind::Counter,
        unit: Unit::Count,
        help: "Rows that left the views with the services that this activator switched.",
        labels: &[("level", "`provider_service`, `provider`, `bundle`, `subscription_field`")],
    },
    Declared {
        name: ROWS_WRITTEN,
        kind: Kind::Counter,
        unit: Unit::Count,
        help: "Rows of bundles and subscription fields that this process wrote and committed, by how: loaded as text \
               (`load_data`), or by statements (`insert`), which cost more. Where rows can be loaded, `insert` should \
               stand still; the log says why it does not.",
        labels: &[("path", "`load_data`, `insert`")],
    },
    Declared {
        name: EXPORT_FAILURES,
        kind: Kind::Counter,
        unit: Unit::Count,
        help: "Batches of spans that the trace collector did not take and that are lost; no stage waits for it.",
        labels: &[("reason", "`untrusted`, `unreachable`, `refused`")],
    },
    Declared {
        name: BUILD_INFO,
        kind: Kind::Gauge,
        unit: Unit::Count,
        help: "Always 1; the labels say which build runs.",
        labels: &[("version", "the version"), ("revision", "the commit, `unknown` when it was not given to the build")],
    },
];

/// How rows of content are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
        match self {
            Self::LoadData => "load_data",
            Self::Insert => "insert",
        }
    }
}

/// What a stage's handler answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    let builder = PrometheusBuilder::new();
    let builder = match builder.set_buckets_for_metric(Matcher::Full(HANDLE_DURATION.to_owned()), &SECONDS) {
        Ok(builder) => builder,
        Err(source) => {
            tracing::warn!(error = %Chain(&source), "the buckets of durations are not as declared");
            PrometheusBuilder::new()
        }
    };
    let recorder = builder.build_recorder();
    let handle = Handle(recorder.handle());
    if let Err(source) = metrics::set_global_recorder(recorder) {
        // Somebody who embeds Sluice records elsewhere; `/metrics` stays empty then.
        tracing::warn!(error = %source, "this process has another metrics recorder already");
    }
    for declared in &DECLARED {
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
        match self {
            Self::Ok => "ok",
            Self::Reject => "reject",
            Self::Retry => "retry",
            Self::Unavailable => "unavailable",
            Self::Halt => "halt",
        }
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
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}
