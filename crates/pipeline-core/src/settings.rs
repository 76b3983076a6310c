//! Every configuration key of Sluice, with its default and its meaning; `docs/configuration.md` is made from it.
//!
//! This file is the one source of truth: the JSON Schema of [`Settings`] gives [`crate::configuration`] the known keys,
//! their types, ranges and defaults, and the reference is printed from it. So the doc comments are what an operator
//! reads and say what a number means when running; `range` and `length` are enforced at the start; `writeOnly` marks a
//! secret, which is never printed. What a URL or an address has to look like is in `configuration/checks.rs`.

use std::path::PathBuf;

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

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
}

/// The Kafka cluster.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Kafka {
    /// Brokers to begin with: `host:port`, several separated by commas. The others are learnt from them.
    pub bootstrap_servers: String,
    /// Prefix of the consumer groups; a hyphen and the stage's name follow, such as `sluice-bundles`. Two
    /// installations on one cluster need two prefixes.
    #[schemars(length(min = 1))]
    pub group_prefix: String,
    /// A worker that is silent for so long loses its partitions to the others. Brokers refuse less than their
    /// `group.min.session.timeout.ms`, which is 6000 unless changed. Milliseconds.
    #[schemars(range(min = 1_000, max = 3_600_000))]
    pub session_timeout_ms: u32,
    /// How to talk to the brokers.
    pub security_protocol: SecurityProtocol,
    /// SASL mechanism: `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`; needed by the two `sasl_` protocols.
    pub sasl_mechanism: Option<String>,
    /// SASL user name.
    pub username: Option<String>,
    /// SASL password; prefer `password_file`, which keeps it out of files and process lists.
    #[schemars(with = "Option<String>", extend("writeOnly" = true))]
    pub password: Option<SecretString>,
    /// File that holds the SASL password; one line break at its end is not part of it.
    pub password_file: Option<PathBuf>,
    /// File with the certificate authority that signed the brokers' certificates, PEM. Not set: the system's.
    pub ca_file: Option<PathBuf>,
}

/// How a client talks to the brokers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecurityProtocol {
    /// No encryption, no authentication.
    #[default]
    Plaintext,
    /// TLS.
    Ssl,
    /// SASL without encryption.
    SaslPlaintext,
    /// SASL over TLS.
    SaslSsl,
}

/// The schema registry.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SchemaRegistry {
    /// Address of a registry with the Confluent API, such as `http://registry:8081`, or with `https`.
    pub url: String,
    /// User name for basic authentication.
    pub username: Option<String>,
    /// Password for basic authentication; prefer `password_file`.
    #[schemars(with = "Option<String>", extend("writeOnly" = true))]
    pub password: Option<SecretString>,
    /// File that holds the password.
    pub password_file: Option<PathBuf>,
    /// Bearer token, in place of user name and password; prefer `token_file`.
    #[schemars(with = "Option<String>", extend("writeOnly" = true))]
    pub token: Option<SecretString>,
    /// File that holds the bearer token; read once, at the start.
    pub token_file: Option<PathBuf>,
    /// File with the certificate authority that signed the registry's certificate, PEM, for `https`. Not set: the
    /// system's.
    pub ca_file: Option<PathBuf>,
    /// File with a client certificate and its chain, PEM, for `https`.
    pub client_certificate_file: Option<PathBuf>,
    /// File with the key of the client certificate, PEM.
    pub client_key_file: Option<PathBuf>,
    /// How long one call may take before it counts as failed and is tried again. Milliseconds.
    #[schemars(range(min = 10, max = 600_000))]
    pub timeout_ms: u32,
}

/// Where documents come from.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Source {
    /// A folder of JSON lines, `file:///folder`; a bucket, `couchbase://host/bucket.scope`; or made-up documents,
    /// `generator:?services=40&providers=10000&bundles=20&fields=5&seed=1`. Empty means not set.
    pub url: String,
    /// Field names of each collection.
    pub mapping: Mapping,
    /// How to read a Couchbase bucket.
    pub couchbase: Couchbase,
}

/// How to read a Couchbase bucket.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Couchbase {
    /// User name; wins over one in the URL.
    pub username: Option<String>,
    /// Password; prefer `password_file`. A password in the URL is refused.
    #[schemars(with = "Option<String>", extend("writeOnly" = true))]
    pub password: Option<SecretString>,
    /// File that holds the password; one line break at its end is not part of it.
    pub password_file: Option<PathBuf>,
    /// File with the certificate authority that signed the nodes' certificates, PEM, for `couchbases://`. Not set: the
    /// public authorities and that of Couchbase Capella.
    pub ca_file: Option<PathBuf>,
    /// File with a client certificate and its chain, PEM, in place of user name and password; for `couchbases://`.
    pub client_certificate_file: Option<PathBuf>,
    /// File with the key of the client certificate, PEM.
    pub client_key_file: Option<PathBuf>,
    /// How long reaching the cluster may take, credentials and bucket included. Milliseconds.
    #[schemars(range(min = 100, max = 600_000))]
    pub connect_timeout_ms: u32,
    /// How long the server may work on one statement. One that says nothing at all is given up after twice as long.
    /// Milliseconds.
    #[schemars(range(min = 100, max = 3_600_000))]
    pub statement_timeout_ms: u32,
    /// How long the next row of an answer that has begun may take. Milliseconds.
    #[schemars(range(min = 100, max = 3_600_000))]
    pub row_timeout_ms: u32,
    /// How long reading or writing one document by its key may take. Milliseconds.
    #[schemars(range(min = 100, max = 600_000))]
    pub key_timeout_ms: u32,
    /// Documents that one statement asks for at most. Memory grows with it; a page ends early at 8 MiB.
    #[schemars(range(min = 1, max = 10_000))]
    pub page_size: u32,
    /// Statements and reads by key that one process has under way at most.
    #[schemars(range(min = 1, max = 1_024))]
    pub concurrent_reads: u32,
    /// Statements and reads by key that one process begins in a second at most.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub requests_per_second: u32,
    /// How fresh the indexes must be.
    pub scan_consistency: ScanConsistency,
    /// How the bundles of a provider, and the subscription fields of a bundle when they have a collection, are found.
    pub children: Children,
    /// The list of bundle keys in a provider, when `children` is `keys`.
    #[schemars(length(min = 1))]
    pub bundle_keys: String,
    /// The list of subscription field keys in a bundle, when `children` is `keys` and fields have a collection.
    #[schemars(length(min = 1))]
    pub subscription_field_keys: String,
    /// Look in each run for documents that no parent asks for, and reject them with a reason. It reads every document
    /// once more, page by page.
    pub find_unreachable: bool,
    /// Names of the collections.
    pub collections: Collections,
    /// Statements of your own, in place of those that are made of the collections and the mapping. Each selects `_id`
    /// (the key), `_cas` and `doc`, uses the parameters named here, and is ordered by the key.
    pub statements: Statements,
}

/// How fresh the indexes must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScanConsistency {
    /// As they are: fastest; a document written a moment ago may come with the next run only.
    #[default]
    NotBounded,
    /// With everything that was written before the statement: waits for the indexes.
    RequestPlus,
}

/// How children are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Children {
    /// By a statement that asks for the children of a batch.
    #[default]
    Statement,
    /// By the keys that a parent lists, without an index.
    Keys,
}

/// Names of the collections.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Collections {
    /// Provider services.
    #[schemars(length(min = 1))]
    pub provider_services: String,
    /// Providers.
    #[schemars(length(min = 1))]
    pub providers: String,
    /// Bundles.
    #[schemars(length(min = 1))]
    pub bundles: String,
    /// Subscription fields. Empty: they are nested in their bundles.
    pub subscription_fields: String,
}

/// Statements of your own; an empty one is made of the collections and the mapping.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Statements {
    /// All provider services; `$after`, `$limit`.
    pub provider_services: String,
    /// The providers of a service; `$service`, `$after`, `$limit`.
    pub providers: String,
    /// Some providers of a service; `$service`, `$providers`, `$after`, `$limit`.
    pub providers_by_id: String,
    /// The bundles of some providers; `$providers`, `$after`, `$limit`, and `$service` where provider ids repeat.
    pub bundles: String,
    /// The subscription fields of some providers; `$providers`, `$after`, `$limit`, and `$service` likewise.
    pub subscription_fields: String,
}

/// Field names of each collection; everything not named here is kept in `attributes`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Mapping {
    /// Provider services.
    pub provider_services: ServiceFields,
    /// Providers.
    pub providers: ProviderFields,
    /// Bundles.
    pub bundles: BundleFields,
    /// Subscription fields.
    pub subscription_fields: SubscriptionFieldFields,
}

macro_rules! field_names {
    ($(#[$doc:meta])* $type:ident { $($(#[$field_doc:meta])* $field:ident = $default:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        pub struct $type {
            $($(#[$field_doc])* #[schemars(length(min = 1))] pub $field: String,)*
        }

        impl Default for $type {
            fn default() -> Self {
                Self { $($field: $default.to_owned(),)* }
            }
        }
    };
}

field_names! {
    /// Field names of a provider service.
    ServiceFields {
        /// Its id.
        id = "id",
        /// Its name.
        name = "name",
    }
}
field_names! {
    /// Field names of a provider.
    ProviderFields {
        /// Its id.
        id = "id",
        /// The id of its service.
        service_id = "service_id",
        /// Its name.
        name = "name",
    }
}
field_names! {
    /// Field names of a bundle.
    BundleFields {
        /// Its id.
        id = "id",
        /// The id of its provider.
        provider_id = "provider_id",
        /// The id of its service; needed only where provider ids repeat in several services.
        service_id = "service_id",
        /// Its name.
        name = "name",
        /// The list of nested subscription fields, when they are nested.
        subscription_fields = "subscription_fields",
    }
}
field_names! {
    /// Field names of a subscription field.
    SubscriptionFieldFields {
        /// Its id; a nested field without one has its name as id.
        id = "id",
        /// The id of its bundle, in a collection of its own.
        bundle_id = "bundle_id",
        /// The id of its provider, in a collection of its own; needed only where bundle ids repeat.
        provider_id = "provider_id",
        /// The id of its service, in a collection of its own; needed only where provider ids repeat.
        service_id = "service_id",
        /// Its name.
        name = "name",
        /// Its value.
        value = "value",
        /// Whether it is required.
        required = "required",
        /// Its position.
        position = "position",
    }
}

/// Where rows go.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Target {
    /// `mysql://user@host:port/database` (MySQL and MariaDB) or `sqlite:///file.db`. Empty means not set. With
    /// `?ssl-mode=VERIFY_IDENTITY&ssl-ca=/ca.pem` behind a `mysql` URL, only that server will do, over TLS; without it
    /// TLS is used when the server offers it.
    pub url: String,
    /// Password of the URL's user; prefer `password_file`.
    #[schemars(with = "Option<String>", extend("writeOnly" = true))]
    pub password: Option<SecretString>,
    /// File that holds the password.
    pub password_file: Option<PathBuf>,
    /// Connections to the database that one process may hold at most.
    #[schemars(range(min = 1, max = 1_000))]
    pub max_connections: u32,
    /// Batches that one process writes at the same time; the others are read meanwhile. About as many as the
    /// database's processors, shared among the workers: more of them get in each other's way inside the server, and
    /// each row costs it more.
    #[schemars(range(min = 1, max = 1_000))]
    pub max_writers: u32,
    /// A MySQL or MariaDB server that has not answered a statement for so long counts as away: the connection is given
    /// up and the message waits for another try, long before TCP would notice a dead link. Keep it above the longest
    /// statement of a healthy server. Milliseconds.
    #[schemars(range(min = 1_000, max = 3_600_000))]
    pub statement_timeout_ms: u32,
    /// A MySQL or MariaDB server ends a session that has been silent for so long, and with it the locks of a worker
    /// that froze or was cut off inside a transaction. Keep it above the longest pause that the source makes while the
    /// providers of a service are read. Rounded up to whole seconds. Milliseconds.
    #[schemars(range(min = 1_000, max = 3_600_000))]
    pub session_timeout_ms: u32,
}

/// Logs and traces.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// Where traces go, by OTLP over HTTP, such as `http://jaeger:4318`; `/v1/traces` is added. Empty means no traces.
    pub otlp_endpoint: String,
    /// Shape of log lines, which go to standard error.
    pub log_format: LogFormat,
    /// What to log: `error`, `warn`, `info`, `debug` or `trace`, or directives such as `info,pipeline_core=debug`.
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

/// The health and metrics endpoint.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// Address of `/livez`, `/readyz`, `/metrics` and `/version`, such as `0.0.0.0:9464`; port 0 picks a free one,
    /// which is logged at the start.
    pub bind: String,
}

/// How a stage works through its messages.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Stage {
    /// Providers in one batch, for runs that do not say. More make fewer, larger transactions, and each crash redoes
    /// more work.
    #[schemars(range(min = 1, max = 5_000))]
    pub batch_size: u32,
    /// Messages that one process handles side by side at most; beyond it the partitions pause. Memory grows with it.
    #[schemars(range(min = 1, max = 1_024))]
    pub in_flight: u32,
    /// Attempts for an error that may pass, before the message becomes a dead letter. A dependency that is away does
    /// not count: it is waited for without limit.
    #[schemars(range(min = 1, max = 100))]
    pub max_attempts: u32,
    /// Longest pause between two attempts. Milliseconds.
    #[schemars(range(min = 1, max = 3_600_000))]
    pub max_backoff_ms: u32,
    /// How long a stage that is told to stop may finish what it has begun; keep it below the grace period of
    /// whatever stops it. Milliseconds.
    #[schemars(range(max = 3_600_000))]
    pub drain_timeout_ms: u32,
    /// How often the activator looks for what a lost confirmation should have told it. Milliseconds.
    #[schemars(range(min = 10, max = 3_600_000))]
    pub tick_interval_ms: u32,
    /// Register missing schemas at the start; for development. In production registering is a step of deployment.
    pub register_schemas: bool,
}

// === defaults ===

impl Default for Kafka {
    fn default() -> Self {
        Self {
            bootstrap_servers: "localhost:9092".to_owned(),
            group_prefix: "sluice".to_owned(),
            session_timeout_ms: 6_000,
            security_protocol: SecurityProtocol::Plaintext,
            sasl_mechanism: None,
            username: None,
            password: None,
            password_file: None,
            ca_file: None,
        }
    }
}

impl Default for SchemaRegistry {
    fn default() -> Self {
        Self {
            url: "http://localhost:8081".to_owned(),
            username: None,
            password: None,
            password_file: None,
            token: None,
            token_file: None,
            ca_file: None,
            client_certificate_file: None,
            client_key_file: None,
            timeout_ms: 5_000,
        }
    }
}

impl Default for Couchbase {
    fn default() -> Self {
        Self {
            username: None,
            password: None,
            password_file: None,
            ca_file: None,
            client_certificate_file: None,
            client_key_file: None,
            connect_timeout_ms: 10_000,
            statement_timeout_ms: 30_000,
            row_timeout_ms: 20_000,
            key_timeout_ms: 5_000,
            page_size: 500,
            concurrent_reads: 16,
            requests_per_second: 1_000,
            scan_consistency: ScanConsistency::NotBounded,
            children: Children::Statement,
            bundle_keys: "bundle_keys".to_owned(),
            subscription_field_keys: "subscription_field_keys".to_owned(),
            find_unreachable: true,
            collections: Collections::default(),
            statements: Statements::default(),
        }
    }
}

impl Default for Collections {
    fn default() -> Self {
        Self {
            provider_services: "provider_services".to_owned(),
            providers: "providers".to_owned(),
            bundles: "bundles".to_owned(),
            subscription_fields: String::new(),
        }
    }
}

impl Default for Target {
    fn default() -> Self {
        Self {
            url: String::new(),
            password: None,
            password_file: None,
            max_connections: 8,
            max_writers: 3,
            statement_timeout_ms: 60_000,
            session_timeout_ms: 300_000,
        }
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { otlp_endpoint: String::new(), log_format: LogFormat::Human, log_filter: "info".to_owned() }
    }
}

impl Default for Admin {
    fn default() -> Self {
        Self { bind: "127.0.0.1:0".to_owned() }
    }
}

impl Default for Stage {
    fn default() -> Self {
        Self {
            batch_size: 50,
            in_flight: 8,
            max_attempts: 5,
            max_backoff_ms: 10_000,
            drain_timeout_ms: 25_000,
            tick_interval_ms: 2_000,
            register_schemas: false,
        }
    }
}
