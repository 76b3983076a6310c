//! Two installations on one cluster and one registry: neither changes, reads or holds up the other's copy.
#![expect(clippy::expect_used, reason = "test code outside of test functions")]

use e2e::{pipeline::Pipeline, rows::Rows};
use pipeline_core::{
    contracts::{Message, ServiceDiscovered},
    kafka::{Producer, producer::Outbound},
    settings,
};
use serde_json::Value;
use testkit::{process::Signal, wait};

const OURS: &str = "generator:?services=3&providers=30&bundles=2&fields=2&seed=1";
const THEIRS: &str = "generator:?services=5&providers=20&bundles=2&fields=2&seed=2";

/// Puts what is no record on a topic of theirs.
fn spoil(pipeline: &Pipeline, topic_prefix: &str) {
    let settings = settings::Kafka {
        bootstrap_servers: pipeline.bootstrap_servers(),
        topic_prefix: topic_prefix.to_owned(),
        ..settings::Kafka::default()
    };
    let payload = Some(b"no record".to_vec());
    let topic = ServiceDiscovered::TOPIC.to_owned();
    let message = Outbound { topic, key: Some(b"s".to_vec()), payload, headers: Vec::new() };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let sent =
        runtime.block_on(async { Producer::new(&settings, None).expect("a client").send_all(vec![message]).await });
    sent.expect("the broker takes it");
}

#[test]
fn two_installations_share_a_cluster_and_never_meet() {
    let ours = Pipeline::start(OURS);
    let theirs = ours.neighbour(THEIRS, "acme.copy");
    let run = theirs.start_run(&[]);
    ours.run(&[]);
    theirs.wait(&run, 0);
    for (pipeline, source) in [(&ours, OURS), (&theirs, THEIRS)] {
        Rows::of_views(&pipeline.database).assert_equals(&Rows::of_source(source));
        assert_eq!(pipeline.ask(&["run", "ls"], 0).as_array().map(Vec::len), Some(1), "one run, its own");
        assert_eq!(pipeline.ask(&["dlq", "ls"], 0).as_array().map(Vec::len), Some(0));
    }
    let subjects = theirs.ask(&["schema", "ls"], 0).to_string();
    assert!(subjects.contains("acme.copy.sync.confirmed.v1-value"), "{subjects}");
    spoil(&theirs, "acme.copy");
    let letters = |pipeline: &Pipeline| pipeline.ask(&["dlq", "ls"], 0).as_array().cloned().unwrap_or_default();
    let letter = wait::until_blocking("a dead letter of theirs", wait::PATIENCE, || letters(&theirs).pop());
    let id = letter.get("id").and_then(Value::as_i64).expect("a letter's id").to_string();
    let shown = theirs.ask(&["dlq", "show", &id], 0).to_string();
    assert!(shown.contains("acme.copy.sync.service-discovered.v1"), "the header has the cluster's name: {shown}");
    assert!(letters(&ours).is_empty(), "a letter of theirs is none of ours");
    // What people are told has the names that the cluster knows.
    theirs.workers.root.signal(Signal::SIGTERM);
    let waiting = theirs.sluice(&["run", "start", "--wait", "--timeout", "8s"]).run().expect_code(75);
    for part in ["group `acme.copy-root` has no member", "topic `acme.copy.sync.run-requested.v1`"] {
        assert!(waiting.stderr.contains(part), "{part}\n{}", waiting.stderr);
    }
    ours.stop();
}
