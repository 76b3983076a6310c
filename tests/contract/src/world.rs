//! A local broker, a registry, and messages of every kind and size.

use std::{collections::BTreeMap, time::Duration};

use pipeline_core::{
    admin::Health,
    intake::Intake,
    registry::{Codec, Registry, server::EmbeddedRegistry},
    runtime::{self, Context, header},
};
use pipeline_kafka::{Delivery, Outbound, Partition, PlaceReader, Position, Producer, admin, local::LocalBroker};
use pipeline_model::{
    contracts::{self, Message, batch_of},
    disposition::Classify as _,
};
use pipeline_settings::settings::{self, Names, Settings};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::observed::Spans;

/// How long a condition may take; far more than it does.
const PATIENCE: Duration = Duration::from_secs(180);

/// Sizes of messages, in bytes: none, less than a header, a header, and far beyond what is usual.
const SIZES: [usize; 11] = [0, 1, 4, 5, 6, 9, 64, 1_000, 10_000, 100_000, 700_000];

/// Where stages and sinks run.
pub struct World {
    _broker: LocalBroker,
    _registry: EmbeddedRegistry,
    /// All settings; the target and the source are the caller's.
    pub settings: Settings,
    /// Knows every contract.
    pub codec: Codec,
    /// The spans of this process.
    pub spans: Spans,
    producer: Producer,
}

/// A stage or a sink at work.
pub struct Running {
    name: &'static str,
    topic: String,
    settings: settings::Kafka,
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), runtime::Error>>,
}

// === impl World ===

impl World {
    /// A broker with the topics of all contracts and these, and a registry with all their schemas.
    pub async fn new(topics: &[&str]) -> Self {
        let spans = Spans::install();
        let foreign = topics.iter().map(|topic| (*topic).to_owned()).collect();
        let broker = LocalBroker::start(&[Names::default().topics(), foreign].concat()).unwrap();
        let registry = EmbeddedRegistry::start("127.0.0.1:0").await.unwrap();
        let mut settings = Settings::default();
        settings.kafka = settings::Kafka { bootstrap_servers: broker.bootstrap_servers().to_owned(), ..settings.kafka };
        settings.schema_registry.url = registry.url().to_owned();
        settings.stage.max_attempts = 2;
        settings.stage.max_backoff_ms = 20;
        let client = Registry::new(&settings.schema_registry).unwrap();
        let codec = Codec::prepare(&client, &Names::default(), &[], &contracts::ALL, true).await.unwrap();
        let producer = Producer::new(&settings.kafka, batch_of, None).unwrap();
        Self { _broker: broker, _registry: registry, settings, codec, spans, producer }
    }

    /// A message of a contract, as stages send it.
    pub fn message<M: Message>(&self, message: &M) -> Outbound {
        Outbound {
            topic: M::TOPIC.to_owned(),
            key: Some(message.key().into_bytes()),
            payload: Some(self.codec.encode(message).unwrap()),
            headers: vec![(header::RUN_ID.to_owned(), Some(message.run_id().as_bytes().to_vec()))],
        }
    }

    /// Sends messages; gives them as they lie in their topic.
    pub async fn send(&self, messages: Vec<Outbound>) -> Vec<Delivery> {
        let places = self.producer.send_all(messages.clone()).await.unwrap();
        let delivered = |(position, message): (Position, Outbound)| Delivery {
            position,
            key: message.key,
            payload: message.payload,
            headers: message.headers,
        };
        places.into_iter().zip(messages).map(delivered).collect()
    }

    /// Starts a stage or a sink of this name, which reads this topic.
    pub fn start<F>(&self, name: &'static str, topic: &str, run: impl FnOnce(Context) -> F) -> Running
    where
        F: Future<Output = Result<(), runtime::Error>> + Send + 'static,
    {
        let shutdown = CancellationToken::new();
        let context = Context {
            settings: self.settings.clone(),
            registry: Registry::new(&self.settings.schema_registry).unwrap(),
            health: Health::new(),
            shutdown: shutdown.clone(),
            local_budget: None,
        };
        let (topic, settings) = (topic.to_owned(), self.settings.kafka.clone());
        Running { name, topic, settings, shutdown, task: tokio::spawn(run(context)) }
    }

    /// All dead letters, by the place that their message came from.
    pub async fn letters(&self) -> BTreeMap<(String, i32, i64), Delivery> {
        let mut letters = BTreeMap::new();
        let ends = admin::watermarks(&self.settings.kafka, contracts::DEAD_LETTERS).unwrap();
        for (number, (from, to)) in (0..).zip(ends) {
            let partition = Partition { topic: contracts::DEAD_LETTERS.to_owned(), number };
            if from == to {
                continue;
            }
            let mut reader = PlaceReader::open(&self.settings.kafka, partition).unwrap();
            for offset in from..to {
                let letter = reader.read(offset).await.unwrap().unwrap();
                let text =
                    |name: &str| letter.header(name).unwrap_or_else(|| panic!("a letter without {name}")).to_owned();
                let place = (text(header::TOPIC), text(header::PARTITION), text(header::OFFSET));
                letters.insert((place.0, place.1.parse().unwrap(), place.2.parse().unwrap()), letter);
            }
        }
        letters
    }

    /// Fails unless each of these messages that is no `I` is a dead letter with its bytes and all that people need.
    pub async fn assert_unreadable_are_letters<I: Intake>(&self, name: &str, sent: &[Delivery]) {
        let letters = self.letters().await;
        for delivery in sent {
            let Err(error) = I::decode(&self.codec, delivery).await else { continue };
            let Position { partition, offset } = &delivery.position;
            let place = (partition.topic.clone(), partition.number, *offset);
            let letter = letters.get(&place).unwrap_or_else(|| panic!("{place:?} is in no letter"));
            assert_eq!((&letter.key, &letter.payload), (&delivery.key, &delivery.payload), "{place:?}");
            assert_eq!(letter.header(header::CODE), Some(error.code()), "{place:?}");
            assert_eq!(letter.header(header::STAGE), Some(name), "{place:?}");
            for required in
                [header::MESSAGE, header::CLASS, header::ATTEMPT, header::FIRST_FAILED_AT, header::TRACEPARENT]
            {
                assert!(letter.header(required).is_some_and(|value| !value.is_empty()), "{place:?} lacks {required}");
            }
        }
    }
}

// === impl Running ===

impl Running {
    /// Returns when the group has settled everything that lies in the topic.
    pub async fn settled(&self) {
        let settled = tokio::time::timeout(PATIENCE, async {
            while self.lag() > 0 && !self.task.is_finished() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        assert!(settled.await.is_ok(), "`{}` has left {} messages of `{}`", self.name, self.lag(), self.topic);
    }

    /// Ends it in order.
    pub async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(PATIENCE, self.task).await.expect("it ends").unwrap().expect("it was not halted");
    }

    fn lag(&self) -> i64 {
        let ends = admin::watermarks(&self.settings, &self.topic).unwrap();
        let committed = admin::committed(&self.settings, &self.settings.group(self.name), &self.topic).unwrap();
        ends.iter().zip(committed).map(|((_, end), committed)| end - committed.unwrap_or(0)).sum()
    }
}

/// Messages to the topic of this one that nobody should send: cut off, prolonged, of every size, without value or key, and
/// random bytes. The same each time.
pub fn hostile(golden: &Outbound) -> Vec<Outbound> {
    let mut random = fastrand::Rng::with_seed(16);
    let whole = golden.payload.clone().unwrap_or_default();
    let head = whole.get(..5).unwrap_or(&whole).to_vec();
    let mut payloads: Vec<Option<Vec<u8>>> = vec![None];
    payloads.extend(SIZES.map(|size| {
        let mut bytes = vec![0xff; size];
        let head = &head[..head.len().min(size)];
        bytes[..head.len()].copy_from_slice(head);
        Some(bytes)
    }));
    payloads.extend((0..whole.len()).step_by(whole.len().div_ceil(12).max(1)).map(|end| Some(whole[..end].to_vec())));
    payloads.push(Some([whole.as_slice(), &[0xff]].concat()));
    payloads.extend((0..12).map(|_| Some((0..random.usize(1..200)).map(|_| random.u8(..)).collect())));
    payloads.extend((0..12).map(|_| {
        let mut bytes = whole.clone();
        let place = random.usize(0..bytes.len().max(1));
        if let Some(byte) = bytes.get_mut(place) {
            *byte ^= 1 << random.u32(0..8);
        }
        Some(bytes)
    }));
    let message = |(number, payload)| Outbound {
        key: (number % 5 != 0).then(|| format!("key {number}").into_bytes()),
        payload,
        headers: vec![("foreign".to_owned(), Some(vec![0xff])), ("foreign".to_owned(), None)],
        ..golden.clone()
    };
    payloads.into_iter().enumerate().map(message).collect()
}
