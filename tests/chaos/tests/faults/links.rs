//! The link to the broker misbehaves in the middle of a run, in every way that a link can.

use std::{thread, time::Duration};

use chaos::{
    checker, observe,
    world::{Plan, RUN_DEADLINE, World},
};
use testkit::{
    process::Process,
    proxy::{Direction, Fault},
    wait,
};

const SOURCE: &str = "generator:?services=20&providers=1200&bundles=2&fields=2&seed=21";
const STAGES: [&str; 5] = ["stage-root", "stage-providers", "stage-bundles", "stage-bundles", "stage-activator"];

/// Slows a run down, so that every fault falls into it.
const SLOW: Fault = Fault::Latency(Duration::from_millis(40));

/// Longer than the session of a group's member: the broker takes the partitions away meanwhile.
const PAST_THE_SESSION: Duration = Duration::from_secs(8);
const SHORT: Duration = Duration::from_secs(3);

const FAULTS: [(Fault, Duration); 7] = [
    (Fault::Latency(Duration::from_millis(200)), SHORT),
    (Fault::Bandwidth(10_000), SHORT),
    (Fault::OneWay(Direction::ToServer), SHORT),
    (Fault::OneWay(Direction::ToClient), PAST_THE_SESSION),
    (Fault::HalfOpen, PAST_THE_SESSION),
    (Fault::Refuse, PAST_THE_SESSION),
    (Fault::Answer("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<html>Welcome</html>"), SHORT),
];

#[test]
fn a_broker_behind_a_link_that_is_slow_narrow_deaf_silent_refusing_or_cut_costs_time_only() {
    let world = World::start(Plan::of(SOURCE));
    let workers = world.one_each(&STAGES);
    world.database_link.set(SLOW);
    let run_id = world.messenger.request_run(1);
    world.wait_for_stored_batches(10);

    observe::assert_alive_while(&workers, || {
        for (fault, length) in FAULTS {
            world.broker_link().set(fault);
            if matches!(fault, Fault::Refuse | Fault::Answer(_)) {
                world.broker_link().cut();
            }
            thread::sleep(length);
            world.broker_link().set(Fault::None);
            assert_work_goes_on(&world, &workers);
            println!("link to the broker, {fault:?} for {length:?}: {} batches stored", world.stored_batches());
        }
        for _ in 0..10 {
            world.broker_link().cut();
            thread::sleep(Duration::from_millis(300));
        }
        assert_work_goes_on(&world, &workers);
    });
    assert_eq!(world.number("SELECT COUNT(*) FROM sluice_run WHERE state = 'running'"), 1, "the faults came too late");

    world.database_link.set(Fault::None);
    world.wait_for_state(&run_id, "activated");
    workers.iter().for_each(observe::wait_ready);
    checker::assert_whole(&world, &run_id);
    workers.into_iter().for_each(|worker| drop(worker.stop().expect_code(0)));
}

/// Waits until batches arrive over the link again, not only those that a worker had in hand.
fn assert_work_goes_on(world: &World, workers: &[Process]) {
    let committed = || workers.iter().map(|worker| worker.metric("sluice_committed_offsets_total")).sum::<f64>();
    let (stored, before) = (world.stored_batches(), committed());
    world.wait_for_stored_batches(stored + 20);
    wait::until_blocking("offsets are committed", RUN_DEADLINE, || (committed() > before).then_some(()));
}
