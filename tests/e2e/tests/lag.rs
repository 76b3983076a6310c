//! What the command tells of messages that wait, held against what was sent and when.
#![expect(clippy::panic, clippy::expect_used, reason = "test code outside of test functions")]

use std::time::{SystemTime, UNIX_EPOCH};

use e2e::pipeline::Pipeline;
use serde_json::Value;
use testkit::{process::Signal, wait};

const GENERATED: &str = "generator:?services=2&providers=4&bundles=1&fields=1&seed=1";
const REQUESTS: &str = "sluice.sync.run-requested.v1";

/// What the command says of the root stage.
fn root(pipeline: &Pipeline, every: &str, code: i32) -> Value {
    let report = pipeline.ask(&["lag", "--every", every], code);
    let stages = report.as_array().unwrap_or_else(|| panic!("stages in {report}"));
    assert_eq!(stages.len(), 4, "{report}");
    stages.iter().find(|stage| stage["stage"] == "root").unwrap_or_else(|| panic!("root in {report}")).clone()
}

fn number(value: &Value, part: &str) -> i64 {
    value.get(part).and_then(Value::as_i64).unwrap_or_else(|| panic!("`{part}` in {value}"))
}

fn seconds(value: &Value) -> f64 {
    value.get("seconds").and_then(Value::as_f64).unwrap_or_else(|| panic!("`seconds` in {value}"))
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64()
}

/// Asks for a run; gives the times between which the request was produced.
fn request(pipeline: &Pipeline) -> (f64, f64) {
    let before = now();
    pipeline.start_run(&[]);
    (before, now())
}

/// Looks, and holds the age against the times between which the oldest message was produced.
fn look_at_age(pipeline: &Pipeline, (after, before): (f64, f64), code: i32) -> Value {
    let begun = now();
    let told = root(pipeline, "1s", code);
    let (least, most) = (begun - before, now() - after);
    // The broker and this process read one clock; a message's time has whole milliseconds.
    assert!((least - 0.1..=most + 0.1).contains(&seconds(&told)), "{least}..{most}: {told}");
    told
}

#[test]
fn a_paused_stage_is_behind_by_what_was_sent_and_since_when() {
    let pipeline = Pipeline::start(GENERATED);
    let nothing = root(&pipeline, "0s", 0);
    assert_eq!((number(&nothing, "messages"), seconds(&nothing), &nothing["trend"]), (0, 0.0, &Value::Null));
    pipeline.workers.root.signal(Signal::SIGSTOP);
    let first = request(&pipeline);
    wait::until_blocking("the first request has waited", wait::PATIENCE, || {
        (seconds(&root(&pipeline, "0s", 0)) > 3.0).then_some(())
    });
    request(&pipeline);
    request(&pipeline);

    let told = look_at_age(&pipeline, first, 0);
    assert_eq!((number(&told, "messages"), &told["verdict"]), (3, &"fine".into()), "{told}");
    assert_eq!((&told["trend"], told["rate_out"].as_f64()), (&"steady".into(), Some(0.0)), "{told}");
    let partitions = told["partitions"].as_array().expect("partitions");
    let waiting: i64 = partitions.iter().map(|partition| number(partition, "messages")).sum();
    let oldest = partitions.iter().map(seconds).fold(0.0, f64::max);
    assert_eq!((waiting, oldest), (3, seconds(&told)), "{told}");

    // Four fifths of three seconds are over. The broker does not delete so soon.
    pipeline.kafka().set_topic(REQUESTS, "retention.ms=3000");
    let told = look_at_age(&pipeline, first, 10);
    assert_eq!((&told["verdict"], number(&told, "retention_seconds")), (&"would_lose".into(), 3), "{told}");
    let shown = pipeline.sluice(&["lag", "--every", "0s"]).run().expect_code(10).stdout;
    assert!(shown.contains("root: would lose data: the oldest waiting message"), "{shown}");
    pipeline.kafka().set_topic(REQUESTS, "retention.ms=604800000");

    pipeline.workers.root.signal(Signal::SIGCONT);
    wait::until_blocking("nothing waits for the root stage", wait::PATIENCE, || {
        (number(&root(&pipeline, "0s", 0), "messages") == 0).then_some(())
    });
    wait::until_blocking("the root stage tells so itself", wait::PATIENCE, || {
        let page = pipeline.workers.root.page("/metrics").ok()?.body;
        let told: Vec<&str> = page.lines().filter(|line| line.starts_with("kafka_consumergroup_lag")).collect();
        assert!(told.iter().all(|line| line.contains("consumergroup=\"sluice-root\"")), "{told:?}");
        let of = format!("topic=\"{REQUESTS}\"");
        let is_empty = told.iter().all(|line| line.contains(&of) && line.ends_with(" 0"));
        (is_empty && told.iter().any(|line| line.starts_with("kafka_consumergroup_lag_seconds"))).then_some(())
    });
    pipeline.stop();
}

#[test]
fn a_group_without_members_is_behind_too_and_says_that_nobody_is_there() {
    let mut pipeline = Pipeline::start(GENERATED);
    pipeline.workers.root.signal(Signal::SIGTERM);
    wait::until_blocking("the worker has left its group", wait::PATIENCE, || {
        (number(&root(&pipeline, "0s", 0), "members") == 0).then_some(())
    });
    let asked = request(&pipeline);
    let told = look_at_age(&pipeline, asked, 0);
    assert_eq!((number(&told, "messages"), number(&told, "members")), (1, 0), "{told}");

    // The topic is gone, and made anew with fewer messages than the group has passed.
    pipeline.kafka().delete_topic(REQUESTS);
    let told = root(&pipeline, "0s", 10);
    assert_eq!(told["verdict"], "no_topic", "{told}");
    pipeline.create_topics();
    pipeline.workers.root = pipeline.worker("stage-root");
    pipeline.workers.root.wait_ready();
    assert_eq!(number(&root(&pipeline, "0s", 0), "messages"), 0);
    pipeline.stop();
}
