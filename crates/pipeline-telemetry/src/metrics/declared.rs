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
const GROUP: (&str, &str) = ("consumergroup", "the groups of stages and sinks");
const TOPIC: (&str, &str) = ("topic", "what they read, as it is called on the cluster");
const PARTITION: (&str, &str) = ("partition", "its number");

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
    LAG = "kafka_consumergroup_lag", Gauge of Count
        by [GROUP, TOPIC, PARTITION]:
        "Messages of a partition that its group has not committed, told every five seconds by the process that \
         holds the partition; a process that has given it up tells 0. So sum over processes. `sluice lag` tells it \
         also of groups that nobody is in.";
    LAG_SECONDS = "kafka_consumergroup_lag_seconds", Gauge of Seconds
        by [GROUP, TOPIC, PARTITION]:
        "Age of the oldest of these messages, since it was produced; 0 when there is none. While the process has \
         fetched none of them, it is the time for which it has seen them wait.";
    RUN_OPEN = "sluice_run_open", Gauge of Count by []:
        "1 while a run is open, else 0; told by activators, as are the other gauges of runs.";
    RUN_AGE = "sluice_run_age_seconds", Gauge of Seconds by []:
        "How long the open run has been open; 0 when none is.";
    RUN_STANDS_STILL = "sluice_run_stands_still_seconds", Gauge of Seconds by []:
        "How long nothing of the open run has been planned, stored or switched; 0 when none is open.";
    RUN_PENDING = "sluice_run_pending", Gauge of Count
        by [("part", "`services`, `batches`, `activations`")]:
        "Parts of the open run that are known and not done: services that are not planned, batches that are not \
         stored, planned services that are not switched.";
    RUNS_ENDED = "sluice_runs_ended_total", Counter of Count
        by [("state", "`activated`, `aborted`, `failed`, `refused`")]:
        "Runs that ended, told by whoever showed it.";
    LETTERS_OPEN = "sluice_dead_letters_open", Gauge of Count by []:
        "Dead letters that nobody has replayed or discarded.";
    GENERATION = "sluice_generation", Gauge of Count by []:
        "The newest generation that readers see of any service; 0 when none was activated.";
    FRESHNESS = "sluice_freshness_seconds", Gauge of Seconds by []:
        "How old what readers see is: time since the run was asked for that filled the oldest generation they see of any \
         service. -1 when nothing was activated.";
    ACTIVATION_DURATION = "sluice_activation_duration_seconds", Histogram of Seconds by []:
        "Time that an attempt took which switched readers, with its transaction.";
    END_TO_END = "sluice_request_to_activation_seconds", Histogram of Seconds by []:
        "From the request of a run to the switch of each service.";
    PROVIDERS = "sluice_providers_total", Counter of Count
        by [("outcome", "`written`, `unchanged`, `rejected`, `skipped`")]:
        "Providers of batches that this process stored, by what became of them. `unchanged` costs next to nothing.";
    DATABASE_DURATION = "sluice_database_duration_seconds", Histogram of Seconds
        by [("operation", "what the transaction is for, such as `store batch`; a closed set")]:
        "Time of a transaction of the target, from asking for a connection to its end.";
    DATABASE_FAILURES = "sluice_database_failures_total", Counter of Count
        by [("operation", "what the transaction is for, such as `store batch`; a closed set")]:
        "Statements and commits that failed.";
    DATABASE_CONNECTIONS = "sluice_database_connections_in_use", Gauge of Count by []:
        "Connections to the target that this process works with now.";
    SOURCE_DURATION = "sluice_source_duration_seconds", Histogram of Seconds
        by [( "operation", "`read provider_services`, `read providers`, `read bundles`, `read unreachable documents`, `compare bundles`", )]:
        "Time of a call to the source, until its last document was taken.";
    SOURCE_FAILURES = "sluice_source_failures_total", Counter of Count
        by [( "operation", "`read provider_services`, `read providers`, `read bundles`, `read unreachable documents`, `compare bundles`", )]:
        "Calls to the source that failed.";
    SPANS_DROPPED = "sluice_trace_spans_dropped_total", Counter of Count
        by [("reason", "`queue_full`, `not_taken`, `too_many_of_trace`, `too_many_open`")]:
        "Spans that were to be kept and are lost; no stage waits for them. `not_taken`: the collector did not take \
         them. `queue_full`: they come faster than they are sent. `too_many_of_trace`: more failed or were slow \
         than a trace keeps. `too_many_open`: too many wait for the end of the span above them.";
    EXPORT_FAILURES = "sluice_trace_export_failures_total", Counter of Count
        by [("reason", "`untrusted`, `unreachable`, `refused`")]:
        "Batches of spans that the trace collector did not take and that are lost; no stage waits for it.";
    BUILD_INFO = "sluice_build_info", Gauge of Count
        by [("version", "the version"), ("revision", "the commit, `unknown` when it was not given to the build")]:
        "Always 1; the labels say which build runs.";
}
