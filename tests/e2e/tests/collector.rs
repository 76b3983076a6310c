//! The trace collector behind TLS: it is trusted or told about once, it hears the secret header, and no run waits for it.
#![expect(clippy::expect_used, reason = "test code outside of test functions")]

use std::{
    fs,
    sync::{Arc, Mutex},
};

use e2e::pipeline::Pipeline;
use testkit::{
    process::Process,
    tls::{Authority, Tls},
    wait::{self, PATIENCE},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

const SOURCE: &str = "generator:?services=3&providers=30&bundles=2&fields=2&seed=31";
const LOST: &str = "spans are lost until the trace collector takes them";
const FAILURES: &str = "sluice_trace_export_failures_total";

/// A collector that takes everything.
struct Collector {
    endpoint: String,
    /// What was sent as `authorization`, and whether with a client certificate, for each batch.
    heard: Arc<Mutex<Vec<String>>>,
    _runtime: tokio::runtime::Runtime,
}

impl Collector {
    fn start(tls: &Tls) -> Self {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let endpoint = format!("https://{}", listener.local_addr().expect("an address"));
        let (acceptor, heard) = (tls.acceptor(), Arc::<Mutex<Vec<String>>>::default());
        let known = Arc::clone(&heard);
        runtime.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (acceptor, heard) = (acceptor.clone(), Arc::clone(&known));
                tokio::spawn(async move {
                    // Clients that refuse us end here.
                    let Ok(stream) = acceptor.accept(socket).await else { return };
                    let shows = stream.get_ref().1.peer_certificates().is_some();
                    let mut stream = tokio::io::BufReader::new(stream);
                    let (mut authorization, mut length, mut line) = (String::new(), 0, String::new());
                    while stream.read_line(&mut line).await.is_ok_and(|length| length > 2) {
                        match line.trim().split_once(": ") {
                            Some(("authorization", value)) => authorization = format!("{value} certified={shows}"),
                            Some(("content-length", value)) => length = value.parse().unwrap_or(0),
                            _ => {}
                        }
                        line.clear();
                    }
                    if stream.read_exact(&mut vec![0; length]).await.is_ok() {
                        heard.lock().expect("no panic").push(authorization);
                        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                        drop(stream.write_all(answer).await);
                        drop(stream.shutdown().await);
                    }
                });
            }
        });
        Self { endpoint, heard, _runtime: runtime }
    }

    fn wait_for(&self, authorization: &str) {
        wait::until_blocking("a batch of spans comes", PATIENCE, || {
            self.heard.lock().expect("no panic").iter().any(|sent| sent == authorization).then_some(())
        });
    }
}

fn lines_with(worker: &Process, text: &str) -> usize {
    worker.stderr().lines().filter(|line| line.contains(text)).count()
}

#[test]
fn a_collector_is_trusted_by_its_authority_hears_the_header_and_when_refused_stops_no_run() {
    let (authority, other) = (Authority::default(), Authority::default());
    let collector = Collector::start(&Tls::signed_by(&authority));
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("a file can be written");
        path.to_string_lossy().into_owned()
    };
    let client = authority.client("sluice");
    let environment = vec![
        ("SLUICE__TELEMETRY__OTLP_ENDPOINT", collector.endpoint.clone()),
        ("SLUICE__TELEMETRY__OTLP_CA_FILE", write("ca.pem", &authority.certificate())),
        ("SLUICE__TELEMETRY__OTLP_HEADERS_FILE", write("headers", "authorization: Bearer first\n")),
        ("SLUICE__TELEMETRY__OTLP_CLIENT_CERTIFICATE_FILE", write("client.pem", &client.certificate)),
        ("SLUICE__TELEMETRY__OTLP_CLIENT_KEY_FILE", write("client.key", &client.key)),
    ];
    let pipeline = Pipeline::start_with(SOURCE, environment);
    pipeline.run(&[]);
    collector.wait_for("Bearer first certified=true");

    // Renewed without a restart.
    write("headers", "authorization: Bearer second\n");
    pipeline.run(&["--mode", "per-service"]);
    collector.wait_for("Bearer second certified=true");

    // Nobody whom we trust signed the collector's certificate any more.
    write("ca.pem", &other.certificate());
    let root = &pipeline.workers.root;
    for failures in [1.0, 2.0] {
        pipeline.run(&[]);
        wait::until_blocking("spans are refused", PATIENCE, || (root.metric(FAILURES) >= failures).then_some(()));
    }
    assert_eq!(lines_with(root, LOST), 1, "{}", root.stderr());
    assert_eq!(lines_with(root, "BatchSpanProcessor.ExportError"), 0, "{}", root.stderr());
    let reason = "its certificate is not signed by the authority of `telemetry.otlp_ca_file`";
    assert_eq!(lines_with(root, reason), 1, "{}", root.stderr());
    assert_eq!(lines_with(root, "Bearer"), 0);

    write("ca.pem", &authority.certificate());
    let before = collector.heard.lock().expect("no panic").len();
    pipeline.run(&[]);
    wait::until_blocking("the collector takes spans again", PATIENCE, || {
        (collector.heard.lock().expect("no panic").len() > before).then_some(())
    });
    wait::until_blocking("that is said", PATIENCE, || {
        (lines_with(&pipeline.workers.root, "takes spans again") == 1).then_some(())
    });
    pipeline.stop();
}
