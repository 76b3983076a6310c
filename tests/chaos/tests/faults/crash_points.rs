//! A worker dies at an exact step.

use chaos::{
    checker,
    world::{Plan, RUN_DEADLINE, World},
};
use testkit::process::Process;

const SOURCE: &str = "generator:?services=40&providers=400&bundles=2&fields=2&seed=11";

/// What has just been done when a worker dies: a message was taken; its effect is in the target; what follows is with
/// the brokers and the offset is not committed.
const STEPS: [&str; 3] = ["after-poll", "after-handle", "after-emit"];

/// A stage whose workers die.
pub(super) struct Doomed {
    pub(super) stage: &'static str,
    pub(super) deployable: &'static str,
    /// What its transaction does: a worker dies when everything is written and nothing committed.
    pub(super) transaction: &'static str,
    /// How many messages get past the fail point before one does not.
    pub(super) passed: u8,
}

/// The discovery is committed once in a run, so that its worker has to come first and alone.
const ROOT: Doomed =
    Doomed { stage: "root", deployable: "stage-root", transaction: "discover services of run", passed: 0 };
const OTHERS: [Doomed; 3] = [
    Doomed { stage: "providers", deployable: "stage-providers", transaction: "plan service", passed: 1 },
    Doomed { stage: "bundles", deployable: "stage-bundles", transaction: "store batch", passed: 3 },
    Doomed { stage: "activator", deployable: "stage-activator", transaction: "activate service", passed: 2 },
];

/// More requests than partitions, so that every root worker gets one. One of them opens a run.
const REQUESTS: usize = 12;

#[test]
fn workers_that_die_at_each_step_of_each_stage_lose_nothing_and_double_nothing() {
    let world = World::start(Plan::of(SOURCE));
    let mut first = ROOT.in_transaction(&world);
    let mut doomed: Vec<(&str, Vec<Victim>)> =
        OTHERS.iter().map(|stage| (stage.deployable, stage.all(&world))).collect();
    first.worker.wait_ready();
    doomed.iter_mut().flat_map(|(_, victims)| victims).for_each(|victim| victim.worker.wait_ready());
    let requests: Vec<String> = (0..REQUESTS).map(|_| world.messenger.request_run(2)).collect();
    first.assert_dies();
    doomed.insert(0, (ROOT.deployable, ROOT.between_transactions(&world)));

    // The survivors of each death inherit its message, so that every worker of a stage comes to its step. Only then
    // comes one that lives.
    let mut living = Vec::new();
    for (deployable, victims) in doomed {
        victims.into_iter().for_each(Victim::assert_dies);
        living.push(world.worker(deployable));
    }

    for run_id in activated_runs(&world, &requests) {
        checker::assert_whole(&world, &run_id);
    }
    living.into_iter().for_each(|worker| drop(worker.stop().expect_code(0)));
}

/// A worker, and the place where it dies.
pub(super) struct Victim {
    place: String,
    pub(super) worker: Process,
}

// === impl Doomed ===

impl Doomed {
    /// One worker for each step.
    pub(super) fn all(&self, world: &World) -> Vec<Victim> {
        let mut victims = self.between_transactions(world);
        victims.push(self.in_transaction(world));
        victims
    }

    fn between_transactions(&self, world: &World) -> Vec<Victim> {
        STEPS.iter().map(|step| self.victim(world, format!("{}::{step}", self.stage))).collect()
    }

    fn in_transaction(&self, world: &World) -> Victim {
        self.victim(world, format!("before-commit::{}", self.transaction))
    }

    fn victim(&self, world: &World, place: String) -> Victim {
        let worker = world.failing_worker(self.deployable, &format!("{place}={}*off->return", self.passed));
        Victim { place, worker }
    }
}

// === impl Victim ===

impl Victim {
    pub(super) fn assert_dies(self) {
        let Self { place, worker } = self;
        let ended = worker.wait(RUN_DEADLINE);
        assert!(ended.stderr.contains(&format!("fail point {place}")), "{place}: {}", ended.stderr);
    }
}

/// Waits until every request is answered; those that came while a run was open are refused, the others activated.
fn activated_runs(world: &World, requests: &[String]) -> Vec<String> {
    let mut session = world.database.session();
    let ended = "SELECT COUNT(*) FROM sluice_run WHERE state IN ('activated', 'refused')";
    testkit::wait::until_blocking("every request is answered", RUN_DEADLINE, || {
        usize::try_from(session.number(ended)).is_ok_and(|count| count == requests.len()).then_some(())
    });
    let rows = session.rows("SELECT run_id FROM sluice_run WHERE state = 'activated'");
    let activated: Vec<String> = rows.into_iter().flatten().collect();
    assert!(!activated.is_empty());
    activated
}
