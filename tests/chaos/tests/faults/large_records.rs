//! Records about as large as the broker takes: their dead letters carry more headers than they do.

use chaos::{
    observe,
    world::{Plan, RUN_DEADLINE, World},
};
use pipeline_core::runtime::header;
use pipeline_kafka::{Delivery, Outbound};
use pipeline_model::contracts::{BatchPlanned, DEAD_LETTERS, Message};
use serde_json::Value;
use testkit::wait;

const SOURCE: &str = "generator:?services=1&providers=4&bundles=1&fields=1&seed=42";

/// A batch that no plan has.
const UNKNOWN_BATCH: i32 = 9_999;

/// What the reasons of a dead letter take at most, about.
const REASONS: usize = 3_000;

/// What a replay adds to a message at most: the number of the letter in a header.
const REPLAY: usize = 100;

#[test]
fn records_as_large_as_the_broker_takes_become_dead_letters_that_say_what_they_lack_and_stop_nothing() {
    let world = World::start(Plan::of(SOURCE));
    let workers = world.one_each(&["stage-root", "stage-providers", "stage-bundles"]);
    let run_id = world.messenger.request_run(2);
    world.wait_for_stored_batches(2);

    // What the broker takes at most of a message with this key, found out; one byte more it refuses.
    let most = largest(&world, |size| record("large", vec![0xff; size], Vec::new()));
    let refused = world.messenger.try_send_bytes(vec![record("large", vec![0xff; most + 1], Vec::new())]);
    assert!(refused.is_err_and(|error| error.to_string().contains("larger than the topic takes")));
    let random = (0..1_020_000).map(|_| fastrand::u8(1..)).collect();
    let header =
        |size| vec![("filler".to_owned(), Some(vec![b'x'; size])), ("mine".to_owned(), Some(b"kept".to_vec()))];
    let many: Vec<_> = (0..900).map(|_| ("filler".to_owned(), Some(vec![b'x'; 1_000]))).collect();
    let cases = [
        ("random", record("random", random, Vec::new()), None),
        ("below", record("below", vec![0xff; most - REASONS], Vec::new()), None),
        ("large", record("large", vec![0xff; most], Vec::new()), Some("value")),
        ("both", record("both", vec![0xff; most / 2], header(most / 2 - 100)), Some("value")),
        ("header", record("header", vec![0xff; 10], header(most - 100)), Some("value,headers")),
        ("headers", record("headers", vec![0xff; most - 908_600], many), Some("value")),
        ("key", Outbound { key: Some(vec![b'k'; most]), ..record("", vec![0xff; 5], Vec::new()) }, Some("value,key")),
    ];
    world.messenger.send_bytes(cases.iter().map(|(_, message, _)| message.clone()).collect());
    let letters = wait_for_letters(&world, cases.len());
    for (name, message, left_out) in &cases {
        let offset_of = |letter: &&Delivery| letter.header("case") == Some(name);
        let letter = letters.iter().find(offset_of).unwrap_or_else(|| panic!("no letter of `{name}`"));
        assert_eq!(letter.header(header::LEFT_OUT), *left_out, "{name}");
        let whole = left_out.is_none();
        assert_eq!(letter.payload, message.payload.clone().filter(|_| whole), "{name}");
        assert_eq!(letter.key.is_some(), !left_out.is_some_and(|words| words.contains("key")), "{name}");
        assert_eq!(letter.header(header::TOPIC), Some(BatchPlanned::TOPIC), "{name}");
    }

    // One that belongs to the open run: shown, and replayed from where it lies.
    let service = world.database.session().rows("SELECT service_id FROM sluice_run_service").concat().concat();
    let planned = |filler: usize| BatchPlanned {
        run_id: run_id.clone(),
        generation: 1,
        service_id: service.clone(),
        batch_no: UNKNOWN_BATCH,
        provider_ids: vec!["x".repeat(filler)],
    };
    let filler = largest(&world, |filler| world.messenger.outbound(&planned(filler))) - REPLAY;
    let before = world.messenger.count(DEAD_LETTERS);
    world.messenger.send(&[planned(filler)]);
    wait_for_letters(&world, usize::try_from(before).expect("a few") + 1);
    let (id, source) = newest(&world);
    let shown = world.command(&["dlq", "show", &id, "-o", "json"]).expect_code(0).stdout;
    let shown: Value = serde_json::from_str(&shown).expect("an answer in JSON");
    let told = shown["left_out"].as_str().unwrap_or_default();
    assert!(told.starts_with("value") && told.contains("still there") && told.contains(&source), "{told}");
    let messages = world.messenger.count(BatchPlanned::TOPIC);
    world.command(&["dlq", "replay", &id]).expect_code(0);
    assert_eq!(world.messenger.count(BatchPlanned::TOPIC), messages + 1);

    // Where its topic no longer keeps it, the command says so.
    wait_for_letters(&world, usize::try_from(before).expect("a few") + 2);
    let (id, _) = newest(&world);
    world
        .database
        .session()
        .run(&format!("UPDATE sluice_dead_letter SET source_offset = 999999 WHERE letter_id = {id}"));
    let refused = world.command(&["dlq", "replay", &id]).expect_code(1);
    assert!(refused.stdout.contains("goes without its value"), "{}", refused.stdout);

    workers.iter().for_each(observe::assert_ready);
    workers.into_iter().for_each(|worker| drop(worker.stop().expect_code(0)));
}

/// A message of the stage's topic that names its case in a header.
fn record(case: &str, payload: Vec<u8>, mut headers: Vec<(String, Option<Vec<u8>>)>) -> Outbound {
    headers.push(("case".to_owned(), Some(if case.is_empty() { "key" } else { case }.as_bytes().to_vec())));
    Outbound {
        topic: BatchPlanned::TOPIC.to_owned(),
        key: Some(case.as_bytes().to_vec()),
        payload: Some(payload),
        headers,
    }
}

/// The largest size that the broker takes of such a message. Tried on a topic that no stage reads.
fn largest(world: &World, message: impl Fn(usize) -> Outbound) -> usize {
    let takes = |size: usize| {
        let message = Outbound { topic: pipeline_model::contracts::Activated::TOPIC.to_owned(), ..message(size) };
        world.messenger.try_send_bytes(vec![message]).is_ok()
    };
    let (mut fits, mut too_large) = (1_000_000, 1_100_000);
    assert!(takes(fits) && !takes(too_large), "the broker's limit is not about 1 MiB");
    while too_large - fits > 1 {
        let middle = usize::midpoint(fits, too_large);
        if takes(middle) { fits = middle } else { too_large = middle }
    }
    fits
}

fn wait_for_letters(world: &World, count: usize) -> Vec<Delivery> {
    wait::until_blocking(&format!("{count} dead letters"), RUN_DEADLINE, || {
        let written = world.number("SELECT COUNT(*) FROM sluice_dead_letter");
        (usize::try_from(written).is_ok_and(|written| written >= count)).then_some(())
    });
    world.messenger.read(DEAD_LETTERS)
}

/// Number of the newest letter in the ledger, and where its message came from.
fn newest(world: &World) -> (String, String) {
    let sql = "SELECT letter_id, CONCAT(source_topic, '[', source_partition, ']@', source_offset) \
               FROM sluice_dead_letter ORDER BY letter_id DESC LIMIT 1";
    let mut rows = world.database.session().rows(sql).concat().into_iter();
    (rows.next().expect("a letter"), rows.next().expect("its place"))
}
