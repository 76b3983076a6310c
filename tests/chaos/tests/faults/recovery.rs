//! How long it takes until work goes on: printed, never asserted. `docs/reliability.md` has what was measured.

use std::time::{Duration, Instant};

use chaos::{
    checker,
    world::{Plan, RUN_DEADLINE, World},
};
use testkit::{proxy::Fault, wait};

const SOURCE: &str = "generator:?services=10&providers=600&bundles=2&fields=2&seed=13";

/// Messages that a worker handles side by side: so many batches it may store with what it had in hand.
const IN_HAND: i64 = 8;

/// Slows a run down, so that it is not over before the faults are.
const SLOW: Fault = Fault::Latency(Duration::from_millis(25));

#[test]
fn work_goes_on_after_a_worker_is_killed_and_after_the_broker_is_killed() {
    // With one partition the second worker stands by: what is measured is the way from one to the other.
    let mut world = World::start(Plan { partitions: 1, ..Plan::of(SOURCE) });
    let others = world.one_each(&["stage-root", "stage-providers", "stage-activator"]);
    let mut bundles = world.workers("stage-bundles", 2);
    world.database_link.set(SLOW);
    let run_id = world.messenger.request_run(1);
    world.wait_for_stored_batches(20);

    let holder = bundles.iter().position(|worker| worker.metric("sluice_assigned_partitions") > 0.0);
    bundles.remove(holder.expect("one of them has the partition")).kill();
    let killed = Instant::now();
    let stored = world.stored_batches();
    world.wait_for_stored_batches(stored + 1);
    println!("worker killed, its successor committed after {:.1} s", killed.elapsed().as_secs_f64());

    let stored = world.stored_batches();
    world.broker.kill();
    let killed = Instant::now();
    world.broker.start();
    let told = world.messenger.count("sluice.sync.confirmed.v1");
    println!("broker killed and restarted, it answered after {:.1} s", killed.elapsed().as_secs_f64());
    world.wait_for_stored_batches(stored + IN_HAND + 1);
    wait::until_blocking("more is confirmed", RUN_DEADLINE, || {
        (world.messenger.count("sluice.sync.confirmed.v1") > told).then_some(())
    });
    println!("broker killed and restarted, work went on after {:.1} s", killed.elapsed().as_secs_f64());

    world.database_link.set(Fault::None);
    world.wait_for_state(&run_id, "activated");
    checker::assert_whole(&world, &run_id);
    others.into_iter().chain(bundles).for_each(|worker| drop(worker.stop().expect_code(0)));
}
