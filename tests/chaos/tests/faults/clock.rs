//! The wall clock of one worker jumps by an hour in the middle of a run, forth and back.

use std::time::Duration;

use chaos::{
    checker, observe,
    world::{Plan, World},
};
use pipeline_model::contracts::{Activated, DEAD_LETTERS};
use testkit::{clock::Clock, process::Process, proxy::Fault};

const SOURCE: &str = "generator:?services=20&providers=500&bundles=2&fields=2&seed=33";
/// The stages, and where the ledger keeps what each says of the time.
const STAGES: [(&str, &str, &str); 4] = [
    ("stage-root", "sluice_run_service", "discovered_at_ms"),
    ("stage-providers", "sluice_run_service", "planned_at_ms"),
    ("stage-bundles", "sluice_run_batch", "stored_at_ms"),
    ("stage-activator", "sluice_run_service", "activated_at_ms"),
];

/// How wrong the clock is, one after another: an hour forth, two back, an hour forth again.
const JUMPS: [i64; 3] = [3_600, -3_600, 0];

/// Slows a run down, so that the jumps fall into it.
const SLOW: Fault = Fault::Latency(Duration::from_millis(10));

#[test]
#[ignore = "the tier of the clock: `cargo xtask chaos --tier clock`"]
fn a_clock_that_jumps_an_hour_on_one_worker_of_any_stage_changes_nothing() {
    let world = World::start(Plan::of(SOURCE));
    for (jumping, table, column) in STAGES {
        let clock = Clock::new();
        let start = |stage| if stage == jumping { world.worker_with_clock(stage, &clock) } else { world.worker(stage) };
        let mut workers: Vec<Process> = STAGES.map(|(stage, _, _)| start(stage)).into();
        workers.iter_mut().for_each(Process::wait_ready);

        // The clock jumps in mid-run, and then is wrong through a whole one, so that the root stage works by it too.
        world.database_link.set(SLOW);
        let before = world.stored_batches();
        let run_id = world.messenger.request_run(1);
        observe::assert_alive_while(&workers, || {
            for (number, seconds) in (1..).zip(JUMPS) {
                world.wait_for_stored_batches(before + 40 * number);
                clock.set(seconds);
            }
        });
        assert_eq!(
            world.number("SELECT COUNT(*) FROM sluice_run WHERE state = 'running'"),
            1,
            "the jumps came too late"
        );
        world.database_link.set(Fault::None);
        assert_sound(&world, &run_id);
        for seconds in [3_600, -3_600] {
            clock.set(seconds);
            let run_id = world.messenger.request_run(20);
            assert_sound(&world, &run_id);
            // Otherwise the clock was right, and nothing was shown.
            let wrong = format!(
                "SELECT COUNT(*) FROM {table} WHERE run_id = '{run_id}' AND ABS({column} / 1000 - UNIX_TIMESTAMP()) > 3000"
            );
            assert!(world.number(&wrong) > 0, "no `{column}` is wrong");
        }
        println!("{jumping}: whole");
        workers.into_iter().for_each(|worker| drop(worker.stop().expect_code(0)));
    }
}

/// The run is whole, and nothing that is told of it took less than no time.
fn assert_sound(world: &World, run_id: &str) {
    world.wait_for_state(run_id, "activated");
    checker::assert_whole(world, run_id);
    let told: Vec<Activated> = world.messenger.records();
    assert!(told.iter().all(|activated| activated.duration_ms >= 0), "{told:?}");
    for command in [["run", "show", run_id], ["run", "ls", "-o=json"]] {
        let told = world.command(&command).expect_code(0).stdout;
        assert!(!told.contains("took -") && !told.contains("_ms\": -"), "{told}");
    }
    assert_eq!(world.messenger.count(DEAD_LETTERS), 0);
}
