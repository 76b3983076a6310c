//! Reading messages at known places, without joining a group: for people who look at a dead letter or replay it.
//!
//! Nothing is committed and no group learns of it, so that looking changes nothing for the stages.

use std::time::{Duration, Instant};

use pipeline_settings::settings;
use rdkafka::{
    Offset, TopicPartitionList,
    config::FromClientConfigAndContext,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode},
};

use super::{Delivery, Error, Partition, Position, client_config, consumer::detach, refusal, told::Common};

/// How long the cluster may take to come up with the message.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Messages that are rather passed over than jumped over.
const NEAR: i64 = 1_000;
/// How long one poll waits.
const POLL: Duration = Duration::from_millis(200);

/// Never joined and never committed to; librdkafka wants a name before it hands out partitions.
const GROUP: &str = "sluice-reader";

/// Reads messages of one partition at known places. Thousands are read in one go when they are asked for in the order
/// of their offsets: what lies between two places is fetched with them and passed over.
pub struct PlaceReader {
    /// Taken while a poll blocks a thread.
    state: Option<State>,
    partition: Partition,
    /// The topic's name on the cluster.
    topic: String,
    settings: settings::Kafka,
}

/// A client, and where it stands.
struct State {
    consumer: BaseConsumer<Common>,
    /// The topic's name on the cluster.
    topic: String,
    /// The offset that the next poll gives at the earliest; `None` before the first read and after trouble.
    next: Option<i64>,
    /// The message behind a place that nothing was at, which a later question may be about; with that place's offset.
    ahead: Option<(i64, Delivery)>,
}

/// The message at a place; `None` when it is not there any more, or not yet.
///
/// # Errors
/// [`Error::Client`] when librdkafka refuses the configuration, [`Error::Consume`] when the cluster does not answer.
pub async fn read_at(settings: &settings::Kafka, position: &Position) -> Result<Option<Delivery>, Error> {
    PlaceReader::open(settings, position.partition.clone())?.read(position.offset).await
}

// === impl PlaceReader ===

impl PlaceReader {
    /// A client for this partition; connects when first asked something.
    ///
    /// # Errors
    /// [`Error::Client`] when librdkafka refuses the configuration.
    pub fn open(settings: &settings::Kafka, partition: Partition) -> Result<Self, Error> {
        // A place before the first kept message must not be answered with a later one.
        let consumer = client(settings, GROUP, &[("auto.offset.reset", "error")])?;
        let topic = settings.names().topic(&partition.topic);
        let state = Some(State { consumer, topic: topic.clone(), next: None, ahead: None });
        Ok(Self { state, partition, topic, settings: settings.clone() })
    }

    /// The message at this offset; `None` when it is not there any more, or not yet.
    ///
    /// # Errors
    /// [`Error::Consume`] when the cluster does not answer.
    pub async fn read(&mut self, offset: i64) -> Result<Option<Delivery>, Error> {
        let failed = |source| Error::unconsumed(&self.topic, GROUP, source);
        // Taken away only by a read that was given up in the middle.
        let mut state = self.state.take().ok_or(KafkaError::Canceled).map_err(failed)?;
        let position = Position { partition: self.partition.clone(), offset };
        // Polling blocks its thread.
        let polling = tokio::task::spawn_blocking(move || {
            let read = state.read(&position);
            (state, read)
        });
        let (state, read) = polling.await.map_err(|_| failed(KafkaError::Canceled))?;
        let told = state.consumer.context().told();
        self.state = Some(state);
        match (read, told.last()) {
            (Err(_), Some(refusal)) => Err(refusal::of(&self.settings, refusal)),
            (read, _) => read.map_err(failed),
        }
    }
}

/// A client that reads and leaves no trace; `group` is its name, and `more` is what librdkafka is told besides.
pub(super) fn client(
    settings: &settings::Kafka,
    group: &'static str,
    more: &[(&str, &str)],
) -> Result<BaseConsumer<Common>, Error> {
    let mut config = client_config(settings, group);
    config
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true");
    for (key, value) in more {
        config.set(*key, *value);
    }
    BaseConsumer::from_config_and_context(&config, Common::new(group.trim_start_matches("sluice-"), settings))
        .map_err(|source| Error::Client { bootstrap_servers: settings.bootstrap_servers.clone(), source })
}

// === impl State ===

impl State {
    fn read(&mut self, position: &Position) -> Result<Option<Delivery>, KafkaError> {
        if let Some((from, ahead)) = self.ahead.take()
            && (from..=ahead.position.offset).contains(&position.offset)
        {
            return Ok(self.found_or_kept(ahead, position.offset));
        }
        if self.next.is_none_or(|next| position.offset < next || position.offset - next > NEAR) {
            self.go_to(position)?;
        }
        let read = self.poll(position);
        if !matches!(read, Ok(Some(_))) && self.ahead.is_none() {
            // Wherever the client stands now.
            self.next = None;
        }
        read
    }

    fn go_to(&mut self, position: &Position) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition_offset(&self.topic, position.partition.number, Offset::Offset(position.offset))?;
        self.consumer.assign(&list)
    }

    fn poll(&mut self, position: &Position) -> Result<Option<Delivery>, KafkaError> {
        let partition = &position.partition;
        let begun = Instant::now();
        let mut trouble = KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut);
        while begun.elapsed() < TIMEOUT && self.consumer.context().told().last().is_none() {
            let polled = match self.consumer.poll(POLL) {
                None => continue,
                Some(Ok(message)) => Ok(detach(&message, partition)),
                Some(Err(error)) => Err(error),
            };
            match polled {
                Ok(delivery) => {
                    self.next = Some(delivery.position.offset + 1);
                    if delivery.position.offset >= position.offset {
                        return Ok(self.found_or_kept(delivery, position.offset));
                    }
                }
                Err(KafkaError::PartitionEOF(_)) => return Ok(None),
                Err(error) => match error.rdkafka_error_code() {
                    Some(RDKafkaErrorCode::OffsetOutOfRange | RDKafkaErrorCode::AutoOffsetReset) => return Ok(None),
                    Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownPartition) => {
                        return Ok(None);
                    }
                    // Asking again for what we may not read does not help. The group is not used, so its rights do not matter.
                    Some(RDKafkaErrorCode::TopicAuthorizationFailed) => return Err(error),
                    Some(RDKafkaErrorCode::GroupAuthorizationFailed) => {}
                    // librdkafka keeps trying; the last trouble is the reason when it does not succeed in time.
                    _ => trouble = error,
                },
            }
        }
        Err(trouble)
    }

    /// A message behind the place says that compaction or retention took what was there.
    fn found_or_kept(&mut self, delivery: Delivery, offset: i64) -> Option<Delivery> {
        if delivery.position.offset == offset {
            return Some(delivery);
        }
        self.ahead = Some((offset, delivery));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Outbound, Producer, local::LocalBroker};

    #[tokio::test(flavor = "multi_thread")]
    async fn many_messages_are_read_by_one_client_in_any_order() {
        let broker = LocalBroker::start(&["t"]).unwrap();
        let settings =
            settings::Kafka { bootstrap_servers: broker.bootstrap_servers().to_owned(), ..settings::Kafka::default() };
        let message = |number: usize| Outbound {
            topic: "t".to_owned(),
            key: Some(b"same".to_vec()),
            payload: Some(number.to_string().into_bytes()),
            headers: Vec::new(),
        };
        let producer = Producer::new(&settings, |_, _| None, None).unwrap();
        let places = producer.send_all((0..1_500).map(message).collect()).await.unwrap();
        let mut reader = PlaceReader::open(&settings, places[0].partition.clone()).unwrap();
        for number in [3, 4, 7, 1_400, 5, 9_999, 1_499] {
            let offset = places.get(number).map_or(9_999, |place| place.offset);
            let read = reader.read(offset).await.unwrap().map(|delivery| delivery.payload.unwrap());
            assert_eq!(read, places.get(number).map(|_| number.to_string().into_bytes()), "{number}");
        }
    }

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
        let producer = Producer::new(&settings, |_, _| None, None).unwrap();
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
