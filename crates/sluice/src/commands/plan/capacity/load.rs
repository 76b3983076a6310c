//! How long a run takes: the time of the slowest resource, each worked out by itself.
//!
//! A run streams: while some batches are read, others are written, so that the resources work side by side and the slowest
//! one decides. Two things do not stream. A plan of a service is one transaction, and its batches begin when it has
//! committed; and Couchbase is searched for unreachable documents before the first service is announced.
//!
//! Nothing here reads a clock or a server. The same functions serve the full run, where everything is written, and the
//! next one, where only what changed is.

use super::{
    costs::{BYTES_PER_LOAD, Costs, DOCUMENTS_PER_PAGE, IDS_PER_QUERY, ROWS_PER_STATEMENT},
    model::{Bound, Data, Deployment, Limit, Run, Surroundings},
};

/// The largest service decides when it makes a run so much longer; a single service makes it a little longer always.
const SEEN: f64 = 1.25;

/// A run of some data with some constants: what all bounds are worked out from.
#[derive(Clone, Copy, Debug)]
pub struct Load<'a> {
    /// The constants.
    pub costs: &'a Costs,
    /// What is copied.
    pub data: &'a Data,
    /// With what.
    pub around: &'a Surroundings,
    /// Providers in a batch.
    pub batch: f64,
    /// Share of the providers whose content is written.
    pub changed: f64,
}

// === impl Load ===

impl Load<'_> {
    /// How much more a document is than those measured; smaller ones count as those.
    fn weight(&self) -> f64 {
        let measured = self.costs.bundle_document + self.data.fields_per_bundle * self.costs.field_document;
        (self.data.document_bytes / measured).max(1.0)
    }

    /// Rows that are written. What an unchanged one costs is part of the reading.
    fn written_rows(&self) -> f64 {
        self.changed * self.data.rows()
    }

    /// The source knows contents by a tag, and a plan stores unchanged providers itself. Folders do; what takes its time
    /// for an answer is no folder.
    fn skips_unchanged(&self) -> bool {
        let Surroundings { couchbase, source_latency, .. } = *self.around;
        self.changed < 1.0 && !couchbase && source_latency <= 0.0
    }

    /// Batches that are read.
    fn batches(&self) -> f64 {
        let Data { providers, largest_service, .. } = *self.data;
        let share = if self.skips_unchanged() { self.changed } else { 1.0 };
        let read = Data { providers: providers * share, largest_service: largest_service * share, ..*self.data };
        read.batches(self.batch).min(self.data.batches(self.batch)).max(1.0)
    }

    fn providers_of_a_batch(&self) -> f64 {
        let share = if self.skips_unchanged() { self.changed } else { 1.0 };
        self.data.providers * share / self.batches()
    }

    /// Processor seconds of the database for rows.
    pub fn database_seconds(&self) -> f64 {
        self.written_rows() * self.database_row() * self.weight()
    }

    /// Processor seconds of the database for a row.
    fn database_row(&self) -> f64 {
        self.costs.database_row + if self.around.inserts { self.costs.database_insert } else { 0.0 }
    }

    /// Processor seconds of all stages for a row that is read and written.
    fn stages_row(&self) -> f64 {
        self.costs.stages_row + if self.around.inserts { self.costs.stages_insert } else { 0.0 }
    }

    /// Processor seconds of all stages.
    pub fn stage_seconds(&self) -> f64 {
        let reading = self.data.rows() * self.costs.reading_row;
        let writing = self.written_rows() * (self.stages_row() - self.costs.reading_row);
        (reading + writing) * self.weight()
    }

    /// Statements before a batch is read from the source.
    fn statements_before(&self) -> f64 {
        // The run, the service, the batch; and the connection is tried when it is given back.
        4.0
    }

    /// Statements of the transaction that stores a batch.
    pub fn statements_to_store(&self) -> f64 {
        let providers = self.providers_of_a_batch();
        let written = self.data.providers * self.changed / self.batches();
        let lists = |ids: f64| (ids / IDS_PER_QUERY).ceil();
        // Rows that do not fill a statement go by smaller ones, two on average.
        let inserts = |rows: f64| if rows > 0.0 { (rows / ROWS_PER_STATEMENT).ceil() + 2.0 } else { 0.0 };
        // The server asks for the rows, and answers when it has them. As text they are smaller than their documents.
        let loads = |rows: f64, document: f64| 2.0 * (rows * document * self.weight() / BYTES_PER_LOAD).ceil();
        let content =
            |rows: f64, document: f64| if self.around.inserts { inserts(rows) } else { loads(rows, document) };
        let bundles = written * self.data.bundles_per_provider;
        let closed = if self.changed < 1.0 { 2.0 * lists(written) } else { 0.0 };
        // Begin, fence, service, batch; counts and commit.
        let frame = 6.0;
        let fields = content(bundles * self.data.fields_per_bundle, self.costs.field_document);
        frame
            + 2.0 * lists(providers)
            + closed
            + inserts(written)
            + content(bundles, self.costs.bundle_document)
            + fields
    }

    /// Seconds that a batch holds a writer's turn: its statements travel, and one processor of the database works.
    pub fn store_seconds(&self) -> f64 {
        let rows = self.written_rows() / self.batches();
        self.statements_to_store() * self.around.round_trip + rows * self.database_row() * self.weight()
    }

    /// Calls to the source for a batch, one after the other.
    pub fn calls_of_a_batch(&self) -> f64 {
        if !self.around.couchbase {
            return 1.0;
        }
        // A page that is full may have another behind it. The bundles, and then whether their providers are still there.
        let pages = |documents: f64| (documents / DOCUMENTS_PER_PAGE).floor() + 1.0;
        let providers = self.providers_of_a_batch();
        pages(providers * self.data.bundles_per_provider) + pages(providers)
    }

    /// Seconds from taking up a batch to its commit.
    pub fn batch_seconds(&self) -> f64 {
        let before = self.statements_before() * self.around.round_trip;
        before + self.calls_of_a_batch() * self.around.source_latency + self.store_seconds()
    }

    /// Calls to list so many documents.
    fn calls_to_list(&self, documents: f64) -> f64 {
        // Page by page; then an empty one, and a count that says that nothing is behind it.
        if self.around.couchbase { (documents / DOCUMENTS_PER_PAGE).ceil() + 2.0 } else { 1.0 }
    }

    fn calls_for_unreachable(&self) -> f64 {
        if !self.around.couchbase {
            return 0.0;
        }
        self.calls_to_list(self.data.providers) + self.calls_to_list(self.data.bundles())
    }

    fn statements_to_plan(&self, providers: f64) -> f64 {
        let changed = self.changed.min(1.0);
        let chunks = (providers / IDS_PER_QUERY).ceil();
        let inserts = if changed < 1.0 { 0.0 } else { IDS_PER_QUERY / ROWS_PER_STATEMENT };
        // The batches' rows; those that do not fill a statement go by smaller ones.
        let batches = (providers / self.batch / ROWS_PER_STATEMENT).ceil() + 1.0;
        10.0 + chunks * (2.0 + inserts) + batches
    }

    /// Calls of a whole run.
    pub fn calls(&self) -> f64 {
        let services = self.data.services;
        let of_one = if services > 0.0 { self.data.providers / services } else { 0.0 };
        let lists = self.calls_to_list(services) + services * self.calls_to_list(of_one);
        lists + self.calls_for_unreachable() + self.batches() * self.calls_of_a_batch()
    }

    /// Statements of a whole run. A confirmation costs four, an activation about fifteen.
    pub fn statements(&self) -> f64 {
        let services = self.data.services;
        let of_one = if services > 0.0 { self.data.providers / services } else { 0.0 };
        let batch = self.statements_before() + self.statements_to_store() + 4.0;
        services * (self.statements_to_plan(of_one) + 15.0) + self.batches() * batch
    }

    /// Seconds of the largest service's plan: one connection, one row after the other, and a look at what is below each
    /// provider where unchanged ones are told.
    pub fn plan_seconds(&self) -> f64 {
        let providers = self.data.largest_service;
        let rows = providers * (self.costs.database_row + self.costs.stages_row);
        let looking = if self.skips_unchanged() { self.data.content_rows() * self.costs.reading_row } else { 0.0 };
        let rows = rows + providers * looking * self.weight();
        let calls = self.calls_to_list(providers) * self.around.source_latency;
        calls + rows + self.statements_to_plan(providers) * self.around.round_trip
    }

    /// Seconds of the search for documents that no parent asks for.
    pub fn unreachable_seconds(&self) -> f64 {
        self.calls_for_unreachable() * self.around.source_latency
    }

    /// How long the database's processors need for rows: no number of workers is faster.
    pub fn processor_seconds(&self) -> f64 {
        let Surroundings { database_cores, stage_cores, .. } = *self.around;
        let shared = if stage_cores > 0.0 { 0.0 } else { self.stage_seconds() };
        (self.database_seconds() + shared) / (database_cores * self.costs.utilisation)
    }

    /// How long the processors need.
    fn processors(&self, deployment: &Deployment) -> Vec<Bound> {
        let Surroundings { database_cores, stage_cores, worker_cores, .. } = *self.around;
        let bound = |limit, work: f64, cores: f64| Bound { limit, seconds: work / (cores * self.costs.utilisation) };
        let (database, stages) = (self.database_seconds(), self.stage_seconds());
        let apart = stage_cores > 0.0;
        let first = if apart {
            bound(Limit::DatabaseProcessors, database, database_cores)
        } else {
            bound(Limit::SharedProcessors, database + stages, database_cores)
        };
        let of_workers = f64::from(deployment.bundles) * worker_cores;
        let cores = of_workers.min(if apart { stage_cores } else { database_cores });
        vec![first, bound(Limit::StageProcessors, stages, cores)]
    }

    /// Bytes that the database writes: its log, and the pages of what changed.
    fn written_bytes(&self) -> f64 {
        let providers = if self.changed < 1.0 { 0.0 } else { self.data.providers * self.costs.provider_disk };
        let pages = self.changed * self.data.content_disk(self.costs) + providers;
        self.written_rows() * self.costs.log_row * self.weight() + pages * self.costs.page_writes
    }

    /// Everything that works side by side, the slowest first.
    fn side_by_side(&self, deployment: &Deployment) -> Vec<Bound> {
        let writers = f64::from(deployment.bundles) * f64::from(deployment.max_writers.min(deployment.in_flight));
        let mut bounds = self.processors(deployment);
        bounds.push(Bound { limit: Limit::RoundTrips, seconds: self.batches() * self.store_seconds() / writers });
        let disk = self.written_bytes() / self.around.database_disk;
        bounds.push(Bound { limit: Limit::DatabaseDisk, seconds: disk });
        bounds.push(Bound { limit: Limit::Source, seconds: self.source_seconds(deployment) });
        bounds.sort_by(slowest_first);
        bounds
    }

    /// The slowest of what works side by side.
    pub fn stream(&self, deployment: &Deployment) -> Bound {
        let slowest = self.side_by_side(deployment).first().copied();
        slowest.unwrap_or(Bound { limit: Limit::RoundTrips, seconds: 0.0 })
    }

    /// What this run comes to on a deployment.
    pub fn run(&self, deployment: &Deployment) -> Run {
        let mut bounds = self.side_by_side(deployment);
        let slowest = self.stream(deployment);
        let stream = slowest.seconds;
        let largest = self.plan_seconds() + stream * self.data.largest_share();
        let before = self.unreachable_seconds();
        let limited_by = match (before > stream.max(largest), largest > stream * SEEN) {
            (true, _) => Limit::Unreachable,
            (false, true) => Limit::LargestService,
            (false, false) => slowest.limit,
        };
        bounds.push(Bound { limit: Limit::LargestService, seconds: largest });
        bounds.push(Bound { limit: Limit::Unreachable, seconds: before });
        bounds.sort_by(slowest_first);
        let seconds = self.costs.start + before + stream.max(largest);
        Run {
            changed: self.changed,
            seconds,
            rows_per_second: self.data.rows() / seconds,
            source_calls: self.calls(),
            statements: self.statements(),
            limited_by,
            bounds,
        }
    }

    fn source_seconds(&self, deployment: &Deployment) -> f64 {
        let Surroundings { source_latency, source_calls, .. } = *self.around;
        if source_latency <= 0.0 {
            return 0.0;
        }
        let in_hand = f64::from(deployment.bundles) * f64::from(deployment.in_flight);
        let waiting = self.batches() * self.batch_seconds() / in_hand;
        let calls = self.batches() * self.calls_of_a_batch() * source_latency;
        if source_calls > 0.0 { waiting.max(calls / source_calls) } else { waiting }
    }
}

fn slowest_first(one: &Bound, other: &Bound) -> std::cmp::Ordering {
    other.seconds.total_cmp(&one.seconds)
}
