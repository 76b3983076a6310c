//! Which deployment lets the slowest resource decide, and no other.
//!
//! Without a time to keep, the processors of the database are to be the limit: workers and messages in hand are as many as
//! it takes for everything else not to be slower. With one, they are as many as it takes to keep it, and no more.

use super::{
    costs::Costs,
    load::Load,
    model::{Data, Deployment, Surroundings},
};

/// Rows of a batch that were measured to work well: 50 providers of size M.
const ROWS_OF_A_BATCH: f64 = 6_000.0;
/// Bytes of documents in a batch at most, so that what is in hand stays small.
const BYTES_OF_A_BATCH: f64 = 8.0 * 1024.0 * 1024.0;
/// Batch sizes that are proposed.
const BATCH_SIZES: [u32; 11] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000];

/// The defaults of `stage.in_flight` and `target.max_connections`.
pub const DEFAULT_IN_FLIGHT: u32 = 8;
/// See [`DEFAULT_IN_FLIGHT`].
pub const DEFAULT_CONNECTIONS: u32 = 8;
/// The default of `target.max_writers`.
pub const DEFAULT_WRITERS: f64 = 3.0;
/// The default of `source.couchbase.concurrent_reads`.
pub const DEFAULT_READS: u32 = 16;
/// Workers of a stage at most; more connections than they can have are of no use here.
const MAX_WORKERS: u32 = 1_000;
/// Messages in hand of one worker, before another worker is the better place for them.
const MAX_IN_FLIGHT: u32 = 64;
/// Writers for each processor of the database, which works for several connections at once. Decision 008.
const WRITERS_PER_CORE: f64 = 1.5;
/// Share of the time to keep that is planned with.
const PLANNED_SHARE: f64 = 0.8;
/// Workers of the bundles stage for each one of the providers and activator stages.
const WORKERS_PER_OTHER: u32 = 8;
/// Processes of the stages besides the bundles stage, at least: root, providers, activator.
const OTHERS: u32 = 3;
/// Partitions are a multiple of this, which many numbers of workers divide.
const PARTITIONS: u32 = 12;

/// What a deployment has to keep.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// Seconds for a full run; 0 is as fast as the processors allow.
    pub within: f64,
    /// Share of the providers that the next run writes.
    pub changed: f64,
    /// Seconds for the next run; 0 is like the full run.
    pub changed_within: f64,
    /// Connections of the database that Sluice may use.
    pub connections: u32,
}

/// Choices that somebody has made already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chosen {
    /// Workers of the bundles stage.
    pub workers: Option<u32>,
    /// Providers in a batch.
    pub batch_size: Option<u32>,
    /// `stage.in_flight` of the bundles stage.
    pub in_flight: Option<u32>,
    /// `target.max_writers`.
    pub max_writers: Option<u32>,
}

/// The deployment for a full run of this data: the fewest workers, and then the fewest messages in hand, with which a
/// run keeps its time or, where it cannot, is as fast as with any number.
pub fn deployment(costs: &Costs, data: &Data, around: &Surroundings, bounds: &Bounds, chosen: &Chosen) -> Deployment {
    let batch_size = chosen.batch_size.unwrap_or_else(|| batch_size(data));
    let load = Load { costs, data, around, batch: f64::from(batch_size), changed: 1.0 };
    let next = Load { changed: bounds.changed, ..load };
    let time = time_to_keep(&load, bounds.within);
    let pace = time.max(load.processor_seconds());
    // The next run mostly reads: it may need workers that the full run has no use for.
    let next_within = if bounds.changed_within > 0.0 { bounds.changed_within } else { bounds.within };
    let next_time = time_to_keep(&next, next_within);

    let candidate = |workers| candidate(&load, bounds, chosen, workers, pace);
    // Counting is left out: more of it is no reason for fewer workers.
    let speed = |deployment: &Deployment| load.stream(deployment).seconds;
    let next_speed = |deployment: &Deployment| next.stream(deployment).seconds;
    let of_each = if around.inserts { 1 } else { 2 };
    let most = (bounds.connections.saturating_sub(OTHERS) / of_each).clamp(1, MAX_WORKERS);
    let fastest = |speed: &dyn Fn(&Deployment) -> f64| {
        (1..=most).map(|workers| speed(&candidate(workers))).fold(f64::INFINITY, f64::min)
    };
    let (enough, next_enough) = (time.max(fastest(&speed)), next_time.max(fastest(&next_speed)));
    let keeps = |deployment: &Deployment| speed(deployment) <= enough && next_speed(deployment) <= next_enough;
    let fewest = |workers: &u32| keeps(&candidate(*workers));
    let workers = chosen.workers.map(|workers| workers.min(most)).or_else(|| (1..=most).find(fewest)).unwrap_or(most);

    let full = candidate(workers);
    let least = full.max_writers.saturating_add(1).max(DEFAULT_IN_FLIGHT);
    let (slowest, next_slowest) = (enough.max(speed(&full)), next_enough.max(next_speed(&full)));
    let no_slower = |in_flight: &u32| {
        let fewer = Deployment { in_flight: *in_flight, ..full };
        speed(&fewer) <= slowest && next_speed(&fewer) <= next_slowest
    };
    let needed = (least..MAX_IN_FLIGHT).find(no_slower);
    let in_flight = chosen.in_flight.unwrap_or_else(|| needed.unwrap_or(full.in_flight));
    let concurrent_reads = reads_of_a_process(around, &full, in_flight);
    Deployment { in_flight, concurrent_reads, ..full }
}

/// So many workers with as much in hand as is sensible, within the connections.
fn candidate(load: &Load<'_>, bounds: &Bounds, chosen: &Chosen, workers: u32, pace: f64) -> Deployment {
    // Planning writes one row where the bundles stage writes a hundred, and a confirmation costs four statements.
    let others = workers.div_ceil(WORKERS_PER_OTHER);
    let processes = |others: u32| workers.saturating_add(others).saturating_add(others).saturating_add(1);
    // Where rows are loaded, each writer of a worker has a connection besides those of its process.
    let loading = if load.around.inserts { 0 } else { workers };
    let least = |others: u32| processes(others).saturating_add(loading);
    let others = if least(others) > bounds.connections { 1 } else { others };
    let of_processes = bounds.connections.saturating_sub(loading);
    let share = of_processes.checked_div(processes(others)).unwrap_or(1).max(1);
    // What the pace takes, with room for writers that meet; but no more than the processors have a use for.
    let needed = load.data.batches(load.batch) * load.store_seconds() / pace * WRITERS_PER_CORE;
    let together = useful_writers(load).min(needed.max(DEFAULT_WRITERS));
    let writers = chosen.max_writers.unwrap_or_else(|| whole(together / f64::from(workers)).min(MAX_IN_FLIGHT));
    let (max_connections, room) = if load.around.inserts {
        let connections = DEFAULT_CONNECTIONS.max(writers.saturating_add(2)).min(share).min(1_000);
        (connections, connections.saturating_sub(1))
    } else {
        let connections = DEFAULT_CONNECTIONS.min(share);
        let left = bounds.connections.saturating_sub(processes(others).saturating_mul(connections));
        (connections, left.checked_div(workers).unwrap_or(1))
    };
    Deployment {
        batch_size: whole(load.batch),
        providers: others,
        bundles: workers,
        activators: others,
        in_flight: chosen.in_flight.unwrap_or(MAX_IN_FLIGHT),
        max_writers: writers.min(room.max(1)),
        max_connections,
        concurrent_reads: MAX_IN_FLIGHT,
    }
}

/// The seconds that the stream of batches may take.
fn time_to_keep(load: &Load<'_>, within: f64) -> f64 {
    ((within - load.costs.start - load.unreachable_seconds()) * PLANNED_SHARE).max(0.0)
}

/// `source.couchbase.concurrent_reads`: all processes that read share what the source allows.
fn reads_of_a_process(around: &Surroundings, deployment: &Deployment, in_flight: u32) -> u32 {
    if around.source_calls <= 0.0 {
        return in_flight.max(DEFAULT_READS);
    }
    let readers = deployment.bundles.saturating_add(deployment.providers).saturating_add(1);
    whole((around.source_calls / f64::from(readers)).floor())
}

/// Writers that keep the database's processors busy although each waits for its statements to travel.
pub fn useful_writers(load: &Load<'_>) -> f64 {
    let travelling = load.statements_to_store() * load.around.round_trip;
    let working = (load.store_seconds() - travelling).max(f64::MIN_POSITIVE);
    load.around.database_cores * WRITERS_PER_CORE * (1.0 + travelling / working)
}

/// Partitions of each topic: three times the workers, so that they divide evenly and a few more can come.
pub fn partitions(deployment: &Deployment) -> u32 {
    let workers = deployment.bundles.max(deployment.providers).max(deployment.activators);
    workers.saturating_mul(3).div_ceil(PARTITIONS).max(1).saturating_mul(PARTITIONS)
}

/// Connections of all stages.
pub fn connections(deployment: &Deployment, around: &Surroundings) -> u32 {
    let loading = if around.inserts { 0 } else { deployment.bundles.saturating_mul(deployment.max_writers) };
    processes(deployment).saturating_mul(deployment.max_connections).saturating_add(loading)
}

/// Processes of all stages.
pub fn processes(deployment: &Deployment) -> u32 {
    let Deployment { providers, bundles, activators, .. } = *deployment;
    providers.saturating_add(bundles).saturating_add(activators).saturating_add(1)
}

/// Providers in a batch: as many rows as were measured to work well.
pub fn batch_size(data: &Data) -> u32 {
    let wanted = ROWS_OF_A_BATCH / (2.0 + data.content_rows());
    let fits = |size: &u32| *size == 1 || f64::from(*size) * bytes_of_a_provider(data) <= BYTES_OF_A_BATCH;
    let distance = |size: u32| (f64::from(size) / wanted).ln().abs();
    let nearest = BATCH_SIZES.into_iter().filter(fits).min_by(|one, other| distance(*one).total_cmp(&distance(*other)));
    nearest.unwrap_or(1)
}

/// Bytes of the documents below a provider.
pub fn bytes_of_a_provider(data: &Data) -> f64 {
    data.bundles_per_provider * data.document_bytes
}

/// The next whole number, 1 or more.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast saturates, and the number is at least 1"
)]
fn whole(number: f64) -> u32 {
    number.ceil().max(1.0) as u32
}
