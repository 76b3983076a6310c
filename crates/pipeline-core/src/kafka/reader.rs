//! Reading one message at a known place, without joining a group: for people who look at a dead letter or replay it.
//!
//! Nothing is committed and no group learns of it, so that looking changes nothing for the stages.

use std::time::{Duration, Instant};

use rdkafka::{
    ClientContext, Offset, TopicPartitionList,
    config::{FromClientConfigAndContext, RDKafkaLogLevel},
    consumer::{BaseConsumer, Consumer as _, ConsumerContext},
    error::{KafkaError, RDKafkaErrorCode},
    message::Message as _,
};

use super::{Delivery, Error, Position, client_config, consumer::detach, log};
use crate::settings;

/// How long the cluster may take to come up with the message.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How long one poll waits.
const POLL: Duration = Duration::from_millis(200);

/// Never joined and never committed to; librdkafka wants a name before it hands out partitions.
const GROUP: &str = "sluice-reader";

/// A client whose log lines go where all others go.
struct Context;

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::info!(target: "librdkafka", "reader: {error}: {reason}");
    }
}

impl ConsumerContext for Context {}

/// The message at a place; `None` when it is not there any more, or not yet.
///
/// # Errors
/// [`Error::Client`] when librdkafka refuses the configuration, [`Error::Consume`] when the cluster does not answer.
pub async fn read_at(settings: &settings::Kafka, position: &Position) -> Result<Option<Delivery>, Error> {
    let mut config = client_config(settings, GROUP);
    config
        .set("group.id", GROUP)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true")
        // A place before the first kept message must not be answered with a later one.
        .set("auto.offset.reset", "error");
    let consumer = BaseConsumer::from_config_and_context(&config, Context)
        .map_err(|source| Error::Client { bootstrap_servers: settings.bootstrap_servers.clone(), source })?;
    let place = position.clone();
    // Polling blocks its thread.
    let read = tokio::task::spawn_blocking(move || read(&consumer, &place)).await;
    read.unwrap_or(Err(KafkaError::Canceled))
        .map_err(|source| Error::Consume { topic: position.partition.topic.clone(), source })
}

fn read(consumer: &BaseConsumer<Context>, position: &Position) -> Result<Option<Delivery>, KafkaError> {
    let partition = &position.partition;
    let mut list = TopicPartitionList::with_capacity(1);
    list.add_partition_offset(&partition.topic, partition.number, Offset::Offset(position.offset))?;
    consumer.assign(&list)?;
    let begun = Instant::now();
    let mut trouble = KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut);
    while begun.elapsed() < TIMEOUT {
        match consumer.poll(POLL) {
            None => {}
            Some(Ok(message)) if message.offset() == position.offset => return Ok(Some(detach(&message, partition))),
            // Compaction or retention took it.
            Some(Ok(_)) | Some(Err(KafkaError::PartitionEOF(_))) => return Ok(None),
            Some(Err(error)) => match error.rdkafka_error_code() {
                Some(RDKafkaErrorCode::OffsetOutOfRange | RDKafkaErrorCode::AutoOffsetReset) => return Ok(None),
                Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownPartition) => {
                    return Ok(None);
                }
                // librdkafka keeps trying; the last trouble is the reason when it does not succeed in time.
                _ => trouble = error,
            },
        }
    }
    Err(trouble)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::{Partition, Producer, local::LocalBroker, producer::Outbound};

    #[tokio::test(flavor = "multi_thread")]
    async fn a_message_is_read_at_its_place_and_nothing_in_its_stead() {
        let broker = LocalBroker::start(&["t"]).unwrap();
        let settings =
            settings::Kafka { bootstrap_servers: broker.bootstrap_servers().to_owned(), ..settings::Kafka::default() };
        let message = |value: &str| Outbound {
            topic: "t".to_owned(),
            key: Some(b"same".to_vec()),
            payload: Some(value.as_bytes().to_vec()),
            headers: vec![("name".to_owned(), None), ("name".to_owned(), Some(vec![255]))],
        };
        let producer = Producer::new(&settings, None).unwrap();
        let places = producer.send_all(vec![message("first"), message("second")]).await.unwrap();
        let read = read_at(&settings, &places[1]).await.unwrap().unwrap();
        assert_eq!((read.position, read.payload), (places[1].clone(), Some(b"second".to_vec())));
        assert_eq!((read.key, read.headers), (Some(b"same".to_vec()), message("").headers));

        let beyond = Position { offset: places[1].offset + 1, ..places[1].clone() };
        assert!(read_at(&settings, &beyond).await.unwrap().is_none());
        let no_such_partition = Partition { number: 99, ..beyond.partition };
        let nowhere = Position { partition: no_such_partition, offset: 0 };
        assert!(read_at(&settings, &nowhere).await.unwrap().is_none());
    }
}
