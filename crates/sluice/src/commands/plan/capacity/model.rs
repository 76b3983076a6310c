//! The words of a question and of its answer: what is copied, with what, by which deployment, and what a run comes to.

use serde::Serialize;

use super::costs::Costs;

/// What is to be copied.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Data {
    /// Provider services.
    pub services: f64,
    /// Providers of all services.
    pub providers: f64,
    /// Bundles of a provider, on average.
    pub bundles_per_provider: f64,
    /// Subscription fields of a bundle, on average.
    pub fields_per_bundle: f64,
    /// Bytes of a bundle with its fields, as JSON, on average.
    pub document_bytes: f64,
    /// Providers of the largest service.
    pub largest_service: f64,
}

/// What the copy has to work with.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Surroundings {
    /// Documents are asked for page by page, and searched for unreachable ones.
    pub couchbase: bool,
    /// Seconds that the source takes for an answer.
    pub source_latency: f64,
    /// Calls that the source allows at once; 0 is any number.
    pub source_calls: f64,
    /// Seconds to the database and back.
    pub round_trip: f64,
    /// Rows are inserted, and not loaded.
    pub inserts: bool,
    /// Processors of the database.
    pub database_cores: f64,
    /// Processors of all stages together; 0 when they share those of the database.
    pub stage_cores: f64,
    /// Processors that one worker can have.
    pub worker_cores: f64,
    /// Bytes that the disk of the database writes in a second.
    pub database_disk: f64,
}

/// How Sluice is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Deployment {
    /// Providers in a batch.
    pub batch_size: u32,
    /// Workers of the providers stage.
    pub providers: u32,
    /// Workers of the bundles stage.
    pub bundles: u32,
    /// Workers of the activator stage.
    pub activators: u32,
    /// `stage.in_flight` of the bundles stage.
    pub in_flight: u32,
    /// `target.max_writers`.
    pub max_writers: u32,
    /// `target.max_connections`.
    pub max_connections: u32,
    /// `source.couchbase.concurrent_reads`.
    pub concurrent_reads: u32,
}

/// What can decide how long a run takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Database and stages share processors, and these are busy.
    SharedProcessors,
    /// The processors of the database are busy.
    DatabaseProcessors,
    /// The disk of the database is busy.
    DatabaseDisk,
    /// The processors of the stages are busy.
    StageProcessors,
    /// Batches wait for answers of the source.
    Source,
    /// Batches wait for the way to the database and back.
    RoundTrips,
    /// One service is so large that its plan and its batches outlast all others.
    LargestService,
    /// The search for unreachable documents, before anything else.
    Unreachable,
}

/// A resource and how long it needs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bound {
    /// The resource.
    pub limit: Limit,
    /// Seconds that it is busy.
    pub seconds: f64,
}

/// What a run comes to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Run {
    /// Share of the providers whose content is written.
    pub changed: f64,
    /// From the request to the last activation.
    pub seconds: f64,
    /// Rows of the copy for each second.
    pub rows_per_second: f64,
    /// Calls to the source.
    pub source_calls: f64,
    /// Statements to the database, and so round trips.
    pub statements: f64,
    /// What decides.
    pub limited_by: Limit,
    /// Every resource, the slowest first.
    pub bounds: Vec<Bound>,
}

// === impl Data ===

impl Data {
    /// Bundles of the copy.
    pub fn bundles(&self) -> f64 {
        self.providers * self.bundles_per_provider
    }

    /// Subscription fields of the copy.
    pub fn fields(&self) -> f64 {
        self.bundles() * self.fields_per_bundle
    }

    /// Rows of all data tables: a provider has one of its own and one that points to its content.
    pub fn rows(&self) -> f64 {
        self.services + 2.0 * self.providers + self.bundles() + self.fields()
    }

    /// Rows of a provider's content.
    pub fn content_rows(&self) -> f64 {
        self.bundles_per_provider * (1.0 + self.fields_per_bundle)
    }

    /// Bytes on disk of all content, with indexes.
    pub fn content_disk(&self, costs: &Costs) -> f64 {
        let measured = costs.bundle_document + self.fields_per_bundle * costs.field_document;
        let more = (self.document_bytes - measured).max(0.0) * costs.more_disk;
        let bundles = self.bundles() * (costs.bundle_disk + more);
        bundles + self.fields() * costs.field_disk + self.providers * costs.content_disk
    }

    /// Share of the largest service.
    pub fn largest_share(&self) -> f64 {
        if self.providers > 0.0 { self.largest_service / self.providers } else { 0.0 }
    }

    /// Batches of the largest service, and of each other one.
    pub fn batches_of_services(&self, batch: f64) -> (f64, f64) {
        let others = (self.services - 1.0).max(0.0);
        let rest = (self.providers - self.largest_service).max(0.0);
        let of_one = if others > 0.0 { (rest / others / batch).ceil() } else { 0.0 };
        ((self.largest_service / batch).ceil(), of_one)
    }

    /// Batches of a run.
    pub fn batches(&self, batch: f64) -> f64 {
        let (largest, of_one) = self.batches_of_services(batch);
        largest + of_one * (self.services - 1.0).max(0.0)
    }
}
