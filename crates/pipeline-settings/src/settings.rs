//! Every configuration key of Sluice, with its default and its meaning; `docs/configuration.md` is made from it.
//!
//! This file is the one source of truth: the JSON Schema of [`Settings`] gives [`crate::configuration`] the known keys,
//! their types, ranges and defaults, and the reference is printed from it. So the doc comments are what an operator
//! reads and say what a number means when running; `range` and `length` are enforced at the start; `writeOnly` marks a
//! secret, which is never printed. What a URL or an address has to look like is in `configuration/checks.rs`.

use std::{path::PathBuf, time::Duration};

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use smart_default::SmartDefault;

pub use admin::{Admin, AdminTls};
pub use kafka::{Kafka, Oauth, SecurityProtocol};
pub use names::Names;
pub use source::{
    BundleFields, Children, Collections, Couchbase, Mapping, ProviderFields, ScanConsistency, ServiceFields, Source,
    Statements, SubscriptionFieldFields,
};

mod admin;
mod kafka;
mod names;
mod source;

/// All settings, of every stage and of the command. Unknown keys are errors.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The Kafka cluster.
    pub kafka: Kafka,
    /// The schema registry.
    pub schema_registry: SchemaRegistry,
    /// Where documents come from.
    pub source: Source,
    /// Where rows go.
    pub target: Target,
    /// Logs and traces.
    pub telemetry: Telemetry,
    /// The health and metrics endpoint.
    pub admin: Admin,
    /// How a stage works through its messages.
    pub stage: Stage,
    /// What a run may do by itself.
    pub run: Run,
}

/// The schema registry.
#[derive(Clone, Debug, Deserialize, JsonSchema, SmartDefault)]
#[serde(deny_unknown_fields, default)]
pub struct SchemaRegistry {
    /// Address of a registry with the Confluent API, such as `http://registry:8081`, or with `https`.
    #[default = "http://localhost:8081"]
    pub url: String,
    /// User name for basic authentication.
    pub username: Option<String>,
    /// Password for basic authentication; prefer `password_file`.
    #[schemars(with = "Option<String>", extend("writeOnly" = true))]
    pub password: Option<SecretString>,
    /// File that holds the password; read again when it changes.
    pub password_file: Option<PathBuf>,
    /// Bearer token, in place of user name and password; prefer `token_file`.
    #[schemars(with = "Option<String>", extend("writeOnly" = true))]
    pub token: Option<SecretString>,
    /// File that holds the bearer token; read again when it changes.
    pub token_file: Option<PathBuf>,
    /// File with the certificate authority that signed the registry's certificate, PEM, for `https`. Not set: the
    /// system's. Read again when it changes.
    pub ca_file: Option<PathBuf>,
    /// File with a client certificate and its chain, PEM, for `https`. Read again when it changes.
    pub client_certificate_file: Option<PathBuf>,
    /// File with the key of the client certificate, PEM. Read again when it changes.
    pub client_key_file: Option<PathBuf>,
    /// How long one call may take before it counts as failed and is tried again. Milliseconds.
    #[schemars(range(min = 10, max = 600_000))]
    #[default = 5_000]
    pub timeout_ms: u32,
}

/// Where rows go.
#[derive(Clone, Debug, Deserialize, JsonSchema, SmartDefault)]
#[serde(deny_unknown_fields, default)]
pub struct Target {
    /// `mysql://user@host:port/database` (MySQL and MariaDB) or `sqlite:///file.db`. Empty means not set. A `mysql`
    /// host that is not this machine is reached over TLS, with a certificate for that host: `?ssl-ca=/ca.pem` names an
    /// authority that is not public, `?ssl-mode=DISABLED` asks for plain text.
    pub url: String,
    /// Password of the URL's user; prefer `password_file`.
    #[schemars(with = "Option<String>", extend("writeOnly" = true))]
    pub password: Option<SecretString>,
    /// File that holds the password.
    pub password_file: Option<PathBuf>,
    /// What stands before the names of the four views, such as `copy_`, where other programs have views called
    /// `bundles` and so on. To be chosen before the first migration. Tables begin with `sluice_` in any case: two
    /// installations need two databases. Small letters, digits and `_`, a letter first.
    #[schemars(length(max = 32), regex(pattern = r"^([a-z][a-z0-9_]*)?$"))]
    pub view_prefix: String,
    /// Connections to the database that one process may hold at most. It opens them as it needs them, and closes those
    /// that it has not used for five seconds.
    #[schemars(range(min = 1, max = 1_000))]
    #[default = 8]
    pub max_connections: u32,
    /// Batches that one process writes at the same time; the others are read meanwhile. About as many as the
    /// database's processors, shared among the workers: more of them get in each other's way inside the server, and
    /// each row costs it more.
    #[schemars(range(min = 1, max = 1_000))]
    #[default = 3]
    pub max_writers: u32,
    /// Whether the bundles stage may load rows by `LOAD DATA LOCAL`, from memory, which costs stage and database less
    /// than inserts. It does so over connections of its own, one for each writer, where a MySQL or MariaDB server has
    /// `local_infile` on, over TLS where the link has it; else it inserts.
    #[default = true]
    pub local_infile: bool,
    /// A MySQL or MariaDB server that has not answered a statement for so long counts as away: the connection is given
    /// up and the message waits for another try, long before TCP would notice a dead link. Keep it above the longest
    /// statement of a healthy server. Milliseconds.
    #[schemars(range(min = 1_000, max = 3_600_000))]
    #[default = 60_000]
    pub statement_timeout_ms: u32,
    /// A MySQL or MariaDB server ends a session that has been silent for so long, and with it the locks of a worker
    /// that froze or was cut off inside a transaction. No session waits for the source, however slow it is. Rounded up to
    /// whole seconds. Milliseconds.
    #[schemars(range(min = 1_000, max = 3_600_000))]
    #[default = 300_000]
    pub session_timeout_ms: u32,
}

/// Logs and traces.
#[derive(Clone, Debug, Deserialize, JsonSchema, SmartDefault)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// Where traces go, by OTLP over HTTP, such as `http://jaeger:4318`; `/v1/traces` is added. Empty means no traces.
    pub otlp_endpoint: String,
    /// File with headers for the collector, one `name: value` on a line, such as `authorization: Bearer TOKEN`. Secret;
    /// read again when it changes.
    pub otlp_headers_file: Option<PathBuf>,
    /// File with the certificate authority that signed the collector's certificate, PEM, for `https`. Not set: the
    /// system's. Read again when it changes.
    pub otlp_ca_file: Option<PathBuf>,
    /// File with a client certificate and its chain, PEM, for `https`. Read again when it changes.
    pub otlp_client_certificate_file: Option<PathBuf>,
    /// File with the key of the client certificate, PEM. Read again when it changes.
    pub otlp_client_key_file: Option<PathBuf>,
    /// A message that takes longer stands in the trace of its run, whatever the sample says, in milliseconds.
    #[schemars(range(min = 1))]
    #[default = 2_000]
    pub slow_batch_ms: u32,
    /// Where traces are shown, such as `http://jaeger:16686`, for links to them: `/trace/` and the id are added, or the id
    /// stands where `{trace_id}` is. Empty means no links.
    pub trace_url: String,
    /// Shape of log lines, which go to standard error.
    pub log_format: LogFormat,
    /// What to log: `error`, `warn`, `info`, `debug` or `trace`, or directives such as `info,pipeline_core=debug`.
    #[default = "info"]
    pub log_filter: String,
}

/// Shape of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Human,
    /// One JSON object per line.
    Json,
}

/// Providers in one batch, at most: configuration, command and request agree on it.
pub const MAX_BATCH_SIZE: u32 = 5_000;

/// How a stage works through its messages.
#[derive(Clone, Debug, Deserialize, JsonSchema, SmartDefault)]
#[serde(deny_unknown_fields, default)]
pub struct Stage {
    /// Providers in one batch, for runs that do not say. More make fewer, larger transactions, and each crash redoes
    /// more work.
    #[schemars(range(min = 1, max = MAX_BATCH_SIZE))]
    #[default = 50]
    pub batch_size: u32,
    /// Messages that one process handles side by side at most; beyond it the partitions pause. Memory grows with it.
    #[schemars(range(min = 1, max = 1_024))]
    #[default = 8]
    pub in_flight: u32,
    /// Attempts for an error that may pass, before the message becomes a dead letter. A dependency that is away does
    /// not count: it is waited for without limit. Nor does one that fails this message only: `patience_ms` is for that.
    #[schemars(range(min = 1, max = 100))]
    #[default = 5]
    pub max_attempts: u32,
    /// How long a message may wait by itself, while what it needs does not answer it and yet answers `/readyz`: for a
    /// lock that somebody holds, or a statement that never ends. Then it becomes a dead letter, so that one message does
    /// not hold up the others for ever. Keep it above the longest time that somebody may hold locks in the target, and
    /// above `target.session_timeout_ms`, which ends the locks of a worker that froze. Milliseconds.
    #[schemars(range(min = 1, max = 86_400_000))]
    // Twice the time after which the server ends the locks of a worker that froze.
    #[default = 600_000]
    pub patience_ms: u32,
    /// Longest pause between two attempts. Milliseconds.
    #[schemars(range(min = 1, max = 3_600_000))]
    #[default = 10_000]
    pub max_backoff_ms: u32,
    /// How long a stage that is told to stop may finish what it has begun. Committing and leaving the group come on top
    /// of it, four seconds at most, then the process ends whatever still blocks: keep both together below the grace
    /// period of whatever stops it. Milliseconds.
    #[schemars(range(max = 3_600_000))]
    #[default = 25_000]
    pub drain_timeout_ms: u32,
    /// How often the activator looks for what a lost confirmation should have told it. Milliseconds.
    #[schemars(range(min = 10, max = 3_600_000))]
    #[default = 2_000]
    pub tick_interval_ms: u32,
    /// Register missing schemas at the start; for development. In production registering is a step of deployment.
    pub register_schemas: bool,
}

/// What a run may do by itself.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, SmartDefault)]
#[serde(deny_unknown_fields, default)]
pub struct Run {
    /// How much a run may take out of the views without acceptance. Read by the root stage, which writes it into the
    /// ledger when it opens a run.
    pub max_removed: MaxRemoved,
    /// A run that stands still for so long has perhaps lost messages: what the ledger says is not done is announced
    /// again, a second time after twice as long, and so on. Nothing is announced while anything of the run moves or a
    /// worker is at work on it. Read by the root stage, the providers stage and the bundles stage. Milliseconds.
    #[schemars(range(min = 1_000, max = 3_600_000))]
    #[default = 60_000]
    pub announce_after_ms: u32,
    /// A request that is older than this when the root stage first sees it makes no run: it is refused with a note, so
    /// that a new consumer group, or one whose offsets were reset, does not repeat what was asked for long ago. Measured
    /// from the time in the request, by the root stage's clock; a request from the future is taken. Milliseconds.
    #[schemars(range(min = 1_000, max = 2_678_400_000_u32))]
    #[default = 86_400_000]
    pub max_request_age_ms: u32,
}

/// How much a run may take out of the views without acceptance: of each level, in each service and in all, the share or
/// the number, whichever is more; and never the last row of a level of the whole run. A run that would take away more
/// is held until a person accepts the removals or ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, SmartDefault)]
#[serde(deny_unknown_fields, default)]
pub struct MaxRemoved {
    /// So many of a hundred rows that readers see. 100 turns the guard off.
    #[schemars(range(max = 100))]
    #[default = 20]
    pub percent: u32,
    /// So many provider services, however large a share that is.
    #[default = 10]
    pub services: u32,
    /// So many providers, however large a share that is.
    #[default = 10]
    pub providers: u32,
    /// So many bundles, however large a share that is.
    #[default = 50]
    pub bundles: u32,
    /// So many subscription fields, however large a share that is.
    #[default = 500]
    pub subscription_fields: u32,
}

// === impl MaxRemoved ===

impl MaxRemoved {
    /// Whether everything may go.
    pub fn is_off(&self) -> bool {
        self.percent >= 100
    }
}

// === impl Run ===

impl Run {
    /// How long a run stands still before its messages count as lost.
    pub fn announce_after(&self) -> Duration {
        Duration::from_millis(self.announce_after_ms.into())
    }

    /// How old a request may be.
    pub fn max_request_age(&self) -> Duration {
        Duration::from_millis(self.max_request_age_ms.into())
    }
}
