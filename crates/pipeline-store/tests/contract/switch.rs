//! What an activator saw before it got the lock is asked again under the lock.
//!
//! Somebody holds the run's row, as a retry does. An activator has seen a proof that closes, and waits for the row. What
//! the holder then sets back must not be switched.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use pipeline_model::documents::Level;
use pipeline_settings::settings::MaxRemoved;
use pipeline_store::{
    ActivationMode::{self, PerService, WholeRun},
    Outcome, RunRequest, RunState, Tolerance, Waiting,
};
use sqlx::{AssertSqlSafe, Connection, Executor, mysql::MySqlConnection};

use crate::{
    driver::{Sync, request, sync},
    target::Target,
    world::{Views, World, fault},
};

/// Activators of this database that wait for the run's row, which takes them no time when nobody holds it.
const WAITING: &str = "information_schema.processlist WHERE db = DATABASE() AND info NOT LIKE '%processlist%' \
     AND (info LIKE '%FROM sluice_run WHERE%LOCK IN SHARE MODE' OR info LIKE '%FROM sluice_run WHERE%FOR UPDATE')";

/// Batch 0 of the service as a retry leaves it.
const BATCH_SET_BACK: &str = "UPDATE sluice_run_batch SET state = 'planned', stored = 0, unchanged = 0, rejected = 0, \
     skipped = 0, stored_at_ms = NULL WHERE service_id = 's0' AND batch_no = 0";
/// The service as a retry leaves it that wants a new plan.
const PLAN_SET_BACK: [&str; 2] = [
    "DELETE FROM sluice_run_batch WHERE service_id = 's0'",
    "UPDATE sluice_run_service SET state = 'discovered', expected_batches = NULL, expected_providers = NULL, \
     rejected_providers = NULL, first_ordinal = NULL, planned_at_ms = NULL, set_back = set_back + 1 \
     WHERE service_id = 's0'",
];

/// Lets an activator look at a proof that closes, changes it while the activator waits for the lock, and gives what the
/// activator came to.
async fn changed_meanwhile(target: &Target, run: &Sync<'_>, changes: &[&'static str]) -> Outcome {
    let mut holder = MySqlConnection::connect(&target.url).await.unwrap();
    holder.execute("START TRANSACTION").await.unwrap();
    holder.execute("SELECT run_id FROM sluice_run WHERE state = 'running' FOR UPDATE").await.unwrap();
    let (store, run_id) = (target.store.clone(), run.run.run_id);
    let activating = tokio::spawn(async move { store.activate(run_id, &"s0".into()).await });
    while target.count(WAITING).await == 0 {
        assert!(!activating.is_finished(), "the activator did not come to the lock");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for change in changes {
        holder.execute(AssertSqlSafe(*change)).await.unwrap();
    }
    holder.execute("COMMIT").await.unwrap();
    activating.await.unwrap().unwrap()
}

/// A run with one tolerated reject in `s0` whose proof closes.
async fn complete<'w>(target: &'w Target, world: &'w World, mode: ActivationMode) -> Sync<'w> {
    let tolerance = Tolerance { max_providers: Some(1), max_percent: None };
    let mut run = Sync::open(&target.store, world, RunRequest { tolerance, ..request(mode) }).await;
    run.broken.insert("s0/p0".to_owned());
    run.load().await;
    run
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_is_set_back_while_an_activator_waits_is_not_switched() {
    for mode in [PerService, WholeRun] {
        let target = Target::mysql().await;
        let world = World::new(2, 4, 1, 1);
        let mut run = complete(&target, &world, mode).await;

        let outcome = changed_meanwhile(&target, &run, &[BATCH_SET_BACK, "DELETE FROM sluice_run_reject"]).await;
        assert_eq!(outcome, Outcome::NotYet(Waiting::Batches { batches: 1 }), "{mode:?}");
        assert_eq!(Views::read(&target).await, Views::default(), "{mode:?}: nothing was switched");
        assert_eq!(run.progress().await.run.state, RunState::Running);

        run.broken.clear();
        run.store_service(&"s0".into()).await;
        for service in run.services().await {
            run.activate(&service).await;
        }
        assert_eq!(run.progress().await.run.state, RunState::Activated, "{mode:?}");
        assert_eq!(Views::read(&target).await, world.views());
        assert_eq!(target.store.check_invariants().await.unwrap(), []);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_is_to_be_planned_again_while_an_activator_waits_is_not_switched() {
    for mode in [PerService, WholeRun] {
        let target = Target::mysql().await;
        let world = World::new(2, 4, 1, 1);
        let run = complete(&target, &world, mode).await;
        let outcome = changed_meanwhile(&target, &run, &PLAN_SET_BACK).await;
        assert_eq!(outcome, Outcome::NotYet(Waiting::Plans { services: 1 }), "{mode:?}");
        assert_eq!(Views::read(&target).await, Views::default(), "{mode:?}: nothing was switched");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tolerance_that_shrinks_while_an_activator_waits_holds_the_switch() {
    for mode in [PerService, WholeRun] {
        let target = Target::mysql().await;
        let world = World::new(2, 4, 1, 1);
        let run = complete(&target, &world, mode).await;
        let outcome = changed_meanwhile(&target, &run, &["UPDATE sluice_run SET max_rejected_providers = 0"]).await;
        assert_eq!(outcome, Outcome::NotYet(Waiting::Rejects { rejected: 1, planned: 8, unreachable: 0 }), "{mode:?}");
        assert_eq!(Views::read(&target).await, Views::default(), "{mode:?}: nothing was switched");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_takes_more_away_when_it_is_stored_again_meanwhile_is_held() {
    for mode in [PerService, WholeRun] {
        let target = Target::mysql().await;
        let world = World::new(1, 4, 30, 1);
        sync(&target.store, &world, PerService).await;
        let guarded = RunRequest { max_removed: Some(MaxRemoved::default()), ..request(mode) };
        let run = Sync::open(&target.store, &world, guarded).await;
        run.load().await;
        let outcome =
            changed_meanwhile(&target, &run, &["UPDATE sluice_run_batch SET removed_bundles = 110 WHERE batch_no = 0"])
                .await;
        let Outcome::NotYet(Waiting::Removals(exceeded)) = outcome else { panic!("{mode:?}: {outcome:?}") };
        assert_eq!((exceeded.removed, exceeded.visible), (110, 120));
    }
}

/// Who reads a service and its batches one after the other finds, sooner or later, a plan without its batches, and takes
/// that for a broken ledger.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_looks_at_a_run_while_plans_are_set_back_sees_one_moment() {
    let target = Target::mysql().await;
    let world = World::new(1, 4, 1, 1);
    let mut run = Sync::open(&target.store, &world, request(PerService)).await;
    run.plan_faults.push(fault(Level::Provider, Some("s0"), Some("p1")));
    run.load().await;
    let looking = AtomicBool::new(true);
    let look = async {
        while looking.load(Ordering::Relaxed) {
            let outcome = target.store.activate(run.run.run_id, &"s0".into()).await.unwrap();
            assert!(matches!(outcome, Outcome::NotYet(_)), "{outcome:?}");
            target.store.activatable().await.unwrap();
        }
    };
    let set_back = async {
        for _ in 0..60 {
            target.store.retry_run(run.run.run_id, ("ada@desk", "a test")).await.unwrap().unwrap();
            run.plan(&"s0".into()).await;
            run.store_service(&"s0".into()).await;
        }
        looking.store(false, Ordering::Relaxed);
    };
    tokio::join!(look, set_back);
}

/// The same for a worker whose message comes again: who reads the service before the batch finds, sooner or later, no
/// batch in a service that was never set back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_looks_at_a_batch_while_its_plan_is_set_back_ends_quietly() {
    let target = Target::mysql().await;
    let looking = AtomicBool::new(true);
    for _ in 0..40 {
        let world = World::new(1, 4, 1, 1);
        let mut run = Sync::open(&target.store, &world, request(PerService)).await;
        run.plan_faults.push(fault(Level::Provider, Some("s0"), Some("p1")));
        run.load().await;
        let (key, _) = run.batches(&"s0".into()).await.swap_remove(0);
        looking.store(true, Ordering::Relaxed);
        let look = async {
            while looking.load(Ordering::Relaxed) {
                target.store.batch_state(&key).await.unwrap();
            }
        };
        let set_back = async {
            target.store.retry_run(run.run.run_id, ("ada@desk", "a test")).await.unwrap().unwrap();
            run.plan(&"s0".into()).await;
            looking.store(false, Ordering::Relaxed);
        };
        tokio::join!(look, set_back);
        target.store.abort_run(run.run.run_id, "seen").await.unwrap();
    }
}
