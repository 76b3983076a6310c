//! Going back, going back again, and going on afterwards.

use pipeline_model::ids::Generation;
use pipeline_store::{
    ActivationMode::{PerService, WholeRun},
    RolledBack, RunState,
};

use crate::{
    driver::{Sync, request, sync},
    target::Target,
    world::{Views, World},
};

on_both! {
    async fn a_rollback_shows_exactly_the_old_views_and_a_second_one_the_new(target: &Target) {
        let old = World::new(3, 4, 2, 2);
        sync(&target.store, &old, WholeRun).await;
        let new = changed(&old);
        sync(&target.store, &new, WholeRun).await;

        let plan = target.store.plan_rollback(&[]).await.unwrap();
        let moves: Vec<_> = plan.iter().map(|each| (each.service_id.as_str(), each.from.0, each.to.0)).collect();
        assert_eq!(moves, [("s0", 2, 1), ("s1", 2, 1), ("s2", 2, 1), ("s3", 2, 0)]);
        let seen: Vec<_> = plan.iter().map(|each| (each.visible, each.visible_after)).collect();
        assert_eq!(seen, [(true, true), (true, true), (false, true), (true, false)]);
        assert_eq!(Views::read(target).await, new.views(), "a plan moves nothing");

        assert_eq!(target.store.roll_back(&plan, "ada@desk", "a test").await.unwrap(), RolledBack::Done);
        assert_eq!(Views::read(target).await, old.views());
        assert_eq!(target.store.check_invariants().await.unwrap(), []);
        let audit = target.store.audits(1).await.unwrap().remove(0);
        assert_eq!((audit.who.as_str(), audit.what.as_str()), ("ada@desk", "generation rollback"));

        let again = target.store.plan_rollback(&[]).await.unwrap();
        assert!(again.iter().zip(&plan).all(|(again, plan)| again.epoch == plan.epoch + 1 && again.to == plan.from));
        assert_eq!(target.store.roll_back(&again, "ada@desk", "a test").await.unwrap(), RolledBack::Done);
        assert_eq!(Views::read(target).await, new.views());
        assert_eq!(target.store.check_invariants().await.unwrap(), []);
    }

    async fn a_run_after_a_rollback_gives_the_right_views(target: &Target) {
        let old = World::new(3, 4, 2, 2);
        sync(&target.store, &old, PerService).await;
        let new = changed(&old);
        sync(&target.store, &new, PerService).await;
        let plan = target.store.plan_rollback(&[]).await.unwrap();
        target.store.roll_back(&plan, "ada@desk", "a test").await.unwrap();

        for world in [&new, &old, &new] {
            let progress = sync(&target.store, world, PerService).await;
            assert_eq!(Views::read(target).await, world.views());
            let first = progress.run.generation == Some(Generation(3));
            assert!(!first || progress.providers.stored == 0, "the open rows are those of the newest run");
            assert_eq!(target.store.check_invariants().await.unwrap(), []);
        }
    }

    async fn going_back_undoes_the_newest_run_and_nothing_older(target: &Target) {
        let first = World::new(3, 2, 1, 1);
        sync(&target.store, &first, WholeRun).await;
        let second = changed(&first);
        sync(&target.store, &second, WholeRun).await;
        let mut third = second.clone();
        third.provider("s1", "p1").name = None;
        let wanted = pipeline_store::RunRequest { scope: vec!["s1".into()], ..request(WholeRun) };
        Sync::open(&target.store, &third, wanted).await.work().await;
        for world in [&second, &third, &second] {
            let plan = target.store.plan_rollback(&[]).await.unwrap();
            assert_eq!(plan.len(), 1, "s1 alone: {plan:?}");
            target.store.roll_back(&plan, "ada@desk", "a test").await.unwrap();
            assert_eq!(Views::read(target).await, world.views());
        }
    }

    async fn only_the_services_that_are_named_go_back(target: &Target) {
        let old = World::new(3, 2, 1, 1);
        sync(&target.store, &old, WholeRun).await;
        let new = changed(&old);
        sync(&target.store, &new, WholeRun).await;
        let plan = target.store.plan_rollback(&["s1".into(), "nobody".into()]).await.unwrap();
        assert_eq!(plan.len(), 1);
        target.store.roll_back(&plan, "ada@desk", "a test").await.unwrap();
        let mut mixed = new.clone();
        mixed.services.insert("s1".to_owned(), old.services["s1"].clone());
        assert_eq!(Views::read(target).await, mixed.views());
    }

    async fn nothing_moves_while_a_run_is_open_or_when_a_pointer_has_moved_since(target: &Target) {
        let old = World::new(2, 2, 1, 1);
        sync(&target.store, &old, WholeRun).await;
        let new = changed(&old);
        sync(&target.store, &new, WholeRun).await;
        let plan = target.store.plan_rollback(&[]).await.unwrap();

        let open = Sync::open(&target.store, &old, request(WholeRun)).await;
        assert_eq!(target.store.roll_back(&plan, "ada@desk", "a test").await.unwrap(), RolledBack::RunOpen(open.run.run_id));
        open.work().await;
        assert_eq!(open.progress().await.run.state, RunState::Activated);
        assert_eq!(target.store.roll_back(&plan, "ada@desk", "a test").await.unwrap(), RolledBack::Moved("s0".into()));
        assert_eq!(Views::read(target).await, old.views());
    }
}

/// A change at each level; s2 goes if there is one, s3 comes.
fn changed(old: &World) -> World {
    let mut new = old.clone();
    if let Some(service) = new.services.remove("s2") {
        new.services.insert("s3".to_owned(), service);
    }
    for service in ["s0", "s1"] {
        new.services.get_mut(service).unwrap().name = None;
        new.services.get_mut(service).unwrap().providers.remove("p0");
        new.provider(service, "p1").bundles.clear();
    }
    new
}
