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
/// Whether a run is open.
pub const RUN_OPEN: &str = "sluice_run_open";
/// How long the open run has been open.
pub const RUN_AGE: &str = "sluice_run_age_seconds";
/// How long nothing of the open run has moved.
pub const RUN_STANDS_STILL: &str = "sluice_run_stands_still_seconds";
/// Parts of the open run that the fan-in waits for.
pub const RUN_PENDING: &str = "sluice_run_pending";
/// Runs that ended.
pub const RUNS_ENDED: &str = "sluice_runs_ended_total";
/// Dead letters that wait for people.
pub const LETTERS_OPEN: &str = "sluice_dead_letters_open";
/// The newest generation that readers see.
pub const GENERATION: &str = "sluice_generation";
/// How old what readers see is.
pub const FRESHNESS: &str = "sluice_freshness_seconds";
/// Time of a switch of readers.
pub const ACTIVATION_DURATION: &str = "sluice_activation_duration_seconds";
/// From the request of a run to the switch of a service.
pub const END_TO_END: &str = "sluice_request_to_activation_seconds";
/// Providers of batches that were stored.
pub const PROVIDERS: &str = "sluice_providers_total";
/// Time of a transaction.
pub const DATABASE_DURATION: &str = "sluice_database_duration_seconds";
/// Failures of the database.
pub const DATABASE_FAILURES: &str = "sluice_database_failures_total";
/// Connections in use.
pub const DATABASE_CONNECTIONS: &str = "sluice_database_connections_in_use";
/// Time of a call to the source.
pub const SOURCE_DURATION: &str = "sluice_source_duration_seconds";
/// Failures of the source.
pub const SOURCE_FAILURES: &str = "sluice_source_failures_total";
/// Batches of spans that the trace collector did not take.
pub const EXPORT_FAILURES: &str = "sluice_trace_export_failures_total";
/// Spans that were to be kept and are not exported.
pub const SPANS_DROPPED: &str = "sluice_trace_spans_dropped_total";
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
pub const DECLARED: [Declared; 39] = [
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
        name: RUN_OPEN,
        kind: Kind::Gauge,
        unit: Unit::Count,
        help: "1 while a run is open, else 0; told by activators, as are the other gauges of runs.",
        labels: &[],
    },
    Declared {
        name: RUN_AGE,
        kind: Kind::Gauge,
        unit: Unit::Seconds,
        help: "How long the open run has been open; 0 when none is.",
        labels: &[],
    },
    Declared {
        name: RUN_STANDS_STILL,
        kind: Kind::Gauge,
        unit: Unit::Seconds,
        help: "How long nothing of the open run has been planned, stored or switched; 0 when none is open.",
        labels: &[],
    },
    Declared {
        name: RUN_PENDING,
        kind: Kind::Gauge,
        unit: Unit::Count,
        help: "Parts of the open run that are known and not done: services that are not planned, batches that are not stored, planned services that are not switched.",
        labels: &[("part", "`services`, `batches`, `activations`")],
    },
    Declared {
        name: RUNS_ENDED,
        kind: Kind::Counter,
        unit: Unit::Count,
        help: "Runs that ended, told by whoever showed it.",
        labels: &[("state", "`activated`, `aborted`, `failed`, `refused`")],
    },
    Declared {
        name: LETTERS_OPEN,
        kind: Kind::Gauge,
        unit: Unit::Count,
        help: "Dead letters that nobody has replayed or discarded.",
        labels: &[],
    },
    Declared {
        name: GENERATION,
        kind: Kind::Gauge,
        unit: Unit::Count,
        help: "The newest generation that readers see of any service; 0 when none was activated.",
        labels: &[],
    },
    Declared {
        name: FRESHNESS,
        kind: Kind::Gauge,
        unit: Unit::Seconds,
        help: "How old what readers see is: time since the last run was asked for that was activated as a whole. -1 when none was.",
        labels: &[],
    },
    Declared {
        name: ACTIVATION_DURATION,
        kind: Kind::Histogram,
        unit: Unit::Seconds,
        help: "Time that an attempt took which switched readers, with its transaction.",
        labels: &[],
    },
    Declared {
        name: END_TO_END,
        kind: Kind::Histogram,
        unit: Unit::Seconds,
        help: "From the request of a run to the switch of each service.",
        labels: &[],
    },
    Declared {
        name: PROVIDERS,
        kind: Kind::Counter,
        unit: Unit::Count,
        help: "Providers of batches that this process stored, by what became of them. `unchanged` costs next to nothing.",
        labels: &[("outcome", "`written`, `unchanged`, `rejected`, `skipped`")],
    },
    Declared {
        name: DATABASE_DURATION,
        kind: Kind::Histogram,
        unit: Unit::Seconds,
        help: "Time of a transaction of the target, from asking for a connection to its end.",
        labels: &[("operation", "what the transaction is for, such as `store batch`; about thirty")],
    },
    Declared {
        name: DATABASE_FAILURES,
        kind: Kind::Counter,
        unit: Unit::Count,
        help: "Statements and commits that failed.",
        labels: &[("operation", "what the transaction is for, such as `store batch`; about thirty")],
    },
    Declared {
        name: DATABASE_CONNECTIONS,
        kind: Kind::Gauge,
        unit: Unit::Count,
        help: "Connections to the target that this process works with now.",
        labels: &[],
    },
    Declared {
        name: SOURCE_DURATION,
        kind: Kind::Histogram,
        unit: Unit::Seconds,
        help: "Time of a call to the source, until its last document was taken.",
        labels: &[(
            "operation",
            "`read provider_services`, `read providers`, `read bundles`, `read unreachable documents`, `compare bundles`",
        )],
    },
    Declared {
        name: SOURCE_FAILURES,
        kind: Kind::Counter,
        unit: Unit::Count,
        help: "Calls to the source that failed.",
        labels: &[(
            "operation",
            "`read provider_services`, `read providers`, `read bundles`, `read unreachable documents`, `compare bundles`",
        )],
    },
    Declared {
        name: EXPORT_FAILURES,
        kind: Kind::Counter,
        unit: Unit::Count,
        help: "Batches of spans that the trace collector did not take and that are lost; no stage waits for it.",
        labels: &[("reason", "`untrusted`, `unreachable`, `refused`")],
    },
    Declared {
        name: SPANS_DROPPED,
        kind: Kind::Counter,
        unit: Unit::Count,
        help: "Spans that were to be kept and are lost; no stage waits for them. `not_taken`: the collector did not take \
               them. `queue_full`: they come faster than they are sent. `too_many_of_trace`: more failed or were slow than \
               a trace keeps. `too_many_open`: too many wait for the end of the span above them.",
        labels: &[("reason", "`queue_full`, `not_taken`, `too_many_of_trace`, `too_many_open`")],
    },
    Declared {
        name: BUILD_INFO,
        kind: Kind::Gauge,
        unit: Unit::Count,
        help: "Always 1; the labels say which build runs.",
        labels: &[("version", "the version"), ("revision", "the commit, `unknown` when it was not given to the build")],
    },
];
