//! The trace collector behind TLS: it is trusted or told about once, it hears the secret header, and no run waits for it.

use std::fs;

use e2e::{collector::Collector, pipeline::Pipeline};
use testkit::{
    process::Process,
    tls::{Authority, Tls},
    wait::{self, PATIENCE},
};

const SOURCE: &str = "generator:?services=3&providers=30&bundles=2&fields=2&seed=31";
const LOST: &str = "spans are lost until the trace collector takes them";
const FAILURES: &str = "sluice_trace_export_failures_total";

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
        ("SLUICE__TELEMETRY__OTLP_ENDPOINT", collector.endpoint().to_owned()),
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
    pipeline.run(&["--activation", "per-service"]);
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
    let before = collector.batches().len();
    pipeline.run(&[]);
    wait::until_blocking("the collector takes spans again", PATIENCE, || {
        (collector.batches().len() > before).then_some(())
    });
    wait::until_blocking("that is said", PATIENCE, || {
        (lines_with(&pipeline.workers.root, "takes spans again") == 1).then_some(())
    });
    pipeline.stop();
}
