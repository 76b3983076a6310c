//! Messages are lost under a run (a topic is deleted, or emptied by retention), or come too late for one: the run goes
//! on by itself from what the ledger knows, and what does not go on says why.
#![expect(clippy::panic, reason = "test code outside of test functions")]

use e2e::{
    folder::Folder,
    pipeline::{PARTITIONS, Pipeline, StartedRun},
    rows::Rows,
};
use serde_json::Value;
use testkit::{
    http, kafka,
    process::{Process, Signal},
    wait,
};

const REQUESTED: &str = "sluice.sync.run-requested.v1";
const DISCOVERED: &str = "sluice.sync.service-discovered.v1";
const PLANNED: &str = "sluice.sync.batch-planned.v1";
const CONFIRMED: &str = "sluice.sync.confirmed.v1";

/// Eight hundred providers below twenty services: 160 batches of five.
const GENERATED: &str = "generator:?services=20&providers=800&bundles=2&fields=2&seed=11";
const BATCH: [&str; 2] = ["--batch-size", "5"];
const BATCHES: i64 = 160;

/// Runs that stand still for a second have lost their messages.
fn impatient(source: &str) -> Pipeline {
    Pipeline::start_with(source, vec![("SLUICE__RUN__ANNOUNCE_AFTER_MS", "1000".to_owned())])
}

fn wait_for(pipeline: &Pipeline, what: &str, sql: &str) {
    wait::until_blocking(what, wait::PATIENCE, || (pipeline.database.session().number(sql) > 0).then_some(()));
}

fn wait_for_all_batches(pipeline: &Pipeline, run: &StartedRun) {
    let id = &run.id;
    let sql = format!("SELECT COUNT(*) = {BATCHES} FROM sluice_run_batch WHERE run_id = '{id}'");
    wait_for(pipeline, "all batches are planned", &sql);
}

fn kill_bundles(pipeline: &mut Pipeline) {
    pipeline.workers.bundles.drain(..).for_each(|worker| drop(worker.kill()));
}

fn add_bundles(pipeline: &mut Pipeline) {
    let mut worker = pipeline.worker("stage-bundles");
    worker.wait_ready();
    pipeline.workers.bundles.push(worker);
}

fn announced(worker: &Process, stage: &str, topic: &str) -> f64 {
    worker.metric(&format!("sluice_messages_announced_again_total{{stage=\"{stage}\",topic=\"{topic}\"}}"))
}

/// What `/readyz` says while it says 503.
fn not_ready(worker: &Process) -> Option<String> {
    let answer = http::get(worker.admin(), "/readyz").ok()?;
    (answer.status == 503).then_some(answer.body)
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{pointer} of {value}"))
}

fn assert_whole(pipeline: &Pipeline) {
    Rows::of_views(&pipeline.database).assert_equals(&Rows::of_source(GENERATED));
}

#[test]
fn a_topic_that_is_deleted_under_busy_workers_is_missed_by_name_and_the_run_goes_on_when_it_is_back() {
    let mut pipeline = impatient(GENERATED);
    // A topic that goes while its partitions change hands is another case.
    wait::until_blocking("both workers have partitions", wait::PATIENCE, || {
        let partitions = |worker: &Process| worker.metric("sluice_assigned_partitions");
        pipeline.workers.bundles.iter().all(|worker| partitions(worker) > 0.0).then_some(())
    });
    let run = pipeline.start_run(&BATCH);
    pipeline.wait_for_stored_batches(&run, 5);
    pipeline.workers.bundles.iter().for_each(|worker| worker.signal(Signal::SIGSTOP));
    wait_for_all_batches(&pipeline, &run);
    pipeline.kafka().delete_topic(PLANNED);
    pipeline.workers.bundles.iter().for_each(|worker| worker.signal(Signal::SIGCONT));
    let stages = pipeline.workers.bundles.iter().chain([&pipeline.workers.providers]);
    for worker in stages {
        wait::until_blocking("the stage misses the topic", wait::PATIENCE, || {
            not_ready(worker).filter(|body| body.contains(&format!("`{PLANNED}` does not exist")))
        });
    }
    pipeline.workers.providers.wait_for_line("sluice topic create");
    pipeline.create_topics();
    let report = pipeline.wait(&run, 0);
    assert_eq!(report.pointer("/batches/stored").and_then(Value::as_i64), Some(BATCHES));
    assert_whole(&pipeline);
    pipeline.workers.bundles.iter_mut().for_each(Process::wait_ready);
    pipeline.workers.providers.wait_ready();
    // A later run goes the usual way over the new topic.
    pipeline.run(&["--batch-size", "7"]);
    pipeline.stop();
}

#[test]
fn a_topic_that_goes_while_its_partitions_change_hands_leaves_none_without_an_owner() {
    let mut pipeline = impatient(GENERATED);
    let run = pipeline.start_run(&BATCH);
    pipeline.wait_for_stored_batches(&run, 5);
    // A third worker comes and one goes: the group deals its partitions out anew, and the topic goes meanwhile.
    let newcomer = pipeline.worker("stage-bundles");
    drop(pipeline.workers.bundles.remove(0).kill());
    pipeline.workers.bundles.push(newcomer);
    pipeline.kafka().delete_topic(PLANNED);
    for worker in &pipeline.workers.bundles {
        wait::until_blocking("the stage misses the topic", wait::PATIENCE, || {
            not_ready(worker).filter(|body| body.contains(&format!("`{PLANNED}` does not exist")))
        });
    }
    pipeline.create_topics();
    pipeline.wait(&run, 0);
    assert_whole(&pipeline);
    for worker in &mut pipeline.workers.bundles {
        worker.wait_for_line("joining the group anew");
        worker.wait_ready();
    }
    wait::until_blocking("every partition has an owner", wait::PATIENCE, || {
        let owned = |worker: &Process| worker.metric("sluice_assigned_partitions");
        let all: f64 = pipeline.workers.bundles.iter().map(owned).sum();
        (all.to_string() == PARTITIONS).then_some(())
    });
    pipeline.stop();
}

#[test]
fn batches_that_retention_took_are_announced_again() {
    let mut pipeline = impatient(GENERATED);
    kill_bundles(&mut pipeline);
    let run = pipeline.start_run(&BATCH);
    wait_for_all_batches(&pipeline, &run);
    kafka::empty(&pipeline.kafka().bootstrap(), PLANNED).expect("the broker deletes records");
    add_bundles(&mut pipeline);
    pipeline.wait(&run, 0);
    assert_whole(&pipeline);
    assert!(announced(&pipeline.workers.providers, "providers", PLANNED) >= BATCHES as f64);
    pipeline.stop();
}

#[test]
fn services_and_confirmations_that_are_lost_hold_nothing_up() {
    let mut pipeline = impatient(GENERATED);
    // What is in memory is not lost, so the workers go with their topics.
    let providers = pipeline.worker("stage-providers");
    std::mem::replace(&mut pipeline.workers.providers, providers).kill();
    pipeline.workers.providers.signal(Signal::SIGSTOP);
    let run = pipeline.start_run(&BATCH);
    let id = &run.id;
    wait_for(
        &pipeline,
        "discovery",
        &format!("SELECT COUNT(*) FROM sluice_run WHERE run_id = '{id}' AND discovered = 1"),
    );
    pipeline.kafka().delete_topic(DISCOVERED);
    pipeline.kafka().delete_topic(CONFIRMED);
    pipeline.create_topics();
    pipeline.workers.providers.signal(Signal::SIGCONT);
    pipeline.wait(&run, 0);
    assert_whole(&pipeline);
    assert!(announced(&pipeline.workers.root, "root", DISCOVERED) > 0.0);
    pipeline.stop();
}

#[test]
fn a_request_that_is_lost_when_its_run_is_open_is_announced_again() {
    let folder = Folder::new("lost-request", 4);
    let mut pipeline = impatient(&folder.url());
    // Its run can be opened, and its services cannot be written down.
    let mut holder = pipeline.database.session();
    holder.run("LOCK TABLES sluice_run_service WRITE");
    let run = pipeline.start_run(&[]);
    wait_for(&pipeline, "the run is open", &format!("SELECT COUNT(*) FROM sluice_run WHERE run_id = '{}'", run.id));
    pipeline.workers.root.signal(Signal::SIGKILL);
    pipeline.kafka().delete_topic(REQUESTED);
    pipeline.create_topics();
    holder.run("UNLOCK TABLES");
    pipeline.workers.root = pipeline.worker("stage-root");
    pipeline.wait(&run, 0);
    Rows::of_views(&pipeline.database).assert_equals(&Rows::of_source(&folder.url()));
    pipeline.stop();
}

#[test]
fn a_run_that_nobody_takes_further_says_so_and_goes_on_when_somebody_does() {
    let mut pipeline = impatient(GENERATED);
    kill_bundles(&mut pipeline);
    let run = pipeline.start_run(&BATCH);
    let report = pipeline.wait(&run, 20);
    let held = text(&report, "/held");
    assert!(held.starts_with("160 batches were announced"), "{held}");
    assert!(held.contains("stage `bundles`") && held.contains(PLANNED), "{held}");
    assert_eq!(text(&pipeline.ask(&["run", "show", &run.id], 20), "/state"), "held");
    let runs = pipeline.ask(&["run", "ls"], 0);
    assert_eq!(text(&runs, "/0/state"), "held");
    assert!(text(&runs, "/0/reason").starts_with("160 batches were announced"), "{runs}");
    let held = "sluice_run_held{by=\"unanswered\"}";
    wait::until_blocking("an activator says so", wait::PATIENCE, || {
        pipeline.workers.activators.iter().all(|worker| worker.metric(held) > 0.0).then_some(())
    });
    add_bundles(&mut pipeline);
    pipeline.wait_for_stored_batches(&run, 1);
    pipeline.wait(&run, 0);
    assert_whole(&pipeline);
    pipeline.stop();
}

#[test]
fn nothing_is_announced_again_while_workers_are_busy() {
    let after = ("SLUICE__RUN__ANNOUNCE_AFTER_MS", "5000".to_owned());
    let one_at_a_time = ("SLUICE__STAGE__IN_FLIGHT", "1".to_owned());
    let pipeline = Pipeline::start_with(GENERATED, vec![after, one_at_a_time]);
    pipeline.run(&["--batch-size", "1"]);
    assert_eq!(announced(&pipeline.workers.root, "root", DISCOVERED), 0.0);
    assert_eq!(announced(&pipeline.workers.providers, "providers", PLANNED), 0.0);
    pipeline.stop();
}
