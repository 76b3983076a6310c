//! The doctor, where everything answers and something is still wrong.
#![expect(clippy::panic, clippy::expect_used, reason = "test code outside of test functions")]

use e2e::pipeline::Pipeline;
use serde_json::Value;
use testkit::{mariadb::Database, process::Signal, wait};

const GENERATED: &str = "generator:?services=2&providers=4&bundles=1&fields=1&seed=1";

/// State and detail of all checks with this name.
fn found(pipeline: &Pipeline, name: &str, code: i32) -> Vec<(String, String)> {
    let report = pipeline.ask(&["doctor"], code);
    let checks = report.pointer("/checks").and_then(Value::as_array).unwrap_or_else(|| panic!("checks in {report}"));
    let named = checks.iter().filter(|check| check.pointer("/name").and_then(Value::as_str) == Some(name));
    let text = |check: &Value, part: &str| check.pointer(part).and_then(Value::as_str).unwrap_or_default().to_owned();
    named.map(|check| (text(check, "/state"), text(check, "/detail"))).collect()
}

fn only(pipeline: &Pipeline, name: &str, code: i32) -> (String, String) {
    let found = found(pipeline, name, code);
    assert_eq!(found.len(), 1, "{found:?}");
    found.into_iter().next().expect("one")
}

fn loader_of(database: &Database) -> String {
    format!("'{}'@'%'", database.loader.user())
}

#[test]
fn the_doctor_is_not_green_when_nothing_works() {
    let mut pipeline = Pipeline::start(GENERATED);
    for stage in ["stage-root", "stage-providers"] {
        let (state, detail) = only(&pipeline, stage, 0);
        assert!(state == "ok" && detail.contains("1 worker, 0 messages waiting"), "{detail}");
    }
    assert!(only(&pipeline, "stage-bundles", 0).1.contains("2 workers"));
    for name in ["broker", "topics", "registry", "target", "clock"] {
        assert_eq!(only(&pipeline, name, 0).0, "ok", "{name}");
    }

    // Nobody takes requests: no fault while nobody asks.
    pipeline.workers.root.signal(Signal::SIGTERM);
    wait::until_blocking("the worker has left its group", wait::PATIENCE, || {
        found(&pipeline, "stage-root", 0).into_iter().find(|(state, _)| state == "not_set")
    });
    pipeline.sluice(&["run", "start"]).run().expect_code(0);
    let (state, detail) = only(&pipeline, "stage-root", 10);
    assert_eq!(state, "not_ready");
    assert!(detail.contains("0 workers, 1 message waiting, the first for "), "{detail}");
    pipeline.workers.root = pipeline.worker("stage-root");
    pipeline.workers.root.wait_ready();

    // A right that only some statements need.
    let (name, loader) = (pipeline.database.name.clone(), loader_of(&pipeline.database));
    let mut administrator = pipeline.database.session();
    administrator.run(&format!("REVOKE DELETE ON {name}.* FROM {loader}"));
    let (state, detail) = only(&pipeline, "rights", 10);
    assert!(state == "not_ready" && detail.contains("DELETE on sluice_run"), "{detail}");
    administrator.run(&format!("GRANT DELETE ON {name}.* TO {loader}"));
    assert!(found(&pipeline, "rights", 0).is_empty());
    pipeline.stop();
}

#[test]
fn topics_that_would_lose_messages_are_told_and_a_cluster_gets_what_it_can_keep() {
    let pipeline = Pipeline::start(GENERATED);
    let refused = pipeline.sluice(&["topic", "create", "--replication", "3", "--dry-run"]).run().expect_code(10);
    assert!(refused.stderr.contains("the cluster has 1 broker, and cannot keep 3 replicas"), "{}", refused.stderr);

    let letters = "sluice.dead-letters.v1";
    pipeline.kafka().set_topic(letters, "retention.ms=3600000");
    let (state, detail) = only(&pipeline, "topics", 0);
    assert!(state == "at_risk" && detail.contains("sluice.dead-letters.v1 (1h 00m, wanted 336h 00m)"), "{detail}");
    pipeline.kafka().set_topic(letters, "retention.ms=-1");
    pipeline.kafka().set_topic("sluice.sync.confirmed.v1", "min.insync.replicas=2");
    let (state, detail) = only(&pipeline, "topics", 10);
    assert!(state == "not_ready" && detail.contains("sluice.sync.confirmed.v1 (2 of 1)"), "{detail}");
    pipeline.kafka().set_topic("sluice.sync.confirmed.v1", "min.insync.replicas=1");

    // What `topics create` makes anew has what was asked for.
    pipeline.kafka().delete_topic("sluice.sync.activated.v1");
    pipeline.sluice(&["topic", "create", "--partitions", "3", "--retention", "2h"]).run().expect_code(0);
    let (_, detail) = only(&pipeline, "topics", 0);
    assert!(detail.contains("sluice.sync.activated.v1 (2h 00m, wanted 24h 00m)"), "{detail}");
    pipeline.stop();
}
