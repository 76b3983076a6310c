use pipeline_model::disposition::{Classify as _, Disposition};

use super::*;
use crate::{Producer, local::LocalBroker, producer::Outbound};

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_arrives_outside_its_queue_is_a_fault_that_must_not_be_passed_over() {
    let (_broker, settings) = start().await;
    let mut member = GroupMember::join(&settings, "careless", "t").unwrap();
    let fault = loop {
        match member.next_event().await.unwrap() {
            // As if the message had been fetched before its queue was split off.
            Event::Assigned { ready, .. } => ready.answer(()),
            Event::Trouble(error) => break error,
            Event::Revoked { .. } => {}
        }
    };
    assert_eq!((fault.disposition(), fault.code()), (Disposition::Halt, "SLUICE-KAFKA-010"), "{fault}");
    member.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_the_broker_refuses_is_told() {
    let (broker, settings) = start().await;
    let mut member = GroupMember::join(&settings, "refused", "t").unwrap();
    broker.refuse_commits(1);
    let partition = loop {
        match member.next_event().await.unwrap() {
            Event::Assigned { partitions, ready } => {
                let queues: Vec<_> = partitions.iter().map(|partition| member.split(partition)).collect();
                ready.answer(());
                drop(queues);
                break partitions[0].clone();
            }
            Event::Revoked { .. } => {}
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
