//! The table of all metrics: names, kinds, units, help and labels.

use metrics::Unit;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by size, in buckets.
    Histogram,
}

const STAGE: (&str, &str) = ("stage", "the stage's name");

/// Makes of each metric a constant with its name, and of all of them [`DECLARED`].
macro_rules! declared {
    ($($name:ident = $shown:literal, $kind:ident of $unit:ident by [$($label:expr),*]: $help:literal;)*) => {
        $(#[doc = $help] pub const $name: &str = $shown;)*

        /// All of them.
        pub const DECLARED: &[Declared] = &[$(
            Declared { name: $name, kind: Kind::$kind, unit: Unit::$unit, help: $help, labels: &[$($label),*] }
        ),*];
    };
}

declared! {
    CONSUMED = "sluice_messages_consumed_total", Counter of Count by [STAGE]:
        "Messages taken from the stage's topics, redelivered ones included.";
    HANDLED = "sluice_messages_handled_total", Counter of Count
        by [STAGE, ("outcome", "`ok`, `reject`, `retry`, `unavailable`, `halt`")]:
        "Answers of the stage's handler; a message that is retried is counted at each attempt.";
    EMITTED = "sluice_messages_emitted_total", Counter of Count by [STAGE, ("topic", "the topics of the contracts")]:
        "Messages that the stage put on a topic and the brokers acknowledged.";
    ANNOUNCED_AGAIN = "sluice_messages_announced_again_total", Counter of Count
        by [STAGE, ("topic", "the topics of the contracts")]:
        "Messages put on a topic once more because nothing of their run moved: the first ones were probably lost.";
    DEAD_LETTERS = "sluice_dead_letters_total", Counter of Count
        by [STAGE, ("code", "the error codes in `docs/errors/`")]:
        "Messages that the stage put on the dead-letter topic: each one wants a person.";
    HANDLE_DURATION = "sluice_handle_duration_seconds", Histogram of Seconds by [STAGE]:
        "Time that the stage's handler took for one attempt, whatever its outcome.";
    IN_FLIGHT = "sluice_in_flight_messages", Gauge of Count by [STAGE]:
        "Messages that the stage has begun and not finished; at `stage.in_flight` it is at its bound.";
    WAITING = "sluice_waiting_messages", Gauge of Count by [STAGE]:
        "Messages in flight that a dependency does not answer while the stage is ready: a held lock, a statement that \
         never ends. After `stage.patience_ms` each becomes a dead letter.";
    REPLACED = "sluice_messages_replaced_total", Counter of Count by [STAGE]:
        "Messages that were settled unhandled, because a newer one of their key came before their turn.";
    FENCED = "sluice_fenced_batches_total", Counter of Count by [STAGE]:
        "Batches that a sink's target turned away, since it holds another offset than they begin at. A few come with \
         a rebalance; many mean that two sinks believe in the same partition.";
    COMMITTED = "sluice_committed_offsets_total", Counter of Count by [STAGE]:
        "Offsets that the stage committed and the broker acknowledged. Stands still while messages are consumed: something blocks a partition.";
    COMMIT_FAILURES = "sluice_commit_failures_total", Counter of Count by [STAGE]:
        "Commits that the brokers did not take. Each is sent again; while they fail, a crash repeats more.";
    TICK_FAILURES = "sluice_tick_failures_total", Counter of Count by [STAGE]:
        "Turns of the stage's own timer that failed. The next turn repeats the work.";
    ASSIGNED = "sluice_assigned_partitions", Gauge of Count by [STAGE]:
        "Partitions that the stage holds in this process.";
    PAUSED = "sluice_stage_paused", Gauge of Count by [STAGE]:
        "1 while the stage waits for a dependency that is away, else 0.";
    RUN_HELD = "sluice_run_held", Gauge of Count by [("by", "`removals`, `rejects`, `dead_letters`, `unanswered`")]:
        "1 while nothing of the open run goes on, for want of a decision or of somebody who takes its messages \
         (`unanswered`), else 0; told by activators.";
    ROWS_REMOVED = "sluice_rows_removed_total", Counter of Count
        by [("level", "`provider_service`, `provider`, `bundle`, `subscription_field`")]:
        "Rows that left the views with the services that this activator switched.";
    ROWS_WRITTEN = "sluice_rows_written_total", Counter of Count by [("path", "`load_data`, `insert`")]:
        "Rows of bundles and subscription fields that this process wrote and committed, by how: loaded as text \
         (`load_data`), or by statements (`insert`), which cost more. Where rows can be loaded, `insert` should \
         stand still; the log says why it does not.";
    EXPORT_FAILURES = "sluice_trace_export_failures_total", Counter of Count
        by [("reason", "`untrusted`, `unreachable`, `refused`")]:
        "Batches of spans that the trace collector did not take and that are lost; no stage waits for it.";
    BUILD_INFO = "sluice_build_info", Gauge of Count
        by [("version", "the version"), ("revision", "the commit, `unknown` when it was not given to the build")]:
        "Always 1; the labels say which build runs.";
}
