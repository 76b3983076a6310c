//! After storms a worker holds what it held before: memory, file handles, threads, connections.
//!
//! `sluice verify --invariants` looks at a target and cannot see processes; that they stay bounded is held here.

use std::{thread, time::Duration};

use chaos::{
    checker,
    observe::wait_ready,
    world::{Plan, World},
};
use testkit::{
    process::Process,
    proxy::{Fault, Proxy},
    usage::{self, Usage},
    wait::{self, PATIENCE},
};

const SOURCE: &str = "generator:?services=20&providers=400&bundles=2&fields=2&seed=26";
const STAGES: [&str; 4] = ["stage-root", "stage-providers", "stage-bundles", "stage-activator"];

/// Runs with outages, between the first look and the last.
const STORMS: usize = 3;

/// `target.max_connections` as it is unless set, and a connection for each of `target.max_writers` in the stage that loads
/// rows.
const MOST_DATABASE_CONNECTIONS: usize = 8;
/// See [`MOST_DATABASE_CONNECTIONS`].
const WRITERS: usize = 3;

/// A worker has a consumer, which holds a connection to where it began, to the broker and to the group's coordinator,
/// and a producer, which holds the first two.
const MOST_BROKER_CONNECTIONS: usize = 5;

/// librdkafka keeps a thread, with pipes to wake it, for an address as long as it sees fit: one for each of two clients
/// may have come. What leaked with each of the dozens of lost connections of a storm would be more.
const MORE_THREADS: usize = 2;
const MORE_FILES: usize = 4;

/// Slows a run down, so that the storm is in the middle of it.
const SLOW: Fault = Fault::Latency(Duration::from_millis(5));

/// What one worker holds.
#[derive(Clone, Copy, Debug)]
struct Held {
    usage: Usage,
    to_database: usize,
    to_broker: usize,
}

#[test]
fn a_worker_holds_after_storms_what_it_held_before() {
    let mut world = World::start(Plan { own_database: true, ..Plan::of(SOURCE) });
    let workers = world.one_each(&STAGES);
    // Pools are filled and caches warm after one run without and one with a storm.
    calm(&world);
    storm(&mut world, &workers);
    calm(&world);
    let before: Vec<Held> = workers.iter().map(|worker| settled(&world, worker)).collect();
    let most_connections = |stage| MOST_DATABASE_CONNECTIONS + if stage == "stage-bundles" { WRITERS } else { 0 };

    for _ in 0..STORMS {
        storm(&mut world, &workers);
    }
    calm(&world);
    for ((stage, worker), before) in STAGES.iter().zip(&workers).zip(before) {
        let after = settled_at(&world, worker, before, most_connections(*stage));
        println!("{stage} before: {before}; after {STORMS} storms: {after}");
        // Allocators keep some; a leak in a storm would show in each of them.
        let most = before.usage.resident_kib + before.usage.resident_kib / 2;
        assert!(after.usage.resident_kib <= most, "{stage}: memory grew from {before} to {after}");
    }
    workers.into_iter().for_each(|worker| drop(worker.stop().expect_code(0)));
}

/// A run without a fault.
fn calm(world: &World) {
    let run_id = world.messenger.request_run(10);
    world.wait_for_state(&run_id, "activated");
    checker::assert_whole(world, &run_id);
}

/// A run in which every link is silent, then cut again and again, and broker and database are killed and come back.
fn storm(world: &mut World, workers: &[Process]) {
    world.database_link.set(SLOW);
    let before = world.stored_batches();
    let run_id = world.messenger.request_run(2);
    world.wait_for_stored_batches(before + 5);
    for link in [&world.database_link, world.broker_link(), &world.registry_link] {
        link.set(Fault::HalfOpen);
        thread::sleep(Duration::from_secs(1));
        link.set(Fault::None);
        cut_repeatedly(link);
    }
    world.broker.kill();
    world.broker.start();
    world.own_database().kill();
    world.own_database().start();
    world.wait_for_database();
    world.wait_for_state(&run_id, "activated");
    workers.iter().for_each(wait_ready);
    checker::assert_whole(world, &run_id);
}

fn cut_repeatedly(link: &Proxy) {
    for _ in 0..10 {
        link.cut();
        thread::sleep(Duration::from_millis(100));
    }
}

/// What a worker holds when it has come to rest: twice the same.
fn settled(world: &World, worker: &Process) -> Held {
    wait::until_blocking("a worker comes to rest", PATIENCE, || {
        let held = Held::of(world, worker);
        thread::sleep(Duration::from_secs(1));
        let again = Held::of(world, worker);
        (held.counts() == again.counts()).then_some(again)
    })
}

/// Waits until a worker holds what it held before.
fn settled_at(world: &World, worker: &Process, before: Held, most_connections: usize) -> Held {
    let mut last = before;
    let what = format!("a worker holds what it held before: {before}");
    wait::until_blocking(&what, PATIENCE, || {
        last = Held::of(world, worker);
        (last.is_within(before) && last.to_database <= most_connections).then_some(last)
    })
}

// === impl Held ===

impl Held {
    fn of(world: &World, worker: &Process) -> Self {
        let to = |link: &Proxy| usage::connections(worker.id(), link.port());
        Self {
            usage: Usage::of(worker.id()),
            to_database: to(&world.database_link),
            to_broker: to(world.broker_link()),
        }
    }

    /// Connections come and go within their bounds; beside them hardly anything may be more than before.
    fn is_within(self, before: Self) -> bool {
        let beside = |held: Self| held.usage.files - held.to_database - held.to_broker;
        beside(self) <= beside(before) + MORE_FILES
            && self.usage.threads <= before.usage.threads + MORE_THREADS
            && self.to_broker <= MOST_BROKER_CONNECTIONS
    }

    /// What changes while a worker is not at rest.
    fn counts(self) -> [usize; 4] {
        [self.usage.threads, self.usage.files, self.to_broker, self.to_database]
    }
}

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { usage: Usage { resident_kib, files, threads }, to_database, to_broker } = self;
        write!(
            f,
            "{} MiB, {files} file handles, {threads} threads, {to_database} connections to the database, {to_broker} to \
             the broker",
            resident_kib / 1024
        )
    }
}
