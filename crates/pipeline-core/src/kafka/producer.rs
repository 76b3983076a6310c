//! A producer whose every send is acknowledged by all in-sync replicas before it counts.

use std::{sync::Arc, time::Duration};

use rdkafka::{
    ClientContext,
    config::{FromClientConfigAndContext, RDKafkaLogLevel},
    error::{KafkaError, RDKafkaErrorCode},
    message::{Header as KafkaHeader, Message as _, OwnedHeaders},
    producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer},
};
use tokio::sync::oneshot;

use super::{Error, Header, Partition, Position, client_config, local::Budget, log, partitioner::KeyPartitioner};
use crate::settings;

/// Shared by everything in one process that produces; cheap to clone.
#[derive(Clone)]
pub struct Producer {
    pub(super) inner: Arc<ThreadedProducer<Context, KeyPartitioner>>,
    budget: Option<Arc<Budget>>,
}

/// A message to be produced.
#[derive(Clone, Debug)]
pub struct Outbound {
    /// The topic.
    pub topic: String,
    /// The key: messages of one key stay in order, on one partition.
    pub key: Option<Vec<u8>>,
    /// The value.
    pub payload: Option<Vec<u8>>,
    /// The headers, in order.
    pub headers: Vec<Header>,
}

/// What librdkafka calls: the client that comes with futures does not take a partitioner, so their few lines are here.
pub(super) struct Context {
    partitioner: KeyPartitioner,
}

/// Partition and offset of a message that all in-sync replicas have, or why they do not.
type Acknowledgement = Result<(i32, i64), KafkaError>;

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::info!(target: "librdkafka", "producer: {error}: {reason}");
    }
}

impl ProducerContext<KeyPartitioner> for Context {
    type DeliveryOpaque = Box<oneshot::Sender<Acknowledgement>>;

    fn delivery(&self, result: &DeliveryResult<'_>, sender: Self::DeliveryOpaque) {
        let acknowledgement = match result {
            Ok(message) => Ok((message.partition(), message.offset())),
            Err((error, _)) => Err(error.clone()),
        };
        // Whoever waited may have been given up in the middle; the message has arrived or not all the same.
        sender.send(acknowledgement).unwrap_or_default();
    }

    fn get_custom_partitioner(&self) -> Option<&KeyPartitioner> {
        Some(&self.partitioner)
    }
}

// === impl Producer ===

impl Producer {
    /// Makes a producer; does not connect yet. `budget` guards the partitions of a local broker.
    ///
    /// # Errors
    /// [`Error::Client`] when librdkafka refuses the configuration.
    pub fn new(settings: &settings::Kafka, budget: Option<Arc<Budget>>) -> Result<Self, Error> {
        Self::make(settings, budget, true)
    }

    /// A producer of messages that may arrive twice, such as requests with an id. It does without the number that
    /// the cluster gives an idempotent producer, which a new client has to wait for half a second.
    ///
    /// # Errors
    /// As [`Producer::new`].
    pub fn at_least_once(settings: &settings::Kafka, budget: Option<Arc<Budget>>) -> Result<Self, Error> {
        Self::make(settings, budget, false)
    }

    fn make(settings: &settings::Kafka, budget: Option<Arc<Budget>>, idempotent: bool) -> Result<Self, Error> {
        let mut config = client_config(settings, "sluice-producer");
        config
            .set("enable.idempotence", idempotent.to_string())
            // Topic settings, of which there must be one: what they make is what the partitioner is put into.
            .set("acks", "all")
            // A stage emits the batches of a whole service at once; a little patience makes one request of them.
            .set("linger.ms", "5")
            // Give up on one send well before an operator would; the runtime then says so and tries again.
            .set("message.timeout.ms", "15000");
        ThreadedProducer::from_config_and_context(&config, Context { partitioner: KeyPartitioner })
            .map(|inner| Self { inner: Arc::new(inner), budget })
            .map_err(|source| Error::Client { bootstrap_servers: settings.bootstrap_servers.clone(), source })
    }

    /// Produces all messages and waits until each is acknowledged. They are enqueued in order, so messages of one
    /// key arrive in order. Gives where each of them lies now.
    ///
    /// # Errors
    /// The first failure; messages after it may or may not have arrived.
    pub async fn send_all(&self, messages: Vec<Outbound>) -> Result<Vec<Position>, Error> {
        let mut deliveries = Vec::with_capacity(messages.len());
        for message in messages {
            let size = message.payload.as_ref().map_or(0, Vec::len) + message.key.as_ref().map_or(0, Vec::len);
            if let Some(budget) = &self.budget {
                budget.check(&message.topic)?;
            }
            let delivery = self.enqueue(&message).await?;
            deliveries.push((message.topic, size, delivery));
        }
        let mut positions = Vec::with_capacity(deliveries.len());
        for (topic, size, delivery) in deliveries {
            let acknowledgement = delivery.await.unwrap_or(Err(KafkaError::Canceled));
            let (number, offset) = acknowledgement.map_err(|source| Error::Produce { topic: topic.clone(), source })?;
            if let Some(budget) = &self.budget {
                budget.produced(&topic, number, size);
            }
            positions.push(Position { partition: Partition { topic, number }, offset });
        }
        Ok(positions)
    }

    /// Waits for room in the client's queue when it is full.
    async fn enqueue(&self, message: &Outbound) -> Result<oneshot::Receiver<Acknowledgement>, Error> {
        loop {
            let (sender, delivery) = oneshot::channel();
            match self.inner.send(record(message, sender)) {
                Ok(()) => return Ok(delivery),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                Err((source, _)) => return Err(Error::Produce { topic: message.topic.clone(), source }),
            }
        }
    }

    /// Waits until nothing is on its way any more, at most `timeout`. Blocks the thread.
    ///
    /// # Errors
    /// When messages are still on their way.
    pub fn flush(&self, timeout: Duration) -> Result<(), Error> {
        self.inner.flush(timeout).map_err(|source| Error::Produce { topic: "(any)".to_owned(), source })
    }
}

fn record(
    message: &Outbound,
    sender: oneshot::Sender<Acknowledgement>,
) -> BaseRecord<'_, [u8], [u8], Box<oneshot::Sender<Acknowledgement>>> {
    let mut record = BaseRecord::with_opaque_to(&message.topic, Box::new(sender));
    if let Some(key) = &message.key {
        record = record.key(key.as_slice());
    }
    if let Some(payload) = &message.payload {
        record = record.payload(payload.as_slice());
    }
    let mut headers = OwnedHeaders::new_with_capacity(message.headers.len());
    for (name, value) in &message.headers {
        headers = headers.insert(KafkaHeader { key: name, value: value.as_deref() });
    }
    record.headers(headers)
}
