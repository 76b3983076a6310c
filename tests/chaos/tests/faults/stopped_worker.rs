//! A worker that was stopped, lost its partitions and its run, and then goes on as if nothing had been.

use std::time::Duration;

use chaos::{
    checker, observe,
    world::{Plan, RUN_DEADLINE, World},
};
use testkit::{
    http,
    process::{Process, Signal},
    proxy::Fault,
    wait,
};

use super::locks;

const SOURCE: &str = "generator:?services=20&providers=600&bundles=2&fields=2&seed=14";
const SERVICES: i64 = 20;
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
    wait_for_partitions(&successor, PARTITIONS);
    world.database_link.set(Fault::None);
    abort(&world, &aborted);
    let before = written_under(&world, &aborted);

    sleeper.signal(Signal::SIGCONT);
    wait::until_blocking("the stopped worker has partitions again", RUN_DEADLINE, || {
        (0 < assigned(&sleeper) && assigned(&sleeper) < PARTITIONS).then_some(())
    });
    others.extend(world.one_each(&["stage-activator"]));
    let run_id = world.messenger.request_run(10);
    world.wait_for_state(&run_id, "activated");
    assert_eq!(written_under(&world, &aborted), before, "the stopped worker wrote");
    checker::assert_whole(&world, &run_id);
    others.into_iter().chain(successor).chain([sleeper]).for_each(|worker| drop(worker.stop().expect_code(0)));
}

#[test]
fn a_worker_that_freezes_with_locks_in_hand_is_waited_for_until_it_goes_on() {
    let world = World::start(Plan { partitions: PARTITIONS, ..Plan::of(SOURCE) });
    let mut others = world.one_each(&["stage-root", "stage-providers", "stage-activator"]);
    let sleeper = freeze(&world);
    let successor = world.workers("stage-bundles", 1);
    wait_for_partitions(&successor, PARTITIONS);
    for worker in &successor {
        observe::wait_alone(worker, "lock wait timeout");
    }
    let run_id = open_run(&world);
    // Nor does an abort get past the locks; it says so instead of waiting for ever.
    world.command(&["run", "abort", &run_id, "--yes", "--reason", "the test asks for it"]).expect_code(75);
    assert!(locks::transactions(&world, "RUNNING") > 0, "the frozen worker has let go");

    sleeper.signal(Signal::SIGCONT);
    world.database_link.set(Fault::None);
    world.wait_for_state(&run_id, "activated");
    checker::assert_whole(&world, &run_id);
    others.extend(successor);
    others.into_iter().chain([sleeper]).for_each(|worker| drop(worker.stop().expect_code(0)));
}

#[test]
fn the_locks_of_a_frozen_worker_end_with_its_silent_sessions_and_it_writes_nothing_afterwards() {
    let mut world = World::start(Plan { partitions: PARTITIONS, ..Plan::of(SOURCE) });
    let mut others = world.one_each(&["stage-root", "stage-providers"]);
    world.set("SLUICE__TARGET__SESSION_TIMEOUT_MS", "15000");
    let sleeper = freeze(&world);
    let aborted = open_run(&world);
    wait::until_blocking("the server ends the frozen sessions", RUN_DEADLINE, || {
        (locks::transactions(&world, "RUNNING") == 0).then_some(())
    });
    abort(&world, &aborted);
    let before = written_under(&world, &aborted);

    sleeper.signal(Signal::SIGCONT);
    world.database_link.set(Fault::None);
    wait_for_partitions(std::slice::from_ref(&sleeper), PARTITIONS);
    others.extend(world.one_each(&["stage-activator"]));
    let run_id = world.messenger.request_run(10);
    world.wait_for_state(&run_id, "activated");
    assert_eq!(written_under(&world, &aborted), before, "the frozen worker wrote");
    checker::assert_whole(&world, &run_id);
    others.into_iter().chain([sleeper]).for_each(|worker| drop(worker.stop().expect_code(0)));
}

/// Opens a run and gives a bundles worker that is frozen inside its transactions, with their locks held and its
/// connections open. To be sure of that, the worker is made to wait for rows in the middle of them, and gets the rows
/// when it is stopped already.
fn freeze(world: &World) -> Process {
    let mut sleeper = world.worker("stage-bundles");
    sleeper.wait_ready();
    world.database_link.set(SLOW);
    world.messenger.request_run(1);
    wait::until_blocking("everything is planned", RUN_DEADLINE, || {
        (world.number("SELECT COUNT(*) FROM sluice_run_service WHERE state <> 'discovered'") == SERVICES).then_some(())
    });
    world.wait_for_stored_batches(20);
    let mut holder = world.database.session();
    holder.run("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED");
    holder.run("START TRANSACTION");
    holder.run(locks::HOLD_PLANNED);
    locks::wait_for_lock_wait(world);
    sleeper.signal(Signal::SIGSTOP);
    holder.run("ROLLBACK");
    wait::until_blocking("nobody waits any more", RUN_DEADLINE, || {
        (locks::transactions(world, "LOCK WAIT") == 0).then_some(())
    });
    assert!(locks::transactions(world, "RUNNING") > 0, "the frozen worker holds nothing");
    sleeper
}

fn open_run(world: &World) -> String {
    let rows = world.database.session().rows("SELECT run_id FROM sluice_run WHERE state = 'running'");
    rows.into_iter().flatten().next().expect("a run is open")
}

fn abort(world: &World, run_id: &str) {
    world.sluice(&["run", "abort", run_id, "--yes", "--reason", "the test asks for it"]);
    world.wait_for_state(run_id, "aborted");
}

/// What the tables hold of a closed run: rows of its generation, and batches that are stored.
fn written_under(world: &World, run_id: &str) -> Vec<i64> {
    let generation =
        world.number(&format!("SELECT generation FROM sluice_run WHERE run_id = '{run_id}' AND content_pending = 0"));
    let (first, last) = (generation << 32, (generation + 1) << 32);
    let counts = [
        format!(
            "SELECT COUNT(*) FROM sluice_provider_service_version WHERE valid_from = {generation} \
             OR valid_to = {generation}"
        ),
        format!(
            "SELECT COUNT(*) FROM sluice_provider_version WHERE valid_from = {generation} OR valid_to = {generation}"
        ),
        format!(
            "SELECT COUNT(*) FROM sluice_provider_content WHERE valid_from = {generation} OR valid_to = {generation}"
        ),
        format!("SELECT COUNT(*) FROM sluice_content_bundle WHERE content_id >= {first} AND content_id < {last}"),
        format!("SELECT COUNT(*) FROM sluice_content_field WHERE content_id >= {first} AND content_id < {last}"),
        format!("SELECT COUNT(*) FROM sluice_run_batch WHERE run_id = '{run_id}' AND state = 'stored'"),
        format!("SELECT COUNT(*) FROM sluice_run_service WHERE run_id = '{run_id}' AND state = 'activated'"),
    ];
    let counts: Vec<i64> = counts.iter().map(|sql| world.number(sql)).collect();
    let (rows, _) = counts.split_at(5);
    assert_eq!(rows, [0; 5], "an aborted run left rows");
    counts
}

fn wait_for_partitions(workers: &[Process], count: i32) {
    wait::until_blocking(&format!("{count} partitions are assigned"), RUN_DEADLINE, || {
        workers.iter().all(|worker| assigned(worker) == count).then_some(())
    });
}

fn assigned(worker: &Process) -> i32 {
    let page = http::get(worker.admin(), "/metrics").map(|answer| answer.body).unwrap_or_default();
    let line = page.lines().find(|line| line.starts_with("sluice_assigned_partitions{")).unwrap_or_default();
    line.rsplit(' ').next().and_then(|value| value.parse().ok()).unwrap_or(0)
}
