//! The whole machine is lost in the middle of a run, and its processes come back in whatever order.

use std::time::Duration;

use chaos::{
    checker,
    observe::{wait_not_ready, wait_ready},
    world::{Plan, World},
};
use testkit::{
    process::{Process, Signal},
    proxy::Fault,
};

const SOURCE: &str = "generator:?services=20&providers=400&bundles=2&fields=2&seed=25";
const STAGES: [&str; 4] = ["stage-root", "stage-providers", "stage-bundles", "stage-activator"];

/// Slows a run down, so that the end of the machine comes in the middle of it.
const SLOW: Fault = Fault::Latency(Duration::from_millis(10));

/// What comes back as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Stages,
    Broker,
    Registry,
    Database,
}

use Part::{Broker, Database, Registry, Stages};

const ORDERS: [[Part; 4]; 3] =
    [[Stages, Broker, Registry, Database], [Database, Registry, Stages, Broker], [Broker, Stages, Database, Registry]];

#[test]
fn a_machine_that_is_lost_in_mid_run_and_comes_back_in_any_order_finishes_the_run_by_itself() {
    let mut world = World::start(Plan { own_database: true, own_registry: true, ..Plan::of(SOURCE) });
    let mut workers = world.one_each(&STAGES);
    for order in ORDERS {
        world.database_link.set(SLOW);
        let before = world.stored_batches();
        let run_id = world.messenger.request_run(2);
        world.wait_for_stored_batches(before + 10);
        let open = world.number("SELECT COUNT(*) FROM sluice_run WHERE state = 'running'");
        assert_eq!(open, 1, "the run ended before the machine did");

        lose(&mut world, workers);
        world.database_link.set(Fault::None);
        workers = come_back(&mut world, order);

        world.wait_for_state(&run_id, "activated");
        workers.iter().for_each(wait_ready);
        checker::assert_whole(&world, &run_id);
        println!("{order:?}: the run finished");
    }
    workers.into_iter().for_each(|worker| drop(worker.stop().expect_code(0)));
}

/// Everything is gone in the same moment, as far as signals go.
fn lose(world: &mut World, workers: Vec<Process>) {
    workers.iter().for_each(|worker| worker.signal(Signal::SIGKILL));
    world.broker.kill();
    world.own_database().kill();
    world.own_registry().kill();
    drop(workers);
}

/// Each part is started when the one before it has done what it can alone.
fn come_back(world: &mut World, order: [Part; 4]) -> Vec<Process> {
    let mut workers = Vec::new();
    let mut back = Vec::new();
    for part in order {
        match part {
            Stages => workers = STAGES.map(|stage| world.worker(stage)).into(),
            Broker => {
                world.broker.start();
                // It answers when it tells its offsets.
                world.messenger.count("sluice.sync.confirmed.v1");
            }
            Registry => restart_registry(world),
            Database => {
                world.own_database().start();
                world.wait_for_database();
            }
        }
        back.push(part);
        // Who is there and lacks something says so, and stays.
        if let Some(cause) = lacking(&back) {
            workers.iter().for_each(|worker| wait_not_ready(worker, cause));
        }
    }
    workers
}

/// The first thing that a worker misses.
fn lacking(back: &[Part]) -> Option<&'static str> {
    let needs = [(Database, "database"), (Registry, "schema registry"), (Broker, "consumer group")];
    needs.into_iter().find(|(part, _)| !back.contains(part)).map(|(_, cause)| cause)
}

/// The registry of tests keeps its schemas in memory. So it gets them again before it can be reached, in the order in
/// which it first got them, which gives each the same id: as if it had kept them.
fn restart_registry(world: &mut World) {
    world.registry_link.set(Fault::Refuse);
    world.own_registry().start();
    world.wait_for_registry();
    world.sluice(&["schema", "register"]);
    world.registry_link.set(Fault::None);
}
