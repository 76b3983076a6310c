//! Somebody who can write to every topic and read the dead letters: asks for runs, repeats messages, sends rubbish.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use pipeline_core::{
    contracts::{self, Activation, Message, RunRequested},
    ids::RunId,
    kafka::{
        Delivery, Producer, admin,
        consumer::{Event, GroupMember},
        producer::Outbound,
    },
    registry::{Codec, Registry},
    settings,
};
use tokio::runtime::Runtime;

/// Longest silence after which a topic that should hold messages is given up.
const SILENCE: Duration = Duration::from_secs(60);

/// The tests of a process share a registry, and this one refuses a schema that two register at once.
static REGISTERING: Mutex<()> = Mutex::new(());

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
        let producer = Producer::new(&kafka, None).expect("a producer");
        let registering = REGISTERING.lock().unwrap_or_else(PoisonError::into_inner);
        let prepared = runtime.block_on(async {
            admin::ensure_topics(&kafka, partitions, 1).await.expect("topics can be created");
            Codec::prepare(&registry, &[], &contracts::ALL, true).await
        });
        drop(registering);
        Self { codec: prepared.expect("schemas can be registered"), kafka, producer, runtime }
    }

    /// Asks for a run of all services; gives its id.
    pub fn request_run(&self, batch_size: i32) -> String {
        let request = RunRequested {
            run_id: RunId::new().to_string(),
            requested_by: "a fault test".to_owned(),
            requested_at_ms: 0,
            activation: Activation::PerService,
            scope: Vec::new(),
            batch_size,
            max_rejected_providers: None,
            max_rejected_percent: None,
        };
        self.send(std::slice::from_ref(&request));
        request.run_id
    }

    /// Sends records where they belong.
    pub fn send<M: Message>(&self, records: &[M]) {
        let outbound = |record: &M| Outbound {
            topic: M::TOPIC.to_owned(),
            key: Some(record.key().into_bytes()),
            payload: Some(self.codec.encode(record).expect("a record of its schema")),
            headers: Vec::new(),
        };
        self.send_bytes(records.iter().map(outbound).collect());
    }

    /// Sends whatever bytes.
    pub fn send_bytes(&self, messages: Vec<Outbound>) {
        self.runtime.block_on(self.producer.send_all(messages)).expect("the broker takes messages");
    }

    /// Number of messages that a topic holds. Asks again while the broker is restarting.
    pub fn count(&self, topic: &str) -> i64 {
        testkit::wait::until_blocking("the broker tells its offsets", testkit::wait::PATIENCE, || {
            let watermarks = admin::watermarks(&self.kafka, topic).ok()?;
            Some(watermarks.iter().map(|(first, next)| next - first).sum())
        })
    }

    /// Everything that a topic holds now, in the order of each partition.
    pub fn read(&self, topic: &str) -> Vec<Delivery> {
        let count = usize::try_from(self.count(topic)).expect("a number of messages");
        let group = format!("reader-{}", RunId::new());
        self.runtime.block_on(async {
            let mut member = GroupMember::join(&self.kafka, &group, topic).expect("a consumer");
            let (sender, mut arriving) = tokio::sync::mpsc::unbounded_channel();
            let mut found = Vec::with_capacity(count);
            let mut readers = Vec::new();
            while found.len() < count {
                tokio::select! {
                    Some(event) = member.next_event() => if let Event::Assigned { partitions, ready } = event {
                        for queue in partitions.iter().filter_map(|partition| member.split(partition)) {
                            let sender = sender.clone();
                            readers.push(tokio::spawn(async move {
                                while let Ok(delivery) = queue.recv().await {
                                    if sender.send(delivery).is_err() { return }
                                }
                            }));
                        }
                        ready.answer(());
                    },
                    Some(delivery) = arriving.recv() => found.push(delivery),
                    () = tokio::time::sleep(SILENCE) => panic!("`{topic}` gave {} of {count} messages", found.len()),
                }
            }
            for reader in readers {
                reader.abort();
                drop(reader.await);
            }
            member.close().await;
            found
        })
    }
}
