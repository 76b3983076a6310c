//! The one connection of a source: made when it is first needed, and shared by all that read.

use std::{sync::Arc, time::Duration};

use couchbase::{
    cluster::Cluster,
    options::cluster_options::{ClusterOptions, KvOptions},
    scope::Scope,
};
use couchbase_core::address::Address as Node;
use pipeline_settings::settings;
use tokio::{
    sync::OnceCell,
    time::{Instant, timeout_at},
};
use tokio_rustls::rustls::ClientConfig;

use super::{
    address::Address,
    credentials::{self, Authorities, Credentials},
    patience::Patience,
    preflight,
};
use crate::Error;

/// A connection that broke is made anew after so long, not after the client's own five seconds: readers wait for it.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(500);

/// How to connect, and the connection once there is one.
pub struct Connection {
    address: Address,
    credentials: Credentials,
    authorities: Authorities,
    tls: Option<Arc<ClientConfig>>,
    connect_timeout_ms: u32,
    open: OnceCell<Open>,
}

/// A connection that was made.
pub struct Open {
    /// The scope that documents are read from.
    pub scope: Scope,
    /// Drops all connections with it.
    _cluster: Cluster,
}

impl Connection {
    /// Reads certificates and credentials; connects to nothing.
    pub fn new(address: Address, settings: &settings::Couchbase) -> Result<Self, Error> {
        let credentials = Credentials::read(&address, settings)?;
        let authorities = credentials::authorities(settings)?;
        let tls = if address.tls { credentials::tls_config(&authorities, &credentials)? } else { None };
        let connect_timeout_ms = settings.connect_timeout_ms;
        Ok(Self { address, credentials, authorities, tls, connect_timeout_ms, open: OnceCell::new() })
    }

    /// Where it leads.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Who logs in.
    pub fn user(&self) -> String {
        self.credentials.to_string()
    }

    /// The connection; made now if there is none. Who comes while it is made waits for it.
    pub async fn get(&self) -> Result<&Open, Error> {
        self.open.get_or_try_init(|| self.connect()).await
    }

    /// Whether a node takes us now, whatever the connection does.
    pub async fn preflight(&self) -> Result<(), Error> {
        let deadline = self.deadline();
        timeout_at(deadline, self.look(deadline)).await.map_err(|_| self.timed_out())?
    }

    async fn connect(&self) -> Result<Open, Error> {
        let deadline = self.deadline();
        let connect = async {
            self.look(deadline).await?;
            let mut options = ClusterOptions::new(self.credentials.authenticator());
            options = options.default_retry_strategy(Arc::new(Patience)).kv_options(
                KvOptions::new()
                    .connect_timeout(Duration::from_millis(self.connect_timeout_ms.into()))
                    .connect_throttle_timeout(BETWEEN_ATTEMPTS),
            );
            if self.address.tls {
                options = options.tls_options(credentials::tls_options(&self.authorities));
            }
            Cluster::connect(&self.address.connection, options).await.map_err(|error| self.unreachable(&error))
        };
        let cluster = timeout_at(deadline, connect).await.map_err(|_| self.timed_out())??;
        let scope = cluster.bucket(&self.address.bucket).scope(&self.address.scope);
        tracing::info!(cluster = self.address.hosts, bucket = self.address.bucket, "connected to Couchbase");
        Ok(Open { scope, _cluster: cluster })
    }

    async fn look(&self, deadline: Instant) -> Result<(), Error> {
        if self.address.tls && self.tls.is_none() {
            return Ok(()); // only the client knows the public authorities
        }
        let parsed = couchbase_connstr::parse(&self.address.connection).map_err(|error| self.unusable(&error))?;
        let resolved = couchbase_connstr::resolve(parsed, None).await.map_err(|error| self.unusable(&error))?;
        let node = |found: couchbase_connstr::Address| Node { host: found.host, port: found.port };
        let nodes: Vec<Node> = resolved.memd_hosts.into_iter().map(node).collect();
        let silent = || self.timed_out();
        preflight::check(&self.address, &nodes, self.tls.as_ref(), &self.credentials, deadline, &silent).await
    }

    fn deadline(&self) -> Instant {
        Instant::now() + Duration::from_millis(self.connect_timeout_ms.into())
    }

    fn timed_out(&self) -> Error {
        Error::TimedOut {
            cluster: self.address.hosts.clone(),
            operation: "connect".to_owned(),
            setting: "source.couchbase.connect_timeout_ms",
            after_ms: self.connect_timeout_ms,
        }
    }

    fn unreachable(&self, error: &couchbase::error::Error) -> Error {
        let (cluster, operation) = (self.address.hosts.clone(), "connect".to_owned());
        Error::Unreachable { cluster, operation, reason: error.to_string() }
    }

    fn unusable(&self, error: &couchbase_connstr::error::Error) -> Error {
        Error::Url { reason: error.to_string() }
    }
}
