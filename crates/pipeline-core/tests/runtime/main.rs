//! The runtime over the local broker and the embedded registry: same Kafka code, same wire format as in production.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use std::{collections::BTreeSet, sync::atomic::Ordering, time::Duration};

use pipeline_core::runtime::{self, header};
use pipeline_model::{
    contracts::{BatchPlanned, Message as _, ServiceDiscovered},
    disposition::Disposition,
};

use world::{Failure, Tick, World};

mod letters;
mod order;
mod outages;
mod sink;
mod stuck;
mod world;

#[tokio::test(flavor = "multi_thread")]
async fn every_message_is_handled_once_and_what_it_emits_arrives() {
    let world = World::new().await;
    world.send(0..200).await;
    let worker = world.start(|_| Ok(()));
    world.until("all are handled", || world.handled().len() == 200).await;
    worker.stop().await.unwrap();
    assert!(world.handled().values().all(|times| *times == 1));
    let emitted = world.read(BatchPlanned::TOPIC, 200).await;
    let keys: BTreeSet<_> = emitted.iter().map(|delivery| delivery.key.clone().unwrap()).collect();
    assert_eq!(keys.len(), 200);
    assert!(emitted.iter().all(|delivery| delivery.header(header::TRACEPARENT).is_some()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_worker_starts_where_the_first_stopped() {
    let world = World::new().await;
    world.send(0..100).await;
    let first = world.start(|_| Ok(()));
    world.until("the first worker has all", || world.handled().len() == 100).await;
    first.stop().await.unwrap();
    world.send(100..150).await;
    let second = world.start(|_| Ok(()));
    world.until("the second worker has the rest", || world.handled().len() == 150).await;
    second.stop().await.unwrap();
    assert!(world.handled().values().all(|times| *times == 1), "the first worker's offsets were not committed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_joins_takes_over_partitions_without_repeating_a_message() {
    let mut world = World::new().await;
    // However busy the machine is, nobody is taken for dead: then messages are repeated, and may be.
    world.settings.kafka.session_timeout_ms = 12_000;
    world.send(0..50).await;
    let pause = Duration::from_millis(20);
    let first = world.start_slow(pause, |_| Ok(()));
    world.until("the first worker is at work", || world.handled().len() > 20).await;
    world.until("it has committed", || world.committed().iter().any(Option::is_some)).await;
    let second = world.start_slow(pause, |_| Ok(()));
    // The first has work in hand at whatever moment the second gets its partitions, and both have some afterwards.
    let mut sent = 50;
    while second.handled.load(Ordering::SeqCst) < 20 {
        assert!(sent < 20_000, "the second worker has got nothing to do");
        world.send(sent..sent + 20).await;
        sent += 20;
        world.until("the workers keep up", || world.handled().len() + 40 > sent as usize).await;
    }
    world.until("all are handled", || world.handled().len() == sent as usize).await;
    assert!(first.handled.load(Ordering::SeqCst) > 0);
    first.stop().await.unwrap();
    second.stop().await.unwrap();
    let twice: Vec<_> = world.handled().into_iter().filter(|(_, times)| *times != 1).collect();
    assert!(twice.is_empty(), "a drained partition was repeated: {twice:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_failed_is_sent_again_without_waiting_for_a_message() {
    let world = World::new().await;
    world.send(0..10).await;
    world.broker.refuse_commits(3);
    let worker = world.start(|_| Ok(()));
    world.until("all are handled", || world.handled().len() == 10).await;
    world.until("nothing lags", || world.lag("probe", ServiceDiscovered::TOPIC) == 0).await;
    worker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_the_timer_stops_the_stage() {
    let world = World::new().await;
    *world.dependencies.tick.lock().unwrap() = Some(Tick { every: Duration::from_millis(10), panics: true });
    let error = world.start(|_| Ok(())).ended().await.unwrap_err();
    let told = error.to_string();
    assert!(matches!(error, runtime::Error::Halted { code: "SLUICE-RUNTIME-001", .. }), "{told}");
    assert!(told.contains("timer"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_the_probe_stops_the_stage() {
    let world = World::new().await;
    world.dependencies.probe_panics.store(true, Ordering::SeqCst);
    let error = world.start(|_| Ok(())).ended().await.unwrap_err();
    assert!(matches!(error, runtime::Error::Halted { code: "SLUICE-RUNTIME-001", .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_invariant_stops_the_stage_and_nothing_past_it_is_committed() {
    let world = World::new().await;
    world.send(0..60).await;
    let worker = world.start(|service| if service == "s30" { Err(Failure(Disposition::Halt)) } else { Ok(()) });
    let error = worker.ended().await.unwrap_err();
    assert!(matches!(error, runtime::Error::Halted { .. }), "{error}");
    let before = world.handled();
    let next = world.start(|_| Ok(()));
    world
        .until("the message is repeated", || world.handled().get("s30").is_some_and(|times| *times > before["s30"]))
        .await;
    world.until("the rest is handled", || world.handled().len() == 60).await;
    next.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_a_handler_stops_the_stage() {
    let world = World::new().await;
    world.send(0..1).await;
    let worker = world.start(|_| panic!("planted"));
    assert!(matches!(worker.ended().await, Err(runtime::Error::Halted { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_whose_schema_is_not_registered_refuses_to_start() {
    let world = World::unregistered().await;
    let worker = world.start(|_| Ok(()));
    assert!(matches!(worker.ended().await, Err(runtime::Error::Schemas { .. })));
}
