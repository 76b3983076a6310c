//! Broken documents: what they hold, and what they do not.

use pipeline_model::documents::Level;
use pipeline_store::{
    ActivationMode::{PerService, WholeRun},
    Outcome, RunState, Tolerance, Waiting,
};

use crate::{
    driver::{Sync, request, sync},
    target::Target,
    world::{Views, World, fault},
};

on_both! {
    async fn a_rejected_provider_keeps_its_last_good_content(target: &Target) {
        let mut world = World::new(1, 4, 2, 1);
        sync(&target.store, &world, PerService).await;
        let mut expected = world.clone();
        world.provider("s0", "p0").bundles.clear();
        world.provider("s0", "p1").bundles.clear();
        expected.provider("s0", "p0").bundles.clear();
        let newcomer = world.provider("s0", "p2").clone();
        world.services.get_mut("s0").unwrap().providers.insert("new".to_owned(), newcomer);

        let mut tolerant = request(PerService);
        tolerant.tolerance = Tolerance { max_providers: Some(2), max_percent: None };
        let mut run = Sync::open(&target.store, &world, tolerant).await;
        run.broken = ["s0/p1".to_owned(), "s0/new".to_owned()].into();
        run.work().await;
        let progress = run.progress().await;
        assert_eq!(progress.run.state, RunState::Activated);
        assert_eq!(progress.providers.rejected, 2);
        // The newcomer has no good content yet and stays out.
        assert_eq!(Views::read(target).await, expected.views());
        let counts = target.store.counts().await.unwrap();
        assert_eq!((progress.bundles, progress.subscription_fields), (counts.bundles, counts.subscription_fields));
        let rejects = target.store.rejects(run.run.run_id, 10).await.unwrap();
        assert_eq!(rejects.len(), 2);
        assert_eq!(rejects[0].place, "test.jsonl:1");
    }

    async fn a_provider_that_was_gone_has_no_last_good_content(target: &Target) {
        let full = World::new(1, 2, 2, 1);
        let mut less = full.clone();
        less.services.get_mut("s0").unwrap().providers.remove("p1");
        sync(&target.store, &full, PerService).await;
        sync(&target.store, &less, PerService).await;
        let mut tolerant = request(PerService);
        tolerant.tolerance = Tolerance { max_providers: Some(1), max_percent: None };
        let mut run = Sync::open(&target.store, &full, tolerant).await;
        run.broken = ["s0/p1".to_owned()].into();
        run.work().await;
        assert_eq!(run.progress().await.run.state, RunState::Activated);
        assert_eq!(Views::read(target).await, less.views());
    }

    async fn a_provider_whose_own_document_is_broken_counts_as_seen(target: &Target) {
        let mut world = World::new(1, 3, 2, 1);
        sync(&target.store, &world, PerService).await;
        let expected = world.clone();
        world.services.get_mut("s0").unwrap().providers.remove("p1");
        let mut tolerant = request(PerService);
        tolerant.tolerance = Tolerance { max_providers: Some(1), max_percent: None };
        let mut run = Sync::open(&target.store, &world, tolerant).await;
        run.plan_faults = vec![fault(Level::Provider, Some("s0"), Some("p1"))];
        run.work().await;
        let progress = run.progress().await;
        assert_eq!(progress.run.state, RunState::Activated);
        assert_eq!((progress.providers.planned, progress.providers.rejected), (3, 1));
        assert_eq!(progress.bundles, 6);
        assert_eq!(Views::read(target).await, expected.views());
    }

    async fn a_nameless_broken_document_removes_nobody(target: &Target) {
        let mut world = World::new(2, 3, 1, 1);
        sync(&target.store, &world, PerService).await;
        let expected = world.clone();
        world.services.get_mut("s0").unwrap().providers.remove("p1");
        world.services.remove("s1");
        let mut tolerant = request(PerService);
        tolerant.tolerance = Tolerance { max_providers: Some(5), max_percent: None };
        let mut run = Sync::open(&target.store, &world, tolerant).await;
        run.root_faults = vec![fault(Level::Service, None, None), fault(Level::Provider, None, None)];
        run.work().await;
        let progress = run.progress().await;
        assert_eq!(progress.run.state, RunState::Activated);
        assert_eq!((progress.services.removed, progress.services.activated), (0, 1));
        assert_eq!(Views::read(target).await, expected.views());
    }

    async fn a_broken_service_keeps_what_it_had(target: &Target) {
        let mut world = World::new(3, 2, 1, 1);
        sync(&target.store, &world, PerService).await;
        let mut expected = world.clone();
        world.services.remove("s1");
        world.services.remove("s2");
        world.provider("s0", "p0").bundles.clear();
        expected.services.remove("s2");
        expected.provider("s0", "p0").bundles.clear();
        let mut run = Sync::open(&target.store, &world, request(PerService)).await;
        run.root_faults = vec![fault(Level::Service, Some("s1"), None)];
        run.work().await;
        assert_eq!(run.progress().await.run.state, RunState::Activated);
        assert_eq!(Views::read(target).await, expected.views());
    }

    async fn without_tolerance_rejects_hold_their_service_and_no_other(target: &Target) {
        let world = World::new(2, 3, 1, 1);
        let mut run = Sync::open(&target.store, &world, request(PerService)).await;
        run.broken = ["s0/p1".to_owned()].into();
        run.load().await;
        assert_eq!(run.progress().await.held, None);
        let held = run.activate(&"s0".into()).await;
        assert_eq!(held, Outcome::NotYet(Waiting::Rejects { rejected: 1, planned: 6, unreachable: 0 }));
        assert!(matches!(run.activate(&"s1".into()).await, Outcome::Activated(_)));
        let progress = run.progress().await;
        assert_eq!(progress.run.state, RunState::Running);
        assert!(progress.held.is_some_and(|reason| reason.contains("1 of 6 providers are rejected")));
        assert_eq!(target.count("provider_services").await, 1);
    }

    async fn without_tolerance_rejects_hold_a_whole_run(target: &Target) {
        let world = World::new(2, 3, 1, 1);
        let mut run = Sync::open(&target.store, &world, request(WholeRun)).await;
        run.broken = ["s0/p1".to_owned()].into();
        run.load().await;
        assert!(matches!(run.activate(&"s1".into()).await, Outcome::NotYet(Waiting::Rejects { .. })));
        assert!(run.progress().await.held.is_some());
        assert_eq!(target.count("provider_services").await, 0);
    }

    async fn a_tolerated_share_is_activated_whole(target: &Target) {
        let world = World::new(1, 10, 1, 1);
        let mut tolerant = request(WholeRun);
        tolerant.tolerance = Tolerance { max_providers: None, max_percent: Some(10.0) };
        let mut run = Sync::open(&target.store, &world, tolerant).await;
        run.broken = ["s0/p1".to_owned()].into();
        run.work().await;
        assert_eq!(run.progress().await.run.state, RunState::Activated);
        assert_eq!(target.count("providers").await, 9);
    }

    async fn a_bundle_fault_found_by_root_rejects_its_provider(target: &Target) {
        let mut world = World::new(1, 3, 2, 1);
        sync(&target.store, &world, PerService).await;
        let expected = world.clone();
        world.provider("s0", "p2").bundles.clear();
        let mut tolerant = request(PerService);
        tolerant.tolerance = Tolerance { max_providers: Some(3), max_percent: None };
        let mut run = Sync::open(&target.store, &world, tolerant).await;
        run.root_faults =
            vec![fault(Level::Bundle, Some("s0"), Some("p2")), fault(Level::Bundle, None, Some("nobody"))];
        run.work().await;
        let progress = run.progress().await;
        assert_eq!((progress.run.state, progress.providers.rejected), (RunState::Activated, 1));
        assert_eq!(Views::read(target).await, expected.views());
    }

    async fn a_second_document_with_the_same_id_rejects_the_provider(target: &Target) {
        let world = World::new(1, 2, 1, 1);
        let run = Sync::open(&target.store, &world, request(PerService)).await;
        run.discover().await;
        let service = "s0".into();
        let begin = target.store.begin_plan(run.run.run_id, run.generation(), &service).await.unwrap();
        let pipeline_store::Begin::Work(mut plan) = begin else { panic!("no plan") };
        let documents = world.provider_documents("s0");
        plan.put(&documents, &[]).await.unwrap();
        plan.put(&documents[..1], &[]).await.unwrap();
        assert_eq!(plan.finish().await.unwrap().providers, 2);
        run.store_service(&service).await;
        let progress = run.progress().await;
        assert_eq!((progress.providers.stored, progress.providers.rejected), (1, 1));
        assert!(matches!(run.activate(&service).await, Outcome::NotYet(Waiting::Rejects { .. })));
    }

    async fn a_provider_that_goes_between_plan_and_reading_is_skipped(target: &Target) {
        let world = World::new(1, 3, 1, 1);
        let mut run = Sync::open(&target.store, &world, request(PerService)).await;
        run.gone = ["s0/p1".to_owned()].into();
        run.work().await;
        let progress = run.progress().await;
        assert_eq!(progress.run.state, RunState::Activated);
        assert_eq!((progress.providers.stored, progress.providers.skipped), (2, 1));
        assert_eq!(target.count("providers").await, 2);
    }
}
