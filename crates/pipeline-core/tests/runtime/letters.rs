//! Messages that are given up, and those that are not yet.

use std::collections::BTreeMap;

use pipeline_core::{registry::Registry, runtime::header};
use pipeline_kafka::{Outbound, Producer};
use pipeline_model::{
    contracts::{DEAD_LETTERS, Message as _, ServiceDiscovered, batch_of},
    disposition::Disposition,
};
use pipeline_telemetry as telemetry;

use crate::world::{Failure, World, told};

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_message_becomes_a_dead_letter_and_blocks_nobody() {
    let world = World::new().await;
    world.send(0..40).await;
    world.send_bytes("poison", b"not a record").await;
    let worker = world.start(|service| if service == "s7" { Err(Failure(Disposition::Reject)) } else { Ok(()) });
    let letters = world.read(DEAD_LETTERS, 2).await;
    world.until("the others are handled", || world.handled().len() == 40).await;
    worker.stop().await.unwrap();
    let by_key: BTreeMap<_, _> = letters.iter().map(|letter| (letter.key.clone().unwrap(), letter)).collect();
    let undecodable = by_key[b"poison".as_slice()];
    assert_eq!(undecodable.payload.as_deref(), Some(b"not a record".as_slice()));
    assert!(undecodable.header(header::CODE).unwrap().starts_with("SLUICE-MESSAGE-"));
    let rejected = by_key[b"s7".as_slice()];
    assert_eq!(rejected.header(header::CODE), Some("SLUICE-TEST-001"));
    assert_eq!(rejected.header(header::ATTEMPT), Some("1"));
    assert_eq!(rejected.header(header::RUN_ID), Some(world.run.to_string().as_str()));
    let mut given_up = world.dependencies.given_up.lock().unwrap().clone();
    given_up.sort();
    assert_eq!(given_up, ["poison", "s7"], "the stage was not told of each letter once");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_that_may_pass_is_tried_a_bounded_number_of_times() {
    let world = World::new().await;
    world.send(0..10).await;
    let worker = world.start(|service| if service == "s3" { Err(Failure(Disposition::Retry)) } else { Ok(()) });
    let letters = world.read(DEAD_LETTERS, 1).await;
    worker.stop().await.unwrap();
    assert_eq!(letters[0].header(header::ATTEMPT), Some("3"));
    assert_eq!(world.handled()["s3"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_schema_id_costs_time_when_the_registry_learns_of_it() {
    let mut world = World::new().await;
    world.settings.stage.max_attempts = 100;
    world.settings.stage.max_backoff_ms = 300;
    let worker = world.start(|_| Ok(()));
    world.until("the stage is ready", || worker.health.is_ready()).await;
    // The next id that the registry will give, and a writer that has it already: as after a restore of an older state.
    let registry = Registry::new(&world.settings.schema_registry).unwrap();
    let id = registry.register("another-value", "\"string\"").await.unwrap().id.0 + 1;
    let mut ahead = world.messages(0..1).await.remove(0);
    let payload = ahead.payload.as_mut().unwrap();
    payload[1..5].copy_from_slice(&id.to_be_bytes());
    // The newer field of it: nothing.
    payload.push(0);
    world.producer.send_all(vec![ahead]).await.unwrap();
    // Another test retries twice.
    let retried = || told(telemetry::metrics::HANDLED, r#"outcome="retry""#);
    let before = retried();
    world.until("it was tried", || retried() > before + 2.0).await;
    let mut newer: serde_json::Value = serde_json::from_str(ServiceDiscovered::SCHEMA).unwrap();
    let more = serde_json::json!({"name": "more", "type": ["null", "string"], "default": null});
    newer["fields"].as_array_mut().unwrap().push(more);
    let given = registry.register(&format!("{}-value", ServiceDiscovered::TOPIC), &newer.to_string()).await.unwrap();
    assert_eq!(given.id.0, id);
    world.until("it is handled", || world.handled().len() == 1).await;
    worker.stop().await.unwrap();
    assert_eq!(world.count(DEAD_LETTERS), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emission_that_no_topic_takes_is_a_dead_letter_and_not_an_outage() {
    let mut world = World::new().await;
    world.budgeted = true;
    world.send(0..10).await;
    *world.dependencies.emits.lock().unwrap() = Some(("s3".to_owned(), 4 * 1024 * 1024));
    let worker = world.start(|_| Ok(()));
    let letters = world.read(DEAD_LETTERS, 1).await;
    world.until("all are handled", || world.handled().len() == 10).await;
    worker.stop().await.unwrap();
    assert_eq!(letters[0].header(header::CODE), Some("SLUICE-KAFKA-009"));
    assert_eq!(letters[0].key.as_deref(), Some(b"s3".as_slice()));
    assert!(letters[0].payload.is_some(), "the message itself is small");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_that_is_too_large_goes_without_its_value_and_says_where_that_is() {
    let mut world = World::new().await;
    world.budgeted = true;
    let sender = Producer::new(&world.settings.kafka, batch_of, None).unwrap();
    let message = Outbound {
        topic: ServiceDiscovered::TOPIC.to_owned(),
        key: Some(b"large".to_vec()),
        payload: Some(vec![7; 4 * 1024 * 1024]),
        headers: vec![("mine".to_owned(), Some(b"kept".to_vec()))],
    };
    let place = sender.send_all(vec![message]).await.unwrap().remove(0);
    let worker = world.start(|_| Ok(()));
    let letter = world.read(DEAD_LETTERS, 1).await.remove(0);
    world.until("the stage is told", || !world.dependencies.given_up.lock().unwrap().is_empty()).await;
    world.send(0..10).await;
    world.until("the others are handled", || world.handled().len() == 10).await;
    worker.stop().await.unwrap();
    assert_eq!((letter.key.as_deref(), &letter.payload), (Some(b"large".as_slice()), &None));
    assert_eq!((letter.header("mine"), letter.header(header::LEFT_OUT)), (Some("kept"), Some("value")));
    assert_eq!(letter.header(header::OFFSET), Some(place.offset.to_string().as_str()));
    assert_eq!(letter.header(header::PARTITION), Some(place.partition.number.to_string().as_str()));
}
