//! A worker that was stopped, lost its partitions and its run, and then goes on as if nothing had been.

use std::time::Duration;

use chaos::{
    checker,
    world::{Plan, RUN_DEADLINE, World},
};
use testkit::{
    http,
    process::{Process, Signal},
    proxy::Fault,
    wait,
};

const SOURCE: &str = "generator:?services=20&providers=600&bundles=2&fields=2&seed=14";
const PARTITIONS: i32 = 6;

/// Slows a run down, so that the worker is stopped in the middle of its transactions.
const SLOW: Fault = Fault::Latency(Duration::from_millis(10));

#[test]
fn a_worker_stopped_past_its_session_writes_nothing_into_the_run_that_was_aborted_meanwhile() {
    let world = World::start(Plan { partitions: PARTITIONS, ..Plan::of(SOURCE) });
    // No activator yet: a service that is activated stays when its run is aborted.
    let mut others = world.one_each(&["stage-root", "stage-providers"]);
    let successor = world.workers("stage-bundles", 1);
    let mut sleeper = world.worker("stage-bundles");
    sleeper.wait_ready();
    world.database_link.set(SLOW);
    let aborted = world.messenger.request_run(1);
    world.wait_for_stored_batches(20);

    sleeper.signal(Signal::SIGSTOP);
    // Its machine is gone for the server too: otherwise its open transactions would hold the abort up.
    world.database_link.cut();
    wait::until_blocking("the other has all partitions", RUN_DEADLINE, || {
        successor.iter().all(|worker| assigned(worker) == PARTITIONS).then_some(())
    });
    world.database_link.set(Fault::None);
    world.sluice(&["run", "abort", &aborted, "--yes", "--reason", "the test asks for it"]);
    world.wait_for_state(&aborted, "aborted");
    let generation =
        world.number(&format!("SELECT generation FROM sync_run WHERE run_id = '{aborted}' AND content_pending = 0"));
    let before = written_under(&world, &aborted, generation);

    sleeper.signal(Signal::SIGCONT);
    wait::until_blocking("the stopped worker has partitions again", RUN_DEADLINE, || {
        (0 < assigned(&sleeper) && assigned(&sleeper) < PARTITIONS).then_some(())
    });
    others.extend(world.one_each(&["stage-activator"]));
    let run_id = world.messenger.request_run(10);
    world.wait_for_state(&run_id, "activated");
    assert_eq!(written_under(&world, &aborted, generation), before, "the stopped worker wrote");
    checker::assert_whole(&world, &run_id);
    others.into_iter().chain(successor).chain([sleeper]).for_each(|worker| drop(worker.stop().expect_code(0)));
}

/// What the tables hold of a closed run: rows of its generation, and batches that are stored.
fn written_under(world: &World, run_id: &str, generation: i64) -> Vec<i64> {
    let (first, last) = (generation << 32, (generation + 1) << 32);
    let counts = [
        format!("SELECT COUNT(*) FROM provider_service WHERE valid_from = {generation} OR valid_to = {generation}"),
        format!("SELECT COUNT(*) FROM provider WHERE valid_from = {generation} OR valid_to = {generation}"),
        format!("SELECT COUNT(*) FROM provider_content WHERE valid_from = {generation} OR valid_to = {generation}"),
        format!("SELECT COUNT(*) FROM bundle WHERE content_id >= {first} AND content_id < {last}"),
        format!("SELECT COUNT(*) FROM subscription_field WHERE content_id >= {first} AND content_id < {last}"),
        format!("SELECT COUNT(*) FROM sync_batch WHERE run_id = '{run_id}' AND state = 'stored'"),
        format!("SELECT COUNT(*) FROM sync_service WHERE run_id = '{run_id}' AND state = 'activated'"),
    ];
    let counts: Vec<i64> = counts.iter().map(|sql| world.number(sql)).collect();
    let (rows, _) = counts.split_at(5);
    assert_eq!(rows, [0; 5], "an aborted run left rows");
    counts
}

fn assigned(worker: &Process) -> i32 {
    let page = http::get(worker.admin(), "/metrics").map(|answer| answer.body).unwrap_or_default();
    let line = page.lines().find(|line| line.starts_with("sluice_assigned_partitions{")).unwrap_or_default();
    line.rsplit(' ').next().and_then(|value| value.parse().ok()).unwrap_or(0)
}
