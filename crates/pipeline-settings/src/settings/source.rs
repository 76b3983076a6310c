//! The keys of the source: where it is, what its fields are called, and how a Couchbase bucket is read.

use std::path::PathBuf;

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use smart_default::SmartDefault;

/// Where documents come from.
#[derive(Clone, Debug, Deserialize, JsonSchema, SmartDefault)]
#[serde(deny_unknown_fields, default)]
pub struct Source {
    /// A folder of JSON lines, `file:///folder`; a bucket, `couchbase://host/bucket.scope`; or made-up documents,
    /// `generator:?services=40&providers=10000&bundles=20&fields=5&seed=1`. Empty means not set.
    pub url: String,
    /// How long one read of a file of the folder may go without an answer, before the file counts as away and the
    /// message waits for another try. Reading a large file may take longer, as long as it goes on. Milliseconds.
    #[schemars(range(min = 100, max = 3_600_000))]
    #[default = 30_000]
    pub read_timeout_ms: u32,
    /// Folder for files that are gone when the process ends: what compressed files of the source hold, unpacked once for
    /// each change, and the documents of a service that has very many, until they are written. Not set: the system's
    /// temporary folder.
    pub spool_dir: Option<PathBuf>,
    /// Refuse a folder without a `manifest.json`, which says what a complete export holds. One that is there is always
    /// compared.
    pub require_manifest: bool,
    /// Field names of each collection.
    pub mapping: Mapping,
    /// How to read a Couchbase bucket.
    pub couchbase: Couchbase,
}

/// How to read a Couchbase bucket.
#[derive(Clone, Debug, Deserialize, JsonSchema, SmartDefault)]
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
    #[default = 10_000]
    pub connect_timeout_ms: u32,
    /// How long the server may work on one statement. One that says nothing at all is given up after twice as long.
    /// Milliseconds.
    #[schemars(range(min = 100, max = 3_600_000))]
    #[default = 30_000]
    pub statement_timeout_ms: u32,
    /// How long the next row of an answer that has begun may take. Milliseconds.
    #[schemars(range(min = 100, max = 3_600_000))]
    #[default = 20_000]
    pub row_timeout_ms: u32,
    /// How long reading or writing one document by its key may take. Milliseconds.
    #[schemars(range(min = 100, max = 600_000))]
    #[default = 5_000]
    pub key_timeout_ms: u32,
    /// Documents that one statement asks for at most. Memory grows with it; a page ends early at 8 MiB.
    #[schemars(range(min = 1, max = 10_000))]
    #[default = 500]
    pub page_size: u32,
    /// Statements and reads by key that one process has under way at most.
    #[schemars(range(min = 1, max = 1_024))]
    #[default = 16]
    pub concurrent_reads: u32,
    /// Statements and reads by key that one process begins in a second at most.
    #[schemars(range(min = 1, max = 1_000_000))]
    #[default = 1_000]
    pub requests_per_second: u32,
    /// How fresh the indexes must be.
    pub scan_consistency: ScanConsistency,
    /// How the bundles of a provider, and the subscription fields of a bundle when they have a collection, are found.
    pub children: Children,
    /// The list of bundle keys in a provider, when `children` is `keys`.
    #[schemars(length(min = 1))]
    #[default = "bundle_keys"]
    pub bundle_keys: String,
    /// The list of subscription field keys in a bundle, when `children` is `keys` and fields have a collection.
    #[schemars(length(min = 1))]
    #[default = "subscription_field_keys"]
    pub subscription_field_keys: String,
    /// Look in each run for documents that no parent asks for, and reject them with a reason. It reads every document
    /// once more, page by page.
    #[default = true]
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
#[derive(Clone, Debug, Deserialize, JsonSchema, SmartDefault)]
#[serde(deny_unknown_fields, default)]
pub struct Collections {
    /// Provider services.
    #[schemars(length(min = 1))]
    #[default = "provider_services"]
    pub provider_services: String,
    /// Providers.
    #[schemars(length(min = 1))]
    #[default = "providers"]
    pub providers: String,
    /// Bundles.
    #[schemars(length(min = 1))]
    #[default = "bundles"]
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, SmartDefault)]
        #[serde(deny_unknown_fields, default)]
        pub struct $type {
            $($(#[$field_doc])* #[default = $default] #[schemars(length(min = 1))] pub $field: String,)*
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
