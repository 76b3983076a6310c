//! Documents that no parent asks for: what they hold, and what they protect.

use pipeline_model::documents::{DocumentFault, Level};
use pipeline_store::{
    ActivationMode::{PerService, WholeRun},
    Outcome, RunRequest, RunState, Tolerance, Waiting,
};

use crate::{
    driver::{Sync, request, sync},
    target::Target,
    world::{Views, World, fault},
};

fn tolerant(number: i64) -> RunRequest {
    RunRequest { tolerance: Tolerance { max_providers: Some(number), max_percent: None }, ..request(PerService) }
}

fn field_of(bundle: &str) -> DocumentFault {
    DocumentFault { bundle_id: Some(bundle.to_owned()), ..fault(Level::SubscriptionField, None, None) }
}

/// A run over less than before, with these documents found by the root stage.
async fn worked<'t>(target: &'t Target, world: &'t World, wanted: RunRequest, found: Vec<DocumentFault>) -> Sync<'t> {
    let mut sync = Sync::open(&target.store, world, wanted).await;
    sync.root_faults = found;
    sync.work().await;
    sync.work_of_timer().await;
    sync
}

on_both! {
    async fn a_document_of_nobody_holds_the_run_and_takes_nothing_away(target: &Target) {
        let full = World::new(2, 2, 2, 2);
        sync(&target.store, &full, PerService).await;
        let mut less = full.clone();
        less.provider("s0", "p1").bundles.clear();
        less.provider("s1", "p0").bundles[1].fields.pop();
        for mode in [PerService, WholeRun] {
            let sync = worked(target, &less, request(mode), vec![fault(Level::Bundle, None, None)]).await;
            let progress = sync.progress().await;
            assert_eq!((progress.run.state, progress.services.activated), (RunState::Running, 0));
            assert_eq!((progress.unreachable, progress.providers.rejected), (1, 2));
            let reason = progress.held.unwrap();
            assert!(reason.contains("1 document or owner") && reason.contains("2 of 4 providers"), "{reason}");
            assert_eq!(Views::read(target).await, full.views());
            assert_eq!(target.store.check_invariants().await.unwrap(), []);
            target.store.abort_run(sync.run.run_id, "test").await.unwrap();
        }
        // Tolerated, it is switched, and still nothing is gone.
        let sync = worked(target, &less, tolerant(3), vec![fault(Level::Bundle, None, None)]).await;
        assert_eq!(sync.progress().await.run.state, RunState::Activated);
        assert_eq!(Views::read(target).await, full.views());
        let rejects = target.store.rejects(sync.run.run_id, 10).await.unwrap();
        let withheld: Vec<_> = rejects.iter().filter(|reject| reject.code == "SLUICE-DOCUMENT-010").collect();
        assert_eq!(withheld.len(), 2);
        assert!(withheld[0].reason.contains("lose 2 bundles and 4 subscription fields"), "{}", withheld[0].reason);
        // Mended, the rows go.
        sync_clean(target, &less).await;
    }

    async fn what_loses_nothing_goes_on_beside_a_tolerated_document(target: &Target) {
        let mut world = World::new(1, 3, 2, 1);
        sync(&target.store, &world, PerService).await;
        world.provider("s0", "p1").bundles[0].name = Some("new".into());
        let sync = worked(target, &world, tolerant(1), vec![fault(Level::Bundle, None, None)]).await;
        let progress = sync.progress().await;
        assert_eq!((progress.run.state, progress.providers.rejected), (RunState::Activated, 0));
        assert_eq!(Views::read(target).await, world.views());
    }

    async fn a_bundle_whose_provider_is_missing_keeps_that_provider_and_no_other(target: &Target) {
        let full = World::new(2, 3, 1, 1);
        sync(&target.store, &full, PerService).await;
        let mut less = full.clone();
        less.services.get_mut("s0").unwrap().providers.remove("p1");
        less.services.get_mut("s0").unwrap().providers.remove("p2");
        less.services.get_mut("s1").unwrap().providers.remove("p2");
        let mut expected = full.clone();
        expected.services.get_mut("s0").unwrap().providers.remove("p2");
        expected.services.get_mut("s1").unwrap().providers.remove("p2");
        // Many bundles miss one provider: it counts once, and those that are not listed protect nobody else.
        let orphans = vec![fault(Level::Bundle, None, Some("p1")); 30];
        let sync = worked(target, &less, request(PerService), orphans.clone()).await;
        let rejects = Waiting::Rejects { rejected: 0, planned: 3, unreachable: 1 };
        assert_eq!(sync.activate(&"s0".into()).await, Outcome::NotYet(rejects));
        target.store.abort_run(sync.run.run_id, "test").await.unwrap();
        let sync = worked(target, &less, tolerant(1), orphans).await;
        assert_eq!(sync.progress().await.run.state, RunState::Activated);
        assert_eq!(Views::read(target).await, expected.views());
    }

    async fn a_document_that_names_its_service_holds_that_service_only(target: &Target) {
        let full = World::new(2, 2, 1, 1);
        sync(&target.store, &full, PerService).await;
        let mut less = full.clone();
        less.provider("s0", "p0").bundles.clear();
        less.provider("s1", "p0").bundles.clear();
        let sync = worked(target, &less, request(PerService), vec![fault(Level::Bundle, Some("s0"), None)]).await;
        let progress = sync.progress().await;
        assert_eq!((progress.services.activated, progress.providers.rejected), (1, 1));
        assert_eq!(target.count("bundles WHERE service_id = 's0'").await, 2);
        assert_eq!(target.count("bundles WHERE service_id = 's1'").await, 1);
    }

    async fn a_service_that_its_providers_name_is_not_removed(target: &Target) {
        let full = World::new(3, 2, 1, 1);
        sync(&target.store, &full, PerService).await;
        let mut less = full.clone();
        less.services.remove("s1");
        less.services.remove("s2");
        let mut expected = full.clone();
        expected.services.remove("s2");
        let orphans = vec![fault(Level::Provider, Some("s1"), Some("p0")), fault(Level::Provider, Some("s1"), Some("p1"))];
        let sync = worked(target, &less, tolerant(1), orphans).await;
        let progress = sync.progress().await;
        assert_eq!((progress.run.state, progress.unreachable), (RunState::Activated, 1));
        assert_eq!(Views::read(target).await, expected.views());
    }

    async fn a_bundle_without_its_service_keeps_the_services_that_have_its_provider(target: &Target) {
        let mut full = World::new(2, 1, 1, 1);
        let only = full.provider("s1", "p0").clone();
        full.services.get_mut("s1").unwrap().providers.insert("only".to_owned(), only);
        sync(&target.store, &full, PerService).await;
        let mut less = full.clone();
        less.services.remove("s1");
        let sync = worked(target, &less, tolerant(1), vec![fault(Level::Bundle, None, Some("only"))]).await;
        assert_eq!(sync.progress().await.services.removed, 0);
        assert_eq!(Views::read(target).await, full.views());
    }

    async fn a_field_whose_bundle_is_missing_keeps_that_bundle(target: &Target) {
        let mut full = World::new(1, 2, 2, 1);
        full.provider("s0", "p0").bundles[1].id = "mine".into();
        sync(&target.store, &full, PerService).await;
        let mut less = full.clone();
        less.provider("s0", "p0").bundles.pop();
        less.provider("s0", "p1").bundles.pop();
        let mut expected = full.clone();
        expected.provider("s0", "p1").bundles.pop();
        let sync = worked(target, &less, tolerant(2), vec![field_of("mine")]).await;
        let progress = sync.progress().await;
        assert_eq!((progress.run.state, progress.providers.rejected), (RunState::Activated, 1));
        assert_eq!(Views::read(target).await, expected.views());
        // The whole provider is gone: it is kept by the bundle that it had, and the other is not.
        less.services.get_mut("s0").unwrap().providers.clear();
        let sync = worked(target, &less, tolerant(1), vec![field_of("mine")]).await;
        assert_eq!(sync.progress().await.run.state, RunState::Activated);
        assert_eq!(target.rows("SELECT provider_id FROM providers").await, [[Some("p0".to_owned())]]);
    }

    async fn a_file_of_unreadable_lines_is_counted_whole_and_listed_in_part(target: &Target) {
        let full = World::new(1, 2, 2, 1);
        sync(&target.store, &full, PerService).await;
        let mut less = full.clone();
        less.provider("s0", "p0").bundles.clear();
        less.provider("s0", "p1").bundles.clear();
        let lines = vec![fault(Level::Bundle, None, None); 1_500];
        let sync = worked(target, &less, request(PerService), lines).await;
        let progress = sync.progress().await;
        assert_eq!((progress.unreachable, progress.services.activated), (1_500, 0));
        assert_eq!(Views::read(target).await, full.views());
        let rejects = target.store.rejects(sync.run.run_id, 5_000).await.unwrap();
        assert!(rejects.len() < 1_100, "{}", rejects.len());
        assert!(rejects.iter().any(|reject| reject.place == "500 more documents"));
    }

    async fn a_retry_of_others_forgets_no_document_that_protects(target: &Target) {
        let full = World::new(1, 3, 1, 1);
        sync(&target.store, &full, PerService).await;
        let mut less = full.clone();
        less.services.get_mut("s0").unwrap().providers.remove("p1");
        let mut sync = Sync::open(&target.store, &less, request(PerService)).await;
        sync.root_faults = vec![fault(Level::Bundle, Some("s0"), Some("p1"))];
        sync.plan_faults = vec![fault(Level::Provider, Some("s0"), Some("p2"))];
        sync.left_out.insert("s0/p2".to_owned());
        sync.load().await;
        target.store.retry_run(sync.run.run_id, ("ada", "mended")).await.unwrap().unwrap();
        sync.plan_faults.clear();
        sync.left_out.clear();
        for service in target.store.unplanned_services(sync.run.run_id).await.unwrap() {
            sync.plan(&service).await;
            sync.store_service(&service).await;
        }
        target.store.set_tolerance(sync.run.run_id, &Tolerance { max_providers: Some(2), max_percent: None }, ("ada", "")).await.unwrap();
        sync.work_of_timer().await;
        assert_eq!(sync.progress().await.run.state, RunState::Activated);
        assert_eq!(target.count("providers WHERE provider_id = 'p1'").await, 1);
    }

    async fn an_unknown_name_in_a_scope_ends_the_run_and_takes_nothing_away(target: &Target) {
        let world = World::new(2, 1, 1, 1);
        sync(&target.store, &world, PerService).await;
        let wanted = RunRequest { scope: vec!["s0".into(), "nosuch".into()], ..request(PerService) };
        let run = Sync::open(&target.store, &world, wanted).await;
        let failed = run.discover().await.failed.unwrap();
        assert!(failed.contains("`nosuch`"), "{failed}");
        assert_eq!(run.progress().await.run.state, RunState::Failed);
        assert_eq!(target.store.check_invariants().await.unwrap(), []);
        let progress = sync(&target.store, &world, PerService).await;
        assert_eq!(progress.run.state, RunState::Activated);
    }

    async fn an_empty_source_ends_a_run_over_a_part_too(target: &Target) {
        let world = World::new(2, 1, 1, 1);
        sync(&target.store, &world, PerService).await;
        let empty = World::default();
        let wanted = RunRequest { scope: vec!["s0".into()], ..request(PerService) };
        let run = Sync::open(&target.store, &empty, wanted).await;
        assert!(run.discover().await.failed.unwrap().contains("an empty source does not empty the copy"));
        assert_eq!(Views::read(target).await, world.views());
    }
}

async fn sync_clean(target: &Target, world: &World) {
    sync(&target.store, world, PerService).await;
    assert_eq!(Views::read(target).await, world.views());
}
