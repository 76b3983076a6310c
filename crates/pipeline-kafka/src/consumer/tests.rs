use std::time::Duration;

use pipeline_model::disposition::{Classify as _, Disposition};

use super::*;
use crate::{Outbound, Producer, local::LocalBroker};

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_arrives_outside_its_queue_is_a_fault_that_must_not_be_passed_over() {
    let (_broker, settings) = start().await;
    let mut member = GroupMember::join(&settings, "careless", &["t".to_owned()]).unwrap();
    let fault = loop {
        match member.next_event().await.unwrap() {
            // As if the message had been fetched before its queue was split off.
            Event::Assigned { ready, .. } => ready.answer(()),
            Event::Trouble(error) => break error,
            Event::Revoked { .. } | Event::Behind(_) => {}
        }
    };
    assert_eq!((fault.disposition(), fault.code()), (Disposition::Halt, "SLUICE-KAFKA-010"), "{fault}");
    member.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_the_broker_refuses_is_told() {
    let (broker, settings) = start().await;
    let mut member = GroupMember::join(&settings, "refused", &["t".to_owned()]).unwrap();
    broker.refuse_commits(1);
    let partition = loop {
        match member.next_event().await.unwrap() {
            Event::Assigned { partitions, ready } => {
                let queues: Vec<_> = partitions.iter().map(|partition| member.split(partition)).collect();
                ready.answer(());
                drop(queues);
                break partitions[0].clone();
            }
            Event::Revoked { .. } | Event::Behind(_) => {}
            Event::Trouble(error) => panic!("{error}"),
        }
    };
    let positions = [Position { partition, offset: 0 }];
    let refused = member.commit(&positions).await.unwrap_err();
    assert!(matches!(refused, Error::Commit { .. }), "{refused}");
    member.commit(&positions).await.unwrap();
    member.close().await;
}

async fn start() -> (LocalBroker, settings::Kafka) {
    let broker = LocalBroker::start(&["t"]).unwrap();
    let bootstrap_servers = broker.bootstrap_servers().to_owned();
    let settings = settings::Kafka { bootstrap_servers, ..settings::Kafka::default() };
    let message = Outbound { topic: "t".to_owned(), key: Some(b"k".to_vec()), payload: None, headers: Vec::new() };
    Producer::new(&settings, |_, _| None, None).unwrap().send_all(vec![message]).await.unwrap();
    (broker, settings)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_of_two_topics_tells_them_apart_and_goes_on_where_it_is_told() {
    let broker = LocalBroker::start(&["sluice.one", "theirs"]).unwrap();
    let bootstrap_servers = broker.bootstrap_servers().to_owned();
    let settings = settings::Kafka { bootstrap_servers, ..settings::Kafka::default() };
    let producer = Producer::new(&settings, |_, _| None, None).unwrap();
    let message = |topic: &str, value: &str| Outbound {
        topic: topic.to_owned(),
        key: Some(b"k".to_vec()),
        payload: Some(value.as_bytes().to_vec()),
        headers: Vec::new(),
    };
    let messages = (0..20).map(|number| message("theirs", &number.to_string())).chain([message("sluice.one", "x")]);
    producer.send_all(messages.collect()).await.unwrap();
    let mut member = GroupMember::join(&settings, "both", &["sluice.one".to_owned(), "theirs".to_owned()]).unwrap();
    let (sender, mut received) = mpsc::unbounded_channel();
    let read = tokio::time::timeout(Duration::from_secs(60), async {
        let mut places = Vec::new();
        while places.len() < 21 || places.iter().filter(|(topic, _)| topic == "theirs").count() < 40 - 3 {
            tokio::select! {
                Some(event) = member.next_event() => match event {
                    Event::Assigned { partitions, ready } => {
                        for queue in partitions.iter().filter_map(|partition| member.split(partition)) {
                            let sender = sender.clone();
                            tokio::spawn(async move {
                                let mut sought = false;
                                while let Ok(delivery) = queue.recv().await {
                                    let Position { partition, offset } = delivery.position;
                                    let is_last = partition.topic == "theirs" && offset == 19;
                                    sender.send((partition.topic, offset)).unwrap_or_default();
                                    if is_last && !std::mem::replace(&mut sought, true) {
                                        queue.seek(3).await.unwrap();
                                    }
                                }
                            });
                        }
                        ready.answer(());
                    }
                    Event::Revoked { drained, .. } => drained.answer(Vec::new()),
                    Event::Behind(_) => {}
                    Event::Trouble(error) => panic!("{error}"),
                },
                Some(place) = received.recv() => places.push(place),
            }
        }
        places
    });
    let places = read.await.unwrap();
    assert_eq!(places.iter().filter(|(topic, _)| topic == "sluice.one").count(), 1);
    let theirs: Vec<i64> =
        places.into_iter().filter(|(topic, _)| topic == "theirs").map(|(_, offset)| offset).collect();
    assert_eq!(theirs, (0..20).chain(3..20).collect::<Vec<_>>());
    // The readers hold their queues, so the member is not closed in order.
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_tells_how_far_its_group_is_behind_and_that_it_has_caught_up() {
    let (_broker, settings) = start().await;
    let mut member = GroupMember::join(&settings, "behind", &["t".to_owned()]).unwrap();
    let mut was_behind = false;
    let caught_up = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            match member.next_event().await.unwrap() {
                Event::Assigned { partitions, ready } => {
                    for queue in partitions.iter().filter_map(|partition| member.split(partition)) {
                        tokio::spawn(async move { while queue.recv().await.is_ok() {} });
                    }
                    ready.answer(());
                }
                Event::Behind(lags) => {
                    if let Some(lag) = lags.iter().find(|lag| lag.messages > 0) {
                        assert_eq!((lag.messages, lag.topic.as_str()), (1, "t"));
                        was_behind = true;
                        let partition = Partition { topic: "t".to_owned(), number: lag.number };
                        member.commit(&[Position { partition, offset: 1 }]).await.unwrap();
                    } else if was_behind {
                        break;
                    }
                }
                Event::Revoked { .. } => {}
                Event::Trouble(error) => panic!("{error}"),
            }
        }
    });
    caught_up.await.unwrap();
    // The readers hold their queues, so the member is not closed in order.
}
