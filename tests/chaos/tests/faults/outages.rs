//! A dependency is away in the middle of a run: an outage is waited for, it is not poison.

use std::{
    thread,
    time::{Duration, Instant},
};

use chaos::{
    checker,
    observe::{self, wait_not_ready, wait_ready},
    world::{Plan, World},
};
use testkit::{
    process::Process,
    proxy::{Direction, Fault},
    wait::{self, PATIENCE},
};

const SOURCE: &str = "generator:?services=20&providers=500&bundles=2&fields=2&seed=12";

const STAGES: [&str; 4] = ["stage-root", "stage-providers", "stage-bundles", "stage-activator"];

/// Length of the outage: much longer than all attempts that an error which may pass gets, so that a wrong class of
/// error would end in dead letters.
const OUTAGE: Duration = Duration::from_secs(60);

/// Messages that a worker handles side by side.
const IN_HAND: usize = 8;

/// Slows a run down, so that faults come in the middle of it.
const SLOW: Fault = Fault::Latency(Duration::from_millis(4));

#[test]
fn a_database_that_is_killed_and_comes_back_costs_time_and_not_one_dead_letter() {
    let mut world = World::start(Plan { own_database: true, ..Plan::of(SOURCE) });
    let workers = world.one_each(&STAGES);
    world.database_link.set(SLOW);
    let run_id = world.messenger.request_run(2);
    world.wait_for_stored_batches(10);

    world.database_server.as_mut().expect("a server of our own").kill();
    observe::assert_alive_while(&workers, || {
        let begun = Instant::now();
        // Those without work ask too.
        workers.iter().for_each(|worker| wait_not_ready(worker, "database is not available"));
        thread::sleep(OUTAGE.saturating_sub(begun.elapsed()));
        workers.iter().for_each(|worker| wait_not_ready(worker, "database is not available"));
    });
    world.database_server.as_mut().expect("a server of our own").start();

    wait_answering(&world.database.url());
    world.wait_for_state(&run_id, "activated");
    workers.iter().for_each(wait_ready);
    checker::assert_whole(&world, &run_id);
    workers.into_iter().for_each(|worker| drop(worker.stop().expect_code(0)));
}

#[test]
fn a_link_to_the_database_that_dies_without_a_word_is_given_up_in_time() {
    let mut world = World::start(Plan::of(SOURCE));
    world.set("SLUICE__TARGET__STATEMENT_TIMEOUT_MS", "2000");
    let workers = world.one_each(&STAGES);
    let [_, _, bundles, _] = workers.as_slice() else { panic!("four workers") };
    world.database_link.set(SLOW);
    let run_id = world.messenger.request_run(1);
    world.wait_for_stored_batches(10);

    // First the answers get lost, among them those to commits; then the statements too.
    for silence in [Fault::OneWay(Direction::ToClient), Fault::HalfOpen] {
        let seen = given_up(bundles);
        observe::assert_alive_while(&workers, || {
            world.database_link.set(silence);
            // The connections never break: without a bound their statements would be waited for without end.
            wait::until_blocking("every message in hand gives its statement up", PATIENCE, || {
                (given_up(bundles) >= seen + IN_HAND).then_some(())
            });
            wait_not_ready(bundles, "timed out");
        });
        let stored = world.stored_batches();
        // What was held back arrives now, at a server whose client is gone.
        world.database_link.set(SLOW);
        world.wait_for_stored_batches(stored + 1);
    }

    world.wait_for_state(&run_id, "activated");
    workers.iter().for_each(wait_ready);
    checker::assert_whole(&world, &run_id);
    workers.into_iter().for_each(|worker| drop(worker.stop().expect_code(0)));
}

/// How often a worker says that a message waits for the database.
fn given_up(worker: &Process) -> usize {
    worker
        .stderr()
        .lines()
        .filter(|line| line.contains("SLUICE-TARGET-001") || line.contains("SLUICE-TARGET-003"))
        .count()
}

#[test]
fn a_registry_that_is_away_in_mid_run_delays_only_the_worker_that_starts() {
    let world = World::start(Plan::of(SOURCE));
    let workers = world.one_each(&STAGES);
    world.database_link.set(SLOW);
    let run_id = world.messenger.request_run(2);
    world.wait_for_stored_batches(10);
    world.registry_link.set(Fault::Refuse);
    world.registry_link.cut();
    let late = world.worker("stage-bundles");
    wait_not_ready(&late, "schema registry");

    world.wait_for_state(&run_id, "activated");
    observe::assert_alive(&late);
    world.registry_link.set(Fault::HalfOpen);
    wait_not_ready(&late, "schema registry");
    world.registry_link.set(Fault::None);
    wait_ready(&late);
    checker::assert_whole(&world, &run_id);
    workers.into_iter().chain([late]).for_each(|worker| drop(worker.stop().expect_code(0)));
}

/// Waits until the server behind a database's URL takes connections again.
fn wait_answering(url: &str) {
    let address = url.rsplit('@').next().and_then(|rest| rest.split('/').next()).expect("a URL with an address");
    wait::until_blocking("the database is back", PATIENCE, || std::net::TcpStream::connect(address).ok());
}
