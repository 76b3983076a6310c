//! What has waited too long is announced again, by one of many, at a bounded rate; and people are told when nobody takes it.

use std::{collections::BTreeSet, time::Duration};

use futures::future::join_all;
use pipeline_model::contracts::{BatchPlanned, Message, RunRequested, ServiceDiscovered};
use pipeline_store::{
    ActivationMode::{PerService, WholeRun},
    Again, Deed, Part, RunRequest, Store, Undone,
};

use crate::{
    dead_letters::give_up,
    driver::{Sync, request},
    target::Target,
    world::World,
};

/// Longer than a test takes, between two looks.
const AFTER: Duration = Duration::from_secs(120);
const DEED: Deed<'static> = Deed { who: "ada", what: "dlq replay", subject: "1", why: "mended", result: "" };

/// Lets so many times `AFTER` pass, by the database's clock, without anything that moves.
async fn time_passes(target: &Target, times: i64) {
    let ms = times * i64::try_from(AFTER.as_millis()).unwrap();
    let sql = format!(
        "UPDATE sluice_run_standstill SET since_ms = since_ms - {ms}, announced_at_ms = announced_at_ms - {ms}"
    );
    target.rows(&sql).await;
}

async fn again(store: &Store, part: Part) -> Option<Again> {
    store.announce_again(part, AFTER).await.unwrap()
}

/// As `again`, of batches, as `service/number`.
async fn batches(store: &Store) -> Vec<String> {
    match again(store, Part::Batches).await.map(|again| again.undone) {
        Some(Undone::Batches(batches)) => {
            batches.iter().map(|(id, batch)| format!("{id}/{}", batch.batch_no)).collect()
        }
        Some(other) => panic!("{other:?}"),
        None => Vec::new(),
    }
}

async fn services(store: &Store) -> Vec<String> {
    match again(store, Part::Services).await.map(|again| again.undone) {
        Some(Undone::Services(services)) => services.iter().map(ToString::to_string).collect(),
        Some(other) => panic!("{other:?}"),
        None => Vec::new(),
    }
}

/// Nothing but the services' plans is done; looked at once.
async fn planned<'a>(target: &'a Target, world: &'a World) -> Sync<'a> {
    planned_in(target, world, request(PerService)).await
}

/// The same, with a batch for each provider.
async fn planned_one_by_one<'a>(target: &'a Target, world: &'a World) -> Sync<'a> {
    planned_in(target, world, RunRequest { batch_size: 1, ..request(PerService) }).await
}

async fn planned_in<'a>(target: &'a Target, world: &'a World, request: RunRequest) -> Sync<'a> {
    let sync = Sync::open(&target.store, world, request).await;
    sync.discover().await;
    for service in sync.services().await {
        sync.plan(&service).await;
    }
    assert_eq!(batches(&target.store).await, [""; 0]);
    sync
}

/// A time for every round, and nobody takes anything.
async fn four_rounds_in_vain(target: &Target) {
    for _ in 0..4 {
        time_passes(target, 9).await;
        assert!(!batches(&target.store).await.is_empty());
    }
}

on_both! {
    async fn nothing_is_announced_while_the_run_moves_and_all_that_is_left_when_it_stands_still(target: &Target) {
        let world = World::new(2, 4, 1, 1);
        let sync = planned(target, &world).await;
        assert_eq!(batches(&target.store).await, [""; 0], "it moved just now");
        time_passes(target, 2).await;
        sync.store_service(&"s0".into()).await;
        assert_eq!(batches(&target.store).await, [""; 0], "workers are busy");
        time_passes(target, 2).await;
        assert_eq!(batches(&target.store).await, ["s1/0", "s1/1"]);
        assert_eq!(batches(&target.store).await, [""; 0], "it was announced just now");
        assert_eq!(services(&target.store).await, [""; 0], "all services are planned");
        time_passes(target, 1).await;
        assert_eq!(batches(&target.store).await, [""; 0], "the second pause is longer");
        time_passes(target, 1).await;
        assert_eq!(batches(&target.store).await, ["s1/0", "s1/1"]);
        sync.store_service(&"s1".into()).await;
        time_passes(target, 9).await;
        assert_eq!(batches(&target.store).await, [""; 0], "all is stored");
    }

    async fn services_and_a_run_without_services_are_announced_too(target: &Target) {
        let world = World::new(2, 1, 1, 1);
        let sync = Sync::open(&target.store, &world, request(WholeRun)).await;
        assert_eq!(again(&target.store, Part::Services).await, None, "it was opened just now");
        time_passes(target, 2).await;
        let found = again(&target.store, Part::Services).await.unwrap();
        assert_eq!((found.undone, found.run.run_id, found.round), (Undone::Request, sync.run.run_id, 1));
        sync.discover().await;
        assert_eq!(services(&target.store).await, [""; 0], "it moved");
        time_passes(target, 9).await;
        assert_eq!(services(&target.store).await, ["s0", "s1"]);
        sync.plan(&"s0".into()).await;
        time_passes(target, 9).await;
        assert_eq!(services(&target.store).await, [""; 0], "it moved");
        time_passes(target, 9).await;
        assert_eq!(services(&target.store).await, ["s1"]);
        target.store.abort_run(sync.run.run_id, "enough").await.unwrap();
        time_passes(target, 99).await;
        assert_eq!(again(&target.store, Part::Services).await, None, "no run is open");
    }

    async fn many_replicas_announce_no_more_than_one(target: &Target) {
        let world = World::new(2, 4, 1, 1);
        planned(target, &world).await;
        time_passes(target, 2).await;
        let others = [target.another().await, target.another().await, target.another().await];
        let answers = join_all((0..4).flat_map(|_| others.iter().map(batches))).await;
        let announced: Vec<String> = answers.into_iter().flatten().collect();
        assert_eq!(announced, ["s0/0", "s0/1", "s1/0", "s1/1"]);
    }

    async fn a_worker_that_is_slow_says_so_and_nothing_is_announced(target: &Target) {
        let world = World::new(1, 4, 1, 1);
        let sync = planned(target, &world).await;
        for _ in 0..3 {
            time_passes(target, 2).await;
            target.store.at_work(&[sync.run.run_id.to_string()], Part::Batches).await.unwrap();
            assert_eq!(batches(&target.store).await, [""; 0]);
        }
        target.store.at_work(&["another run".to_owned()], Part::Batches).await.unwrap();
        time_passes(target, 2).await;
        assert_eq!(batches(&target.store).await.len(), 2, "the worker died");
    }

    async fn very_many_are_announced_piece_by_piece_and_each_once(target: &Target) {
        let world = World::new(3, 150, 0, 0);
        let _sync = planned_one_by_one(target, &world).await;
        time_passes(target, 2).await;
        let mut announced = Vec::new();
        for expected in [200, 200, 50, 0] {
            let piece = batches(&target.store).await;
            assert_eq!(piece.len(), expected);
            announced.extend(piece);
        }
        assert_eq!(announced.iter().collect::<BTreeSet<_>>().len(), 450, "each once");
    }

    async fn a_round_goes_on_while_what_was_announced_of_it_is_taken(target: &Target) {
        let world = World::new(2, 150, 0, 0);
        let sync = planned_one_by_one(target, &world).await;
        time_passes(target, 2).await;
        assert_eq!(batches(&target.store).await.len(), 200);
        sync.store_service(&"s0".into()).await;
        assert_eq!(batches(&target.store).await, [""; 0], "workers are busy");
        time_passes(target, 1).await;
        assert_eq!(batches(&target.store).await.len(), 100);
    }

    async fn what_open_dead_letters_hold_is_for_people(target: &Target) {
        let world = World::new(2, 4, 1, 1);
        let sync = Sync::open(&target.store, &world, request(PerService)).await;
        let run = sync.run.run_id;
        assert_eq!(again(&target.store, Part::Services).await, None);
        give_up(&target.store, run, RunRequested::TOPIC, 0, &run.to_string()).await;
        time_passes(target, 2).await;
        assert_eq!(again(&target.store, Part::Services).await, None);
        time_passes(target, 2).await;
        assert_eq!(again(&target.store, Part::Services).await, None);
        sync.discover().await;
        give_up(&target.store, run, ServiceDiscovered::TOPIC, 0, "s0").await;
        assert_eq!(services(&target.store).await, [""; 0]);
        time_passes(target, 2).await;
        assert_eq!(services(&target.store).await, ["s1"]);
        for service in sync.services().await {
            sync.plan(&service).await;
        }
        let letter = give_up(&target.store, run, BatchPlanned::TOPIC, 0, "s0/1").await;
        assert_eq!(batches(&target.store).await, [""; 0]);
        time_passes(target, 2).await;
        assert_eq!(batches(&target.store).await, ["s0/0", "s1/0", "s1/1"]);
        target.store.mark_replayed(letter.id, &DEED).await.unwrap();
        time_passes(target, 2).await;
        assert_eq!(batches(&target.store).await, [""; 0], "a replay is a move");
        time_passes(target, 2).await;
        assert_eq!(batches(&target.store).await.len(), 4);
    }

    async fn a_run_that_nobody_takes_further_is_held_until_somebody_does(target: &Target) {
        let world = World::new(2, 4, 1, 1);
        let sync = planned(target, &world).await;
        for _ in 0..3 {
            time_passes(target, 9).await;
            assert_eq!(batches(&target.store).await.len(), 4);
            assert_eq!(sync.progress().await.held, None, "not yet");
        }
        time_passes(target, 9).await;
        assert_eq!(batches(&target.store).await.len(), 4);
        let held = sync.progress().await.held.unwrap();
        assert!(held.starts_with("4 batches were announced 4 times within"), "{held}");
        let hold = target.store.activatable().await.unwrap().hold.unwrap();
        assert!(hold.unanswered && !hold.letters && !hold.rejects, "{hold:?}");
        time_passes(target, 9).await;
        assert_eq!(batches(&target.store).await, ["s0/0"], "one is enough to notice when somebody comes");

        sync.store_service(&"s0".into()).await;
        assert_eq!(sync.progress().await.held, None, "it moves, although nobody has looked since");
        assert_eq!(batches(&target.store).await, [""; 0]);
        time_passes(target, 1).await;
        assert_eq!(batches(&target.store).await, ["s1/0", "s1/1"], "the rest does not wait for the long pause");
    }

    async fn a_worker_that_comes_at_last_ends_the_hold(target: &Target) {
        let world = World::new(1, 4, 1, 1);
        let sync = planned(target, &world).await;
        four_rounds_in_vain(target).await;
        assert!(sync.progress().await.held.is_some());
        target.store.at_work(&[sync.run.run_id.to_string()], Part::Batches).await.unwrap();
        assert_eq!(sync.progress().await.held, None);
    }
}
