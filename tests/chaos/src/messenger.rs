//! Somebody who can write to every topic and read the dead letters: asks for runs, repeats messages, sends rubbish.

use std::time::{SystemTime, UNIX_EPOCH};

use pipeline_core::registry::{Codec, Registry};
use pipeline_kafka as kafka;
use pipeline_kafka::{
    Delivery, Partition, Position, Producer, admin,
    producer::Outbound,
    provision::{self, NewTopics},
    reader,
};
use pipeline_model::{
    contracts::{self, Activation, Message, RunRequested, batch_of},
    ids::RunId,
};
use pipeline_settings::settings::{self, Names};
use tokio::runtime::Runtime;

/// A client of a broker and a registry.
pub struct Messenger {
    kafka: settings::Kafka,
    producer: Producer,
    codec: Codec,
    runtime: Runtime,
}

// === impl Messenger ===

impl Messenger {
    /// Creates the topics, registers the schemas, and is ready to write.
    pub fn prepare(bootstrap_servers: &str, registry_url: &str, partitions: i32) -> Self {
        let kafka = settings::Kafka { bootstrap_servers: bootstrap_servers.to_owned(), ..settings::Kafka::default() };
        let registry = settings::SchemaRegistry { url: registry_url.to_owned(), ..settings::SchemaRegistry::default() };
        let registry = Registry::new(&registry).expect("an address");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let producer = Producer::new(&kafka, batch_of, None).expect("a producer");
        let prepared = runtime.block_on(async {
            let design = NewTopics {
                topics: kafka.names().topics().into_iter().map(|topic| (topic, None)).collect(),
                partitions,
                replicas: 1,
            };
            provision::ensure_topics(&kafka, &design).await.expect("topics can be created");
            Codec::prepare(&registry, &Names::default(), &[], &contracts::ALL, true).await
        });
        Self { codec: prepared.expect("schemas can be registered"), kafka, producer, runtime }
    }

    /// Asks for a run of all services; gives its id.
    pub fn request_run(&self, batch_size: i32) -> String {
        // An old request would be refused.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_millis();
        let request = RunRequested {
            run_id: RunId::new().to_string(),
            requested_by: "a fault test".to_owned(),
            requested_at_ms: i64::try_from(now).expect("a time in range"),
            activation: Activation::PerService,
            scope: Vec::new(),
            batch_size,
            max_rejected_providers: None,
            max_rejected_percent: None,
            target: None,
        };
        self.send(std::slice::from_ref(&request));
        request.run_id
    }

    /// Sends records where they belong.
    pub fn send<M: Message>(&self, records: &[M]) {
        self.send_bytes(records.iter().map(|record| self.outbound(record)).collect());
    }

    /// A record as it is sent.
    pub fn outbound<M: Message>(&self, record: &M) -> Outbound {
        Outbound {
            topic: M::TOPIC.to_owned(),
            key: Some(record.key().into_bytes()),
            payload: Some(self.codec.encode(record).expect("a record of its schema")),
            headers: Vec::new(),
        }
    }

    /// Sends whatever bytes.
    pub fn send_bytes(&self, messages: Vec<Outbound>) {
        self.try_send_bytes(messages).expect("the broker takes messages");
    }

    /// Sends whatever bytes, if the broker takes them.
    pub fn try_send_bytes(&self, messages: Vec<Outbound>) -> Result<(), kafka::Error> {
        self.runtime.block_on(self.producer.send_all(messages)).map(drop)
    }

    /// Number of messages that a topic holds. Asks again while the broker is restarting.
    pub fn count(&self, topic: &str) -> i64 {
        testkit::wait::until_blocking("the broker tells its offsets", testkit::wait::PATIENCE, || {
            let watermarks = admin::watermarks(&self.kafka, topic).ok()?;
            Some(watermarks.iter().map(|(first, next)| next - first).sum())
        })
    }

    /// The records of a topic.
    pub fn records<M: Message>(&self) -> Vec<M> {
        let decode = |delivery: Delivery| {
            let payload = delivery.payload.expect("a record is no tombstone");
            self.runtime.block_on(self.codec.decode(&payload)).expect("a record of its schema")
        };
        self.read(M::TOPIC).into_iter().map(decode).collect()
    }

    /// Everything that a topic holds now, in the order of each partition.
    pub fn read(&self, topic: &str) -> Vec<Delivery> {
        let watermarks = admin::watermarks(&self.kafka, topic).expect("the broker tells its offsets");
        let places = (0..).zip(watermarks).flat_map(|(number, (first, next))| {
            let partition = Partition { topic: topic.to_owned(), number };
            (first..next).map(move |offset| Position { partition: partition.clone(), offset })
        });
        let read = |place: Position| {
            let found = self.runtime.block_on(reader::read_at(&self.kafka, &place)).expect("the broker answers");
            found.unwrap_or_else(|| panic!("no message at {} offset {}", place.partition, place.offset))
        };
        places.map(read).collect()
    }
}
