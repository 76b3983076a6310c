//! The arithmetic: one pure function from a question to an answer. It reads no clock and no server.
//!
//! A run streams. While some batches are read others are written, so that the resources work side by side and the slowest
//! one decides. Two things do not stream: the plan of a service is one transaction, and its batches begin when it has
//! committed; and Couchbase is searched for unreachable documents before the first service is announced.
//!
//! A deployment follows from the time of a run by Little's law: what is in hand is the number of batches, times the time
//! that each takes, over the time of the run.

use std::{cmp::Ordering, time::Duration};

use serde::Serialize;

use super::{CapacityArgs, costs::Costs};

/// What the store and the settings have: a test holds these to them.
pub(super) const ROWS_PER_STATEMENT: f64 = 64.0;
pub(super) const BYTES_PER_LOAD: f64 = 65_536.0;
pub(super) const IDS_PER_QUERY: f64 = 256.0;
pub(super) const DOCUMENTS_PER_PAGE: f64 = 500.0;
pub(super) const DEFAULT_IN_FLIGHT: f64 = 8.0;
pub(super) const DEFAULT_CONNECTIONS: f64 = 8.0;
pub(super) const DEFAULT_WRITERS: f64 = 3.0;
pub(super) const DEFAULT_READS: f64 = 16.0;

/// Statements of the transaction that stores a batch, besides its rows: the frame, the lists of ids, and rests of rows.
const STATEMENTS_TO_STORE: f64 = 16.0;
/// Rows of a batch that were measured to work well, and bytes of its documents at most.
const ROWS_OF_A_BATCH: f64 = 6_000.0;
const BYTES_OF_A_BATCH: f64 = 8.0 * 1024.0 * 1024.0;
const BATCH_SIZES: [f64; 11] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0];
/// Messages in hand of one worker, before another worker is the better place for them.
const MAX_IN_FLIGHT: f64 = 64.0;
/// Writers for each one that the database has to serve at once. Decision 008.
const SPARE_WRITERS: f64 = 1.5;
/// Share of the time to keep that is planned with.
const PLANNED_SHARE: f64 = 0.8;
/// Workers of a stage; more of them are never proposed.
const MAX_WORKERS: f64 = 1_000.0;
/// Workers of the bundles stage for each one of the providers and activator stages, whose messages cost far less.
const WORKERS_PER_OTHER: f64 = 8.0;
/// The largest service decides when it makes a run so much longer; a single service makes it a little longer always.
const SEEN: f64 = 1.25;

/// What is copied.
#[derive(Clone, Copy, Debug)]
pub(super) struct Data {
    pub(super) providers: f64,
    pub(super) bundles: f64,
    pub(super) fields: f64,
    /// Of all tables: a provider has one row of its own and one that points to its content.
    pub(super) rows: f64,
    /// Providers of the largest service, and of each other one.
    pub(super) largest_service: f64,
    pub(super) other_service: f64,
    /// Of a bundle with its fields.
    pub(super) document_bytes: f64,
    /// How much more that is than in the benchmark; smaller documents count as those.
    weight: f64,
    /// Bytes on disk of all content, with indexes.
    pub(super) content_disk: f64,
}

/// How Sluice is set up: processes of the stages, and settings of the bundles stage.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Deployment {
    pub(super) batch_size: f64,
    /// Of the bundles stage.
    pub(super) workers: f64,
    /// Of the providers stage, and of the activator stage.
    pub(super) others: f64,
    pub(super) processes: f64,
    pub(super) in_flight: f64,
    pub(super) max_writers: f64,
    /// Of each process; those that load come on top.
    pub(super) max_connections: f64,
    /// Of all processes, those that load included.
    pub(super) connections: f64,
}

/// What can decide how long a run takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Limit {
    SharedProcessors,
    DatabaseProcessors,
    DatabaseDisk,
    StageProcessors,
    Source,
    RoundTrips,
    LargestService,
    Unreachable,
}

/// A resource, and the seconds that a run needs it.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Bound {
    pub(super) limit: Limit,
    pub(super) seconds: f64,
}

/// What a run comes to.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Run {
    /// Share of the providers whose content is written.
    pub(super) changed: f64,
    pub(super) seconds: f64,
    pub(super) rows_per_second: f64,
    pub(super) source_calls: f64,
    pub(super) statements: f64,
    pub(super) limited_by: Limit,
    /// The slowest first.
    bounds: Vec<Bound>,
}

/// The answer: the deployment, the first run and the next.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) data: Data,
    pub(super) deployment: Deployment,
    pub(super) batches: f64,
    pub(super) full: Run,
    pub(super) next: Run,
}

/// What a run has to do, whoever does it: seconds, calls and statements.
#[derive(Clone, Copy, Debug)]
struct Work {
    changed: f64,
    batches: f64,
    database: f64,
    stages: f64,
    disk: f64,
    /// From taking up a batch to its commit, and the part of it that holds a writer.
    batch: f64,
    store: f64,
    /// The plan of the largest service, and the search for unreachable documents.
    plan: f64,
    search: f64,
    batch_calls: f64,
    other_calls: f64,
    statements: f64,
}

/// Answers a question.
pub(super) fn plan(costs: &Costs, args: &CapacityArgs) -> Plan {
    let data = Data::of(costs, args);
    let question = Question { costs, args, data, batch_size: args.batch_size.unwrap_or_else(|| data.batch_size()) };
    let (full, next) = (question.work(1.0), question.work(args.changed / 100.0));
    let deployment = question.deployment(&[(full, args.within), (next, args.changed_within.or(args.within))]);
    let run = |work| question.run(work, &deployment);
    Plan { data, deployment, batches: full.batches, full: run(&full), next: run(&next) }
}

/// What is asked, and by which constants it is answered.
#[derive(Clone, Copy, Debug)]
struct Question<'a> {
    costs: &'a Costs,
    args: &'a CapacityArgs,
    data: Data,
    batch_size: f64,
}

// === impl Data ===

impl Data {
    fn of(costs: &Costs, args: &CapacityArgs) -> Self {
        let CapacityArgs { services, providers, .. } = *args;
        let (bundles, fields) = (providers * args.bundles, providers * args.bundles * args.fields);
        let measured = costs.bundle_document + args.fields * costs.field_document;
        let document_bytes = args.document_bytes.unwrap_or(measured);
        let largest_service = (providers * args.largest_service / 100.0).max(providers / services).ceil();
        let bundle_disk = costs.bundle_disk + (document_bytes - measured).max(0.0) * costs.more_disk;
        Self {
            providers,
            bundles,
            fields,
            rows: services + 2.0 * providers + bundles + fields,
            largest_service,
            other_service: (providers - largest_service).max(0.0) / (services - 1.0).max(1.0),
            document_bytes,
            weight: (document_bytes / measured).max(1.0),
            content_disk: bundles * bundle_disk
                + fields * costs.subscription_field_disk
                + providers * costs.provider_content_disk,
        }
    }

    /// Bytes of the documents below a provider.
    pub(super) fn bytes_of_a_provider(&self) -> f64 {
        self.bundles / self.providers * self.document_bytes
    }

    /// Providers in a batch: as many rows as were measured to work well.
    fn batch_size(&self) -> f64 {
        let wanted = ROWS_OF_A_BATCH / (2.0 + (self.bundles + self.fields) / self.providers);
        let fits = |size: &f64| *size <= 1.0 || size * self.bytes_of_a_provider() <= BYTES_OF_A_BATCH;
        let distance = |size: f64| (size / wanted).ln().abs();
        let nearest = BATCH_SIZES.into_iter().filter(fits).min_by(|a, b| distance(*a).total_cmp(&distance(*b)));
        nearest.unwrap_or(1.0)
    }
}

// === impl Question ===

impl Question<'_> {
    /// What a run has to do that writes a share of the content.
    fn work(&self, changed: f64) -> Work {
        let Self { costs, args, data, batch_size } = self;
        let (latency, round_trip) = (args.source_latency_ms / 1e3, args.database_rtt_ms / 1e3);
        let (couchbase, inserts, is_next) = (args.is_couchbase(), f64::from(u8::from(args.inserts)), changed < 1.0);
        let written = changed * data.rows * data.weight;
        let database = written * (costs.database_cpu_per_row + inserts * costs.database_cpu_per_insert);
        let stages = written * (costs.stages_cpu_per_row + inserts * costs.stages_cpu_per_insert)
            + (data.rows * data.weight - written) * costs.reading_cpu_per_row;
        let pages = changed * data.content_disk + if is_next { 0.0 } else { data.providers * costs.provider_disk };

        // A folder knows its contents by a tag, and a plan stores unchanged providers itself, by a look at what is below
        // them. What takes its time for an answer is no folder.
        let skips = is_next && !couchbase && latency <= 0.0;
        let (share, looking) = if skips { (changed, costs.reading_cpu_per_row * data.weight) } else { (1.0, 0.0) };
        let of = |providers: f64| (providers * share / batch_size).ceil();
        let batches = (of(data.largest_service) + of(data.other_service) * (args.services - 1.0)).max(1.0);
        let (read, stored) = (data.providers * share / batches, data.providers * changed / batches);

        // A page of Couchbase that is full may have another behind it. A batch asks for its bundles, and then whether their
        // providers are still there; a list ends with an empty page and a count that says that nothing is behind it.
        let pages_of = |documents: f64| (documents / DOCUMENTS_PER_PAGE).floor() + 1.0;
        let calls_of_a_batch = if couchbase { pages_of(read * args.bundles) + pages_of(read) } else { 1.0 };
        let list = |documents| if couchbase { pages_of(documents) + 2.0 } else { 1.0 };
        let search = if couchbase { list(data.providers) + list(data.bundles) } else { 0.0 };

        let of_a_chunk = if is_next { 2.0 } else { 2.0 + IDS_PER_QUERY / ROWS_PER_STATEMENT };
        let planning = |providers: f64| 12.0 + (providers / IDS_PER_QUERY).ceil() * of_a_chunk;
        // Rows that are loaded are asked for by the server and answered, and are smaller than their documents.
        let content = if args.inserts {
            stored * args.bundles * (1.0 + args.fields) / ROWS_PER_STATEMENT
        } else {
            2.0 * stored * args.bundles * data.document_bytes / BYTES_PER_LOAD
        };
        let statements_to_store = STATEMENTS_TO_STORE + stored / ROWS_PER_STATEMENT + content;
        let store = statements_to_store * round_trip + database / batches;
        let of_one = data.providers / args.services;
        let row =
            costs.database_cpu_per_row + costs.stages_cpu_per_row + looking * (args.bundles * (1.0 + args.fields));
        Work {
            changed,
            batches,
            database,
            stages,
            disk: (written * costs.log_per_row + pages * costs.page_writes) / (args.database_disk_mb * 1e6),
            store,
            // Four statements before it is read: the run, the service, the batch, and the connection is tried.
            batch: 4.0 * round_trip + calls_of_a_batch * latency + store,
            plan: list(data.largest_service) * latency
                + data.largest_service * row
                + planning(data.largest_service) * round_trip,
            search: search * latency,
            batch_calls: batches * calls_of_a_batch,
            other_calls: list(args.services) + args.services * list(of_one) + search,
            // A confirmation costs four, an activation about fifteen.
            statements: args.services * (planning(of_one) + 15.0) + batches * (statements_to_store + 8.0),
        }
    }

    /// Everything that works side by side, the slowest first.
    fn bounds(&self, work: &Work, with: &Deployment) -> Vec<Bound> {
        let args = self.args;
        let busy = |seconds: f64, cores: f64| seconds / (cores * self.costs.utilisation);
        let (limit, shared) = match args.stage_cores {
            Some(_) => (Limit::DatabaseProcessors, 0.0),
            None => (Limit::SharedProcessors, work.stages),
        };
        let stage_cores = (with.workers * args.worker_cores).min(args.stage_cores.unwrap_or(args.database_cores));
        let latency = args.source_latency_ms / 1e3;
        // However many there are side by side, one takes its time.
        let side_by_side = |seconds: f64, places: f64| (work.batches / places).max(1.0) * seconds;
        let waiting = if latency > 0.0 { side_by_side(work.batch, with.workers * with.in_flight) } else { 0.0 };
        let calls = work.batch_calls * latency / args.source_calls.unwrap_or(f64::INFINITY);
        let writers = with.workers * with.max_writers.min(with.in_flight);
        let bound = |limit, seconds| Bound { limit, seconds };
        let mut bounds = vec![
            bound(limit, busy(work.database + shared, args.database_cores)),
            bound(Limit::StageProcessors, busy(work.stages, stage_cores)),
            bound(Limit::DatabaseDisk, work.disk),
            bound(Limit::RoundTrips, side_by_side(work.store, writers)),
            bound(Limit::Source, waiting.max(calls)),
        ];
        bounds.sort_by(slowest_first);
        bounds
    }

    /// The fewest workers with which the runs keep their times or, where they cannot, are as fast as with any number.
    fn deployment(&self, runs: &[(Work, Option<Duration>); 2]) -> Deployment {
        let endless = Deployment { workers: f64::INFINITY, in_flight: 1.0, max_writers: 1.0, ..Deployment::default() };
        let paces = runs.map(|(work, within)| {
            let left = within.map_or(0.0, |within| within.as_secs_f64() - self.costs.start - work.search - work.plan);
            (work, seconds(self.bounds(&work, &endless).first()).max(left * PLANNED_SHARE))
        });
        let most = |of: fn(&Work) -> f64| paces.iter().map(|(work, pace)| of(work) / pace).fold(0.0, f64::max);
        let in_hand = most(|work| work.batches * work.batch);
        let writing = DEFAULT_WRITERS.max(most(|work| work.batches * work.store) * SPARE_WRITERS);
        // What is faster than the pace, or by less than anybody sees, is no reason for another worker.
        let slow =
            |with: &Deployment| paces.map(|(work, pace)| (seconds(self.bounds(&work, with).first()) / pace).max(1.001));
        let of_each = if self.args.inserts { 1.0 } else { 2.0 } + 2.0 / WORKERS_PER_OTHER;
        let most_workers = ((self.args.connections - 2.75) / of_each).floor().clamp(1.0, MAX_WORKERS);
        let sized = |workers: f64| self.sized(workers.min(most_workers), in_hand, writing);
        let all = std::iter::successors(Some(1.0), |workers| Some(workers + 1.0)).take_while(|n| *n <= most_workers);
        let fewest = all.map(sized).min_by(|one, other| {
            let pairs = slow(one).into_iter().zip(slow(other));
            pairs.fold(Ordering::Equal, |order, (one, other)| order.then(one.total_cmp(&other)))
        });
        self.args.workers.map(sized).or(fewest).unwrap_or_else(|| sized(1.0))
    }

    /// So many workers, with what is in hand and who writes at once spread over them, within the connections.
    fn sized(&self, workers: f64, in_hand: f64, writing: f64) -> Deployment {
        let others = (workers / WORKERS_PER_OTHER).ceil();
        let processes = workers + 2.0 * others + 1.0;
        let (wanted, all) = ((writing / workers).ceil().min(MAX_IN_FLIGHT), self.args.connections);
        // Who loads rows has a connection for that besides those of its process; one for each worker there must be.
        let loading = if self.args.inserts { 0.0 } else { workers };
        let share = ((all - loading) / processes).floor();
        let (max_connections, room) = if self.args.inserts {
            (DEFAULT_CONNECTIONS.max(wanted + 2.0).min(share), share - 1.0)
        } else {
            let left = ((all - wanted * workers) / processes).floor();
            let connections = left.clamp(share.min(2.0), DEFAULT_CONNECTIONS);
            (connections, ((all - processes * connections) / workers).floor())
        };
        let max_writers = wanted.min(room).max(1.0);
        let connections = processes * max_connections + loading * max_writers;
        let in_flight = (in_hand / workers).ceil().max(max_writers + 1.0).clamp(DEFAULT_IN_FLIGHT, MAX_IN_FLIGHT);
        let batch_size = self.batch_size;
        Deployment { batch_size, workers, others, processes, in_flight, max_writers, max_connections, connections }
    }

    /// What a run comes to on a deployment.
    fn run(&self, work: &Work, with: &Deployment) -> Run {
        let mut bounds = self.bounds(work, with);
        let stream = seconds(bounds.first());
        let largest = work.plan + stream * self.data.largest_service / self.data.providers;
        let limited_by = match bounds.first() {
            _ if work.search > stream.max(largest) => Limit::Unreachable,
            Some(slowest) if largest <= stream * SEEN => slowest.limit,
            _ => Limit::LargestService,
        };
        bounds.push(Bound { limit: Limit::LargestService, seconds: largest });
        bounds.push(Bound { limit: Limit::Unreachable, seconds: work.search });
        bounds.sort_by(slowest_first);
        let seconds = self.costs.start + work.search + stream.max(largest);
        let (rows_per_second, source_calls) = (self.data.rows / seconds, work.batch_calls + work.other_calls);
        let Work { changed, statements, .. } = *work;
        Run { changed, seconds, rows_per_second, source_calls, statements, limited_by, bounds }
    }
}

fn seconds(slowest: Option<&Bound>) -> f64 {
    slowest.map_or(0.0, |bound| bound.seconds)
}

fn slowest_first(one: &Bound, other: &Bound) -> Ordering {
    other.seconds.total_cmp(&one.seconds)
}

/// A number that is not negative, rounded up.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast saturates, at 0 below")]
pub(super) fn whole(number: f64) -> u64 {
    // So that 0.1 × 10 is 1 and not 2.
    (number - 1e-6).ceil() as u64
}
