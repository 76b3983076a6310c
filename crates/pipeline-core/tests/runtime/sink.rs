//! A sink over the local broker: each record stands in its target once, whatever happens to its workers.

use std::{collections::BTreeSet, sync::atomic::Ordering};

use pipeline_core::runtime::{self, header};
use pipeline_kafka::admin;
use pipeline_model::{contracts::DEAD_LETTERS, disposition::Disposition};

use world::{NOTES, World};

mod world;

#[tokio::test(flavor = "multi_thread")]
async fn each_record_is_written_once_in_the_order_of_its_partition() {
    let world = World::new().await;
    world.send(0..500).await;
    let worker = world.start();
    world.until("all are written", || world.rows() == 500).await;
    worker.stop().await.unwrap();
    world.assert_exactly(0..500);
    let batches = world.target.batches.load(Ordering::SeqCst);
    assert!(batches < 250, "{batches} batches for 500 records");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_goes_on_where_its_target_stands_whatever_the_group_has_committed() {
    let world = World::new().await;
    world.send(0..100).await;
    let first = world.start();
    world.until("all are written", || world.rows() == 100).await;
    first.stop().await.unwrap();
    let committed: i64 = world.committed_by("notes", NOTES).iter().flatten().sum();
    assert_eq!(committed, 100, "the group's offsets follow, for whoever watches the lag");
    // As after a restore of an older copy of the target: the group is ahead of it.
    world.target.set_back();
    let second = world.start();
    world.until("all are written again", || world.rows() == 100).await;
    second.stop().await.unwrap();
    world.assert_exactly(0..100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_set_back_under_a_running_sink_is_filled_again() {
    let world = World::new().await;
    world.send(0..100).await;
    let worker = world.start();
    world.until("all are written", || world.rows() == 100).await;
    world.target.set_back();
    world.send(100..300).await;
    world.until("all are written again", || world.rows() == 300).await;
    worker.stop().await.unwrap();
    world.assert_exactly(0..300);
    assert!(world.target.fenced.load(Ordering::SeqCst) > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_are_killed_and_a_late_writer_lose_and_repeat_nothing() {
    let mut world = World::new().await;
    world.settings.kafka.session_timeout_ms = 6_000;
    let mut sent = 0;
    for round in 0..6 {
        let worker = world.start();
        world.send(sent..sent + 200).await;
        sent += 200;
        let wanted = world.rows() + 60;
        world.until("some are written", || world.rows() >= wanted).await;
        if round % 2 == 0 {
            // It holds a batch, and lets go of it long after somebody else has written that.
            world.target.hold_one_write();
            world.send(sent..sent + 50).await;
            sent += 50;
            world.until("a write is held", || world.target.is_holding()).await;
        }
        worker.kill();
    }
    let last = world.start();
    world.until("all are written", || world.rows() == sent as usize).await;
    world.target.release();
    world.until("the late writers have tried", || !world.target.is_holding()).await;
    assert!(world.target.fenced.load(Ordering::SeqCst) >= 3, "a late writer was not turned away");
    last.stop().await.unwrap();
    world.assert_exactly(0..sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_found_by_halving_and_is_a_letter_before_anything_behind_it_is_written() {
    let world = World::new().await;
    world.target.refuse(["n7", "n8", "n299"]);
    world.send(0..300).await;
    world.send_bytes("broken", Some(&[0xff, 0xfe])).await;
    let worker = world.start();
    let letters = world.letters(4).await;
    world.until("the rest is written", || world.rows() == 297).await;
    world.until("nothing lags", || world.lag("notes", NOTES) == 0).await;
    worker.stop().await.unwrap();
    let keys: BTreeSet<String> =
        letters.iter().map(|letter| String::from_utf8(letter.key.clone().unwrap()).unwrap()).collect();
    assert_eq!(keys, ["broken", "n299", "n7", "n8"].map(str::to_owned).into());
    for letter in &letters {
        let code = letter.header(header::CODE).unwrap();
        let broken = letter.key.as_deref() == Some(b"broken");
        assert_eq!(code, if broken { "SLUICE-MESSAGE-010" } else { "SLUICE-TEST-001" });
        assert_eq!(letter.header(header::TOPIC), Some(NOTES));
    }
    assert!(!world.target.out_of_order.load(Ordering::SeqCst), "a record was written before the letter before it");
    assert_eq!(
        admin::watermarks(&world.settings.kafka, DEAD_LETTERS).unwrap().iter().map(|(_, end)| end).sum::<i64>(),
        4
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_away_is_an_outage_and_makes_no_letter() {
    let world = World::new().await;
    world.target.away.store(true, Ordering::SeqCst);
    world.send(0..50).await;
    let worker = world.start();
    world.until("the sink has asked", || world.target.asked.load(Ordering::SeqCst) > 2).await;
    assert!(!worker.health.is_ready());
    world.target.away.store(false, Ordering::SeqCst);
    world.until("all are written", || world.rows() == 50).await;
    world.until("it is ready", || worker.health.is_ready()).await;
    world.target.away.store(true, Ordering::SeqCst);
    world.send(50..80).await;
    world.until("it is not ready", || !worker.health.is_ready()).await;
    world.target.away.store(false, Ordering::SeqCst);
    world.until("all are written", || world.rows() == 80).await;
    worker.stop().await.unwrap();
    world.assert_exactly(0..80);
    assert_eq!(world.count(DEAD_LETTERS), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tombstone_is_a_record_and_a_message_of_a_foreign_form_is_not() {
    let world = World::new().await;
    world.send_bytes("gone", None).await;
    let worker = world.start();
    world.until("it is written", || world.rows() == 1).await;
    worker.stop().await.unwrap();
    assert_eq!(world.target.values(), [("gone".to_owned(), None)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_of_another_log_stop_the_sink() {
    let world = World::new().await;
    world.send(0..10).await;
    world.target.pretend(1_000);
    let error = world.start().ended().await.unwrap_err();
    assert!(matches!(error, runtime::Error::Halted { code: "SLUICE-RUNTIME-004", .. }), "{error}");
    assert_eq!(world.rows(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_invariant_stops_the_sink_and_moves_nothing() {
    let world = World::new().await;
    world.target.fail_with(Disposition::Halt);
    world.send(0..10).await;
    let error = world.start().ended().await.unwrap_err();
    assert!(matches!(error, runtime::Error::Halted { code: "SLUICE-TEST-001", .. }), "{error}");
    assert_eq!(world.rows(), 0);
    assert_eq!(world.committed_by("notes", NOTES).iter().flatten().sum::<i64>(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_pass_is_tried_again_and_then_sought_by_halving() {
    let world = World::new().await;
    world.target.retry("n3");
    world.send(0..20).await;
    let worker = world.start();
    let letters = world.letters(1).await;
    world.until("the rest is written", || world.rows() == 19).await;
    worker.stop().await.unwrap();
    assert_eq!(letters[0].key.as_deref(), Some(b"n3".as_slice()));
    assert_eq!(letters[0].header(header::ATTEMPT), Some("3"));
}
