//! A stand-in for Couchbase that the official client cannot tell from a server, for what Sluice asks of one.
//!
//! It speaks the real protocols on loopback: key-value with its whole bootstrap (SCRAM-SHA-512, or PLAIN over TLS), and
//! SQL++ over HTTP for a small set of statements; any other is refused with the server's own error. Behind it is a
//! folder of JSON lines, or whatever a test stores. It counts what it is asked, and misbehaves when told to.
//!
//! | module | does |
//! |---|---|
//! | [`documents`], [`folder`] | what is stored, and its indexes |
//! | [`kv`] | the key-value protocol |
//! | [`http`], [`query`] | the cluster manager's bootstrap pages and the query service |
//! | [`topology`], [`tls`] | what clients learn of the node, and how it proves who it is |
//! | [`port`] | connections, in the clear or not |
//! | [`faults`], [`meter`] | what goes wrong, and what was asked |
//!
//! Where it differs from the server: an index is up to date at once, whatever consistency is asked for; there is one
//! node, one bucket and one user; nothing expires, and nothing is compressed.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, RwLock},
};

use tokio::sync::watch;

use self::{documents::Bucket, faults::Faults, meter::Meter, port::Port, topology::Topology};
pub use self::{
    faults::{Misbehaviour, Service},
    meter::SeenQuery,
};
use crate::{ports, tls::Tls};

mod documents;
mod faults;
mod folder;
mod http;
mod kv;
mod meter;
mod port;
mod query;
mod topology;

/// How a double is set up.
#[derive(Clone)]
pub struct Options {
    /// A folder of `COLLECTION.jsonl` to fill the scope from.
    pub folder: Option<PathBuf>,
    /// The field that holds a document's key; else keys are made of the collection and the ids, joined by `::`.
    pub key_field: Option<String>,
    /// The name of the one bucket.
    pub bucket: String,
    /// The scope of the documents.
    pub scope: String,
    /// Collections that are there besides those of the folder.
    pub collections: Vec<String>,
    /// Indexes in the scope; a statement that none of them serves is refused.
    pub indexes: Vec<Index>,
    /// The one user.
    pub user: String,
    /// The user's password.
    pub password: String,
    /// TLS on all ports, and nothing without it.
    pub tls: Option<Tls>,
}

/// An index of a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// The collection that it is over.
    pub collection: String,
    /// Paths of its fields in their order, before the key; none for an index of all keys, such as a primary one.
    pub fields: Vec<Vec<String>>,
    /// `online`, or a state in which it serves nothing, such as `deferred`.
    pub state: String,
}

/// A running double. Dropping it closes all its connections and ports.
pub struct CouchbaseDouble {
    server: Arc<Server>,
    stop: watch::Sender<bool>,
}

/// What all connections share.
struct Server {
    options: Options,
    topology: Topology,
    bucket: RwLock<Bucket>,
    faults: Faults,
    prepared: Mutex<query::Prepared>,
    kv: Arc<Meter>,
    queries: Arc<Meter>,
    seen: Mutex<Vec<SeenQuery>>,
}

/// The collections of Sluice's folder format.
const COLLECTIONS: [&str; 4] = ["provider_services", "providers", "bundles", "subscription_fields"];

// === impl Options ===

impl Default for Options {
    /// An empty bucket `catalog` with the collections of the folder format in the scope `sluice`, and the indexes that
    /// a full read of them needs.
    fn default() -> Self {
        let mut indexes: Vec<Index> = COLLECTIONS.iter().map(|name| Index::primary(name)).collect();
        indexes.push(Index::on("providers", &["service_id", "id"]));
        indexes.push(Index::on("bundles", &["service_id", "provider_id"]));
        indexes.push(Index::on("subscription_fields", &["service_id", "provider_id"]));
        indexes.push(Index::on("bundles", &["provider_id"]));
        indexes.push(Index::on("subscription_fields", &["provider_id"]));
        Self {
            folder: None,
            key_field: None,
            bucket: "catalog".to_owned(),
            scope: "sluice".to_owned(),
            collections: COLLECTIONS.iter().map(|name| (*name).to_owned()).collect(),
            indexes,
            user: "sluice".to_owned(),
            password: "sluice-secret".to_owned(),
            tls: None,
        }
    }
}

// === impl Index ===

impl Index {
    /// `CREATE PRIMARY INDEX ON collection`.
    pub fn primary(collection: &str) -> Self {
        Self {
            name: format!("{collection}_primary"),
            collection: collection.to_owned(),
            fields: Vec::new(),
            state: "online".to_owned(),
        }
    }

    /// `CREATE INDEX collection_by_field ON collection(field, …)`; dots lead into nested objects.
    pub fn on(collection: &str, fields: &[&str]) -> Self {
        Self {
            name: format!("{collection}_by_{}", fields.join("_by_").replace('.', "_")),
            fields: fields.iter().map(|field| field.split('.').map(str::to_owned).collect()).collect(),
            ..Self::primary(collection)
        }
    }
}

// === impl CouchbaseDouble ===

impl CouchbaseDouble {
    /// Starts a double; it answers when this returns.
    pub fn start(options: Options) -> Self {
        let mut bucket = Bucket::default();
        bucket.create("_default", "_default");
        for collection in &options.collections {
            bucket.create(&options.scope, collection);
        }
        if let Some(folder) = &options.folder {
            folder::load(&mut bucket, &options.scope, folder, options.key_field.as_deref());
        }
        for index in &options.indexes {
            if let Some(collection) = bucket.collection_mut(&options.scope, &index.collection) {
                collection.add_index(index.clone());
            }
        }
        let acceptor = options.tls.as_ref().map(Tls::acceptor);
        let (kv_port, http_port) = (ports::free(), ports::free());
        let topology = Topology { kv: kv_port, http: http_port, tls: acceptor.is_some() };
        let server = Arc::new(Server {
            options,
            topology,
            bucket: RwLock::new(bucket),
            faults: Faults::default(),
            prepared: Mutex::default(),
            kv: Arc::default(),
            queries: Arc::default(),
            seen: Mutex::default(),
        });
        let (stop, stopped) = watch::channel(false);
        let kv = Port { server: Arc::clone(&server), acceptor: acceptor.clone(), stopped: stopped.clone() };
        let http = Port { server: Arc::clone(&server), acceptor, stopped };
        kv.open(kv_port, kv::serve);
        http.open(http_port, http::serve);
        Self { server, stop }
    }

    /// What the client connects to: `couchbase://127.0.0.1:port`, or `couchbases://` with TLS.
    pub fn connection_string(&self) -> String {
        let scheme = if self.server.topology.tls { "couchbases" } else { "couchbase" };
        format!("{scheme}://127.0.0.1:{}", self.server.topology.kv)
    }

    /// The source's URL: the connection string with bucket and scope.
    pub fn url(&self) -> String {
        let Options { bucket, scope, .. } = &self.server.options;
        format!("{}/{bucket}.{scope}", self.connection_string())
    }

    /// The address of the query service and the cluster manager, `127.0.0.1:port`.
    pub fn http_address(&self) -> String {
        format!("127.0.0.1:{}", self.server.topology.http)
    }

    /// The options it was started with.
    pub fn options(&self) -> &Options {
        &self.server.options
    }

    /// Stores a document, new or changed, and gives its CAS. The collection is made if it is not there.
    pub fn set(&self, collection: &str, key: &str, json: &str) -> u64 {
        self.change(|bucket, scope| {
            bucket.create(scope, collection);
            let cas = bucket.next_cas();
            if let Some(collection) = bucket.collection_mut(scope, collection) {
                collection.set(key, json, cas);
            }
            cas
        })
    }

    /// Removes a document; whether it was there.
    pub fn remove(&self, collection: &str, key: &str) -> bool {
        self.change(|bucket, scope| bucket.collection_mut(scope, collection).is_some_and(|found| found.remove(key)))
    }

    /// A document's text, exactly as it is stored.
    pub fn get(&self, collection: &str, key: &str) -> Option<String> {
        self.change(|bucket, scope| Some(bucket.collection(scope, collection)?.documents.get(key)?.text.to_string()))
    }

    /// The keys of a collection in their order.
    pub fn keys(&self, collection: &str) -> Vec<String> {
        self.change(|bucket, scope| {
            let found = bucket.collection(scope, collection);
            found.map(|found| found.documents.keys().cloned().collect()).unwrap_or_default()
        })
    }

    /// Removes a collection with its documents and indexes.
    pub fn drop_collection(&self, collection: &str) {
        self.change(|bucket, scope| bucket.drop_collection(scope, collection));
    }

    /// Builds an index.
    pub fn create_index(&self, index: Index) {
        self.change(|bucket, scope| {
            if let Some(collection) = bucket.collection_mut(scope, &index.collection.clone()) {
                collection.add_index(index);
            }
        });
    }

    /// Drops the index of this name in any collection; whether there was one.
    pub fn drop_index(&self, name: &str) -> bool {
        self.change(|bucket, _| bucket.drop_index(name))
    }

    /// Forgets all prepared statements, as a server does that starts anew.
    pub fn forget_prepared(&self) {
        self.server.prepared.lock().expect("nobody panics while a statement is prepared").clear();
    }

    /// From now on, one service misbehaves.
    pub fn misbehave(&self, service: Service, misbehaviour: Misbehaviour) {
        self.server.faults.set(service, misbehaviour, None);
    }

    /// One service misbehaves on its next calls, and is well after them.
    pub fn misbehave_times(&self, service: Service, misbehaviour: Misbehaviour, calls: usize) {
        self.server.faults.set(service, misbehaviour, Some(calls));
    }

    /// Both services are well again. A call that was met with silence stays without an answer.
    pub fn heal(&self) {
        self.server.faults.heal();
    }

    /// The queries that came, in their order.
    pub fn queries(&self) -> Vec<SeenQuery> {
        self.server.seen.lock().expect("nobody panics while a query is noted").clone()
    }

    /// How many queries are being answered now.
    pub fn running_queries(&self) -> usize {
        self.server.queries.running()
    }

    /// The most queries that ran side by side.
    pub fn peak_concurrent_queries(&self) -> usize {
        self.server.queries.peak()
    }

    /// The most queries that came within one second.
    pub fn peak_queries_per_second(&self) -> usize {
        self.server.queries.peak_per_second()
    }

    /// Operations on documents so far.
    pub fn kv_operations(&self) -> usize {
        self.server.kv.total()
    }

    /// The most operations on documents that ran side by side.
    pub fn peak_concurrent_kv_operations(&self) -> usize {
        self.server.kv.peak()
    }

    /// The most operations on documents that came within one second.
    pub fn peak_kv_operations_per_second(&self) -> usize {
        self.server.kv.peak_per_second()
    }

    /// Begins to count anew.
    pub fn reset_counts(&self) {
        self.server.kv.reset();
        self.server.queries.reset();
        self.server.seen.lock().expect("nobody panics while a query is noted").clear();
    }

    fn change<T>(&self, change: impl FnOnce(&mut Bucket, &str) -> T) -> T {
        let mut bucket = self.server.bucket.write().expect("nobody panics while documents change");
        change(&mut bucket, &self.server.options.scope)
    }
}

impl Drop for CouchbaseDouble {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}
