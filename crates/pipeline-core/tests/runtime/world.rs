//! A broker, a registry, and workers of a stage that does what a test says.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use pipeline_core::{
    admin::{self as endpoint, Admin, Health},
    registry::{Codec, Registry, server::EmbeddedRegistry},
    runtime::{self, Context},
    stage::{Emit, Record, Stage},
};
use pipeline_kafka::{
    Delivery, Outbound, Producer, admin,
    consumer::{Event, GroupMember},
    local::LocalBroker,
};
use pipeline_model::{
    contracts::{BatchPlanned, DEAD_LETTERS, Message as _, ServiceDiscovered, batch_of},
    disposition::{Classify, Disposition},
    ids::RunId,
    letter::GivenUp,
    needs::Needs,
};
use pipeline_settings::settings::{Names, Settings};
use pipeline_telemetry as telemetry;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long a condition may take; far more than it does.
const PATIENCE: Duration = Duration::from_secs(180);

pub struct World {
    pub broker: LocalBroker,
    /// Whether stages keep to what the local broker holds.
    pub budgeted: bool,
    /// Taken by a test that ends it.
    pub registry: Option<EmbeddedRegistry>,
    pub settings: Settings,
    pub producer: Producer,
    pub run: RunId,
    pub handled: Arc<Mutex<BTreeMap<String, usize>>>,
    pub dependencies: Arc<Dependencies>,
}

/// What the stage of a test needs besides its messages.
#[derive(Default)]
pub struct Dependencies {
    pub away: AtomicBool,
    pub asked: AtomicUsize,
    pub probe_panics: AtomicBool,
    /// What the stage's timer does; none when not set.
    pub tick: Mutex<Option<Tick>>,
    pub ticks: AtomicUsize,
    /// The keys of the messages that were given up.
    pub given_up: Mutex<Vec<String>>,
    /// The message that much follows from, and how many bytes.
    pub emits: Mutex<Option<(String, usize)>>,
}

/// A timer whose ticks fail.
#[derive(Clone, Copy)]
pub struct Tick {
    pub every: Duration,
    pub panics: bool,
}

pub struct Worker {
    pub shutdown: CancellationToken,
    pub task: JoinHandle<Result<(), runtime::Error>>,
    pub health: Health,
    /// What this worker alone has begun.
    pub handled: Arc<AtomicUsize>,
}

#[derive(Debug, thiserror::Error)]
#[error("planted failure")]
pub struct Failure(pub Disposition);

impl Classify for Failure {
    fn disposition(&self) -> Disposition {
        self.0
    }

    fn code(&self) -> &'static str {
        "SLUICE-TEST-001"
    }
}

pub struct Probe<F> {
    behave: F,
    pause: Duration,
    by_this_one: Arc<AtomicUsize>,
    handled: Arc<Mutex<BTreeMap<String, usize>>>,
    dependencies: Arc<Dependencies>,
}

impl<F: Fn(&str) -> Result<(), Failure> + Send + Sync + 'static> Stage for Probe<F> {
    const NAME: &'static str = "probe";
    type Input = ServiceDiscovered;
    type Output = BatchPlanned;
    type Error = Failure;

    async fn handle(&self, record: &Record<ServiceDiscovered>) -> Result<Emit<BatchPlanned>, Failure> {
        let ServiceDiscovered { run_id, generation, service_id } = record.message.clone();
        *self.handled.lock().unwrap().entry(service_id.clone()).or_default() += 1;
        self.by_this_one.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(self.pause).await;
        (self.behave)(&service_id)?;
        let provider_ids = match &*self.dependencies.emits.lock().unwrap() {
            Some((service, bytes)) if *service == service_id => vec!["x".repeat(*bytes)],
            _ => Vec::new(),
        };
        Ok(Emit::one(BatchPlanned { run_id, generation, service_id, batch_no: 0, provider_ids }))
    }

    fn needs(&self) -> impl Needs {
        self.dependencies.as_ref()
    }

    fn tick_interval(&self) -> Option<Duration> {
        self.dependencies.tick.lock().unwrap().map(|tick| tick.every)
    }

    async fn tick(&self) -> Result<Emit<BatchPlanned>, Failure> {
        self.dependencies.ticks.fetch_add(1, Ordering::SeqCst);
        let panics = self.dependencies.tick.lock().unwrap().is_some_and(|tick| tick.panics);
        assert!(!panics, "planted");
        Err(Failure(Disposition::Unavailable))
    }
}

impl Needs for Dependencies {
    type Error = Failure;

    async fn ready(&self) -> Result<(), Failure> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        assert!(!self.probe_panics.load(Ordering::SeqCst), "planted");
        if self.away.load(Ordering::SeqCst) { Err(Failure(Disposition::Unavailable)) } else { Ok(()) }
    }

    async fn given_up(&self, _: &'static str, letter: &GivenUp<'_>) -> Result<(), Failure> {
        assert_eq!(letter.dead_letter.partition.topic, DEAD_LETTERS);
        self.given_up.lock().unwrap().push(letter.key.unwrap_or_default().to_owned());
        Ok(())
    }
}

impl World {
    pub async fn new() -> Self {
        let world = Self::unregistered().await;
        let registry = Registry::new(&world.settings.schema_registry).unwrap();
        let contracts =
            [(ServiceDiscovered::TOPIC, ServiceDiscovered::SCHEMA), (BatchPlanned::TOPIC, BatchPlanned::SCHEMA)];
        Codec::prepare(&registry, &Names::default(), &contracts, &contracts, true).await.unwrap();
        world
    }

    pub async fn unregistered() -> Self {
        Self::with_topics(&[]).await
    }

    /// Without schemas, and with these topics that belong to no contract.
    pub async fn with_topics(foreign: &[&str]) -> Self {
        let foreign = foreign.iter().map(|topic| (*topic).to_owned()).collect();
        let broker = LocalBroker::start(&[Names::default().topics(), foreign].concat()).unwrap();
        let registry = EmbeddedRegistry::start("127.0.0.1:0").await.unwrap();
        let mut settings = Settings::default();
        settings.kafka.bootstrap_servers = broker.bootstrap_servers().to_owned();
        settings.schema_registry.url = registry.url().to_owned();
        settings.stage.in_flight = 4;
        settings.stage.max_attempts = 3;
        settings.stage.max_backoff_ms = 50;
        let producer = Producer::new(&settings.kafka, batch_of, Some(broker.budget())).unwrap();
        Self {
            broker,
            budgeted: false,
            registry: Some(registry),
            settings,
            producer,
            run: RunId::new(),
            handled: Arc::default(),
            dependencies: Arc::default(),
        }
    }

    pub fn start(&self, behave: impl Fn(&str) -> Result<(), Failure> + Send + Sync + 'static) -> Worker {
        self.start_slow(Duration::ZERO, behave)
    }

    pub fn start_slow(
        &self,
        pause: Duration,
        behave: impl Fn(&str) -> Result<(), Failure> + Send + Sync + 'static,
    ) -> Worker {
        let handled = Arc::default();
        let stage = Probe {
            behave,
            pause,
            by_this_one: Arc::clone(&handled),
            handled: Arc::clone(&self.handled),
            dependencies: Arc::clone(&self.dependencies),
        };
        self.start_stage(stage, handled)
    }

    pub fn start_stage(&self, stage: impl Stage, handled: Arc<AtomicUsize>) -> Worker {
        Worker { handled, ..self.run(|context| runtime::run(stage, context)) }
    }

    pub fn run<F>(&self, run: impl FnOnce(Context) -> F) -> Worker
    where
        F: Future<Output = Result<(), runtime::Error>> + Send + 'static,
    {
        let (shutdown, health) = (CancellationToken::new(), Health::new());
        let context = Context {
            settings: self.settings.clone(),
            registry: Registry::new(&self.settings.schema_registry).unwrap(),
            health: health.clone(),
            shutdown: shutdown.clone(),
            local_budget: self.budgeted.then(|| self.broker.budget()),
        };
        Worker { shutdown, task: tokio::spawn(run(context)), health, handled: Arc::default() }
    }

    pub async fn send(&self, numbers: std::ops::Range<i32>) {
        self.producer.send_all(self.messages(numbers).await).await.unwrap();
    }

    pub async fn messages(&self, numbers: std::ops::Range<i32>) -> Vec<Outbound> {
        self.messages_of(numbers.map(|number| (format!("s{number}"), 1))).await
    }

    /// One message for each of these services and generations.
    pub async fn messages_of(&self, parts: impl Iterator<Item = (String, i64)>) -> Vec<Outbound> {
        let registry = Registry::new(&self.settings.schema_registry).unwrap();
        let contracts = [(ServiceDiscovered::TOPIC, ServiceDiscovered::SCHEMA)];
        let codec = Codec::prepare(&registry, &Names::default(), &[], &contracts, false).await.unwrap();
        let messages = parts.map(|(service_id, generation)| {
            let message = ServiceDiscovered { run_id: self.run.to_string(), generation, service_id };
            Outbound {
                topic: ServiceDiscovered::TOPIC.to_owned(),
                key: Some(message.key().into_bytes()),
                payload: Some(codec.encode(&message).unwrap()),
                headers: Vec::new(),
            }
        });
        messages.collect()
    }

    pub async fn send_bytes(&self, key: &str, bytes: &[u8]) {
        let message = Outbound {
            topic: ServiceDiscovered::TOPIC.to_owned(),
            key: Some(key.as_bytes().to_vec()),
            payload: Some(bytes.to_vec()),
            headers: Vec::new(),
        };
        self.producer.send_all(vec![message]).await.unwrap();
    }

    pub fn handled(&self) -> BTreeMap<String, usize> {
        self.handled.lock().unwrap().clone()
    }

    pub async fn until(&self, what: &str, condition: impl Fn() -> bool) {
        let waited = tokio::time::timeout(PATIENCE, async {
            while !condition() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        assert!(waited.await.is_ok(), "waited in vain until {what}; handled: {:?}", self.handled());
    }

    /// Reads at least `count` messages of a topic as a group of its own.
    pub async fn read(&self, topic: &str, count: usize) -> Vec<Delivery> {
        let mut member =
            GroupMember::join(&self.settings.kafka, &format!("reader-{}", RunId::new()), &[topic.to_owned()]).unwrap();
        let (sender, mut received) = tokio::sync::mpsc::unbounded_channel();
        let mut deliveries = Vec::new();
        let mut readers = Vec::new();
        let reading = async {
            while deliveries.len() < count {
                tokio::select! {
                    Some(event) = member.next_event() => match event {
                        Event::Assigned { partitions, ready } => {
                            for partition in partitions {
                                let queue = member.split(&partition).unwrap();
                                let sender = sender.clone();
                                readers.push(tokio::spawn(async move {
                                    while let Ok(delivery) = queue.recv().await {
                                        if sender.send(delivery).is_err() { return; }
                                    }
                                }));
                            }
                            ready.answer(());
                        }
                        Event::Revoked { drained, .. } => drained.answer(Vec::new()),
                        Event::Behind(_) => {}
                        Event::Trouble(error) => panic!("{error}"),
                    },
                    Some(delivery) = received.recv() => deliveries.push(delivery),
                }
            }
        };
        let read = tokio::time::timeout(PATIENCE, reading).await;
        for reader in readers {
            reader.abort();
            reader.await.unwrap_or_default();
        }
        member.close().await;
        assert!(read.is_ok(), "read {} of {count} messages of {topic}", deliveries.len());
        deliveries
    }

    /// What the stage's group has committed, by partition.
    pub fn committed(&self) -> Vec<Option<i64>> {
        self.committed_by("probe", ServiceDiscovered::TOPIC)
    }

    /// What the group of a stage or sink has committed, by partition.
    pub fn committed_by(&self, name: &str, topic: &str) -> Vec<Option<i64>> {
        admin::committed(&self.settings.kafka, &self.settings.kafka.group(name), topic).unwrap()
    }

    /// Messages of a topic behind what that group has committed.
    pub fn lag(&self, name: &str, topic: &str) -> i64 {
        let ends = admin::watermarks(&self.settings.kafka, topic).unwrap();
        ends.iter().zip(self.committed_by(name, topic)).map(|((_, end), committed)| end - committed.unwrap_or(0)).sum()
    }

    /// Messages in a topic, by its watermarks.
    pub fn count(&self, topic: &str) -> usize {
        admin::watermarks(&self.settings.kafka, topic).unwrap().iter().map(|(low, high)| (high - low) as usize).sum()
    }
}

impl Worker {
    pub async fn stop(self) -> Result<(), runtime::Error> {
        self.shutdown.cancel();
        self.ended().await
    }

    /// Ends it at once: nothing is drained, committed or said to the group.
    pub fn kill(self) {
        self.task.abort();
    }

    pub async fn ended(self) -> Result<(), runtime::Error> {
        tokio::time::timeout(PATIENCE, self.task).await.expect("the stage did not end").unwrap()
    }
}

/// The sum of a metric's lines with this in them. All tests of this file share the metrics.
pub fn told(metric: &str, label: &str) -> f64 {
    let page = telemetry::metrics::install().render();
    let lines = page.lines().filter(|line| line.starts_with(metric) && line.contains(label));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

/// What a worker's `/readyz` answers.
pub struct Readyz {
    admin: Admin,
    stop: CancellationToken,
}

impl Readyz {
    pub async fn of(worker: &Worker) -> Self {
        let stop = CancellationToken::new();
        let metrics = telemetry::metrics::install();
        let admin = endpoint::start(&Default::default(), worker.health.clone(), metrics, stop.clone()).await.unwrap();
        Self { admin, stop }
    }

    /// Waits for an answer with this status that `fits`.
    pub async fn until(self, status: u16, fits: impl Fn(&str) -> bool) {
        let url = format!("http://{}/readyz", self.admin.local_addr);
        let waited = tokio::time::timeout(PATIENCE, async {
            loop {
                let answer = reqwest::get(&url).await.unwrap();
                if answer.status().as_u16() == status && fits(&answer.text().await.unwrap()) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        assert!(waited.await.is_ok(), "waited in vain for {status} with the cause");
        self.stop.cancel();
        self.admin.closed().await;
    }
}
