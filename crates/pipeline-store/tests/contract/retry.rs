//! Going on with a run that rejects hold.

use pipeline_model::documents::Level;
use pipeline_store::{
    ActivationMode::{PerService, WholeRun},
    BatchState, Outcome, RunState, Tolerance, Waiting,
};

use crate::{
    driver::{Sync, request, sync},
    target::Target,
    world::{Views, World, fault},
};

const BY: (&str, &str) = ("ada@desk", "a test");

on_both! {
    async fn a_larger_tolerance_lets_a_held_run_end(target: &Target) {
        let world = World::new(2, 4, 2, 1);
        let mut run = Sync::open(&target.store, &world, request(WholeRun)).await;
        run.broken.insert("s1/p0".to_owned());
        run.work().await;
        assert!(run.progress().await.held.is_some());

        let one = Tolerance { max_providers: Some(1), max_percent: None };
        assert!(target.store.set_tolerance(run.run.run_id, &one, BY).await.unwrap());
        let open = target.store.activatable().await.unwrap().due();
        assert_eq!(open.len(), 1, "the timer finds it");
        assert!(matches!(target.store.activate(open[0].0, &open[0].1).await.unwrap(), Outcome::Activated(_)));
        assert_eq!(run.progress().await.run.state, RunState::Activated);
        assert!(!target.store.set_tolerance(run.run.run_id, &one, BY).await.unwrap(), "the run is closed");
        assert_eq!(target.store.retry_run(run.run.run_id, BY).await.unwrap(), None, "the run is closed");
        assert_eq!(target.store.audits(9).await.unwrap().len(), 1, "what was not done is not written down");
    }

    async fn a_smaller_tolerance_holds_a_run(target: &Target) {
        let world = World::new(1, 4, 1, 1);
        let wanted = pipeline_store::RunRequest {
            tolerance: Tolerance { max_providers: Some(1), max_percent: None },
            ..request(PerService)
        };
        let mut run = Sync::open(&target.store, &world, wanted).await;
        run.broken.insert("s0/p0".to_owned());
        run.load().await;
        target.store.set_tolerance(run.run.run_id, &Tolerance::default(), BY).await.unwrap();
        let held = run.activate(&"s0".into()).await;
        assert_eq!(held, Outcome::NotYet(Waiting::Rejects { rejected: 1, planned: 4, unreachable: 0 }));
    }

    async fn a_mended_bundle_is_stored_by_a_retry_of_its_batch_alone(target: &Target) {
        let old = World::new(2, 7, 2, 1);
        sync(&target.store, &old, PerService).await;
        let mut world = old.clone();
        for provider in ["p0", "p1", "p6"] {
            world.provider("s0", provider).bundles.remove(0);
        }
        let mut run = Sync::open(&target.store, &world, request(PerService)).await;
        run.broken.insert("s0/p0".to_owned());
        run.work().await;
        assert!(run.progress().await.held.is_some());

        run.broken.clear();
        let retried = target.store.retry_run(run.run.run_id, BY).await.unwrap().unwrap();
        assert_eq!((retried.batches, retried.services.len(), retried.left.len()), (1, 0, 0));
        assert_eq!(target.store.check_invariants().await.unwrap(), []);
        assert_eq!(target.store.unfinished_services(run.run.run_id).await.unwrap(), ["s0".into()]);
        assert_eq!(target.store.unstored_batches(run.run.run_id, &"s0".into()).await.unwrap().len(), 1);
        assert!(matches!(run.activate(&"s0".into()).await, Outcome::NotYet(Waiting::Batches { batches: 1 })));

        run.store_service(&"s0".into()).await;
        run.activate(&"s0".into()).await;
        let progress = run.progress().await;
        assert_eq!((progress.run.state, progress.providers.rejected), (RunState::Activated, 0));
        assert!(target.store.rejects(run.run.run_id, 10).await.unwrap().is_empty());
        assert_eq!(Views::read(target).await, world.views());
        assert_eq!(target.store.check_invariants().await.unwrap(), []);
    }

    async fn a_retry_without_a_mend_is_held_again(target: &Target) {
        let world = World::new(1, 4, 2, 1);
        let mut run = Sync::open(&target.store, &world, request(PerService)).await;
        run.broken.insert("s0/p0".to_owned());
        run.work().await;
        let held = run.progress().await;
        target.store.retry_run(run.run.run_id, BY).await.unwrap().unwrap();
        run.store_service(&"s0".into()).await;
        run.activate(&"s0".into()).await;
        assert_eq!(run.progress().await.held, held.held);
        assert_eq!(target.store.rejects(run.run.run_id, 10).await.unwrap().len(), 1, "forgotten and found again");
    }

    async fn a_mended_provider_is_stored_after_its_service_is_planned_again(target: &Target) {
        let old = World::new(2, 5, 2, 1);
        sync(&target.store, &old, PerService).await;
        let mut world = old.clone();
        world.provider("s1", "p1").name = None;
        world.provider("s1", "p2").bundles.remove(0);
        world.provider("s1", "p3").name = None;
        world.services.get_mut("s1").unwrap().providers.remove("p4");
        let mut run = Sync::open(&target.store, &world, request(PerService)).await;
        run.plan_faults.push(fault(Level::Provider, Some("s1"), Some("p1")));
        run.work().await;
        assert!(run.progress().await.held.is_some());

        run.plan_faults.clear();
        let retried = target.store.retry_run(run.run.run_id, BY).await.unwrap().unwrap();
        assert_eq!((retried.batches, retried.services), (0, vec!["s1".into()]));
        assert_eq!(target.store.unplanned_services(run.run.run_id).await.unwrap(), ["s1".into()]);
        assert_eq!(target.store.check_invariants().await.unwrap(), []);
        run.plan(&"s1".into()).await;
        run.store_service(&"s1".into()).await;
        run.activate(&"s1".into()).await;
        assert_eq!(run.progress().await.run.state, RunState::Activated);
        assert_eq!(Views::read(target).await, world.views());
        assert_eq!(target.store.check_invariants().await.unwrap(), []);
    }

    async fn a_batch_of_a_plan_that_was_set_back_ends_quietly(target: &Target) {
        let world = World::new(1, 7, 2, 1);
        let mut run = Sync::open(&target.store, &world, request(PerService)).await;
        run.plan_faults.push(fault(Level::Provider, Some("s0"), Some("p1")));
        run.discover().await;
        let service = "s0".into();
        run.plan(&service).await;
        let old = run.batches(&service).await;
        run.store_service(&service).await;
        target.store.retry_run(run.run.run_id, BY).await.unwrap().unwrap();

        // In the gap: there is no plan.
        for (key, subtrees) in &old {
            assert_eq!(target.store.batch_state(key).await.unwrap(), BatchState::Closed);
            assert!(target.store.store_batch(key, subtrees.clone()).await.unwrap().is_none());
        }
        // A plan with other providers in its batches, and one batch less: the first and the last provider are gone.
        let mut smaller = world.clone();
        for provider in ["p0", "p1", "p6"] {
            smaller.services.get_mut("s0").unwrap().providers.remove(provider);
        }
        let run = Sync { world: &smaller, plan_faults: Vec::new(), ..run };
        run.plan(&service).await;
        for (key, subtrees) in old {
            assert!(target.store.store_batch(&key, subtrees).await.unwrap().is_none(), "{key:?}");
        }
        run.store_service(&service).await;
        run.activate(&service).await;
        assert_eq!(run.progress().await.run.state, RunState::Activated);
        assert_eq!(Views::read(target).await, smaller.views());
        assert_eq!(target.store.check_invariants().await.unwrap(), []);
    }

    async fn what_only_a_new_run_can_read_is_left_and_said(target: &Target) {
        let world = World::new(2, 3, 1, 1);
        let mut run = Sync::open(&target.store, &world, request(PerService)).await;
        run.root_faults.push(fault(Level::Provider, Some("s0"), None));
        run.work().await;
        let retried = target.store.retry_run(run.run.run_id, BY).await.unwrap().unwrap();
        assert_eq!(retried.left, ["s0".into()]);
        assert!(run.progress().await.held.is_some());
    }

    async fn an_abort_after_a_retry_leaves_no_row(target: &Target) {
        let world = World::new(1, 4, 2, 1);
        let mut run = Sync::open(&target.store, &world, request(PerService)).await;
        run.broken.insert("s0/p0".to_owned());
        run.work().await;
        target.store.retry_run(run.run.run_id, BY).await.unwrap().unwrap();
        target.store.abort_run(run.run.run_id, "enough").await.unwrap().unwrap();
        for table in ["sluice_provider_version", "sluice_provider_content", "sluice_content_bundle", "sluice_content_field"] {
            assert_eq!(target.count(table).await, 0, "{table}");
        }
        assert_eq!(target.store.check_invariants().await.unwrap(), []);
    }
}
