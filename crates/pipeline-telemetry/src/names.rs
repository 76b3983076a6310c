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

/// The database system, such as `mysql`; of a source, `couchbase` or `files`.
pub const DB_SYSTEM: &str = "db.system.name";
/// The database.
pub const DB_NAMESPACE: &str = "db.namespace";
/// What is done there, in a few words that stay the same, such as `store batch`.
pub const DB_OPERATION: &str = "db.operation.name";
/// The table or collection that most rows of it concern.
pub const DB_COLLECTION: &str = "db.collection.name";
/// The statement in a few words, without values, such as `SELECT bundle`.
pub const DB_SUMMARY: &str = "db.query.summary";
/// How many statements a transaction had.
pub const DB_STATEMENTS: &str = "db.operation.batch.size";
/// How many rows or documents were answered.
pub const DB_RETURNED: &str = "db.response.returned_rows";
/// How many rows were changed; Sluice's own.
pub const DB_CHANGED: &str = "sluice.db.changed_rows";
/// Milliseconds in statements that wait for a lock, and for the turn to write; Sluice's own.
pub const DB_LOCK_WAIT: &str = "sluice.db.lock_wait_ms";
/// Whether the transaction was committed; Sluice's own.
pub const DB_COMMITTED: &str = "sluice.db.committed";

/// The stage; Sluice's own.
pub const STAGE: &str = "sluice.stage";
/// The run, canonical UUID text; without its hyphens it is the trace id. Sluice's own.
pub const RUN_ID: &str = "sluice.run.id";

/// The service; Sluice's own.
pub const SERVICE_ID: &str = "sluice.service.id";
/// The number of the batch within its service; Sluice's own.
pub const BATCH_NO: &str = "sluice.batch.no";
/// Which attempt led to the end of the span, from 1; Sluice's own.
pub const ATTEMPTS: &str = "sluice.attempts";
/// How a run ended, such as `activated`; Sluice's own.
pub const RUN_STATE: &str = "sluice.run.state";
/// Who asked for a run; Sluice's own.
pub const RUN_REQUESTED_BY: &str = "sluice.run.requested_by";
/// The generation of a run; Sluice's own.
pub const RUN_GENERATION: &str = "sluice.run.generation";
/// How many of something a run had; Sluice's own.
pub const RUN_SERVICES: &str = "sluice.run.services";
/// See [`RUN_SERVICES`].
pub const RUN_BATCHES: &str = "sluice.run.batches";
/// See [`RUN_SERVICES`].
pub const RUN_PROVIDERS: &str = "sluice.run.providers";
/// See [`RUN_SERVICES`].
pub const RUN_REJECTED: &str = "sluice.run.rejected_providers";
/// The span is kept whatever the sample says; Sluice's own.
pub const KEPT: &str = "sluice.kept";

/// The trace on a log line, as the conventions have it for logs that are no OTLP.
pub const LOG_TRACE_ID: &str = "trace_id";
/// The span on a log line.
pub const LOG_SPAN_ID: &str = "span_id";

/// The span's name; read by the exporter and not sent as an attribute.
pub(super) const OTEL_NAME: &str = "otel.name";
/// The span's kind; read by the exporter and not sent as an attribute.
pub(super) const OTEL_KIND: &str = "otel.kind";
/// The span's status; read by the exporter and not sent as an attribute.
pub(super) const OTEL_STATUS: &str = "otel.status_code";

/// Name and meaning of every attribute, for the reference.
pub(super) const ATTRIBUTES: [(&str, &str); 33] = [
    (SYSTEM, "`kafka`"),
    (DESTINATION, "the topic"),
    (PARTITION, "the partition, as text"),
    (OFFSET, "the offset"),
    (KEY, "the message's key"),
    (GROUP, "the consumer group"),
    (OPERATION_NAME, "`process`, `send`"),
    (OPERATION_TYPE, "`process`, `send`"),
    (BATCH_COUNT, "how many messages are written together; on spans of sinks"),
    (DB_SYSTEM, "`mysql`, `sqlite`; of a source, `couchbase`, `files`, `generator`"),
    (DB_NAMESPACE, "the database"),
    (DB_OPERATION, "what the transaction or the call is for, such as `store batch`"),
    (DB_COLLECTION, "the table in which the transaction changed most rows; the collection that was read"),
    (DB_SUMMARY, "the call to the source in a few words"),
    (DB_STATEMENTS, "how many statements the transaction had"),
    (DB_RETURNED, "how many documents the source answered, or rows the database"),
    (DB_CHANGED, "how many rows the transaction changed"),
    (DB_LOCK_WAIT, "milliseconds in statements that take a lock, and in the queue of writers of SQLite"),
    (DB_COMMITTED, "`true` when the transaction was committed"),
    (ERROR_TYPE, "the code of the error, when there was one"),
    (STAGE, "the stage"),
    (RUN_ID, "the run; without its hyphens it is the trace id"),
    (SERVICE_ID, "the service"),
    (BATCH_NO, "the number of the batch within its service"),
    (ATTEMPTS, "how often the message was tried, when more than once"),
    (RUN_STATE, "how the run ended"),
    (RUN_REQUESTED_BY, "who asked for the run"),
    (RUN_GENERATION, "the generation that the run filled"),
    (RUN_SERVICES, "services of the run"),
    (RUN_BATCHES, "batches of the run"),
    (RUN_PROVIDERS, "providers of the run"),
    (RUN_REJECTED, "providers that the run rejected"),
    (KEPT, "`true` on spans that are kept whatever the sample says"),
];
