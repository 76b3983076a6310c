//! The in-process broker of local mode: librdkafka's own, on a random loopback port.
//!
//! It speaks the real protocol, so stages run the same code against it as against a cluster. It keeps nothing on disk
//! and 5 MiB per partition, and beyond that **drops the oldest message silently**. [`Budget`] counts what waits in
//! each partition and stops with an error before the limit, so that local mode loses nothing either. What belongs
//! together is counted together, before any of it is sent.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
};

use pipeline_settings::settings;
use rdkafka::{
    consumer::Consumer as _,
    error::{KafkaError, RDKafkaErrorCode},
    mocking::MockCluster,
    producer::{DefaultProducerContext, Partitioner as _},
    types::{RDKafkaApiKey, RDKafkaRespErr},
};

use super::{
    Dealing, Delivery, Error, Partition,
    asking::{TIMEOUT, ask},
    outbound::Outbound,
    partitioner::KeyPartitioner,
};

/// Bytes that may wait in one partition: what the broker keeps, less a margin for what is already on its way.
pub const PARTITION_LIMIT: usize = 4 * 1024 * 1024;

/// What the broker's own framing of a message takes, at most.
const MESSAGE_OVERHEAD: usize = 256;

/// Partitions per topic: many, so that the bound per partition is far away.
const PARTITIONS: i32 = 12;

/// A running broker; ends when dropped.
pub struct LocalBroker {
    bootstrap_servers: String,
    budget: Arc<Budget>,
    // Dropping the sender ends the broker's thread: the broker's handle may not change threads.
    orders: mpsc::Sender<Order>,
}

/// What the broker's thread is asked to do.
enum Order {
    /// Refuse so many commits of offsets.
    RefuseCommits(usize),
}

/// Bytes that wait in each partition of the local broker.
#[derive(Debug, Default)]
pub struct Budget {
    waiting: Mutex<HashMap<Partition, usize>>,
}

/// Room for messages that are on their way. Dropped, it gives back the room of those that did not arrive.
#[derive(Debug)]
pub(crate) struct Reservation {
    budget: Arc<Budget>,
    /// The place and size of each message; `None` when it has arrived.
    on_their_way: Vec<(Partition, Option<usize>)>,
}

// === impl LocalBroker ===

impl LocalBroker {
    /// Starts a broker with these topics, by their names on it.
    ///
    /// # Errors
    /// [`Error::Local`] when the broker cannot listen or a topic cannot be created.
    pub fn start(topics: &[impl AsRef<str>]) -> Result<Self, Error> {
        let topics: Vec<String> = topics.iter().map(|topic| topic.as_ref().to_owned()).collect();
        let (report, started) = mpsc::channel();
        let (orders, ordered) = mpsc::channel();
        thread::Builder::new()
            .name("local-broker".to_owned())
            .spawn(move || match start_cluster(&topics) {
                Ok(cluster) => {
                    if report.send(Ok(cluster.bootstrap_servers())).is_ok() {
                        // Ends when the sender is dropped.
                        for Order::RefuseCommits(times) in ordered {
                            let refusal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED;
                            cluster.request_errors(RDKafkaApiKey::OffsetCommit, &vec![refusal; times]);
                        }
                    }
                }
                Err(error) => report.send(Err(error)).unwrap_or_default(),
            })
            .map_err(|error| Error::Local { reason: error.to_string() })?;
        let bootstrap_servers =
            started.recv().map_err(|_| Error::Local { reason: "its thread ended at once".to_owned() })??;
        Ok(Self { bootstrap_servers, budget: Arc::new(Budget::default()), orders })
    }

    /// Where clients find it, `127.0.0.1:port`.
    pub fn bootstrap_servers(&self) -> &str {
        &self.bootstrap_servers
    }

    /// Makes the broker refuse the next commits of offsets, as a real one may: to test what follows from it.
    pub fn refuse_commits(&self, times: usize) {
        // The thread is gone only when the broker did not start.
        self.orders.send(Order::RefuseCommits(times)).unwrap_or_default();
    }

    /// The guard that every producer and stage of this process shares.
    pub fn budget(&self) -> Arc<Budget> {
        Arc::clone(&self.budget)
    }
}

/// Whether these brokers are that of a local mode, perhaps of another process: it keeps [`PARTITION_LIMIT`] in each partition,
/// for however long.
///
/// # Errors
/// As [`super::admin::check`].
pub async fn is_local(settings: &settings::Kafka) -> Result<bool, Error> {
    let id = ask(settings, None, |client| Ok(client.client().fetch_cluster_id(TIMEOUT))).await?;
    Ok(id.is_some_and(|id| id.starts_with("mockCluster")))
}

fn start_cluster(topics: &[String]) -> Result<MockCluster<'static, DefaultProducerContext>, Error> {
    let cluster = MockCluster::new(1).map_err(|error| Error::Local { reason: error.to_string() })?;
    for topic in topics {
        cluster
            .create_topic(topic, PARTITIONS, 1)
            .map_err(|error| Error::Local { reason: format!("topic `{topic}`: {error}") })?;
    }
    Ok(cluster)
}

// === impl Budget ===

impl Budget {
    /// Makes room for all of these messages, each in the partition that it will lie in, or for none.
    pub(crate) fn reserve(self: &Arc<Self>, dealing: Dealing, messages: &[Outbound]) -> Result<Reservation, Error> {
        let placed: Vec<(Partition, usize)> =
            messages.iter().map(|message| (place(dealing, message), cost(message))).collect();
        let mut waiting = self.lock();
        let mut wanted: HashMap<&Partition, usize> = HashMap::new();
        for (message, (partition, bytes)) in messages.iter().zip(&placed) {
            if *bytes > PARTITION_LIMIT {
                let source = KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge);
                return Err(Error::unproduced(&message.topic, *bytes, source));
            }
            let wanted = wanted.entry(partition).or_insert_with(|| waiting.get(partition).copied().unwrap_or_default());
            *wanted += bytes;
            if *wanted > PARTITION_LIMIT {
                return Err(Error::LocalPartitionFull {
                    topic: partition.topic.clone(),
                    partition: partition.number,
                    limit: PARTITION_LIMIT,
                });
            }
        }
        for (partition, bytes) in &placed {
            *waiting.entry(partition.clone()).or_default() += bytes;
        }
        let on_their_way = placed.into_iter().map(|(partition, bytes)| (partition, Some(bytes))).collect();
        Ok(Reservation { budget: Arc::clone(self), on_their_way })
    }

    /// A message is settled: the broker may forget it.
    pub fn settled(&self, delivery: &Delivery) {
        self.release(&delivery.position.partition, delivery.size() + MESSAGE_OVERHEAD);
    }

    fn release(&self, partition: &Partition, bytes: usize) {
        if let Some(waiting) = self.lock().get_mut(partition) {
            *waiting = waiting.saturating_sub(bytes);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Partition, usize>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a message will lie: asked of the partitioner beforehand, since what has no key may lie anywhere.
fn place(dealing: Dealing, message: &Outbound) -> Partition {
    let number = KeyPartitioner(dealing).partition(&message.topic, message.key.as_deref(), PARTITIONS, |_| true);
    Partition { topic: message.topic.clone(), number }
}

fn cost(message: &Outbound) -> usize {
    message.size() + MESSAGE_OVERHEAD
}

// === impl Reservation ===

impl Reservation {
    /// The partition that room was made in for this message.
    pub(crate) fn partition(&self, index: usize) -> Option<i32> {
        self.on_their_way.get(index).map(|(partition, _)| partition.number)
    }

    /// The message has arrived: its room stays taken until it is settled.
    pub(crate) fn keep(&mut self, index: usize) {
        if let Some((_, bytes)) = self.on_their_way.get_mut(index) {
            *bytes = None;
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        for (partition, bytes) in &self.on_their_way {
            if let Some(bytes) = bytes {
                self.budget.release(partition, *bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Position, Producer, read_at};

    /// What the broker itself keeps in a partition.
    const BROKER_LIMIT: usize = 5 * 1024 * 1024;

    #[tokio::test(flavor = "multi_thread")]
    async fn an_emission_that_would_overfill_a_partition_is_refused_before_any_of_it_is_sent() {
        let (broker, settings) = start();
        let producer = Producer::new(&settings, |_, _| None, Some(broker.budget())).unwrap();
        let first = producer.send_all(vec![message(1_000_000, 0)]).await.unwrap();
        let too_much = vec![message(1_000_000, 0); 4];
        let refused = producer.send_all(too_much).await.unwrap_err();
        assert!(matches!(refused, Error::LocalPartitionFull { .. }), "{refused}");
        let next = Position { offset: first[0].offset + 1, ..first[0].clone() };
        assert!(read_at(&settings, &next).await.unwrap().is_none(), "a part of it was sent");

        // What fits goes on, up to the limit and not over it, and the broker has dropped nothing.
        producer.send_all(vec![message(1_000_000, 0); 3]).await.unwrap();
        assert!(producer.send_all(vec![message(300_000, 0)]).await.is_err());
        assert!(read_at(&settings, &first[0]).await.unwrap().is_some(), "the oldest was dropped");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_read_frees_as_much_as_it_took_headers_included() {
        let (broker, settings) = start();
        let budget = broker.budget();
        let producer = Producer::new(&settings, |_, _| None, Some(Arc::clone(&budget))).unwrap();
        let kept = producer.send_all(vec![message(1_000, 500_000)]).await.unwrap();
        let held = |partition: &Partition| budget.lock().get(partition).copied().unwrap_or_default();
        let with_one = held(&kept[0].partition);
        assert!(with_one > 501_000, "counted {with_one} bytes");
        let place = producer.send_all(vec![message(1_000, 700_000)]).await.unwrap().remove(0);
        budget.settled(&read_at(&settings, &place).await.unwrap().unwrap());
        assert_eq!(held(&place.partition), with_one);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_message_larger_than_a_partition_is_refused_for_good_and_takes_no_room() {
        let (broker, settings) = start();
        let producer = Producer::new(&settings, |_, _| None, Some(broker.budget())).unwrap();
        let refused = producer.send_all(vec![message(10, 0), message(PARTITION_LIMIT, 0)]).await.unwrap_err();
        assert!(matches!(refused, Error::TooLarge { .. }), "{refused}");
        assert!(broker.budget().lock().values().all(|bytes| *bytes == 0), "room is taken");
        const { assert!(PARTITION_LIMIT < BROKER_LIMIT) };
    }

    fn start() -> (LocalBroker, settings::Kafka) {
        let broker = LocalBroker::start(&["t"]).unwrap();
        let bootstrap_servers = broker.bootstrap_servers().to_owned();
        (broker, settings::Kafka { bootstrap_servers, ..settings::Kafka::default() })
    }

    /// A message of one partition, with so many bytes in its value and in its header.
    fn message(value: usize, header: usize) -> Outbound {
        Outbound {
            topic: "t".to_owned(),
            key: Some(b"same".to_vec()),
            payload: Some(vec![1; value]),
            headers: vec![("filler".to_owned(), Some(vec![1; header]))],
        }
    }
}
