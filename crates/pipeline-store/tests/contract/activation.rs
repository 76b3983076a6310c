//! The fan-in: exactly once, never early, whoever tries.

use futures::future::join_all;
use pipeline_store::{
    ActivationMode::{self, PerService, WholeRun},
    Outcome, RunRequest, RunState, Waiting,
};

use crate::{
    driver::{Sync, request, sync},
    target::Target,
    world::{Views, World},
};

on_both! {
    async fn waiting_batches_are_counted_to_a_hundred(target: &Target) {
        let world = World::new(1, 102, 1, 1);
        let run = Sync::open(&target.store, &world, RunRequest { batch_size: 1, ..request(PerService) }).await;
        run.discover().await;
        run.plan(&"s0".into()).await;
        assert_eq!(run.batches(&"s0".into()).await.len(), 102);
        assert_eq!(run.activate(&"s0".into()).await, Outcome::NotYet(Waiting::Batches { batches: 100 }));
    }

    async fn nothing_is_activated_before_its_proof_closes(target: &Target) {
        let world = World::new(2, 4, 1, 1);
        for mode in [PerService, WholeRun] {
            let run = Sync::open(&target.store, &world, request(mode)).await;
            let service = "s0".into();
            let early = run.activate(&service).await;
            assert!(matches!(early, Outcome::Closed | Outcome::NotYet(Waiting::Discovery)), "{early:?}");
            run.discover().await;
            assert!(matches!(run.activate(&service).await, Outcome::NotYet(Waiting::Plans { .. })));
            run.plan(&service).await;
            assert!(matches!(run.activate(&service).await, Outcome::NotYet(Waiting::Batches { batches: 2 })));
            let mut batches = run.batches(&service).await;
            let (last, subtrees) = batches.pop().unwrap();
            for (key, subtrees) in batches {
                target.store.store_batch(&key, subtrees).await.unwrap();
            }
            assert_eq!(run.activate(&service).await, Outcome::NotYet(Waiting::Batches { batches: 1 }));
            assert_eq!(target.store.activatable().await.unwrap().due(), []);
            target.store.store_batch(&last, subtrees).await.unwrap();
            match mode {
                PerService => assert!(matches!(run.activate(&service).await, Outcome::Activated(_))),
                WholeRun => {
                    assert_eq!(run.activate(&service).await, Outcome::NotYet(Waiting::Plans { services: 1 }));
                }
            }
            target.store.abort_run(run.run.run_id, "next mode").await.unwrap();
        }
    }

    async fn of_many_racing_activators_one_wins_each_service(target: &Target) {
        let world = World::new(4, 3, 1, 1);
        race(target, &world, PerService, 4).await;
    }

    async fn of_many_racing_activators_one_wins_the_run(target: &Target) {
        let world = World::new(4, 3, 1, 1);
        race(target, &world, WholeRun, 1).await;
    }

    async fn the_timer_finds_what_a_lost_confirmation_should_have_told(target: &Target) {
        let world = World::new(3, 2, 1, 1);
        for mode in [PerService, WholeRun] {
            let run = Sync::open(&target.store, &world, request(mode)).await;
            run.load().await;
            let mut turns = 0;
            loop {
                let found = target.store.activatable().await.unwrap().due();
                if found.is_empty() {
                    break;
                }
                for (id, service) in found {
                    target.store.activate(id, &service).await.unwrap();
                }
                turns += 1;
                assert!(turns < 5);
            }
            assert_eq!(run.progress().await.run.state, RunState::Activated);
        }
        assert_eq!(Views::read(target).await, world.views());
    }

    async fn announcements_wait_until_they_are_acknowledged(target: &Target) {
        let world = World::new(2, 2, 2, 3);
        let progress = sync(&target.store, &world, WholeRun).await;
        let id = progress.run.run_id;
        let waiting = target.store.unannounced(None).await.unwrap();
        assert_eq!(waiting.len(), 2);
        assert_eq!(waiting, target.store.unannounced(Some(id)).await.unwrap());
        let first = &waiting[0];
        assert_eq!((first.epoch, first.providers, first.bundles, first.subscription_fields), (1, 2, 4, 12));
        target.store.mark_announced(id, &["s0".into()]).await.unwrap();
        assert_eq!(target.store.unannounced(None).await.unwrap().len(), 1);
        target.store.mark_announced(id, &["s1".into(), "s1".into()]).await.unwrap();
        assert_eq!(target.store.unannounced(None).await.unwrap(), []);
    }

    async fn epochs_count_the_switches(target: &Target) {
        let world = World::new(1, 1, 1, 1);
        for epoch in 1..=3 {
            let run = Sync::open(&target.store, &world, request(PerService)).await;
            run.load().await;
            let Outcome::Activated(activated) = run.activate(&"s0".into()).await else { panic!("not activated") };
            assert_eq!(activated[0].epoch, epoch);
            assert_eq!(activated[0].generation.0, epoch);
            assert_eq!(run.activate(&"s0".into()).await, Outcome::AlreadyDone);
        }
    }
}

async fn race(target: &Target, world: &World, mode: ActivationMode, wins: usize) {
    let run = Sync::open(&target.store, world, request(mode)).await;
    run.load().await;
    let services = run.services().await;
    let other = target.another().await;
    let attempts = services.iter().flat_map(|service| {
        (0..8).map(|number| {
            let store = if number % 2 == 0 { target.store.clone() } else { other.clone() };
            let (id, service) = (run.run.run_id, service.clone());
            tokio::spawn(async move { store.activate(id, &service).await.unwrap() })
        })
    });
    let outcomes: Vec<Outcome> = join_all(attempts).await.into_iter().map(Result::unwrap).collect();
    let won = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Activated(_))).count();
    assert_eq!(won, wins, "{outcomes:?}");
    let lost = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::AlreadyDone)).count();
    assert_eq!(won + lost, outcomes.len(), "{outcomes:?}");
    assert_eq!(run.progress().await.run.state, RunState::Activated);
    assert_eq!(target.count("sluice_active_generation WHERE epoch <> 1").await, 0);
    assert_eq!(Views::read(target).await, world.views());
}
