//! A dependency is away in the middle of a run: an outage is waited for, it is not poison.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use chaos::{
    checker,
    world::{Plan, World},
};
use testkit::{
    http,
    process::Process,
    proxy::Fault,
    wait::{self, PATIENCE},
};

const SOURCE: &str = "generator:?services=20&providers=500&bundles=2&fields=2&seed=12";

/// Length of the outage: longer than all attempts that an error which may pass gets, so that a wrong class of error
/// would end in dead letters.
const OUTAGE: Duration = Duration::from_secs(8);

/// Slows a run down, so that faults come in the middle of it.
const SLOW: Fault = Fault::Latency(Duration::from_millis(4));

#[test]
fn a_database_that_is_killed_and_comes_back_costs_time_and_not_one_dead_letter() {
    let mut world = World::start(Plan { own_database: true, ..Plan::of(SOURCE) });
    let workers = world.one_each(&["stage-root", "stage-providers", "stage-bundles", "stage-activator"]);
    world.database_link.set(SLOW);
    let run_id = world.messenger.request_run(2);
    world.wait_for_stored_batches(10);

    world.database_server.as_mut().expect("a server of our own").kill();
    let [_, _, bundles, _] = workers.as_slice() else { panic!("four workers") };
    wait_not_ready(bundles, "database is not available");
    assert_alive_for(&workers, OUTAGE);
    world.database_server.as_mut().expect("a server of our own").start();

    wait_answering(&world.database.url());
    world.wait_for_state(&run_id, "activated");
    wait_ready(bundles);
    checker::assert_whole(&world, &run_id);
    workers.into_iter().for_each(|worker| drop(worker.stop().expect_code(0)));
}

#[test]
fn a_registry_that_is_away_in_mid_run_delays_only_the_worker_that_starts() {
    let world = World::start(Plan::of(SOURCE));
    let workers = world.one_each(&["stage-root", "stage-providers", "stage-bundles", "stage-activator"]);
    world.database_link.set(SLOW);
    let run_id = world.messenger.request_run(2);
    world.wait_for_stored_batches(10);
    world.registry_link.set(Fault::Refuse);
    world.registry_link.cut();
    let late = world.worker("stage-bundles");
    wait_not_ready(&late, "schema registry");

    world.wait_for_state(&run_id, "activated");
    assert_eq!(http::get(late.admin(), "/livez").expect("an answer").status, 200);
    world.registry_link.set(Fault::HalfOpen);
    wait_not_ready(&late, "schema registry");
    world.registry_link.set(Fault::None);
    wait_ready(&late);
    checker::assert_whole(&world, &run_id);
    workers.into_iter().chain([late]).for_each(|worker| drop(worker.stop().expect_code(0)));
}

/// Waits until `/readyz` answers 503 and names the cause.
fn wait_not_ready(worker: &Process, cause: &str) {
    let what = format!("/readyz says 503 because of `{cause}`");
    wait::until_blocking(&what, PATIENCE, || {
        let answer = http::get(worker.admin(), "/readyz").ok()?;
        (answer.status == 503 && answer.body.contains(cause)).then_some(())
    });
}

fn wait_ready(worker: &Process) {
    wait::until_blocking("/readyz says 200", PATIENCE, || {
        http::get(worker.admin(), "/readyz").is_ok_and(|answer| answer.status == 200).then_some(())
    });
}

/// Asks `/livez` of every worker all the time; each answer must be 200.
fn assert_alive_for(workers: &[Process], length: Duration) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                for worker in workers {
                    let answer = http::get(worker.admin(), "/livez").expect("a live worker answers");
                    assert_eq!(answer.status, 200, "{}", answer.body);
                }
            }
        });
        std::thread::sleep(length);
        over.store(true, Ordering::SeqCst);
    });
}

/// Waits until the server behind a database's URL takes connections again.
fn wait_answering(url: &str) {
    let address = url.rsplit('@').next().and_then(|rest| rest.split('/').next()).expect("a URL with an address");
    wait::until_blocking("the database is back", PATIENCE, || std::net::TcpStream::connect(address).ok());
}
