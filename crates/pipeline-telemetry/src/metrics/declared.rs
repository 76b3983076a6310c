//! The table of all metrics: names, kinds, units, help and labels.

use metrics::Unit;

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
/// Messages that a group has not committed. Named as the exporters of Kafka name it, so that their dashboards find it.
pub const LAG: &str = "kafka_consumergroup_lag";
/// Age of the oldest of them.
pub const LAG_SECONDS: &str = "kafka_consumergroup_lag_seconds";
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
const OF_PARTITION: &[(&str, &str)] = &[
    ("consumergroup", "the groups of stages and sinks"),
    ("topic", "what they read, as it is called on the cluster"),
    ("partition", "its number"),
];

/// All of them.
pub const DECLARED: [Declared; 22] = [
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
        name: LAG,
        kind: Kind::Gauge,
        unit: Unit::Count,
        help: "Messages of a partition that its group has not committed, told every five seconds by the process that holds \
               the partition; a process that has given it up tells 0. So sum over processes. `sluice lag` tells it also of \
               groups that nobody is in.",
        labels: OF_PARTITION,
    },
    Declared {
        name: LAG_SECONDS,
        kind: Kind::Gauge,
        unit: Unit::Seconds,
        help: "Age of the oldest of these messages, since it was produced; 0 when there is none. While the process has \
               fetched none of them, it is the time for which it has seen them wait.",
        labels: OF_PARTITION,
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
