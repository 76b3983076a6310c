//! The names of span attributes, all in one place.
//!
//! The messaging conventions of OpenTelemetry are still in development and rename attributes between versions, so one
//! version is pinned: **1.44.0**. Version 1.45 renames `messaging.system`, `messaging.kafka.offset` and
//! `messaging.kafka.message.key`; moving there means changing this file, the snapshot test and `docs/telemetry.md`
//! together. Spans carry the version's address as `schema_url`, so that a store can translate.
//! Source: <https://github.com/open-telemetry/semantic-conventions>, `docs/messaging/kafka.md`, `docs/messaging/messaging-spans.md`.

/// Address of the pinned version.
pub const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.44.0";

/// Always `kafka`.
pub const SYSTEM: &str = "messaging.system";
/// The topic.
pub const DESTINATION: &str = "messaging.destination.name";
/// The partition, as text.
pub const PARTITION: &str = "messaging.destination.partition.id";
/// The offset.
pub const OFFSET: &str = "messaging.kafka.offset";
/// The message's key.
pub const KEY: &str = "messaging.kafka.message.key";
/// The consumer group.
pub const GROUP: &str = "messaging.consumer.group.name";
/// What is done, in the words of the system: `process`.
pub const OPERATION_NAME: &str = "messaging.operation.name";
/// What is done, in the words of the conventions: `process`.
pub const OPERATION_TYPE: &str = "messaging.operation.type";
/// How many messages are processed together.
pub const BATCH_COUNT: &str = "messaging.batch.message_count";
/// The code of the error, when there was one; few values.
pub const ERROR_TYPE: &str = "error.type";

/// The stage; Sluice's own.
pub const STAGE: &str = "sluice.stage";
/// The run, canonical UUID text; without its hyphens it is the trace id. Sluice's own.
pub const RUN_ID: &str = "sluice.run.id";

/// The span's name; read by the exporter and not sent as an attribute.
pub(super) const OTEL_NAME: &str = "otel.name";
/// The span's kind; read by the exporter and not sent as an attribute.
pub(super) const OTEL_KIND: &str = "otel.kind";
/// The span's status; read by the exporter and not sent as an attribute.
pub(super) const OTEL_STATUS: &str = "otel.status_code";

/// Name and meaning of every attribute, for the reference.
pub(super) const ATTRIBUTES: [(&str, &str); 12] = [
    (SYSTEM, "`kafka`"),
    (DESTINATION, "the topic"),
    (PARTITION, "the partition, as text"),
    (OFFSET, "the offset"),
    (KEY, "the message's key"),
    (GROUP, "the consumer group"),
    (OPERATION_NAME, "`process`"),
    (OPERATION_TYPE, "`process`"),
    (BATCH_COUNT, "how many messages are written together; on spans of sinks"),
    (ERROR_TYPE, "the code of the error, when there was one"),
    (STAGE, "the stage"),
    (RUN_ID, "the run; without its hyphens it is the trace id"),
];
