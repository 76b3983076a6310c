//! Three brokers, of which one or two are lost, or each is restarted, in the middle of a run.
//!
//! `cargo xtask chaos --tier cluster` runs these; the short tier does not, as four more servers need their time. How long
//! work stands still is printed, never asserted: `docs/reliability.md` has what was measured.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use chaos::{
    checker, observe,
    world::{Plan, RUN_DEADLINE, World},
};
use pipeline_model::contracts::{BatchPlanned, Confirmed, Message};
use pipeline_settings::settings;
use testkit::{process::Process, proxy::Fault, wait};

const SOURCE: &str = "generator:?services=20&providers=2000&bundles=1&fields=1&seed=31";
const STAGES: [&str; 4] = ["stage-root", "stage-providers", "stage-bundles", "stage-activator"];

/// The cluster's own topic of groups and their offsets.
const OFFSETS: &str = "__consumer_offsets";

/// Replicas of each partition.
const REPLICAS: usize = 3;

/// Messages that a worker handles side by side: so many batches it may store with what it had in hand.
const IN_HAND: i64 = 8;

/// Slows a run down, so that everything falls into it.
const SLOW: Fault = Fault::Latency(Duration::from_millis(40));

#[test]
#[ignore = "the tier of the cluster: `cargo xtask chaos --tier cluster`"]
fn the_leader_of_a_partition_killed_and_a_follower_lost_for_good_cost_time_only() {
    // With one partition, everything goes through the broker that is killed.
    let mut world = World::start(Plan { partitions: 1, three_brokers: true, ..Plan::of(SOURCE) });
    let workers = world.one_each(&STAGES);

    let run_id = begin(&world);
    let leader = leader(&world);
    world.broker_number(leader).kill();
    let (killed, stored) = (Instant::now(), world.stored_batches());
    observe::assert_alive_while(&workers, || {
        world.wait_for_stored_batches(stored + IN_HAND + 1);
        println!("leader killed, a batch beyond those in hand stored after {:.1} s", killed.elapsed().as_secs_f64());
        // Its answer tells that each partition has a leader.
        let told = world.messenger.count(Confirmed::TOPIC);
        wait::until_blocking("more is confirmed", RUN_DEADLINE, || {
            (world.messenger.count(Confirmed::TOPIC) > told).then_some(())
        });
        println!("leader killed, more confirmed after {:.1} s", killed.elapsed().as_secs_f64());
    });
    world.broker_number(leader).start();
    wait_in_sync(&world);
    end(&world, &run_id, &workers);

    let run_id = begin(&world);
    let leader = self::leader(&world);
    let follower = if leader == 1 { 2 } else { 1 };
    world.broker_number(follower).kill();
    let stored = world.stored_batches();
    observe::assert_alive_while(&workers, || world.wait_for_stored_batches(stored + 100));
    end(&world, &run_id, &workers);
    workers.into_iter().for_each(|worker| drop(worker.stop().expect_code(0)));
}

#[test]
#[ignore = "the tier of the cluster: `cargo xtask chaos --tier cluster`"]
fn producers_of_a_cluster_that_lost_two_of_three_wait_and_go_on_with_two() {
    let mut world = World::start(Plan { three_brokers: true, ..Plan::of(SOURCE) });
    let workers = world.one_each(&STAGES);
    let [_, _, bundles, _] = workers.as_slice() else { panic!("four workers") };

    let run_id = begin(&world);
    // The group goes on, so that the batches in hand are stored, and what follows them has to be produced.
    let last = coordinator(&world, "sluice-bundles");
    let lost: Vec<i32> = [1, 2, 3].into_iter().filter(|node| *node != last).collect();
    lost.iter().for_each(|node| world.broker_number(*node).kill());
    let killed = Instant::now();
    observe::assert_alive_while(&workers, || {
        // One replica is left, which is fewer than acknowledgements need.
        wait::until_blocking("the last broker leads every partition alone", RUN_DEADLINE, || {
            let partitions = world.partitions_of(Confirmed::TOPIC)?;
            partitions.iter().all(|partition| partition.in_sync == [last]).then_some(())
        });
        observe::wait_not_ready(bundles, Confirmed::TOPIC);
        println!("two brokers killed, 503 after {:.1} s", killed.elapsed().as_secs_f64());
    });
    let stored = world.stored_batches();
    world.broker_number(*lost.first().expect("two of three")).start();
    let back = Instant::now();
    world.wait_for_stored_batches(stored + IN_HAND + 1);
    println!("one broker restarted, a batch beyond those in hand stored after {:.1} s", back.elapsed().as_secs_f64());
    end(&world, &run_id, &workers);
    workers.into_iter().for_each(|worker| drop(worker.stop().expect_code(0)));
}

#[test]
#[ignore = "the tier of the cluster: `cargo xtask chaos --tier cluster`"]
fn a_rolling_restart_of_all_brokers_in_mid_run_costs_time_only() {
    let mut world = World::start(Plan { three_brokers: true, ..Plan::of(SOURCE) });
    let workers = world.one_each(&STAGES);

    let run_id = begin(&world);
    let mut session = world.database.session();
    let stored = move || session.number("SELECT COUNT(*) FROM sluice_run_batch WHERE state = 'stored'");
    let pause = longest_pause_while(stored, || {
        for node in [1, 2, 3] {
            world.broker_number(node).stop();
            world.broker_number(node).start();
            observe::assert_alive_while(&workers, || wait_in_sync(&world));
        }
    });
    println!("each broker restarted in turn, longest time without a stored batch {:.1} s", pause.as_secs_f64());
    end(&world, &run_id, &workers);
    workers.into_iter().for_each(|worker| drop(worker.stop().expect_code(0)));
}

/// Asks for a run, and waits until it is under way.
fn begin(world: &World) -> String {
    world.database_link.set(SLOW);
    let before = world.stored_batches();
    let run_id = world.messenger.request_run(1);
    world.wait_for_stored_batches(before + 20);
    run_id
}

/// Waits until the run has ended by itself, whole.
fn end(world: &World, run_id: &str, workers: &[Process]) {
    assert_eq!(world.number("SELECT COUNT(*) FROM sluice_run WHERE state = 'running'"), 1, "the fault came too late");
    world.database_link.set(Fault::None);
    world.wait_for_state(run_id, "activated");
    workers.iter().for_each(observe::wait_ready);
    checker::assert_whole(world, run_id);
}

/// Node id of the broker that takes and gives the batches of the first partition.
fn leader(world: &World) -> i32 {
    let partitions = world.partitions_of(BatchPlanned::TOPIC).expect("a broker answers");
    partitions.first().expect("a partition").leader
}

/// Node id of the broker that keeps the members and the offsets of a group: the leader of the partition that the hash of
/// the group's name falls on, as Java hashes texts.
fn coordinator(world: &World, group: &str) -> i32 {
    let partitions = world.partitions_of(OFFSETS).expect("a broker answers");
    let hash = group.bytes().fold(0_i32, |hash, byte| hash.wrapping_mul(31).wrapping_add(i32::from(byte)));
    let partition = usize::try_from(hash.unsigned_abs()).expect("31 bits") % partitions.len();
    partitions.get(partition).expect("one of the partitions").leader
}

/// Waits until no partition lacks a replica.
fn wait_in_sync(world: &World) {
    for topic in settings::Kafka::default().names().topics().iter().map(String::as_str).chain([OFFSETS]) {
        wait::until_blocking(&format!("every replica of `{topic}` is in sync"), RUN_DEADLINE, || {
            let partitions = world.partitions_of(topic)?;
            partitions.iter().all(|partition| partition.in_sync.len() == REPLICAS).then_some(())
        });
    }
}

/// The longest time for which a count stays what it is while something is done.
fn longest_pause_while(mut count: impl FnMut() -> i64 + Send, work: impl FnOnce()) -> Duration {
    let over = &AtomicBool::new(false);
    thread::scope(|scope| {
        let watching = scope.spawn(move || {
            let (mut last, mut since, mut longest) = (count(), Instant::now(), Duration::ZERO);
            while !over.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(50));
                let now = count();
                longest = longest.max(since.elapsed());
                if now != last {
                    (last, since) = (now, Instant::now());
                }
            }
            longest
        });
        work();
        over.store(true, Ordering::SeqCst);
        watching.join().expect("the database answers")
    })
}
