//! Serving HTTP to whoever connects, bounded in time and number: the one way for every address that a process listens on.
//!
//! A client that never finishes its request costs a connection, and a connection costs a file that the database or the
//! brokers may want. So a connection has so long for the head of a request, a request so long for its answer, and all
//! together are so many: whoever comes when they are all taken takes the place of the oldest. A place is thus always
//! there for `/livez`, however many hold on to theirs.

use std::{collections::VecDeque, io, pin::pin, time::Duration};

use axum::{Router, http::StatusCode};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tower_http::timeout::TimeoutLayer;

#[cfg(feature = "tls")]
mod tls;

#[cfg(test)]
mod tests;

#[cfg(feature = "tls")]
pub(crate) use tls::Tls;

/// A program without TLS has none.
#[cfg(not(feature = "tls"))]
#[derive(Clone)]
pub(crate) enum Tls {}

/// Connections at a time; a monitor, a cluster's probes and a few people need a dozen.
const MAX_CONNECTIONS: usize = 128;

/// How long the head of a request may take, from the moment that it is waited for: so a connection that nobody uses is
/// closed too. A handshake may take so long before it.
const HEAD: Duration = Duration::from_secs(5);

/// How long a request may take, its body included. An answer takes milliseconds.
const REQUEST: Duration = Duration::from_secs(5);

/// How long a connection may last; whoever reads its answer byte by byte holds it no longer.
const AGE: Duration = Duration::from_secs(10 * 60);

/// How long a connection may take to finish what it is at, when it is to end.
const PARTING: Duration = Duration::from_secs(5);

/// Pause after a connection that could not be accepted, such as for want of files.
const AFTER_FAILURE: Duration = Duration::from_millis(200);

/// Bytes of a request that are kept while its head is read.
const BUFFER: usize = 64 * 1024;

/// Connections that are open, oldest first. Dropping it closes them.
#[derive(Default)]
struct Connections {
    tasks: JoinSet<()>,
    oldest: VecDeque<AbortHandle>,
}

/// Serves `routes` until `stop` is cancelled, then lets what is under way finish, for a few seconds at most. With `tls`,
/// who does not shake hands is sent away.
pub(crate) async fn serve(listener: TcpListener, tls: Option<Tls>, routes: Router, stop: CancellationToken) {
    let routes = routes.layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, REQUEST));
    let mut connections = Connections::default();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, _)) => connections.add(meet(stream, tls.clone(), routes.clone(), stop.clone())),
            Err(error) => {
                tracing::debug!(%error, "a connection could not be accepted");
                sleep(AFTER_FAILURE).await;
            }
        }
    }
    drop(listener);
    connections.end().await;
}

/// One connection, from its handshake to its end.
async fn meet(stream: TcpStream, tls: Option<Tls>, routes: Router, stop: CancellationToken) {
    let Some(tls) = tls else { return converse(stream, routes, stop).await };
    let shaken = tokio::select! {
        shaken = timeout(HEAD, tls.accept(stream)) => shaken.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
        () = stop.cancelled() => return,
    };
    match shaken {
        Ok(stream) => converse(stream, routes, stop).await,
        Err(error) => tracing::debug!(%error, "a connection was closed at its handshake"),
    }
}

/// One connection, from its first request to its end.
async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, routes: Router, stop: CancellationToken) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(BUFFER);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes)));
    let served = tokio::select! {
        served = connection.as_mut() => Some(served),
        () = stop.cancelled() => None,
        () = sleep(AGE) => None,
    };
    let served = match served {
        Some(served) => served,
        None => {
            // It answers what it has been asked, and no more.
            connection.as_mut().graceful_shutdown();
            timeout(PARTING, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection was closed");
    }
}

// === impl Tls ===

#[cfg(not(feature = "tls"))]
impl Tls {
    #[expect(clippy::unused_async, reason = "with TLS it waits for the other side")]
    async fn accept(&self, _: TcpStream) -> io::Result<TcpStream> {
        match *self {}
    }
}

// === impl Connections ===

impl Connections {
    fn add(&mut self, connection: impl Future<Output = ()> + Send + 'static) {
        while self.tasks.try_join_next().is_some() {}
        self.oldest.retain(|connection| !connection.is_finished());
        if self.oldest.len() >= MAX_CONNECTIONS
            && let Some(oldest) = self.oldest.pop_front()
        {
            oldest.abort();
        }
        self.oldest.push_back(self.tasks.spawn(connection));
    }

    async fn end(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}
