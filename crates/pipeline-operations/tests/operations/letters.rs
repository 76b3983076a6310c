//! What is done to dead letters.

use std::{sync::Mutex, time::SystemTime};

use pipeline_kafka::{Outbound, Producer};
use pipeline_model::{
    contracts::{BatchPlanned, DEAD_LETTERS, Message as _, batch_of},
    ids::RunId,
    letter::GivenUp,
};
use pipeline_operations::{
    Error, Operation as _, Step,
    discard::Discard,
    replay::{Replay, Route},
};
use pipeline_store::{DeadLetter, Discarded, LetterFilter, LetterState};

use crate::world::{WHOLE, World, by, done, refused};

/// The first batch of each service is given up.
async fn poisoned() -> (World, RunId, Vec<DeadLetter>) {
    let world = World::new().await;
    let run = world.open().await;
    world.discover(run, WHOLE).await;
    for (service, providers) in WHOLE {
        world.plan(run, service, providers).await;
        give_up(&world, run, &format!("{service}/0")).await;
    }
    let letters = world.store.dead_letters(&LetterFilter::default(), 10).await.unwrap();
    assert_eq!(letters.len(), 2);
    (world, run, letters)
}

/// The message and its letter lie on their topics, and the ledger knows.
async fn give_up(world: &World, run: RunId, key: &str) {
    let producer = Producer::new(&world.settings.kafka, batch_of, None).unwrap();
    let message = |topic: &str| Outbound {
        topic: topic.to_owned(),
        key: Some(key.as_bytes().to_vec()),
        payload: Some(b"bytes".to_vec()),
        headers: Vec::new(),
    };
    let places = producer.send_all(vec![message(BatchPlanned::TOPIC), message(DEAD_LETTERS)]).await.unwrap();
    let letter = GivenUp {
        run_id: Some(&run.to_string()),
        source: &places[0],
        dead_letter: &places[1],
        key: Some(key),
        code: "SLUICE-STAGE-001",
        reason: "a test",
        attempts: 1,
        first_failed_at: SystemTime::UNIX_EPOCH,
    };
    world.store.record_dead_letter("bundles", &letter).await.unwrap();
}

async fn states(world: &World) -> Vec<LetterState> {
    let letters = world.store.dead_letters(&LetterFilter::default(), 10).await.unwrap();
    letters.into_iter().map(|letter| letter.state).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_produces_what_it_showed_and_tells_how_far_it_is() {
    let (world, run, letters) = poisoned().await;
    let before = world.messages();
    let replay = Replay { requested_by: "ada@desk (a test)".to_owned(), ..Replay::default() };
    let (shown, replayed) = done(&world, &replay, "dlq replay", letters.len()).await;
    let produce = Route::Produce(BatchPlanned::TOPIC.to_owned());
    assert!(replayed.letters.iter().all(|(_, route)| *route == produce), "{replayed:?}");
    assert_eq!(replayed, shown);
    assert_eq!(world.messages(), before + 2);
    assert_eq!(states(&world).await, [LetterState::Replayed; 2]);

    let again = Replay { again: true, ..replay };
    let error = refused(&world, &again, async |world| {
        world.store.abort_run(run, "a test").await.unwrap().unwrap();
    })
    .await;
    assert!(matches!(error, Error::Changed { .. }), "{error}");
    let steps = Mutex::new(Vec::new());
    let told = |step: Step| steps.lock().unwrap().push(step);
    world.open().await;
    let skipped = again.carry_out(&world.at().telling(&told), None, &by()).await.unwrap();
    assert!(skipped.letters.iter().all(|(_, route)| matches!(route, Route::Skip(_))), "{skipped:?}");
    assert_eq!(*steps.lock().unwrap(), [], "nothing was produced");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_of_a_run_that_has_ended_get_one_repair_run() {
    let (world, run, _) = poisoned().await;
    world.store.abort_run(run, "a test").await.unwrap().unwrap();
    let before = world.messages();
    let replay = Replay { requested_by: "ada@desk (a test)".to_owned(), ..Replay::default() };
    let (shown, replayed) = done(&world, &replay, "dlq replay", 2).await;
    assert_eq!((shown.repair_run, replayed.repair_run.is_some()), (None, true));
    assert_eq!(world.messages(), before + 1, "one request for both services");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_of_many_tells_how_far_it_is() {
    let (world, _, _) = poisoned().await;
    let steps = Mutex::new(Vec::new());
    let told = |step: Step| steps.lock().unwrap().push(step);
    Replay::default().carry_out(&world.at().telling(&told), None, &by()).await.unwrap();
    assert_eq!(*steps.lock().unwrap(), [Step { done: 0, of: 2 }, Step { done: 1, of: 2 }]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_letter_is_discarded_as_it_was_shown() {
    let (world, _, letters) = poisoned().await;
    let one = Discard { letters: LetterFilter { ids: vec![letters[0].id], ..LetterFilter::default() } };
    let all = Discard::default();
    let error = refused(&world, &all, async |world| {
        one.carry_out(&world.at(), None, &by()).await.unwrap();
    })
    .await;
    assert!(matches!(error, Error::Changed { .. }), "{error}");
    let (shown, discarded) = done(&world, &all, "dlq discard", 1).await;
    assert_eq!(discarded, shown);
    assert!(matches!(discarded.letters[0].1, Discarded::Batch { providers: 3 }), "{discarded:?}");
    assert_eq!(states(&world).await, [LetterState::Discarded; 2]);

    let unknown = Discard { letters: LetterFilter { ids: vec![99], ..LetterFilter::default() } };
    let error = unknown.preview(&world.at()).await.unwrap_err();
    assert!(matches!(error, Error::NoSuchLetter { id: 99, .. }), "{error}");
}
