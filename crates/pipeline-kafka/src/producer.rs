//! A producer whose every send is acknowledged by all in-sync replicas before it counts.
//!
//! How large a message may be is for its topic to say, so the client's own bound is far above what topics take. A broker
//! judges whole batches, and a batch that is too large is refused with everything in it. What was refused so is sent
//! once more, alone, before it is believed that the message itself is too large.

use std::{
    sync::{Arc, OnceLock, PoisonError, RwLock},
    time::Duration,
};

use pipeline_settings::settings;
use rdkafka::{
    ClientContext,
    client::OAuthToken,
    config::{FromClientConfigAndContext, RDKafkaLogLevel},
    error::{KafkaError, RDKafkaErrorCode},
    message::{Header as KafkaHeader, Message as _, OwnedHeaders},
    producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer},
};
use tokio::sync::oneshot;

use super::{
    Dealing, Error, Header, Partition, Position, Resource, admission, client_config,
    local::{Budget, Reservation},
    partitioner::KeyPartitioner,
    size,
    told::{Common, Told},
};

/// The client's bound of one message: far above what topics take, below what a broker reads of one request, 100 MiB.
const MAX_MESSAGE_BYTES: usize = 64 * 1024 * 1024;

type Client = ThreadedProducer<Context, KeyPartitioner>;

/// Shared by everything in one process that produces; cheap to clone.
#[derive(Clone)]
pub struct Producer {
    /// Replaced when it was made without a right that has been given since.
    inner: Arc<RwLock<Arc<Client>>>,
    /// Sends one message in a request; made when a batch was too large.
    lone: Arc<OnceLock<Client>>,
    pub(super) settings: Arc<settings::Kafka>,
    dealing: Dealing,
    budget: Option<Arc<Budget>>,
    /// Looked at by who does not wait for a cluster that refuses it.
    refusals: Option<Told>,
}

/// A message to be produced.
#[derive(Clone, Debug)]
pub struct Outbound {
    /// The topic, by its contract.
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
    common: Common,
    partitioner: KeyPartitioner,
}

/// Partition and offset of a message that all in-sync replicas have, or why they do not.
type Acknowledgement = Result<(i32, i64), KafkaError>;

impl ClientContext for Context {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.common.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.common.error(error, reason);
    }

    fn generate_oauth_token(&self, config: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        self.common.generate_oauth_token(config)
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
    /// Makes a producer; does not connect yet. `dealing` says which messages are dealt out, `budget` guards the partitions
    /// of a local broker.
    ///
    /// # Errors
    /// [`Error::Client`] when librdkafka refuses the configuration.
    pub fn new(settings: &settings::Kafka, dealing: Dealing, budget: Option<Arc<Budget>>) -> Result<Self, Error> {
        Self::make(settings, dealing, budget, true)
    }

    /// A producer of messages that may arrive twice, such as requests with an id. It does without the number that
    /// the cluster gives an idempotent producer, which a new client has to wait for half a second, and it does not wait
    /// for a cluster that refuses it.
    ///
    /// # Errors
    /// As [`Producer::new`].
    pub fn at_least_once(
        settings: &settings::Kafka,
        dealing: Dealing,
        budget: Option<Arc<Budget>>,
    ) -> Result<Self, Error> {
        Self::make(settings, dealing, budget, false)
    }

    fn make(
        settings: &settings::Kafka,
        dealing: Dealing,
        budget: Option<Arc<Budget>>,
        idempotent: bool,
    ) -> Result<Self, Error> {
        let inner = client(settings, dealing, idempotent, None)?;
        let refusals = (!idempotent).then(|| inner.context().common.told());
        let settings = Arc::new(settings.clone());
        Ok(Self {
            inner: Arc::new(RwLock::new(Arc::new(inner))),
            lone: Arc::default(),
            settings,
            dealing,
            budget,
            refusals,
        })
    }

    /// Produces all messages and waits until each is acknowledged. They are enqueued in order, so messages of one
    /// key arrive in order. Gives where each of them lies now.
    ///
    /// # Errors
    /// The first failure; messages after it may or may not have arrived. [`Error::TooLarge`] when one of them is larger
    /// than its topic takes. A local broker that has no room for all of them gets none.
    pub async fn send_all(&self, messages: Vec<Outbound>) -> Result<Vec<Position>, Error> {
        let mut reserved = self.budget.as_ref().map(|budget| budget.reserve(self.dealing, &messages)).transpose()?;
        let names = self.settings.names();
        let on_the_cluster = |message: Outbound| Outbound { topic: names.topic(&message.topic), ..message };
        let messages: Vec<Outbound> = messages.into_iter().map(on_the_cluster).collect();
        let client = self.client();
        let mut deliveries = Vec::with_capacity(messages.len());
        for (index, message) in messages.iter().enumerate() {
            let partition = reserved.as_ref().and_then(|reserved| reserved.partition(index));
            let enqueued = enqueue(&client, message, partition).await;
            deliveries.push(enqueued.map_err(|error| self.judged(&client, error))?);
        }
        let mut positions = Vec::with_capacity(messages.len());
        for (index, (message, delivery)) in messages.into_iter().zip(deliveries).enumerate() {
            let (number, offset) = match self.acknowledged_or_refused(&message, delivery).await {
                Err(Error::TooLarge { .. }) => self.send_alone(&message, reserved.as_ref(), index).await?,
                acknowledgement => acknowledgement.map_err(|error| self.judged(&client, error))?,
            };
            if let Some(reserved) = &mut reserved {
                reserved.keep(index);
            }
            let topic = names.contract(&message.topic);
            positions.push(Position { partition: Partition { topic, number }, offset });
        }
        Ok(positions)
    }

    /// The client of this moment.
    pub(super) fn client(&self) -> Arc<Client> {
        Arc::clone(&self.inner.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// An idempotent client that was not given its number for want of a right never asks for it again. It has sent
    /// nothing yet, so that another one can take its place, and the stage need not end.
    fn judged(&self, used: &Arc<Client>, error: Error) -> Error {
        let lacks_right = used.client().fatal_error().is_some_and(|(code, _)| {
            matches!(code, RDKafkaErrorCode::ClusterAuthorizationFailed | RDKafkaErrorCode::TopicAuthorizationFailed)
        });
        if !lacks_right {
            return error;
        }
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&inner, used) {
            match client(&self.settings, self.dealing, true, None) {
                Ok(fresh) => *inner = Arc::new(fresh),
                Err(error) => return error,
            }
        }
        Error::NotAuthorised { resource: Resource::Cluster, needs: "it needs `Write` on a topic" }
    }

    async fn acknowledged_or_refused(
        &self,
        message: &Outbound,
        delivery: oneshot::Receiver<Acknowledgement>,
    ) -> Result<(i32, i64), Error> {
        let Some(told) = &self.refusals else { return acknowledged(message, delivery).await };
        tokio::select! {
            acknowledgement = acknowledged(message, delivery) => acknowledgement,
            refusal = told.refused() => Err(admission::of(&self.settings, refusal)),
        }
    }

    /// Sends a message that may have been refused for the company it was in.
    async fn send_alone(
        &self,
        message: &Outbound,
        reserved: Option<&Reservation>,
        index: usize,
    ) -> Result<(i32, i64), Error> {
        if self.lone.get().is_none() {
            // Somebody else may be faster, whose client is as good.
            self.lone.set(client(&self.settings, self.dealing, true, Some(1))?).unwrap_or_default();
        }
        let Some(lone) = self.lone.get() else { return acknowledged(message, oneshot::channel().1).await };
        let partition = reserved.and_then(|reserved| reserved.partition(index));
        acknowledged(message, enqueue(lone, message, partition).await?).await
    }

    /// Waits until nothing is on its way any more, at most `timeout`. Blocks the thread.
    ///
    /// # Errors
    /// When messages are still on their way.
    pub fn flush(&self, timeout: Duration) -> Result<(), Error> {
        self.client().flush(timeout).map_err(|source| Error::Produce { topic: "(any)".to_owned(), source })
    }
}

/// A client of librdkafka; `batch` bounds the messages that it sends in one request.
fn client(settings: &settings::Kafka, dealing: Dealing, idempotent: bool, batch: Option<u32>) -> Result<Client, Error> {
    let mut config = client_config(settings, "sluice-producer");
    config
        .set("enable.idempotence", idempotent.to_string())
        // Topic settings, of which there must be one: what they make is what the partitioner is put into.
        .set("acks", "all")
        .set("message.max.bytes", MAX_MESSAGE_BYTES.to_string())
        // A stage emits the batches of a whole service at once; a little patience makes one request of them.
        .set("linger.ms", "5")
        // Give up on one send well before an operator would; the runtime then says so and tries again.
        .set("message.timeout.ms", "15000");
    if let Some(batch) = batch {
        config.set("batch.num.messages", batch.to_string());
    }
    let context = Context { common: Common::new("producer", settings), partitioner: KeyPartitioner(dealing) };
    ThreadedProducer::from_config_and_context(&config, context)
        .map_err(|source| Error::Client { bootstrap_servers: settings.bootstrap_servers.clone(), source })
}

/// Waits for room in the client's queue when it is full.
async fn enqueue(
    client: &Client,
    message: &Outbound,
    partition: Option<i32>,
) -> Result<oneshot::Receiver<Acknowledgement>, Error> {
    loop {
        let (sender, delivery) = oneshot::channel();
        match client.send(record(message, partition, sender)) {
            Ok(()) => return Ok(delivery),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Err((source, _)) => return Err(Error::unproduced(&message.topic, message.size(), source)),
        }
    }
}

/// Waits until a message has arrived, or has not.
async fn acknowledged(message: &Outbound, delivery: oneshot::Receiver<Acknowledgement>) -> Result<(i32, i64), Error> {
    let acknowledgement = delivery.await.unwrap_or(Err(KafkaError::Canceled));
    acknowledgement.map_err(|source| Error::unproduced(&message.topic, message.size(), source))
}

// === impl Outbound ===

impl Outbound {
    /// Bytes that the message takes in a partition, about: as many as [`super::Delivery::size`] says when it is read.
    pub fn size(&self) -> usize {
        size(self.key.as_deref(), self.payload.as_deref(), &self.headers)
    }
}

fn record(
    message: &Outbound,
    partition: Option<i32>,
    sender: oneshot::Sender<Acknowledgement>,
) -> BaseRecord<'_, [u8], [u8], Box<oneshot::Sender<Acknowledgement>>> {
    let mut record = BaseRecord::with_opaque_to(&message.topic, Box::new(sender));
    record.partition = partition;
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
