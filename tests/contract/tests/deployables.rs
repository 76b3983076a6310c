//! Every deployable keeps the contract of a process: flags, exit codes, endpoint, logs, signals, metrics.
#![expect(clippy::unwrap_used, clippy::panic, reason = "test code outside of test functions")]

use std::{collections::BTreeSet, path::Path, thread};

use contract::{
    example::{NoteSink, TOPIC},
    observed::METRICS,
};
use e2e::pipeline::Pipeline;
use pipeline_kafka::provision::{NewTopics, ensure_topics};
use pipeline_settings::settings;
use serde_json::Value;
use testkit::{
    process::{Launch, Process},
    wait,
};

/// Each deployable, with its name in group, metrics and spans.
const DEPLOYABLES: [(&str, &str); 5] = [
    ("stage-root", "root"),
    ("stage-providers", "providers"),
    ("stage-bundles", "bundles"),
    ("stage-activator", "activator"),
    ("example-sink", "notes"),
];

/// Where nothing listens.
const NOWHERE: &str = "127.0.0.1:9";

/// Asks each of them, side by side.
fn each(ask: impl Fn(&'static str) + Sync) {
    thread::scope(|scope| {
        let asked = DEPLOYABLES.map(|(binary, _)| (binary, scope.spawn(|| ask(binary))));
        for (binary, asked) in asked {
            assert!(asked.join().is_ok(), "`{binary}` does not keep the contract; see above");
        }
    });
}

#[test]
fn every_deployable_of_the_workspace_is_asked() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates");
    let folders = std::fs::read_dir(crates).unwrap();
    let names = folders.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let deployables: BTreeSet<String> =
        names.filter(|name| name.starts_with("stage-") || name.starts_with("sink-")).collect();
    let asked = DEPLOYABLES.map(|(binary, _)| binary.to_owned()).into_iter().filter(|name| name != "example-sink");
    assert_eq!(deployables, asked.collect());
}

#[test]
fn flags_and_configuration_are_answered_before_anything_is_connected() {
    each(|binary| {
        let help = Launch::binary(binary).arg("--help").run().expect_code(0);
        assert!(help.stdout.contains(binary) && help.stdout.contains("--config"), "{}", help.stdout);
        let version = Launch::binary(binary).arg("--version").run().expect_code(0);
        assert_eq!(version.stdout.trim(), format!("{binary} {}", env!("CARGO_PKG_VERSION")));
        Launch::binary(binary).arg("--no-such-flag").run().expect_code(2);
        // All faults at once, each with its place.
        let wrong = ["-X", "stage.in_flight=many", "-X", "no.such.key=1"];
        let refused = Launch::binary(binary).args(wrong).run().expect_code(78);
        assert!(refused.stderr.contains("stage.in_flight") && refused.stderr.contains("no.such"), "{}", refused.stderr);
    });
}

#[test]
fn a_process_without_its_dependencies_lives_says_what_it_waits_for_and_ends_when_told() {
    each(|binary| {
        let process = Launch::binary(binary)
            .env("SLUICE__KAFKA__BOOTSTRAP_SERVERS", NOWHERE)
            .env("SLUICE__SCHEMA_REGISTRY__URL", &format!("http://{NOWHERE}"))
            .env("SLUICE__SOURCE__URL", "generator:?services=1")
            .env("SLUICE__TARGET__URL", &format!("mysql://nobody@{NOWHERE}/none"))
            .start();
        let page = |path: &str| process.page(path).ok();
        wait::until_blocking("it answers", wait::PATIENCE, || page("/livez").filter(|answer| answer.status == 200));
        let ready = page("/readyz").unwrap();
        let answer: Value = serde_json::from_str(&ready.body).unwrap();
        let causes = answer["causes"].as_array().unwrap();
        assert!(ready.status == 503 && !causes.is_empty(), "{}: {}", ready.status, ready.body);
        let version: Value = serde_json::from_str(&page("/version").unwrap().body).unwrap();
        assert_eq!(
            (version["name"].as_str(), version["version"].as_str()),
            (Some(binary), Some(env!("CARGO_PKG_VERSION")))
        );
        assert!(page("/metrics").unwrap().body.contains("sluice_build_info{"));
        process.stop().expect_code(0);
    });
}

#[test]
fn a_process_with_its_dependencies_is_ready_shows_every_metric_and_logs_what_programs_can_read() {
    let source = "generator:?services=1&providers=4&bundles=1&fields=1&seed=1";
    let pipeline = Pipeline::start_with(source, vec![("SLUICE__TELEMETRY__LOG_FORMAT", "json".to_owned())]);
    let database = pipeline.database.clone();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let kafka = settings::Kafka { bootstrap_servers: pipeline.bootstrap_servers(), ..settings::Kafka::default() };
    let topics = vec![(TOPIC.to_owned(), None)];
    runtime.block_on(ensure_topics(&kafka, &NewTopics { topics, partitions: 2, replicas: 1 })).unwrap();
    runtime.block_on(NoteSink::connect(&database.url())).unwrap();
    pipeline.run(&[]);
    let mut sink = Launch::binary("example-sink")
        .env("SLUICE__KAFKA__BOOTSTRAP_SERVERS", &pipeline.bootstrap_servers())
        .env("SLUICE__SCHEMA_REGISTRY__URL", &pipeline.registry_url())
        .env("SLUICE__TARGET__URL", &database.url())
        .env("SLUICE__TELEMETRY__LOG_FORMAT", "json")
        .start();
    sink.wait_ready();
    let workers = &pipeline.workers;
    let processes = [&workers.root, &workers.providers, &workers.bundles[0], &workers.activators[0], &sink];
    for ((binary, name), process) in DEPLOYABLES.into_iter().zip(processes) {
        assert_shows(binary, name, process);
    }
    sink.stop().expect_code(0);
    pipeline.stop();
}

/// Ready, with every metric, and logs that are one JSON object for each line.
fn assert_shows(binary: &str, name: &str, process: &Process) {
    let page = |path: &str| wait::until_blocking(path, wait::PATIENCE, || process.page(path).ok());
    assert_eq!(page("/readyz").status, 200, "{binary}");
    let verbose: Value = serde_json::from_str(&page("/readyz?verbose").body).unwrap();
    assert!(verbose["components"].as_array().is_some_and(|parts| parts.len() > 2), "{binary}: {verbose}");
    let metrics = page("/metrics").body;
    for metric in METRICS {
        let label = format!("stage=\"{name}\"");
        let has = metrics.lines().any(|line| line.starts_with(metric) && line.contains(&label));
        assert!(has, "`{metric}` says nothing of `{binary}`:\n{metrics}");
    }
    let log = process.stdout() + &process.stderr();
    let mut started = false;
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{binary}: {error}: {line}"));
        for field in ["timestamp", "level", "target"] {
            assert!(line[field].is_string(), "{binary}: no `{field}` in {line}");
        }
        started |= line.to_string().contains("\"started\"");
    }
    assert!(started, "{binary} does not say that it has started: {log}");
}
