//! One short conversation with a node before the client is let loose: connect, log in, select the bucket.
//!
//! The client tries for ever and says nothing when the password is wrong, the bucket does not exist, or nobody listens.
//! Here each of them is an answer, in a second. It uses the client's own implementation of the protocol, and lasts as
//! long as its deadline at most.

use std::{error::Error as _, sync::Arc, time::Duration};

use couchbase_core::{
    address::Address as Node,
    memdx::{
        client::Client,
        connection::{ConnectOptions, ConnectionType, TcpConnection, TlsConnection},
        dispatcher::{Dispatcher, DispatcherOptions},
        error::{CancellationErrorKind, Error as MemdxError, ErrorKind, ServerErrorKind},
        op_bootstrap::{BootstrapOptions, OpBootstrap},
        ops_core::OpsCore,
        request::SelectBucketRequest,
        status::Status,
    },
};
use pipeline_settings::link::distrust::Distrust;
use tokio::{sync::oneshot, time::Instant};
use tokio_rustls::rustls::ClientConfig;

use super::{address::Address, credentials::Credentials};
use crate::Error;

const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// Whether one of the nodes takes us. An answer of the cluster ends the search; a node that is away does not.
pub async fn check(
    address: &Address,
    nodes: &[Node],
    tls: Option<&Arc<ClientConfig>>,
    credentials: &Credentials,
    deadline: Instant,
    silent: &(dyn Fn() -> Error + Sync),
) -> Result<(), Error> {
    let mut last = unreachable(address, "the address names no node".to_owned());
    let mut left = u32::try_from(nodes.len()).unwrap_or(u32::MAX);
    for node in nodes {
        // Each node gets its share of what is left, so that a silent one does not hide the next.
        let share = deadline.saturating_duration_since(Instant::now()) / left.max(1);
        left = left.saturating_sub(1);
        match look_at(address, node, tls, credentials, Instant::now() + share).await {
            Ok(()) => return Ok(()),
            Err(error) if is_an_answer(error.kind()) => return Err(explained(address, credentials, &error)),
            Err(error) if is_silence(error.kind()) => last = silent(),
            Err(error) => last = explained(address, credentials, &error),
        }
    }
    Err(last)
}

async fn look_at(
    address: &Address,
    node: &Node,
    tls: Option<&Arc<ClientConfig>>,
    credentials: &Credentials,
    deadline: Instant,
) -> Result<(), MemdxError> {
    let options = ConnectOptions { deadline, tcp_keep_alive_time: KEEP_ALIVE };
    let connection = match tls {
        None => ConnectionType::Tcp(TcpConnection::connect(node.clone(), options).await?),
        Some(tls) => ConnectionType::Tls(TlsConnection::connect(node.clone(), Arc::clone(tls), options).await?),
    };
    let (on_read_close_tx, _closed) = oneshot::channel();
    let options = DispatcherOptions {
        unsolicited_packet_handler: Arc::new(|_| Box::pin(async {})),
        orphan_handler: None,
        on_read_close_tx,
        disable_decompression: false,
        id: "preflight".to_owned(),
    };
    let client = Client::new(connection, options);
    let select_bucket = SelectBucketRequest::new(address.bucket.clone());
    let steps = BootstrapOptions {
        hello: None,
        get_error_map: None,
        auth: credentials.sasl(tls.is_some()),
        select_bucket: Some(select_bucket),
        deadline,
        get_cluster_config: None,
    };
    let result = OpBootstrap::bootstrap(OpsCore {}, &client, steps).await;
    if let Err(error) = client.close().await {
        tracing::debug!(%error, "could not close the first connection");
    }
    result.map(drop)
}

fn is_an_answer(kind: &ErrorKind) -> bool {
    matches!(kind, ErrorKind::Server(_) | ErrorKind::Resource(_))
}

fn is_silence(kind: &ErrorKind) -> bool {
    matches!(kind, ErrorKind::Cancelled(CancellationErrorKind::Timeout))
}

fn explained(address: &Address, credentials: &Credentials, error: &MemdxError) -> Error {
    let refusal = match error.kind() {
        ErrorKind::Server(server) => Some(server.kind()),
        ErrorKind::Resource(resource) => Some(resource.cause().kind()),
        _ => None,
    };
    match refusal {
        Some(
            ServerErrorKind::Auth { .. }
            | ServerErrorKind::AuthStale
            | ServerErrorKind::UnknownStatus { status: Status::AuthError },
        ) => Error::Denied { cluster: address.hosts.clone(), user: credentials.to_string() },
        Some(ServerErrorKind::UnknownBucketName | ServerErrorKind::NoBucket | ServerErrorKind::Access) => {
            let operation = format!("open the bucket `{}`", address.bucket);
            Error::MissingKeyspace { operation, kind: "bucket", name: address.bucket.clone() }
        }
        Some(ServerErrorKind::TmpFail | ServerErrorKind::Busy) => {
            Error::Busy { operation: "log in".to_owned(), code: 0, reason: error.to_string() }
        }
        _ => match Distrust::of(error, matches!(credentials, Credentials::Certificate(..))) {
            Some(distrust) => Error::Untrusted { cluster: address.hosts.clone(), distrust },
            None => unreachable(address, chain(error)),
        },
    }
}

fn unreachable(address: &Address, reason: String) -> Error {
    Error::Unreachable { cluster: address.hosts.clone(), operation: "connect".to_owned(), reason }
}

fn chain(error: &MemdxError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
