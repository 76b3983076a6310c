use std::{collections::BTreeMap, time::Duration};

use pipeline_settings::settings;
use rdkafka::{
    ClientConfig,
    producer::{FutureProducer, FutureRecord},
};

use pipeline_model::contracts::{BatchPlanned, Confirmed, Message as _, batch_of};

use super::*;
use crate::{Outbound, Partition, Position, Producer, local::LocalBroker};

/// Partitions of a topic of the local broker.
const LOCAL: usize = 12;

#[test]
fn each_partition_gets_the_same_number_of_the_batches_of_a_service() {
    for partitions in 1..=64 {
        for (service, times) in [("service-0001", 1), ("a/b", 7), ("", 100)] {
            let batches = partitions * times;
            let counts = counts((0..batches).map(|number| batch_at(service, number, partitions)), partitions);
            assert_eq!(counts, vec![times; partitions as usize], "{batches} batches of `{service}`");
        }
    }
}

#[test]
fn any_number_of_batches_of_a_service_leaves_partitions_within_one_of_each_other() {
    for partitions in [1, 2, 3, 5, 6, 12, 16, 100] {
        for batches in 0..=3 * partitions {
            let counts = counts((0..batches).map(|number| batch_at("s", number, partitions)), partitions);
            assert!(within_one(&counts), "{batches} batches: {counts:?}");
        }
    }
}

#[test]
fn a_last_turn_that_not_all_get_is_shared_by_workers_with_neighbouring_partitions() {
    let counts = counts((0..6).map(|number| batch_at("s", number, 12)), 12);
    let by_worker: Vec<u32> = counts.chunks(3).map(|neighbours| neighbours.iter().sum()).collect();
    assert!(within_one(&by_worker), "{by_worker:?}");
}

#[test]
fn services_together_are_more_even_than_by_chance() {
    let ids = (1..=40).map(|number| format!("service-{number:04}"));
    let batches: Vec<Outbound> = ids.flat_map(|id| (0..30).map(move |number| batch(&id, number))).collect();
    let hashed = counts(batches.iter().map(|batch| hash(text(batch).as_bytes()) % 12), 12);
    let dealt = counts(batches.iter().map(|batch| at(&batch.topic, text(batch).as_bytes(), 12)), 12);
    let range = |counts: &[u32]| (*counts.iter().min().unwrap(), *counts.iter().max().unwrap());
    assert_eq!((range(&hashed), range(&dealt)), ((81, 119), (98, 102)));
}

#[test]
fn a_key_that_ends_in_no_number_or_lies_on_another_topic_is_hashed() {
    let hash = |key: &[u8]| super::hash(key) % 12;
    for key in ["s", "s/", "s/x", "s/-1", "/", "s/99999999999"] {
        assert_eq!(at(BatchPlanned::TOPIC, key.as_bytes(), 12), hash(key.as_bytes()), "{key}");
    }
    assert_eq!(at(BatchPlanned::TOPIC, &[255, b'/', b'1'], 12), hash(&[255, b'/', b'1']));
    assert_eq!(at(Confirmed::TOPIC, b"run/7", 12), hash(b"run/7"));
}

#[test]
fn a_batch_has_its_place_whatever_the_cluster_calls_its_topic() {
    let here = (0..30).map(|number| at(BatchPlanned::TOPIC, format!("s/{number}").as_bytes(), 12));
    let there = (0..30).map(|number| at("acme.sync.batch-planned.v1", format!("s/{number}").as_bytes(), 12));
    assert!(here.eq(there));
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_are_spread_evenly_and_sent_again_lie_where_they_lay() {
    let (_broker, settings) = start(&[BatchPlanned::TOPIC]);
    let batches: Vec<Outbound> = [("payments", 60), ("search", 29), ("mail", 5), ("one", 1)]
        .into_iter()
        .flat_map(|(service, batches)| (0..batches).map(move |number| batch(service, number)))
        .collect();
    let producer = Producer::new(&settings, batch_of, None).unwrap();
    let places = producer.send_all(batches.clone()).await.unwrap();
    let mut by_service: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for (batch, place) in batches.iter().zip(&places) {
        let service = text(batch).split('/').next().unwrap();
        by_service.entry(service).or_insert_with(|| vec![0; LOCAL])[place.partition.number as usize] += 1;
    }
    assert_eq!(by_service["payments"], [5; LOCAL]);
    assert!(by_service.values().all(|counts| within_one(counts)), "{by_service:?}");

    let other = Producer::at_least_once(&settings, batch_of, None).unwrap();
    let again = other.send_all(batches.into_iter().rev().collect()).await.unwrap();
    let partitions =
        |places: &[Position]| -> Vec<Partition> { places.iter().map(|place| place.partition.clone()).collect() };
    assert_eq!(partitions(&again).into_iter().rev().collect::<Vec<_>>(), partitions(&places));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_key_lies_where_the_client_itself_puts_it() {
    let (_broker, settings) = start(&["t"]);
    let itself: FutureProducer =
        ClientConfig::new().set("bootstrap.servers", &settings.bootstrap_servers).create().unwrap();
    let ours = Producer::new(&settings, batch_of, None).unwrap();
    for key in ["s", "service-0001", "018f-1a/7", "é", "a longer key than all the others"] {
        let record = FutureRecord::to("t").key(key).payload("");
        let by_itself = itself.send(record, Duration::from_secs(10)).await.unwrap().partition;
        let message = Outbound { topic: "t".to_owned(), key: Some(key.into()), payload: None, headers: Vec::new() };
        assert_eq!(ours.send_all(vec![message]).await.unwrap()[0].partition.number, by_itself, "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_without_a_key_are_sent_too() {
    let (_broker, settings) = start(&[BatchPlanned::TOPIC]);
    let producer = Producer::new(&settings, batch_of, None).unwrap();
    let keyless = [None, Some(Vec::new())].map(|key| Outbound { key, ..batch("s", 0) });
    assert_eq!(producer.send_all(keyless.to_vec()).await.unwrap().len(), 2);
}

fn at(topic: &str, key: &[u8], partitions: u64) -> u64 {
    place(batch_of(topic, key), key, partitions)
}

fn start(topics: &[&str]) -> (LocalBroker, settings::Kafka) {
    let broker = LocalBroker::start(topics).unwrap();
    let bootstrap_servers = broker.bootstrap_servers().to_owned();
    (broker, settings::Kafka { bootstrap_servers, ..settings::Kafka::default() })
}

/// The message of a batch, with the key that its contract gives it.
fn batch(service_id: &str, batch_no: u32) -> Outbound {
    let planned = BatchPlanned {
        run_id: String::new(),
        generation: 1,
        service_id: service_id.to_owned(),
        batch_no: batch_no as i32,
        provider_ids: Vec::new(),
    };
    let key = Some(planned.key().into_bytes());
    Outbound { topic: BatchPlanned::TOPIC.to_owned(), key, payload: Some(Vec::new()), headers: Vec::new() }
}

fn batch_at(service_id: &str, batch_no: u32, partitions: u32) -> u64 {
    at(BatchPlanned::TOPIC, text(&batch(service_id, batch_no)).as_bytes(), u64::from(partitions))
}

fn text(message: &Outbound) -> &str {
    std::str::from_utf8(message.key.as_deref().unwrap()).unwrap()
}

fn counts(places: impl Iterator<Item = u64>, partitions: u32) -> Vec<u32> {
    let mut counts = vec![0; partitions as usize];
    places.for_each(|place| counts[place as usize] += 1);
    counts
}

fn within_one(counts: &[u32]) -> bool {
    counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1
}
