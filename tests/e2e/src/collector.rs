//! A trace collector that speaks TLS and takes everything: OTLP over HTTP, kept as it came.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use testkit::{
    tls::Tls,
    wait::{self, PATIENCE},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
};
use tokio_rustls::TlsAcceptor;

/// The whole answer to a batch.
const TAKEN: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// A running collector.
pub struct Collector {
    endpoint: String,
    batches: Arc<Mutex<Vec<Batch>>>,
    _runtime: Runtime,
}

/// What was sent at once.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The header `authorization`, and whether a client certificate was shown: `Bearer TOKEN certified=true`.
    pub authorization: String,
    /// The spans, as a protobuf message: names and values are in it as they are.
    pub spans: Vec<u8>,
}

// === impl Batch ===

impl Batch {
    /// The spans with what is no text in them replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.spans).into_owned()
    }
}

// === impl Collector ===

impl Collector {
    /// Starts one with this certificate.
    pub fn start(tls: &Tls) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let endpoint = format!("https://{}", listener.local_addr().expect("an address"));
        let (acceptor, batches) = (tls.acceptor(), Arc::<Mutex<Vec<Batch>>>::default());
        let taken = Arc::clone(&batches);
        runtime.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(take(socket, acceptor.clone(), Arc::clone(&taken)));
            }
        });
        Self { endpoint, batches, _runtime: runtime }
    }

    /// What `telemetry.otlp_endpoint` is set to.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// All that was sent so far.
    pub fn batches(&self) -> Vec<Batch> {
        held(&self.batches).clone()
    }

    /// Waits until a batch comes with this authorization.
    pub fn wait_for(&self, authorization: &str) {
        wait::until_blocking("a batch of spans comes", PATIENCE, || {
            held(&self.batches).iter().any(|batch| batch.authorization == authorization).then_some(())
        });
    }
}

async fn take(socket: TcpStream, acceptor: TlsAcceptor, batches: Arc<Mutex<Vec<Batch>>>) {
    // Clients that refuse us end here.
    let Ok(stream) = acceptor.accept(socket).await else { return };
    let certified = stream.get_ref().1.peer_certificates().is_some();
    let mut stream = BufReader::new(stream);
    let (mut batch, mut length, mut line) = (Batch::default(), 0, String::new());
    while stream.read_line(&mut line).await.is_ok_and(|length| length > 2) {
        match line.trim().split_once(": ") {
            Some(("authorization", value)) => batch.authorization = format!("{value} certified={certified}"),
            Some(("content-length", value)) => length = value.parse().unwrap_or(0),
            _ => {}
        }
        line.clear();
    }
    batch.spans.resize(length, 0);
    if stream.read_exact(&mut batch.spans).await.is_ok() {
        held(&batches).push(batch);
        drop(stream.write_all(TAKEN).await);
        drop(stream.shutdown().await);
    }
}

fn held(batches: &Mutex<Vec<Batch>>) -> MutexGuard<'_, Vec<Batch>> {
    batches.lock().unwrap_or_else(PoisonError::into_inner)
}
