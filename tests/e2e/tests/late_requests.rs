//! Requests that come when no stage is there, and requests that a stage sees long after they were made.
#![expect(clippy::panic, clippy::expect_used, reason = "test code outside of test functions")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use e2e::pipeline::Pipeline;
use pipeline_core::stage::{Record, Stage};
use pipeline_model::{
    contracts::{Activation, RunRequested},
    ids::RunId,
};
use pipeline_settings::settings;
use pipeline_store::{RunRequest, RunState, Store};
use serde_json::Value;
use stage_root::RootStage;
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
        (0..2).map(|_| text(&pipeline.run(&["--activation", "whole-run"]), "/run_id").to_owned()).collect();
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
    let old = "SELECT COUNT(*) FROM sluice_run WHERE requested_at_ms < UNIX_TIMESTAMP(NOW(3)) * 1000 - 1000";
    wait::until_blocking("both requests are older than they may be", wait::PATIENCE, || {
        (pipeline.database.session().number(old) == 2).then_some(())
    });
    let mut root = other("stage-root").start();
    root.wait_ready();
    wait::until_blocking("both requests are seen", wait::PATIENCE, || {
        (session.number("SELECT COUNT(*) FROM sluice_run") == 2).then_some(())
    });
    assert_eq!(session.number("SELECT COUNT(*) FROM sluice_run WHERE state = 'refused' AND generation IS NULL"), 2);
    assert_eq!(session.number("SELECT COUNT(*) FROM sluice_audit WHERE what = 'run refused'"), 2);
    let shown = other("sluice").args(["run", "show", &ids[0], "-o", "json"]).run().expect_code(0);
    let shown: Value = serde_json::from_str(&shown.stdout).expect("JSON");
    assert_eq!(text(&shown, "/state"), "refused");
    assert!(text(&shown, "/reason").contains("run.max_request_age_ms"), "{shown}");
    root.stop().expect_code(0);
    pipeline.workers.root.wait_ready();
    pipeline.stop();
}

/// A request that was made so long ago; negative: that will be made.
fn request(age: i64) -> Record<RunRequested> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
    let message = RunRequested {
        run_id: RunId::new().to_string(),
        requested_by: "test".to_owned(),
        requested_at_ms: i64::try_from(now).expect("before the end of time") - age * 1_000,
        activation: Activation::PerService,
        scope: Vec::new(),
        batch_size: 3,
        max_rejected_providers: None,
        max_rejected_percent: None,
        target: None,
    };
    Record { message, topic: String::new(), partition: 0, offset: 0, attempt: 1 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_first_look_at_a_request_asks_for_its_age() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite://{}/copy.db", folder.path().display());
    let store = Store::connect(&settings::Target { url, ..settings::Target::default() }).await.expect("a target");
    store.migrate().await.expect("tables");
    let source = settings::Source { url: GENERATED.to_owned(), ..settings::Source::default() };
    let source = pipeline_source::open(&source).expect("a source");
    let root = RootStage::new(source, store.clone(), settings::Run::default());
    let state = async |record: &Record<RunRequested>| {
        let id = RunId::parse(&record.message.run_id).expect("an id");
        store.run(id).await.expect("an answer").expect("a run").state
    };

    let old = request(86_500);
    assert!(root.handle(&old).await.expect("handled").messages.is_empty());
    assert_eq!(state(&old).await, RunState::Refused);

    // The run was opened in time; its message comes again a week later, or is announced again.
    let known = request(7 * 86_400);
    store.open_run(&RunRequest::try_from(&known.message).expect("valid")).await.expect("opened");
    assert_eq!(root.handle(&known).await.expect("handled").messages.len(), 2);
    assert_eq!(state(&known).await, RunState::Running);
    let id = RunId::parse(&known.message.run_id).expect("an id");
    store.abort_run(id, "a test").await.expect("aborted");

    let from_the_future = request(-3_600);
    assert_eq!(root.handle(&from_the_future).await.expect("handled").messages.len(), 2);
    assert_eq!(state(&from_the_future).await, RunState::Running);
    assert_eq!(root.tick_interval(), Some(Duration::from_secs(10)));
}
