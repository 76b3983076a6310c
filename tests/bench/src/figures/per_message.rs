//! What the runtime costs a message: consume → a stage that does nothing → produce, at 1 kB, against a bare loop of the
//! same client library.
//!
//! Both consume the same messages, hold as many in hand, produce them to the same topic with the same guarantees, and
//! commit what is acknowledged. The loop lets the client fetch ahead as far as it does by default, where the runtime
//! spares memory, and passes the bytes on as they are. The runtime does what a stage needs beside: it decodes and
//! encodes by the schema, opens a span, counts, and keeps the order of commits. Timed from the first message to the
//! last acknowledgement, with everything connected.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use apache_avro::AvroSchema;
use futures::{StreamExt as _, stream::FuturesOrdered};
use pipeline_core::{
    admin::Health,
    registry::{Codec, Registry},
    runtime::{self, Context},
    stage::{Emit, Record, Stage},
};
use pipeline_kafka::{Outbound, Producer};
use pipeline_model::{
    contracts::{Message, batch_of},
    needs::{Needs, Never},
};
use pipeline_settings::settings::Settings;
use rdkafka::{
    ClientConfig, Message as _,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    consumer::{Consumer as _, StreamConsumer},
    producer::{FutureProducer, FutureRecord},
};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Bench, figure, verdict};
use crate::{
    results::{Figure, Goal, Quantity},
    servers::PARTITIONS,
    size::Size,
    statistics::median,
};

/// Messages in hand: the most that a stage may be given, so that neither side waits for acknowledgements.
const IN_HAND: u32 = 1_024;
/// Bytes of text in a message; with its other fields about 1 kB.
const TEXT: usize = 950;

macro_rules! record {
    ($name:ident, $topic:literal) => {
        /// A message of 1 kB.
        #[derive(Clone, Debug, Serialize, Deserialize, AvroSchema)]
        #[avro(namespace = "io.sluice.bench")]
        struct $name {
            run_id: String,
            number: i64,
            text: String,
        }

        impl Message for $name {
            const TOPIC: &'static str = $topic;
            const SCHEMA: &'static str = concat!(
                r#"{"type": "record", "name": ""#,
                stringify!($name),
                r#"", "namespace": "io.sluice.bench", "fields": [{"name": "run_id", "type": "string"},"#,
                r#" {"name": "number", "type": "long"}, {"name": "text", "type": "string"}]}"#
            );

            fn key(&self) -> String {
                self.number.to_string()
            }

            fn run_id(&self) -> &str {
                &self.run_id
            }
        }
    };
}

record!(Ping, "sluice.bench.ping.v1");
record!(Pong, "sluice.bench.pong.v1");

/// The stage that does nothing.
struct Echo {
    progress: Arc<Progress>,
}

/// How far the stage is.
#[derive(Default)]
struct Progress {
    wanted: usize,
    first: OnceLock<Instant>,
    delivered: AtomicUsize,
    done: Notify,
}

pub(super) fn measure(bench: &Bench, size: Size) -> Vec<Figure> {
    let count = if size == Size::Xs { 500 } else { 200_000 };
    let database = bench.servers.migrated_database();
    let mut settings = bench.servers.settings(&database);
    crate::servers::drop_database(&database);
    settings.stage.in_flight = IN_HAND;
    settings.stage.register_schemas = true;
    let (mut through, mut bare) = (Vec::new(), Vec::new());
    bench.runtime.block_on(async {
        fill(&settings, count).await;
        for round in 0..bench.rounds(size) {
            settings.kafka.group_prefix = Some(format!("bench-{round}"));
            bare.push(bare_loop(&settings, count).await);
            through.push(through_runtime(&settings, count).await);
        }
    });
    let share = median(&through) / median(&bare);
    vec![figure(
        "per-message",
        "",
        vec![verdict("of a bare loop", share, "", Goal::AtLeast(0.7))],
        vec![Quantity::new("runtime", "messages/s", through), Quantity::new("bare loop", "messages/s", bare)],
    )]
}

/// Makes the topics and puts the messages there.
async fn fill(settings: &Settings, count: usize) {
    let admin: AdminClient<_> = config(settings).create().expect("a client");
    let partitions = i32::from(PARTITIONS);
    let topics = [Ping::TOPIC, Pong::TOPIC].map(|topic| NewTopic::new(topic, partitions, TopicReplication::Fixed(1)));
    let created = admin.create_topics(&topics, &AdminOptions::new()).await.expect("the broker answers");
    assert!(created.iter().all(Result::is_ok), "topics could not be created: {created:?}");
    let registry = Registry::new(&settings.schema_registry).expect("a registry");
    let contracts = [(Ping::TOPIC, Ping::SCHEMA)];
    let codec = Codec::prepare(&registry, &settings.kafka.names(), &[], &contracts, true)
        .await
        .expect("the schema is registered");
    let producer = Producer::new(&settings.kafka, batch_of, None).expect("a producer");
    let numbers: Vec<usize> = (0..count).collect();
    for part in numbers.chunks(10_000) {
        let messages = part.iter().map(|number| {
            let number = i64::try_from(*number).expect("a small number");
            let message = Ping { run_id: String::new(), number, text: "x".repeat(TEXT) };
            Outbound {
                topic: Ping::TOPIC.to_owned(),
                key: Some(message.key().into_bytes()),
                payload: Some(codec.encode(&message).expect("a sound message")),
                headers: Vec::new(),
            }
        });
        producer.send_all(messages.collect()).await.expect("the messages arrive");
    }
}

/// Messages in a second through the runtime.
async fn through_runtime(settings: &Settings, count: usize) -> f64 {
    let progress = Arc::new(Progress { wanted: count, ..Progress::default() });
    let shutdown = CancellationToken::new();
    let context = Context {
        settings: settings.clone(),
        registry: Registry::new(&settings.schema_registry).expect("a registry"),
        health: Health::new(),
        shutdown: shutdown.clone(),
        local_budget: None,
    };
    let running = tokio::spawn(runtime::run(Echo { progress: Arc::clone(&progress) }, context));
    progress.done.notified().await;
    let took = progress.first.get().map(Instant::elapsed).expect("a first message");
    shutdown.cancel();
    running.await.expect("no panic").expect("the stage ends in order");
    rate(count, took)
}

/// Messages in a second through a loop that does nothing else.
async fn bare_loop(settings: &Settings, count: usize) -> f64 {
    let group = settings.kafka.group("bare");
    let consumer: StreamConsumer = config(settings)
        .set("group.id", &group)
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.offset.store", "false")
        .set("auto.commit.interval.ms", "200")
        .create()
        .expect("a consumer");
    consumer.subscribe(&[Ping::TOPIC]).expect("a subscription");
    let producer: FutureProducer = config(settings)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("linger.ms", "5")
        .create()
        .expect("a producer");
    let mut first = None;
    let (mut taken, mut acknowledged) = (0, 0);
    let mut in_hand = FuturesOrdered::new();
    while acknowledged < count {
        tokio::select! {
            message = consumer.recv(), if taken < count && in_hand.len() < IN_HAND as usize => {
                let message = message.expect("a message");
                first.get_or_insert_with(Instant::now);
                taken += 1;
                let record = FutureRecord::to(Pong::TOPIC)
                    .key(message.key().unwrap_or_default())
                    .payload(message.payload().unwrap_or_default());
                let delivery = producer.send_result(record).map_err(|(error, _)| error).expect("room in the queue");
                let (partition, offset) = (message.partition(), message.offset());
                in_hand.push_back(async move { (partition, offset, delivery.await) });
            }
            Some((partition, offset, delivered)) = in_hand.next() => {
                delivered.expect("not cancelled").expect("acknowledged");
                acknowledged += 1;
                consumer.store_offset(Ping::TOPIC, partition, offset).expect("an assigned partition");
            }
        }
    }
    rate(count, first.map(|first: Instant| first.elapsed()).expect("a first message"))
}

/// As the runtime sets its clients up.
fn config(settings: &Settings) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &settings.kafka.bootstrap_servers).set("allow.auto.create.topics", "false");
    config
}

fn rate(count: usize, took: std::time::Duration) -> f64 {
    f64::from(u32::try_from(count).expect("a small count")) / took.as_secs_f64()
}

// === impl Echo ===

impl Stage for Echo {
    const NAME: &'static str = "echo";
    type Input = Ping;
    type Output = Pong;
    type Error = Never;

    async fn handle(&self, record: &Record<Ping>) -> Result<Emit<Pong>, Never> {
        self.progress.first.get_or_init(Instant::now);
        let Ping { run_id, number, text } = record.message.clone();
        Ok(Emit::one(Pong { run_id, number, text }))
    }

    fn needs(&self) -> impl Needs {}

    async fn delivered(&self, emitted: &Emit<Pong>) -> Result<(), Never> {
        let count = emitted.messages.len();
        if self.progress.delivered.fetch_add(count, Ordering::SeqCst) + count == self.progress.wanted {
            self.progress.done.notify_one();
        }
        Ok(())
    }
}
