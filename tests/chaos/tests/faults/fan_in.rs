//! Racing activators, and confirmations that are repeated, reordered, forged or late.

use chaos::{
    checker,
    world::{Plan, RUN_DEADLINE, World},
};
use pipeline_model::{
    contracts::{Activated, Confirmation, Confirmed, Message},
    ids::RunId,
};
use testkit::{http, process::Process, wait};

const SOURCE: &str = "generator:?services=20&providers=200&bundles=2&fields=2&seed=15";
const SERVICES: i64 = 20;
const ACTIVATORS: usize = 4;

#[test]
fn racing_activators_in_a_storm_of_confirmations_switch_each_service_once() {
    let world = World::start(Plan::of(SOURCE));
    let mut workers = world.one_each(&["stage-root", "stage-providers", "stage-bundles"]);
    let run_id = world.messenger.request_run(5);
    wait::until_blocking("everything is stored and nothing activated", RUN_DEADLINE, || {
        let planned = world.number("SELECT COUNT(*) FROM sluice_run_service WHERE state = 'planned'");
        let waiting = world.number("SELECT COUNT(*) FROM sluice_run_batch WHERE state <> 'stored'");
        (planned == SERVICES && waiting == 0).then_some(())
    });

    storm(&world, &run_id);
    workers.extend(world.workers("stage-activator", ACTIVATORS));
    world.wait_for_state(&run_id, "activated");
    let switched = pointers(&world);
    storm(&world, &run_id);
    let sent = world.messenger.count(Confirmed::TOPIC);
    wait::until_blocking("every confirmation is handled", RUN_DEADLINE, || {
        let handled: i64 = workers.iter().skip(3).map(handled).sum();
        (handled >= sent).then_some(())
    });

    assert_eq!(pointers(&world), switched, "a late confirmation moved a pointer");
    assert_eq!(world.number("SELECT COUNT(*) FROM sluice_active_generation WHERE epoch = 1"), SERVICES);
    let announced = world.messenger.count(Activated::TOPIC);
    assert!(announced >= SERVICES, "{announced} announcements of {SERVICES} services");
    checker::assert_whole(&world, &run_id);
    workers.into_iter().for_each(|worker| drop(worker.stop().expect_code(0)));
}

/// Confirmations of all that is stored, twice and backwards; of another generation, of a service and of a run that do
/// not exist.
fn storm(world: &World, run_id: &str) {
    let mut session = world.database.session();
    let batches = session.rows("SELECT run_id, service_id, batch_no FROM sluice_run_batch");
    let known = batches.iter().map(|row| {
        let [_, service_id, batch_no] = row.as_slice() else { panic!("three columns") };
        confirmed(run_id, 1, service_id, batch_no.parse().ok())
    });
    let mut storm: Vec<Confirmed> = known.collect();
    storm.extend(storm.clone().into_iter().rev());
    let foreign_run = RunId::new().to_string();
    let first = storm.first().cloned().expect("batches are stored");
    storm.push(confirmed(run_id, 99, &first.service_id, Some(0)));
    storm.push(confirmed(run_id, 1, &first.service_id, Some(9_999)));
    storm.push(confirmed(run_id, 1, "nobody", Some(0)));
    storm.push(confirmed(&foreign_run, 1, &first.service_id, Some(0)));
    world.messenger.send(&storm);
}

fn confirmed(run_id: &str, generation: i64, service_id: &str, batch_no: Option<i32>) -> Confirmed {
    Confirmed {
        run_id: run_id.to_owned(),
        generation,
        service_id: service_id.to_owned(),
        what: Confirmation::BatchStored,
        batch_no,
        providers: 5,
        rejected: 0,
    }
}

/// What decides what readers see.
fn pointers(world: &World) -> Vec<Vec<String>> {
    let sql = "SELECT service_id, generation, epoch, activated_at_ms FROM sluice_active_generation ORDER BY service_id";
    world.database.session().rows(sql)
}

/// Messages that a worker has handled.
fn handled(worker: &Process) -> i64 {
    let page = http::get(worker.admin(), "/metrics").expect("a worker answers").body;
    let is_ours = |line: &&str| line.starts_with("sluice_messages_handled_total{") && line.contains("outcome=\"ok\"");
    let line = page.lines().find(is_ours).unwrap_or_default();
    line.rsplit(' ').next().and_then(|value| value.parse().ok()).unwrap_or(0)
}
