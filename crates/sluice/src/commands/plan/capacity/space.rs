//! How much room a deployment takes: memory of each stage, disk of the database and of the broker.

use serde::Serialize;

use super::{
    costs::Costs,
    model::{Data, Deployment, Surroundings},
    sizing::{self, DEFAULT_IN_FLIGHT},
};

/// What a limit for a process has above what was measured.
const HEADROOM: f64 = 1.5;
/// Limits are whole multiples of this.
const STEP: f64 = 16.0 * 1024.0 * 1024.0;

/// What is kept, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Kept {
    /// Generations that `sluice prune --keep` leaves.
    pub generations: f64,
    /// Share of the providers that a generation writes anew.
    pub changed: f64,
    /// Runs that the topics still hold: retention over the time between two runs.
    pub runs_on_topics: f64,
    /// Replicas of each partition.
    pub replicas: f64,
}

/// Bytes of memory that each process may take.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Memory {
    /// Of the root stage.
    pub root: f64,
    /// Of the providers stage.
    pub providers: f64,
    /// Of the bundles stage.
    pub bundles: f64,
    /// Of the activator stage.
    pub activator: f64,
}

/// Bytes on disks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Disk {
    /// One generation complete, with indexes.
    pub copy: f64,
    /// What each further kept generation adds.
    pub generation: f64,
    /// What each run adds to the ledger, for good.
    pub ledger: f64,
    /// The copy, the kept generations, and a year's ledger of daily runs.
    pub database: f64,
    /// All messages that the brokers hold.
    pub broker: f64,
}

/// The memory of the stages, with room to spare.
pub fn memory(costs: &Costs, data: &Data, around: &Surroundings, deployment: &Deployment) -> Memory {
    // Couchbase is asked; a folder is indexed by each process that reads it.
    let index = if around.couchbase { 0.0 } else { data.providers * costs.index_memory };
    let in_hand = f64::from(deployment.in_flight) * f64::from(deployment.batch_size).min(data.providers);
    let documents = in_hand * sizing::bytes_of_a_provider(data) * costs.document_memory;
    let limit = |bytes: f64| ((costs.stage_memory + bytes) * HEADROOM / STEP).ceil() * STEP;
    Memory {
        root: limit(index),
        providers: limit(index + providers_in_plans(data) * costs.plan_memory),
        bundles: limit(index + documents),
        activator: limit(0.0),
    }
}

/// Providers of the services that one worker plans side by side, the largest among them.
fn providers_in_plans(data: &Data) -> f64 {
    let others = (data.services - 1.0).max(0.0);
    let rest = (data.providers - data.largest_service).max(0.0);
    let of_one = if others > 0.0 { rest / others } else { 0.0 };
    data.largest_service + of_one * others.min(f64::from(DEFAULT_IN_FLIGHT) - 1.0)
}

/// The disk of database and brokers.
pub fn disk(costs: &Costs, data: &Data, kept: &Kept, batch: f64) -> Disk {
    let content = data.content_disk(costs);
    let copy = content + data.providers * costs.provider_disk;
    let generation = kept.changed * content;
    let ledger = data.providers * costs.ledger_provider + data.services * costs.ledger_service;
    let further = (kept.generations - 1.0).max(0.0);
    Disk {
        copy,
        generation,
        ledger,
        database: copy + further * generation + 365.0 * ledger,
        broker: messages(costs, data, batch) * kept.runs_on_topics * kept.replicas,
    }
}

/// Bytes that one run puts on the topics.
fn messages(costs: &Costs, data: &Data, batch: f64) -> f64 {
    let batches = data.batches(batch);
    // A service is discovered, planned and activated; a batch is planned and confirmed.
    let of_services = 3.0 * data.services * costs.other_message;
    of_services + batches * (costs.batch_message + costs.other_message) + data.providers * costs.id_message
}
