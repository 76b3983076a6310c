//! Messages that no stage can read, on every topic that one reads.

use chaos::{
    checker,
    world::{Plan, World},
};
use pipeline_kafka::{Delivery, Outbound};
use pipeline_model::contracts::{BatchPlanned, Confirmed, DEAD_LETTERS, Message, RunRequested, ServiceDiscovered};
use testkit::wait;

const SOURCE: &str = "generator:?services=10&providers=200&bundles=2&fields=2&seed=16";
const INPUTS: [&str; 4] = [RunRequested::TOPIC, ServiceDiscovered::TOPIC, BatchPlanned::TOPIC, Confirmed::TOPIC];

/// Key, bytes and topic: what a person needs to find of a message that was given up.
type Letter = (Option<Vec<u8>>, Option<Vec<u8>>, String);

#[test]
fn unreadable_messages_on_every_topic_become_dead_letters_byte_for_byte_and_stop_nothing() {
    let world = World::start(Plan::of(SOURCE));
    let workers = world.one_each(&["stage-root", "stage-providers", "stage-bundles", "stage-activator"]);
    let poison: Vec<Outbound> = INPUTS.iter().flat_map(|topic| poison(topic)).collect();
    let (before, meanwhile) = poison.split_at(poison.len() / 2);
    world.messenger.send_bytes(before.to_vec());
    let run_id = world.messenger.request_run(2);
    world.wait_for_stored_batches(10);
    world.messenger.send_bytes(meanwhile.to_vec());

    world.wait_for_state(&run_id, "activated");
    let count = i64::try_from(poison.len()).expect("a few messages");
    wait::until_blocking("every unreadable message is a dead letter", wait::PATIENCE, || {
        (world.messenger.count(DEAD_LETTERS) >= count).then_some(())
    });
    let mut found: Vec<Letter> = world.messenger.read(DEAD_LETTERS).iter().map(letter).collect();
    let mut sent: Vec<Letter> =
        poison.into_iter().map(|message| (message.key, message.payload, message.topic)).collect();
    found.sort();
    sent.sort();
    assert_eq!(found, sent);
    checker::assert_whole_with_dead_letters(&world, &run_id, count);
    workers.into_iter().for_each(|worker| drop(worker.stop().expect_code(0)));
}

/// Garbage, a schema nobody registered, nothing but the frame, another magic byte, a tombstone.
fn poison(topic: &str) -> Vec<Outbound> {
    let payloads: [Option<&[u8]>; 5] = [
        Some(&[0xde, 0xad, 0xbe, 0xef, 0x00, 0xff]),
        Some(&[0, 0x7f, 0xff, 0xff, 0x01, 2, 2, 2]),
        Some(&[0, 0, 0, 0, 1]),
        Some(b"{\"run_id\": \"'; DROP TABLE sluice_run; --\"}"),
        None,
    ];
    let message = |(number, payload): (usize, &Option<&[u8]>)| Outbound {
        topic: topic.to_owned(),
        key: (number != 0).then(|| format!("poison-{number}").into_bytes()),
        payload: payload.map(<[u8]>::to_vec),
        headers: vec![("sender".to_owned(), Some(vec![0xff, 0x00]))],
    };
    payloads.iter().enumerate().map(message).collect()
}

/// What a dead letter keeps; the foreign header must be there too.
fn letter(delivery: &Delivery) -> Letter {
    assert!(delivery.headers.iter().any(|(name, value)| name == "sender" && *value == Some(vec![0xff, 0x00])));
    assert!(delivery.header("sluice-error-code").is_some_and(|code| code.starts_with("SLUICE-")));
    let topic = delivery.header("__connect.errors.topic").expect("a dead letter names its topic");
    (delivery.key.clone(), delivery.payload.clone(), topic.to_owned())
}
