//! Ports on loopback, with and without TLS, and the threads that serve them.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
    sync::watch,
};
use tokio_rustls::TlsAcceptor;

use super::Server;

/// A port that is open until the double is dropped.
#[derive(Clone)]
pub(super) struct Port {
    pub server: Arc<Server>,
    pub acceptor: Option<TlsAcceptor>,
    pub stopped: watch::Receiver<bool>,
}

/// A connection, in the clear or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Port {
    /// Takes connections and hands each to `serve`, with whether it proved who it is by a certificate.
    pub fn open<F>(self, port: u16, serve: fn(Arc<Server>, Box<dyn Stream>, bool) -> F)
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let listener = std::net::TcpListener::bind(address).and_then(|listener| {
            listener.set_nonblocking(true)?;
            // Nothing is waited for here: a test may start a double from within its own runtime.
            let _context = runtime().enter();
            TcpListener::from_std(listener)
        });
        let listener = listener.unwrap_or_else(|error| panic!("could not listen on {address}: {error}"));
        runtime().spawn(async move {
            let mut stopped = self.stopped.clone();
            loop {
                let accepted = tokio::select! {
                    _ = stopped.wait_for(|stopped| *stopped) => return,
                    accepted = listener.accept() => accepted,
                };
                if let Ok((stream, _)) = accepted {
                    tokio::spawn(self.clone().connection(stream, serve));
                }
            }
        });
    }

    async fn connection<F>(mut self, stream: TcpStream, serve: fn(Arc<Server>, Box<dyn Stream>, bool) -> F)
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let serving = async {
            stream.set_nodelay(true)?;
            let Some(acceptor) = &self.acceptor else { return serve(self.server, Box::new(stream), false).await };
            let stream = acceptor.accept(stream).await?;
            let has_certificate = stream.get_ref().1.peer_certificates().is_some();
            serve(self.server, Box::new(stream), has_certificate).await
        };
        // How a connection ends is the client's to judge.
        tokio::select! {
            _ = self.stopped.wait_for(|stopped| *stopped) => {}
            ended = serving => drop(ended),
        }
    }
}

/// The threads that all doubles of a process share: a test's own runtime may block.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let built = Builder::new_multi_thread().worker_threads(2).thread_name("couchbase-double").enable_all().build();
        built.unwrap_or_else(|error| panic!("could not start the doubles' runtime: {error}"))
    })
}
