//! What a run may take away by itself, and what a person has to accept.

use pipeline_model::ids::ServiceId;
use pipeline_settings::settings::MaxRemoved;
use pipeline_store::{
    Acceptance,
    ActivationMode::{self, PerService, WholeRun},
    Counts, Outcome, RunRequest, RunState, Tolerance, Waiting,
};

use crate::{
    driver::{Sync, request, sync},
    target::Target,
    world::{Views, World, new_bundle},
};

fn guarded(mode: ActivationMode) -> RunRequest {
    RunRequest { max_removed: Some(MaxRemoved::default()), ..request(mode) }
}

fn counts(services: i64, providers: i64, bundles: i64, subscription_fields: i64) -> Counts {
    Counts { services, providers, bundles, subscription_fields }
}

/// A run over this world, with everything stored and every service tried twice, as confirmations and the timer do.
async fn worked<'t>(target: &'t Target, world: &'t World, mode: ActivationMode) -> Sync<'t> {
    let sync = Sync::open(&target.store, world, guarded(mode)).await;
    sync.work().await;
    sync.work_of_timer().await;
    sync
}

async fn held(target: &Target, world: &World, mode: ActivationMode, removed: Counts) {
    let before = Views::read(target).await;
    let sync = worked(target, world, mode).await;
    assert_eq!(Views::read(target).await, before, "nothing is gone");
    let progress = sync.progress().await;
    assert_eq!(progress.run.state, RunState::Running);
    assert_eq!(progress.removed, removed);
    assert!(progress.exceeded.is_some());
    let reason = progress.held.unwrap();
    assert!(reason.contains("accept-removals"), "{reason}");
    assert_eq!(target.store.check_invariants().await.unwrap(), []);

    // An abort leaves all as it was.
    target.store.abort_run(sync.run.run_id, "test").await.unwrap();
    assert_eq!(Views::read(target).await, before);
    assert_eq!(target.store.check_invariants().await.unwrap(), []);

    // Accepted, it goes on, and the counts are in the audit.
    let sync = worked(target, world, mode).await;
    // What was shown, and nothing else.
    let shown = target.store.removals(sync.run.run_id).await.unwrap();
    let accept = |shown| target.store.accept_removals(sync.run.run_id, Some(shown), ("ada", "a test"));
    assert_eq!(accept(&shown[1..]).await.unwrap(), Acceptance::Changed);
    assert_eq!(target.store.removals(sync.run.run_id).await.unwrap(), shown);
    let Acceptance::Done(accepted) = accept(&shown).await.unwrap() else { panic!("not accepted") };
    assert_eq!(accepted.rows, removed);
    sync.work_of_timer().await;
    assert_eq!(sync.progress().await.run.state, RunState::Activated);
    assert_eq!(Views::read(target).await, world.views());
    assert_eq!(target.store.audits(1).await.unwrap()[0].what, "run accept-removals");
    assert_eq!(target.store.check_invariants().await.unwrap(), []);
}

/// Removes every provider of a service but so many.
fn cut(world: &mut World, service: &str, left: usize) {
    let providers = &mut world.services.get_mut(service).unwrap().providers;
    while providers.len() > left {
        providers.pop_last();
    }
}

fn without_bundles(world: &mut World) {
    for service in world.services.values_mut() {
        service.providers.values_mut().for_each(|provider| provider.bundles.clear());
    }
}

fn without_fields(world: &mut World) {
    for service in world.services.values_mut() {
        for provider in service.providers.values_mut() {
            provider.bundles.iter_mut().for_each(|bundle| bundle.fields.clear());
        }
    }
}

on_both! {
    async fn a_run_without_any_bundle_is_held_in_either_mode(target: &Target) {
        let mut world = World::new(2, 3, 2, 2);
        sync(&target.store, &world, PerService).await;
        without_bundles(&mut world);
        held(target, &world, PerService, counts(0, 0, 12, 24)).await;
        let full = World::new(2, 3, 2, 2);
        sync(&target.store, &full, PerService).await;
        held(target, &world, WholeRun, counts(0, 0, 12, 24)).await;
    }

    async fn a_run_without_any_field_is_held(target: &Target) {
        let mut world = World::new(2, 3, 2, 2);
        sync(&target.store, &world, PerService).await;
        without_fields(&mut world);
        held(target, &world, PerService, counts(0, 0, 0, 24)).await;
    }

    async fn a_service_that_loses_most_providers_is_held_and_the_others_are_not(target: &Target) {
        let mut world = World::new(2, 40, 1, 1);
        sync(&target.store, &world, PerService).await;
        cut(&mut world, "s0", 2);
        world.provider("s1", "p1").bundles[0].name = Some("new".into());
        let sync = worked(target, &world, PerService).await;
        let progress = sync.progress().await;
        assert_eq!((progress.services.activated, progress.removed), (1, counts(0, 38, 38, 38)));
        let exceeded = progress.exceeded.unwrap();
        assert_eq!(exceeded.service_id, None, "it is most of the run, too: {exceeded:?}");
        assert_eq!(target.count("providers WHERE service_id = 's0'").await, 40);
        assert_eq!(target.count("bundles WHERE name = 'new'").await, 1);
        let held = sync.activate(&"s0".into()).await;
        let Outcome::NotYet(Waiting::Removals(exceeded)) = held else { panic!("{held:?}") };
        assert_eq!(exceeded.service_id, Some(ServiceId::from("s0")));
        assert_eq!((exceeded.removed, exceeded.visible, exceeded.allowed), (38, 40, 10));
    }

    async fn most_services_gone_are_held_although_each_is_small(target: &Target) {
        let mut world = World::new(20, 1, 1, 1);
        sync(&target.store, &world, PerService).await;
        while world.services.len() > 1 {
            world.services.pop_last();
        }
        held(target, &world, PerService, counts(19, 19, 19, 19)).await;
    }

    async fn a_single_service_of_a_scope_is_not_removed_without_a_word(target: &Target) {
        let mut world = World::new(2, 2, 1, 1);
        sync(&target.store, &world, PerService).await;
        let before = Views::read(target).await;
        world.services.remove("s0");
        let wanted = RunRequest { scope: vec!["s0".into()], ..guarded(PerService) };
        let sync = Sync::open(&target.store, &world, wanted).await;
        sync.work().await;
        sync.work_of_timer().await;
        assert!(sync.progress().await.exceeded.is_some());
        assert_eq!(Views::read(target).await, before);
    }

    async fn ordinary_change_is_not_held_and_its_removals_are_counted(target: &Target) {
        let mut world = World::new(3, 4, 3, 2);
        sync(&target.store, &world, PerService).await;
        cut(&mut world, "s0", 3);
        world.services.remove("s2");
        world.provider("s1", "p0").bundles.remove(0);
        world.provider("s1", "p1").bundles[0].fields.remove(0);
        // One in the place of another is one that is gone.
        world.provider("s1", "p2").bundles[2] = new_bundle("other", 2);
        let sync = worked(target, &world, PerService).await;
        let progress = sync.progress().await;
        assert_eq!(progress.run.state, RunState::Activated, "{:?}", progress.held);
        assert_eq!(progress.removed, counts(1, 5, 15 + 2, 30 + 2 + 1 + 2));
        assert_eq!(Views::read(target).await, world.views());
    }

    async fn a_first_run_and_one_that_adds_are_not_held(target: &Target) {
        for size in [1, 30] {
            let world = World::new(1, size, 2, 1);
            let sync = worked(target, &world, PerService).await;
            let progress = sync.progress().await;
            assert_eq!((progress.run.state, progress.removed), (RunState::Activated, Counts::default()));
        }
    }

    async fn after_a_rollback_a_run_is_held_to_what_readers_see(target: &Target) {
        let full = World::new(1, 30, 2, 1);
        sync(&target.store, &full, PerService).await;
        let mut poor = full.clone();
        cut(&mut poor, "s0", 3);
        poor.provider("s0", "p0").bundles.clear();
        sync(&target.store, &poor, PerService).await;
        let plan = target.store.plan_rollback(&[]).await.unwrap();
        target.store.roll_back(&plan, "ada", "too little").await.unwrap();
        assert_eq!(Views::read(target).await, full.views());
        held(target, &poor, PerService, counts(0, 27, 56, 56)).await;
    }

    async fn what_is_taken_away_later_is_not_accepted_yet(target: &Target) {
        let full = World::new(2, 40, 1, 1);
        sync(&target.store, &full, PerService).await;
        let mut less = full.clone();
        cut(&mut less, "s0", 2);
        cut(&mut less, "s1", 2);
        let sync = Sync::open(&target.store, &less, guarded(PerService)).await;
        sync.discover().await;
        let first: ServiceId = "s0".into();
        sync.plan(&first).await;
        sync.store_service(&first).await;
        let accepted = target.store.accept_removals(sync.run.run_id, None, ("ada", "a test")).await.unwrap();
        assert!(matches!(accepted, Acceptance::Done(_)), "{accepted:?}");
        assert!(matches!(sync.activate(&first).await, Outcome::Activated(_)));
        let second: ServiceId = "s1".into();
        sync.plan(&second).await;
        sync.store_service(&second).await;
        sync.work_of_timer().await;
        let progress = sync.progress().await;
        assert_eq!((progress.services.activated, progress.exceeded.is_some()), (1, true));
        assert_eq!(target.count("providers WHERE service_id = 's1'").await, 40);
    }

    async fn what_an_earlier_try_of_the_run_took_away_counts_although_its_provider_is_kept(target: &Target) {
        let full = World::new(1, 4, 30, 1);
        sync(&target.store, &full, PerService).await;
        let (mut first, mut second) = (full.clone(), full.clone());
        first.provider("s0", "p0").bundles.clear();
        second.provider("s0", "p1").bundles.clear();
        let tolerance = Tolerance { max_providers: Some(1), max_percent: None };
        let mut run = Sync::open(&target.store, &first, RunRequest { tolerance, ..guarded(PerService) }).await;
        run.broken.insert("s0/p1".to_owned());
        run.load().await;
        assert_eq!(run.progress().await.removed, counts(0, 0, 30, 30));

        // `p0` is broken now, and keeps what the first try has left of it.
        target.store.retry_run(run.run.run_id, ("ada", "a test")).await.unwrap().unwrap();
        let run = Sync { world: &second, broken: ["s0/p0".to_owned()].into(), ..run };
        run.store_service(&"s0".into()).await;
        assert_eq!(run.progress().await.removed, counts(0, 0, 60, 60));
        let Outcome::NotYet(Waiting::Removals(exceeded)) = run.activate(&"s0".into()).await else { panic!("it goes") };
        assert_eq!((exceeded.removed, exceeded.visible, exceeded.allowed), (60, 120, 50));
        assert_eq!(Views::read(target).await, full.views());
    }

    async fn a_service_that_loses_little_waits_until_it_is_known_how_much_goes_in_all(target: &Target) {
        let full = World::new(2, 3, 1, 1);
        sync(&target.store, &full, PerService).await;
        let mut less = full.clone();
        cut(&mut less, "s0", 2);
        let sync = Sync::open(&target.store, &less, guarded(PerService)).await;
        sync.discover().await;
        let (first, second): (ServiceId, ServiceId) = ("s0".into(), "s1".into());
        sync.plan(&first).await;
        sync.store_service(&first).await;
        assert_eq!(sync.activate(&first).await, Outcome::NotYet(Waiting::Rest), "`s1` is not planned");
        sync.plan(&second).await;
        assert_eq!(sync.activate(&first).await, Outcome::NotYet(Waiting::Rest), "`s1` is not stored");
        assert_eq!(sync.progress().await.held, None, "it moves");
        sync.store_service(&second).await;
        sync.work_of_timer().await;
        assert_eq!(sync.progress().await.run.state, RunState::Activated);
        assert_eq!(Views::read(target).await, less.views());
    }

    async fn a_hold_is_written_down_once(target: &Target) {
        let mut world = World::new(1, 20, 1, 1);
        sync(&target.store, &world, PerService).await;
        cut(&mut world, "s0", 1);
        let sync = worked(target, &world, PerService).await;
        let found = target.store.activatable().await.unwrap();
        let exceeded = found.hold.unwrap().exceeded.unwrap();
        assert!(target.store.note_hold(sync.run.run_id, &exceeded).await.unwrap());
        assert!(!target.store.note_hold(sync.run.run_id, &exceeded).await.unwrap());
        let audits = target.store.audits(10).await.unwrap();
        assert_eq!(audits.len(), 1);
        assert_eq!((audits[0].who.as_str(), audits[0].what.as_str()), ("sluice", "run held"));
        assert!(sync.progress().await.run.held_at_ms.is_some());
        let accept = || target.store.accept_removals(sync.run.run_id, None, ("ada", "fine"));
        assert!(matches!(accept().await.unwrap(), Acceptance::Done(_)));
        target.store.abort_run(sync.run.run_id, "test").await.unwrap();
        assert_eq!(accept().await.unwrap(), Acceptance::NotOpen);
    }

    async fn a_run_without_a_bound_removes_what_is_gone(target: &Target) {
        let mut world = World::new(2, 20, 1, 1);
        sync(&target.store, &world, PerService).await;
        without_bundles(&mut world);
        cut(&mut world, "s0", 1);
        let progress = sync(&target.store, &world, PerService).await;
        assert_eq!(progress.removed, counts(0, 19, 40, 40));
    }
}
