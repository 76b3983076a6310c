//! The records that stages exchange, one Rust type for each file in `schemas/`.
//!
//! A test holds each type equal to its `.avsc` file (names, order and types of the fields), so neither can change
//! alone. Records carry identity and context, never documents: a message must stay small enough to be retried alone,
//! and the ledger, not the message, is the truth.

use apache_avro::AvroSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

#[cfg(feature = "evolved-contracts")]
mod evolved;
#[cfg(test)]
mod tests;

/// A record type with the topic it travels on.
pub trait Message: Serialize + DeserializeOwned + AvroSchema + Clone + Send + Sync + 'static {
    /// The topic; its value subject in the registry is `{TOPIC}-value`.
    const TOPIC: &'static str;
    /// The text of the `.avsc` file.
    const SCHEMA: &'static str;

    /// The message key: what must stay in order, as UTF-8 text.
    fn key(&self) -> String;

    /// The run that the message belongs to, canonical text.
    fn run_id(&self) -> &str;

    /// What of the run it is about; the run as a whole when it says no more.
    fn about(&self) -> About<'_> {
        About::default()
    }
}

/// A part of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct About<'a> {
    /// The service.
    pub service_id: Option<&'a str>,
    /// The batch of the service.
    pub batch_no: Option<i32>,
}

/// Where every stage puts what it cannot process; the values keep the original bytes.
pub const DEAD_LETTERS: &str = "sluice.dead-letters.v1";

/// Somebody wants a new generation of the copy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, AvroSchema)]
#[avro(namespace = "io.sluice.sync.v1")]
pub struct RunRequested {
    /// Canonical UUID text.
    pub run_id: String,
    /// Who asked.
    pub requested_by: String,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub requested_at_ms: i64,
    /// When readers are switched.
    pub activation: Activation,
    /// Service ids to synchronise; empty means all.
    pub scope: Vec<String>,
    /// Providers in one batch, 1 or more.
    pub batch_size: i32,
    /// Tolerated number of rejected providers in the run.
    pub max_rejected_providers: Option<i64>,
    /// Tolerated percentage of planned providers rejected.
    pub max_rejected_percent: Option<f64>,
    /// Identity of the target that is meant; without it, the target of whoever reads the request.
    pub target: Option<String>,
}

/// When readers are switched to the new generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, AvroSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[avro(namespace = "io.sluice.sync.v1")]
#[expect(missing_docs, reason = "the derive refuses doc comments on symbols; plain comments say it")]
pub enum Activation {
    // Each service as soon as its proof closes.
    PerService,
    // All services of the run in one transaction.
    WholeRun,
}

/// The root stage put a service in the ledger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, AvroSchema)]
#[avro(namespace = "io.sluice.sync.v1")]
pub struct ServiceDiscovered {
    /// Canonical UUID text.
    pub run_id: String,
    /// The generation that the run fills.
    pub generation: i64,
    /// The service to plan.
    pub service_id: String,
}

/// The providers stage planned one batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, AvroSchema)]
#[avro(namespace = "io.sluice.sync.v1")]
pub struct BatchPlanned {
    /// Canonical UUID text.
    pub run_id: String,
    /// The generation that the run fills.
    pub generation: i64,
    /// The service that the providers belong to.
    pub service_id: String,
    /// Number of the batch within its service, from 0.
    pub batch_no: i32,
    /// The providers, in plan order.
    pub provider_ids: Vec<String>,
}

/// A hint to the activator that something was planned or stored.
#[derive(Clone, Debug, PartialEq, AvroSchema)]
#[cfg_attr(not(feature = "evolved-contracts"), derive(Serialize, Deserialize))]
#[avro(namespace = "io.sluice.sync.v1")]
pub struct Confirmed {
    /// Canonical UUID text.
    pub run_id: String,
    /// The generation that the run fills.
    pub generation: i64,
    /// The service concerned.
    pub service_id: String,
    /// What is done.
    pub what: Confirmation,
    /// The batch, when one was stored.
    pub batch_no: Option<i32>,
    /// Providers planned, or stored and unchanged in the batch.
    pub providers: i64,
    /// Providers of the batch that could not be stored.
    pub rejected: i64,
}

/// What a [`Confirmed`] message confirms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, AvroSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[avro(namespace = "io.sluice.sync.v1")]
#[expect(missing_docs, reason = "the derive refuses doc comments on symbols; plain comments say it")]
pub enum Confirmation {
    // The service's batches are in the ledger.
    ServicePlanned,
    // One batch is stored.
    BatchStored,
}

/// Readers now see the new generation of a service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, AvroSchema)]
#[avro(namespace = "io.sluice.sync.v1")]
pub struct Activated {
    /// Canonical UUID text.
    pub run_id: String,
    /// The generation that readers see now.
    pub generation: i64,
    /// The service that was switched.
    pub service_id: String,
    /// How often this service has been switched.
    pub epoch: i64,
    /// The service is gone from the source, and now from the views.
    pub removed: bool,
    /// Providers planned for the service.
    pub providers: i64,
    /// Bundles under these providers.
    pub bundles: i64,
    /// Subscription fields under these bundles.
    pub subscription_fields: i64,
    /// Milliseconds from the request of the run to this switch.
    pub duration_ms: i64,
}

// === impl Message ===

macro_rules! message {
    ($type:ident, $topic:literal, |$record:ident| $key:expr, |$part:pat_param| $service:expr, $batch:expr) => {
        message!(
            $type,
            $topic,
            |$record| $key,
            |$part| $service,
            $batch,
            include_str!(concat!("../../../schemas/", $topic, ".avsc"))
        );
    };
    (
        $type:ident, $topic:literal, |$record:ident| $key:expr, |$part:pat_param| $service:expr, $batch:expr, $schema:expr
    ) => {
        impl Message for $type {
            const TOPIC: &'static str = $topic;
            const SCHEMA: &'static str = $schema;

            fn key(&self) -> String {
                let $record = self;
                $key
            }

            fn run_id(&self) -> &str {
                &self.run_id
            }

            fn about(&self) -> About<'_> {
                let $part = self;
                About { service_id: $service, batch_no: $batch }
            }
        }
    };
}

message!(RunRequested, "sluice.sync.run-requested.v1", |it| it.run_id.clone(), |_| None, None);
message!(
    ServiceDiscovered,
    "sluice.sync.service-discovered.v1",
    |it| it.service_id.clone(),
    |it| Some(&it.service_id),
    None
);
// See [`batch_of`].
message!(
    BatchPlanned,
    "sluice.sync.batch-planned.v1",
    |it| format!("{}/{}", it.service_id, it.batch_no),
    |it| Some(&it.service_id),
    Some(it.batch_no)
);
message!(
    Confirmed,
    "sluice.sync.confirmed.v1",
    |it| format!("{}/{}", it.run_id, it.service_id),
    |it| Some(&it.service_id),
    it.batch_no,
    CONFIRMED
);
message!(Activated, "sluice.sync.activated.v1", |it| it.service_id.clone(), |it| Some(&it.service_id), None);

#[cfg(not(feature = "evolved-contracts"))]
const CONFIRMED: &str = include_str!("../../../schemas/sluice.sync.confirmed.v1.avsc");
#[cfg(feature = "evolved-contracts")]
const CONFIRMED: &str = evolved::CONFIRMED;

/// Topic and schema text of every record, in the order of the flow.
pub const ALL: [(&str, &str); 5] = [
    (RunRequested::TOPIC, RunRequested::SCHEMA),
    (ServiceDiscovered::TOPIC, ServiceDiscovered::SCHEMA),
    (BatchPlanned::TOPIC, BatchPlanned::SCHEMA),
    (Confirmed::TOPIC, Confirmed::SCHEMA),
    (Activated::TOPIC, Activated::SCHEMA),
];

/// The registry subject of a topic's values.
pub fn subject(topic: &str) -> String {
    format!("{topic}-value")
}

/// The service and the number of a batch that a message plans, from its topic and its key: the batches of a service are
/// dealt out to the partitions in turn. The first word of the topic is the cluster's. A foreign message may have another
/// key there, which is then like those of other topics.
pub fn batch_of<'a>(topic: &str, key: &'a [u8]) -> Option<(&'a [u8], u32)> {
    let (_, rest) = BatchPlanned::TOPIC.split_once('.')?;
    topic.strip_suffix(rest)?.strip_suffix('.')?;
    let (service, number) = std::str::from_utf8(key).ok()?.rsplit_once('/')?;
    Some((service.as_bytes(), number.parse().ok()?))
}
