//! What traces cost: a load with spans sent to a collector, at the default sampling and log filter, against one with
//! neither spans nor logs.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use super::{Bench, figure, verdict};
use crate::{
    pipeline::{Pipeline, Plan},
    results::{Figure, Goal, Quantity},
    size::Size,
    statistics::median,
};

/// A collector that takes everything and keeps a count.
struct Collector {
    address: String,
    requests: Arc<AtomicUsize>,
}

pub(super) fn measure(bench: &Bench, size: Size) -> Vec<Figure> {
    let collector = Collector::start();
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let traced = vec![pair("telemetry.otlp_endpoint", &format!("http://{}", collector.address))];
    let silent = vec![pair("telemetry.log_filter", "error")];
    let (mut on, mut off) = (Vec::new(), Vec::new());
    for _ in 0..bench.rounds(size) {
        for (settings, times) in [(&traced, &mut on), (&silent, &mut off)] {
            let settings = [bench.wanted.settings.clone(), settings.clone()].concat();
            let pipeline = Pipeline::start(&bench.servers, &Plan { settings, ..Plan::of(&size.source(1)) });
            times.push(pipeline.run(&[]).seconds);
            pipeline.stop();
        }
    }
    assert!(collector.requests.load(Ordering::SeqCst) > 0, "no span was sent");
    let cost = (median(&on) / median(&off) - 1.0) * 100.0;
    vec![figure(
        "tracing",
        size.name(),
        vec![verdict("more time", cost, "%", Goal::AtMost(3.0))],
        vec![Quantity::new("with traces", "s", on), Quantity::new("without", "s", off)],
    )]
}

// === impl Collector ===

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound port").to_string();
        let requests = Arc::new(AtomicUsize::new(0));
        thread::spawn({
            let requests = Arc::clone(&requests);
            move || {
                for stream in listener.incoming().flatten() {
                    let requests = Arc::clone(&requests);
                    thread::spawn(move || serve(stream, &requests));
                }
            }
        });
        Self { address, requests }
    }
}

/// Answers every request on a connection with 200, until it is closed.
fn serve(stream: TcpStream, requests: &AtomicUsize) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut stream = stream;
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        requests.fetch_add(1, Ordering::SeqCst);
        let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(answer.as_bytes()).ok()?;
    }
}
