//! Requests that come when no stage is there, and requests that a stage sees long after they were made.
#![expect(clippy::panic, clippy::expect_used, reason = "test code outside of test functions")]

use e2e::pipeline::Pipeline;
use serde_json::Value;
use testkit::{mariadb::MariaDb, process::Signal, wait};

const GENERATED: &str = "generator:?services=2&providers=4&bundles=1&fields=1&seed=1";

fn runs(pipeline: &Pipeline) -> Vec<Value> {
    let Value::Array(runs) = pipeline.ask(&["run", "ls"], 0) else { panic!("a list of runs") };
    runs
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{pointer} of {value}"))
}

#[test]
fn a_request_that_no_stage_takes_says_where_it_is_and_becomes_a_run_when_one_comes() {
    let mut pipeline = Pipeline::start(GENERATED);
    pipeline.workers.root.signal(Signal::SIGTERM);
    let ended = pipeline.sluice(&["run", "start", "--wait", "--timeout", "8s"]).run().expect_code(75);
    for part in [
        "no root stage has taken",
        "group `sluice-root` has no member",
        "sluice.sync.run-requested.v1",
        "run.max_request_age_ms",
        "it becomes a run when a root stage comes",
    ] {
        assert!(ended.stderr.contains(part), "{part}\n{}", ended.stderr);
    }
    assert_eq!(runs(&pipeline).len(), 0);
    pipeline.workers.root = pipeline.worker("stage-root");
    let found = wait::until_blocking("the request becomes a run", wait::PATIENCE, || runs(&pipeline).pop());
    pipeline.sluice(&["run", "wait", text(&found, "/run_id")]).run().expect_code(0);
    pipeline.stop();
}

#[test]
fn old_requests_that_a_new_group_reads_again_are_refused_and_make_no_run() {
    let mut pipeline = Pipeline::start(GENERATED);
    let ids: Vec<String> =
        (0..2).map(|_| text(&pipeline.run(&["--mode", "whole-run"]), "/run_id").to_owned()).collect();
    // Another target, whose ledger does not know the runs, and a group that begins at the beginning.
    let database = MariaDb::shared().fresh_database();
    let other = |binary: &str| {
        pipeline
            .configured(binary)
            .env("SLUICE__TARGET__URL", &database.administrator.url(&database.name))
            .env("SLUICE__TARGET__PASSWORD", database.administrator.password())
            .env("SLUICE__KAFKA__GROUP_PREFIX", "other")
            .env("SLUICE__RUN__MAX_REQUEST_AGE_MS", "1000")
    };
    other("sluice").arg("migrate").run().expect_code(0);
    let mut session = database.session();
    let mut root = other("stage-root").start();
    root.wait_ready();
    wait::until_blocking("both requests are seen", wait::PATIENCE, || {
        (session.number("SELECT COUNT(*) FROM sync_run") == 2).then_some(())
    });
    assert_eq!(session.number("SELECT COUNT(*) FROM sync_run WHERE state = 'refused' AND generation IS NULL"), 2);
    assert_eq!(session.number("SELECT COUNT(*) FROM sync_audit WHERE what = 'run refused'"), 2);
    let shown = other("sluice").args(["run", "show", &ids[0], "-o", "json"]).run().expect_code(0);
    let shown: Value = serde_json::from_str(&shown.stdout).expect("JSON");
    assert_eq!(text(&shown, "/state"), "refused");
    assert!(text(&shown, "/reason").contains("run.max_request_age_ms"), "{shown}");
    root.stop().expect_code(0);
    pipeline.workers.root.wait_ready();
    pipeline.stop();
}
