//! How far a group is behind on a topic, asked without joining the group: so it is known too when nobody is there.
//!
//! In each partition where something waits, the first waiting message is read for the time at which it was produced. All
//! partitions are read by one client, which fetches as little as the brokers give.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use pipeline_settings::settings;
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    message::Message as _,
};

use super::{
    Error, admin,
    asking::{Asker, ask},
    reader, refusal,
    told::Common,
};

/// How long the cluster may take to come up with the first waiting messages of all partitions.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long one poll waits.
const POLL: Duration = Duration::from_millis(100);
/// Never joined and never committed to; librdkafka wants a name before it hands out partitions.
const GROUP: &str = "sluice-lag";

/// How far a group is on a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupLag {
    /// Members of the group; `None` where the broker does not say.
    pub members: Option<usize>,
    /// In the order of their numbers; none when the topic is not there, or not to be seen.
    pub partitions: Vec<PartitionLag>,
}

/// How far a group is in one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionLag {
    /// The partition's number.
    pub number: i32,
    /// The oldest offset that is kept.
    pub first: i64,
    /// The offset that the next message will have.
    pub end: i64,
    /// The next offset that the group reads; `None` when it has committed none.
    pub committed: Option<i64>,
    /// The first message that waits; `None` when none does, or it could not be read in time.
    pub oldest: Option<Oldest>,
}

/// What is known of a message that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Oldest {
    /// When it was produced, in milliseconds since 1970.
    pub made_at_ms: i64,
    /// Bytes of its key and value.
    pub bytes: usize,
}

/// Asks how far `group` is on the topic of a contract.
///
/// # Errors
/// [`Error::Client`] when librdkafka refuses the configuration, [`Error::Unreachable`] when the cluster does not answer, a
/// refusal, or [`Error::NotAuthorised`].
pub async fn look(settings: &settings::Kafka, group: &str, topic: &str) -> Result<GroupLag, Error> {
    let topic = settings.names().topic(topic);
    let (asked, name) = (topic.clone(), group.to_owned());
    let mut found = ask(settings, Some(group), move |client| {
        Ok(GroupLag { partitions: places(client, &asked)?, members: admin::members_by(client, &name) })
    })
    .await?;
    let waiting: HashMap<i32, i64> =
        found.partitions.iter().filter(|lag| lag.messages() > 0).map(|lag| (lag.number, lag.next())).collect();
    if waiting.is_empty() {
        return Ok(found);
    }
    let mut oldest = read_first(settings, topic, waiting).await?;
    for partition in &mut found.partitions {
        partition.oldest = oldest.remove(&partition.number);
    }
    Ok(found)
}

fn places(client: &Asker, topic: &str) -> KafkaResult<Vec<PartitionLag>> {
    // Who asks about the group of a topic that is not there waits for a coordinator without end.
    if admin::partitions(client, topic)?.is_empty() {
        return Ok(Vec::new());
    }
    let committed = admin::committed_by(client, topic, TIMEOUT)?;
    let watermarks = admin::watermarks_by(client, topic)?;
    let place = |(number, ((first, end), committed))| PartitionLag { number, first, end, committed, oldest: None };
    // A topic's partitions are numbered from 0.
    Ok((0..).zip(watermarks.into_iter().zip(committed)).map(place).collect())
}

/// The first message at or behind each of these places.
async fn read_first(
    settings: &settings::Kafka,
    topic: String,
    places: HashMap<i32, i64>,
) -> Result<HashMap<i32, Oldest>, Error> {
    // One message of each partition is wanted: the brokers give the first batch of a partition however large it is.
    let sparing = [
        ("max.partition.fetch.bytes", "1024"),
        ("queued.min.messages", "1"),
        ("fetch.wait.max.ms", "20"),
        ("auto.offset.reset", "earliest"),
    ];
    let consumer = reader::client(settings, GROUP, &sparing)?;
    let asked = topic.clone();
    // Polling blocks its thread.
    let reading = tokio::task::spawn_blocking(move || {
        let read = poll_first(&consumer, &asked, places);
        (read, consumer.context().told().last())
    });
    match reading.await {
        Ok((Err(_), Some(refused))) => Err(refusal::of(settings, refused)),
        Ok((read, _)) => read.map_err(|source| Error::unconsumed(&topic, GROUP, source)),
        Err(_) => Err(Error::unconsumed(&topic, GROUP, KafkaError::Canceled)),
    }
}

fn poll_first(
    consumer: &BaseConsumer<Common>,
    topic: &str,
    mut places: HashMap<i32, i64>,
) -> KafkaResult<HashMap<i32, Oldest>> {
    let mut list = TopicPartitionList::with_capacity(places.len());
    for (number, offset) in &places {
        list.add_partition_offset(topic, *number, Offset::Offset(*offset))?;
    }
    consumer.assign(&list)?;
    let mut found = HashMap::new();
    let begun = Instant::now();
    while !places.is_empty() && begun.elapsed() < TIMEOUT && consumer.context().told().last().is_none() {
        let number = match consumer.poll(POLL) {
            None => continue,
            Some(Ok(message)) => {
                let number = message.partition();
                if places.contains_key(&number)
                    && let Some(made_at_ms) = message.timestamp().to_millis()
                {
                    let bytes = message.key_len() + message.payload_len();
                    found.insert(number, Oldest { made_at_ms, bytes });
                }
                number
            }
            // Somebody has taken the messages away meanwhile.
            Some(Err(KafkaError::PartitionEOF(number))) => number,
            Some(Err(error)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::TopicAuthorizationFailed) => {
                return Err(error);
            }
            // librdkafka keeps trying; what cannot be read in time stays unknown.
            Some(Err(_)) => continue,
        };
        if places.remove(&number).is_some() {
            let mut done = TopicPartitionList::with_capacity(1);
            done.add_partition(topic, number);
            consumer.pause(&done)?;
        }
    }
    Ok(found)
}

// === impl PartitionLag ===

impl PartitionLag {
    /// The offset of the first message that waits. A group that has committed nothing begins at the oldest message, and so
    /// does one whose offset the partition does not have, since its topic was made anew.
    pub fn next(&self) -> i64 {
        self.committed.filter(|committed| (self.first..=self.end).contains(committed)).unwrap_or(self.first)
    }

    /// Messages that wait.
    pub fn messages(&self) -> i64 {
        self.end - self.next()
    }

    /// Messages that were taken away before the group had passed them.
    pub fn lost(&self) -> i64 {
        self.committed.map_or(0, |committed| (self.first - committed).max(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Outbound, Producer,
        local::{self, LocalBroker},
    };

    #[test]
    fn a_group_begins_where_it_committed_or_at_the_oldest_message() {
        let at = |first, end, committed| PartitionLag { number: 0, first, end, committed, oldest: None };
        let told = |lag: PartitionLag| (lag.next(), lag.messages(), lag.lost());
        assert_eq!(told(at(0, 10, None)), (0, 10, 0));
        assert_eq!(told(at(3, 10, Some(7))), (7, 3, 0));
        assert_eq!(told(at(10, 10, Some(10))), (10, 0, 0));
        assert_eq!(told(at(8, 10, Some(5))), (8, 2, 3), "three were taken away unread");
        assert_eq!(told(at(0, 4, Some(57))), (0, 4, 0), "the topic was made anew");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_group_that_has_no_member_is_behind_by_all_that_is_there() {
        let broker = LocalBroker::start(&["t"]).unwrap();
        let settings =
            settings::Kafka { bootstrap_servers: broker.bootstrap_servers().to_owned(), ..settings::Kafka::default() };
        let message = |number: usize| Outbound {
            topic: "t".to_owned(),
            key: Some((number % 3).to_string().into_bytes()),
            payload: Some(vec![0; 2_000]),
            headers: Vec::new(),
        };
        let producer = Producer::new(&settings, |_, _| None, None).unwrap();
        let before = Instant::now();
        let places = producer.send_all((0..30).map(message).collect()).await.unwrap();
        let told = look(&settings, "nobody", "t").await.unwrap();
        let within = i64::try_from(before.elapsed().as_millis()).unwrap();
        let now_ms = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
        assert!(local::is_local(&settings).await.unwrap());
        assert_eq!(told.partitions.iter().map(PartitionLag::messages).sum::<i64>(), 30);
        for partition in told.partitions {
            let here = places.iter().filter(|place| place.partition.number == partition.number).count();
            assert_eq!(partition.messages(), i64::try_from(here).unwrap());
            assert_eq!(partition.oldest.is_some(), here > 0);
            let age = partition.oldest.map_or(0, |oldest| i64::try_from(now_ms).unwrap() - oldest.made_at_ms);
            // Both are whole milliseconds, cut off at other places.
            assert!((0..=within + 2).contains(&age), "{age} ms of {within}");
        }
    }
}
