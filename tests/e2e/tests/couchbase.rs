//! The main job with documents from Couchbase gives what the source holds, however the cluster behaves.
//!
//! Against the double, which misbehaves on purpose. With `SLUICE_TEST_COUCHBASE` (a URL with bucket and scope),
//! `…_USERNAME` and `…_PASSWORD` the first test takes a real server, whose scope has the four collections and the
//! indexes of `deploy/couchbase`, and the documents of the sample catalogue.
#![expect(clippy::panic, clippy::expect_used, reason = "test code outside of test functions")]

use std::{
    env,
    path::PathBuf,
    time::{Duration, Instant},
};

use e2e::{pipeline::Pipeline, rows::Rows};
use serde_json::Value;
use testkit::{
    couchbase::{CouchbaseDouble, Misbehaviour, Options, Service},
    process::Launch,
};

/// A scope to read from.
struct Cluster {
    url: String,
    username: String,
    password: String,
    /// Closed when the test is over.
    _double: Option<CouchbaseDouble>,
}

#[test]
fn the_catalogue_arrives_row_for_row_from_couchbase_and_a_second_run_writes_nothing() {
    let folder = catalogue();
    let expected = Rows::of_source(&format!("file://{}", folder.display()));
    let cluster = Cluster::with(folder);
    let pipeline = Pipeline::start_with(&cluster.url, cluster.environment(&[]));
    pipeline.sluice(&["doctor"]).run().expect_code(0);

    let first = pipeline.run(&["--activation", "per-service"]);
    assert_eq!(number(&first, "/providers/stored"), expected.providers.len());
    Rows::of_views(&pipeline.database).assert_equals(&expected);
    for table in ["sluice_provider_service_version", "sluice_provider_version", "sluice_content_bundle"] {
        let without_version = format!("SELECT COUNT(*) FROM {table} WHERE source_cas IS NULL");
        assert_eq!(pipeline.database.session().number(&without_version), 0, "{table}");
    }

    let second = pipeline.run(&["--activation", "per-service"]);
    assert_eq!(number(&second, "/providers/unchanged"), expected.providers.len());
    assert_eq!(number(&second, "/bundles_written"), 0);
    pipeline.sluice(&["verify"]).run().expect_code(0);
    pipeline.stop();
}

#[test]
fn a_cluster_that_misbehaves_all_through_a_run_costs_time_and_no_row() {
    const GENERATED: &str = "generator:?services=10&providers=1000&bundles=3&fields=3&seed=7";
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("couchbase-misbehaves");
    let name = folder.to_string_lossy().into_owned();
    let from_generator = format!("source.url={GENERATED}");
    Launch::binary("sluice").args(["source", "export", &name, "-X", &from_generator]).run().expect_code(0);
    let double = CouchbaseDouble::start(Options { folder: Some(folder), ..Options::default() });
    let cluster = Cluster::of(&double);
    let impatient = [
        ("SLUICE__SOURCE__COUCHBASE__STATEMENT_TIMEOUT_MS", "1000"),
        ("SLUICE__SOURCE__COUCHBASE__ROW_TIMEOUT_MS", "500"),
        ("SLUICE__STAGE__MAX_BACKOFF_MS", "200"),
        ("SLUICE__STAGE__MAX_ATTEMPTS", "20"),
    ];
    let pipeline = Pipeline::start_with(&cluster.url, cluster.environment(&impatient));

    // The first one meets the root stage, the second the providers stage, the others the bundles stage.
    double.misbehave_times(Service::Query, Misbehaviour::Stopped { rows: 3 }, 4);
    let run = pipeline.start_run(&["--batch-size", "10", "--activation", "whole-run"]);
    let mut stored = 0;
    for misbehaviour in [
        Misbehaviour::Unavailable,
        Misbehaviour::Stopped { rows: 1 },
        Misbehaviour::Cut { rows: 2 },
        Misbehaviour::Stalled { rows: 2 },
        Misbehaviour::RateLimited,
        Misbehaviour::Silent,
        Misbehaviour::MissingIndex,
        Misbehaviour::MissingCollection("bundles".to_owned()),
        Misbehaviour::WrongPassword,
    ] {
        pipeline.wait_for_stored_batches(&run, stored + 2);
        stored = pipeline.stored_batches(&run);
        double.misbehave_times(Service::Query, misbehaviour, 5);
    }
    let report = pipeline.wait(&run, 0);
    assert_eq!(number(&report, "/providers/stored"), 1_000);
    Rows::of_views(&pipeline.database).assert_equals(&Rows::of_source(GENERATED));
    let mut session = pipeline.database.session();
    assert_eq!(session.number("SELECT COUNT(*) FROM sluice_dead_letter"), 0);
    assert_eq!(
        session.number("SELECT COUNT(*) FROM sluice_content_bundle"),
        3_000,
        "the tables hold what the views show"
    );
    pipeline.stop();
}

#[test]
fn a_provider_that_vanishes_between_plan_and_read_is_skipped_and_told() {
    let double = CouchbaseDouble::start(Options::default());
    double.set("provider_services", "s", r#"{"id":"s"}"#);
    for number in 1..=3 {
        double.set("providers", &format!("p{number}"), &format!(r#"{{"id":"p{number}","service_id":"s"}}"#));
        let bundle = format!(r#"{{"id":"b","service_id":"s","provider_id":"p{number}","n":1.10}}"#);
        double.set("bundles", &format!("b{number}"), &bundle);
    }
    let cluster = Cluster::of(&double);
    let pipeline = Pipeline::start_with(&cluster.url, cluster.environment(&[]));
    // No batch is read while no worker runs; the plan is made meanwhile.
    for worker in &pipeline.workers.bundles {
        worker.signal(testkit::process::Signal::SIGSTOP);
    }
    let run = pipeline.start_run(&["--batch-size", "3"]);
    let planned = format!("SELECT COUNT(*) FROM sluice_run_batch WHERE run_id = '{}'", run.id);
    testkit::wait::until_blocking("the batch is planned", Duration::from_secs(120), || {
        (pipeline.database.session().number(&planned) == 1).then_some(())
    });
    double.remove("providers", "p2");
    double.set("bundles", "b3", r#"{"id":"b","service_id":"s","provider_id":"p3","n":2.20}"#);
    for worker in &pipeline.workers.bundles {
        worker.signal(testkit::process::Signal::SIGCONT);
    }
    let report = pipeline.wait(&run, 0);
    assert_eq!((number(&report, "/providers/stored"), number(&report, "/providers/skipped")), (2, 1));
    let changed = "SELECT COUNT(*) FROM bundles WHERE provider_id = 'p3' AND attributes LIKE '%2.20%'";
    assert_eq!(pipeline.database.session().number(changed), 1);
    pipeline.stop();
}

/// Memory and rate of streaming 100,000 documents; `docs/couchbase.md` has what came of it.
#[test]
#[ignore = "a measurement: cargo test -p e2e --test couchbase streaming -- --ignored --nocapture"]
fn measure_streaming_a_hundred_thousand_documents() {
    const GENERATED: &str = "generator:?services=1&providers=100000&bundles=0&fields=0&seed=7";
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("couchbase-streams");
    let name = folder.to_string_lossy().into_owned();
    let from_generator = format!("source.url={GENERATED}");
    Launch::binary("sluice").args(["source", "export", &name, "-X", &from_generator]).run().expect_code(0);
    let double = CouchbaseDouble::start(Options { folder: Some(folder.clone()), ..Options::default() });
    let cluster = Cluster::of(&double);
    let out = folder.join("out").to_string_lossy().into_owned();
    let pause = |micros| Misbehaviour::Slow { call: Duration::ZERO, row: Duration::from_micros(micros) };
    for (page_size, row_pause) in [(100, 0), (500, 0), (2_000, 0), (500, 100), (500, 400)] {
        double.heal();
        if row_pause > 0 {
            double.misbehave(Service::Query, pause(row_pause));
        }
        let page = format!("source.couchbase.page_size={page_size}");
        let launch = Launch::binary("sluice").envs(cluster.environment(&[])).env("SLUICE__SOURCE__URL", &cluster.url);
        let begun = Instant::now();
        let mut process = launch.args(["source", "export", &out, "-X", &page, "-o", "json"]).start();
        let mut peak = 0;
        while process.exited().is_none() {
            peak = peak.max(resident_kib(process.id()));
            std::thread::sleep(Duration::from_millis(20));
        }
        let took = begun.elapsed();
        let written = std::fs::read_to_string(folder.join("out/providers.jsonl")).expect("an export");
        assert_eq!(written.lines().count(), 100_000);
        let rate = 100_001.0 / took.as_secs_f64();
        println!("page {page_size:>5}, {row_pause:>3} µs a row: {rate:>6.0} documents/s, peak {} MiB", peak / 1024);
    }
}

/// Peak of what a process has held in memory.
fn resident_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}

// === impl Cluster ===

impl Cluster {
    /// One that holds the documents of a folder; a real one holds them already.
    fn with(folder: PathBuf) -> Self {
        match env::var("SLUICE_TEST_COUCHBASE") {
            Err(_) => {
                let double = CouchbaseDouble::start(Options { folder: Some(folder), ..Options::default() });
                let cluster = Self::of(&double);
                Self { _double: Some(double), ..cluster }
            }
            Ok(url) => Self {
                url,
                username: env::var("SLUICE_TEST_COUCHBASE_USERNAME").expect("a user"),
                password: env::var("SLUICE_TEST_COUCHBASE_PASSWORD").expect("a password"),
                _double: None,
            },
        }
    }

    fn of(double: &CouchbaseDouble) -> Self {
        let Options { user, password, .. } = double.options();
        Self { url: double.url(), username: user.clone(), password: password.clone(), _double: None }
    }

    fn environment(&self, more: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
        let mut all = vec![
            ("SLUICE__SOURCE__COUCHBASE__USERNAME", self.username.clone()),
            ("SLUICE__SOURCE__COUCHBASE__PASSWORD", self.password.clone()),
        ];
        all.extend(more.iter().map(|(key, value)| (*key, (*value).to_owned())));
        all
    }
}

/// The sample catalogue as a folder.
fn catalogue() -> PathBuf {
    let place = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("couchbase-catalogue");
    std::fs::create_dir_all(&place).expect("a writable target");
    pipeline_source::sample::unpack(&place).expect("a folder to unpack to")
}

/// A number in a report.
#[track_caller]
fn number(report: &Value, pointer: &str) -> usize {
    let found = report.pointer(pointer).and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok());
    found.unwrap_or_else(|| panic!("no number at {pointer} in {report:#}"))
}
