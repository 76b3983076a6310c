//! A worker dies at an exact step.

use chaos::{
    checker, fail_points,
    world::{Plan, RUN_DEADLINE, World},
};
use testkit::process::Process;

const SOURCE: &str = "generator:?services=40&providers=400&bundles=2&fields=2&seed=11";

/// What has just been done when a worker dies: a message was taken; its effect is in the target; what follows is with
/// the brokers and the offset is not committed.
const STEPS: [&str; 3] = ["after-poll", "after-handle", "after-emit"];

/// Stage, the deployable, and how many messages get past the fail point before one does not.
const STAGES: [(&str, &str, u8); 4] = [
    ("root", "stage-root", 0),
    ("providers", "stage-providers", 1),
    ("bundles", "stage-bundles", 3),
    ("activator", "stage-activator", 2),
];

/// More requests than partitions, so that every root worker gets one. One of them opens a run.
const REQUESTS: usize = 12;

#[test]
fn workers_that_die_at_each_step_of_each_stage_lose_nothing_and_double_nothing() {
    let world = World::start(Plan::of(SOURCE));
    let mut doomed: Vec<Vec<(String, Process)>> = STAGES.iter().map(|stage| doomed_workers(&world, *stage)).collect();
    for (_, worker) in doomed.iter_mut().flatten() {
        worker.wait_ready();
    }
    let requests: Vec<String> = (0..REQUESTS).map(|_| world.messenger.request_run(2)).collect();

    // The survivors of each death inherit its message, so that every worker of a stage comes to its step. Only then
    // comes one that lives.
    let mut living = Vec::new();
    for ((_, deployable, _), workers) in STAGES.iter().zip(doomed) {
        for (fail_point, worker) in workers {
            let ended = worker.wait(RUN_DEADLINE);
            assert!(ended.stderr.contains(&format!("fail point {fail_point}")), "{fail_point}: {}", ended.stderr);
        }
        living.push(world.worker(deployable));
    }

    for run_id in activated_runs(&world, &requests) {
        checker::assert_whole(&world, &run_id);
    }
    living.into_iter().for_each(|worker| drop(worker.stop().expect_code(0)));
}

/// One worker for each step, with the name of the place where it dies.
fn doomed_workers(world: &World, (stage, deployable, passed): (&str, &str, u8)) -> Vec<(String, Process)> {
    let worker = |step: &&str| {
        let place = format!("{stage}::{step}");
        let process = world.failing_worker(deployable, &format!("{place}={passed}*off->return"));
        (place, process)
    };
    assert!(fail_points::STAGES.contains(&deployable));
    STEPS.iter().map(worker).collect()
}

/// Waits until every request is answered; those that came while a run was open are refused, the others activated.
fn activated_runs(world: &World, requests: &[String]) -> Vec<String> {
    let mut session = world.database.session();
    let ended = "SELECT COUNT(*) FROM sync_run WHERE state IN ('activated', 'refused')";
    testkit::wait::until_blocking("every request is answered", RUN_DEADLINE, || {
        usize::try_from(session.number(ended)).is_ok_and(|count| count == requests.len()).then_some(())
    });
    let rows = session.rows("SELECT run_id FROM sync_run WHERE state = 'activated'");
    let activated: Vec<String> = rows.into_iter().flatten().collect();
    assert!(!activated.is_empty());
    activated
}
