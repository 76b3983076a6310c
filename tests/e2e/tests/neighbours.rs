//! Two installations on one cluster and one registry: neither changes, reads or holds up the other's copy, and a request
//! for one target changes no other one.
#![expect(clippy::expect_used, reason = "test code outside of test functions")]

use e2e::{pipeline::Pipeline, rows::Rows};
use pipeline_kafka::{Outbound, Producer};
use pipeline_model::contracts::{Message, ServiceDiscovered, batch_of};
use pipeline_settings::settings;
use serde_json::Value;
use testkit::{mariadb::MariaDb, process::Signal, wait};

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
    let sent = runtime
        .block_on(async { Producer::new(&settings, batch_of, None).expect("a client").send_all(vec![message]).await });
    sent.expect("the broker takes it");
}

#[test]
fn a_request_for_one_target_changes_no_other_one() {
    let ours = Pipeline::start(OURS);
    // Another target and other groups; all topics are the same.
    let database = MariaDb::shared().fresh_database();
    let other = |binary: &str| {
        ours.configured(binary)
            .env("SLUICE__TARGET__URL", &database.administrator.url(&database.name))
            .env("SLUICE__TARGET__PASSWORD", database.administrator.password())
            .env("SLUICE__KAFKA__GROUP_PREFIX", "other")
    };
    other("sluice").arg("migrate").run().expect_code(0);
    let stages = ["stage-root", "stage-providers", "stage-bundles", "stage-activator"];
    let mut workers = stages.map(|stage| other(stage).start());
    for worker in &mut workers {
        worker.wait_ready();
    }
    ours.run(&[]);
    let mut session = database.session();
    wait::until_blocking("the request is seen", wait::PATIENCE, || {
        (session.number("SELECT COUNT(*) FROM sluice_run") == 1).then_some(())
    });
    let refused = "SELECT COUNT(*) FROM sluice_run WHERE state = 'refused' AND reason LIKE '%meant for the target%'";
    assert_eq!(session.number(refused), 1);
    let shown = other("sluice").args(["run", "ls", "-o", "json"]).run().expect_code(0);
    assert!(shown.stdout.contains("meant for the target"), "{}", shown.stdout);
    assert_eq!(session.number("SELECT COUNT(*) FROM providers"), 0, "nothing of it is copied");
    // The other one has runs of its own, over the same topics, and ours stays as it is.
    let rows = Rows::of_views(&ours.database);
    other("sluice").args(["run", "start", "--wait"]).run().expect_code(0);
    assert_eq!(session.number("SELECT COUNT(*) FROM providers"), 30);
    Rows::of_views(&ours.database).assert_equals(&rows);
    assert_eq!(ours.ask(&["dlq", "ls"], 0).as_array().map(Vec::len), Some(0));
    for worker in workers {
        worker.stop().expect_code(0);
    }
    // Nobody else's root stage works on our target.
    let intruder = ours.configured("stage-root").env("SLUICE__KAFKA__TOPIC_PREFIX", "acme.copy").run().expect_code(78);
    assert!(intruder.stderr.contains("belongs to the installation `sluice`"), "{}", intruder.stderr);
    ours.stop();
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
