//! The runtime over the local broker and the embedded registry: same Kafka code, same wire format as in production.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use pipeline_core::{
    admin::{self as endpoint, Admin, Health},
    contracts::{BatchPlanned, DEAD_LETTERS, Message as _, ServiceDiscovered},
    disposition::{Classify, Disposition},
    ids::RunId,
    kafka::{
        Delivery, Producer, admin,
        consumer::{Event, GroupMember},
        local::LocalBroker,
        producer::Outbound,
    },
    registry::{Codec, Registry, server::EmbeddedRegistry},
    runtime::{self, Context, header},
    settings::Settings,
    stage::{Emit, GivenUp, Record, Stage},
    telemetry,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long a condition may take; far more than it does.
const PATIENCE: Duration = Duration::from_secs(180);

#[tokio::test(flavor = "multi_thread")]
async fn every_message_is_handled_once_and_what_it_emits_arrives() {
    let world = World::new().await;
    world.send(0..200).await;
    let worker = world.start(|_| Ok(()));
    world.until("all are handled", || world.handled().len() == 200).await;
    worker.stop().await.unwrap();
    assert!(world.handled().values().all(|times| *times == 1));
    let emitted = world.read(BatchPlanned::TOPIC, 200).await;
    let keys: BTreeSet<_> = emitted.iter().map(|delivery| delivery.key.clone().unwrap()).collect();
    assert_eq!(keys.len(), 200);
    assert!(emitted.iter().all(|delivery| delivery.header(header::TRACEPARENT).is_some()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_worker_starts_where_the_first_stopped() {
    let world = World::new().await;
    world.send(0..100).await;
    let first = world.start(|_| Ok(()));
    world.until("the first worker has all", || world.handled().len() == 100).await;
    first.stop().await.unwrap();
    world.send(100..150).await;
    let second = world.start(|_| Ok(()));
    world.until("the second worker has the rest", || world.handled().len() == 150).await;
    second.stop().await.unwrap();
    assert!(world.handled().values().all(|times| *times == 1), "the first worker's offsets were not committed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_joins_takes_over_partitions_without_repeating_a_message() {
    let mut world = World::new().await;
    // However busy the machine is, nobody is taken for dead: then messages are repeated, and may be.
    world.settings.kafka.session_timeout_ms = 20_000;
    world.send(0..50).await;
    let pause = Duration::from_millis(20);
    let first = world.start_slow(pause, |_| Ok(()));
    world.until("the first worker is at work", || world.handled().len() > 20).await;
    world.until("it has committed", || world.committed().iter().any(Option::is_some)).await;
    let second = world.start_slow(pause, |_| Ok(()));
    // The first has work in hand at whatever moment the second gets its partitions, and both have some afterwards.
    let mut sent = 50;
    while second.handled.load(Ordering::SeqCst) < 20 {
        assert!(sent < 20_000, "the second worker has got nothing to do");
        world.send(sent..sent + 20).await;
        sent += 20;
        world.until("the workers keep up", || world.handled().len() + 40 > sent as usize).await;
    }
    world.until("all are handled", || world.handled().len() == sent as usize).await;
    assert!(first.handled.load(Ordering::SeqCst) > 0);
    first.stop().await.unwrap();
    second.stop().await.unwrap();
    let twice: Vec<_> = world.handled().into_iter().filter(|(_, times)| *times != 1).collect();
    assert!(twice.is_empty(), "a drained partition was repeated: {twice:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_failed_is_sent_again_without_waiting_for_a_message() {
    let world = World::new().await;
    world.send(0..10).await;
    world.broker.refuse_commits(3);
    let worker = world.start(|_| Ok(()));
    world.until("all are handled", || world.handled().len() == 10).await;
    let ends = admin::watermarks(&world.settings.kafka, ServiceDiscovered::TOPIC).unwrap();
    world
        .until("nothing lags", || {
            ends.iter().zip(world.committed()).all(|((_, end), committed)| committed.unwrap_or(0) == *end)
        })
        .await;
    worker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_message_becomes_a_dead_letter_and_blocks_nobody() {
    let world = World::new().await;
    world.send(0..40).await;
    world.send_bytes("poison", b"not a record").await;
    let worker = world.start(|service| if service == "s7" { Err(Failure(Disposition::Reject)) } else { Ok(()) });
    let letters = world.read(DEAD_LETTERS, 2).await;
    world.until("the others are handled", || world.handled().len() == 40).await;
    worker.stop().await.unwrap();
    let by_key: BTreeMap<_, _> = letters.iter().map(|letter| (letter.key.clone().unwrap(), letter)).collect();
    let undecodable = by_key[b"poison".as_slice()];
    assert_eq!(undecodable.payload.as_deref(), Some(b"not a record".as_slice()));
    assert!(undecodable.header(header::CODE).unwrap().starts_with("SLUICE-WIRE-"));
    let rejected = by_key[b"s7".as_slice()];
    assert_eq!(rejected.header(header::CODE), Some("SLUICE-TEST-001"));
    assert_eq!(rejected.header(header::ATTEMPT), Some("1"));
    assert_eq!(rejected.header(header::RUN_ID), Some(world.run.to_string().as_str()));
    let mut given_up = world.given_up.lock().unwrap().clone();
    given_up.sort();
    assert_eq!(given_up, ["poison", "s7"], "the stage was not told of each letter once");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_that_may_pass_is_tried_a_bounded_number_of_times() {
    let world = World::new().await;
    world.send(0..10).await;
    let worker = world.start(|service| if service == "s3" { Err(Failure(Disposition::Retry)) } else { Ok(()) });
    let letters = world.read(DEAD_LETTERS, 1).await;
    worker.stop().await.unwrap();
    assert_eq!(letters[0].header(header::ATTEMPT), Some("3"));
    assert_eq!(world.handled()["s3"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_pauses_the_stage_and_makes_no_dead_letter() {
    let mut world = World::new().await;
    // An outage uses up no patience.
    world.settings.stage.patience_ms = 1;
    world.send(0..30).await;
    let over = Arc::new(AtomicBool::new(false));
    let worker = world.start({
        let (over, dependencies) = (Arc::clone(&over), Arc::clone(&world.dependencies));
        move |_| {
            if over.load(Ordering::SeqCst) {
                return Ok(());
            }
            // It goes away under the first message: one that was away before would not be given any.
            dependencies.away.store(true, Ordering::SeqCst);
            Err(Failure(Disposition::Unavailable))
        }
    });
    // Many more attempts than a message may use up, on no more messages than may be in hand.
    let tries = || world.handled().values().sum::<usize>();
    world.until("the stage has tried often", || tries() > 40).await;
    assert!(world.handled().len() <= 4, "took {} messages during an outage", world.handled().len());
    assert!(!worker.health.is_ready());
    let asked = world.dependencies.asked.load(Ordering::SeqCst);
    assert!(asked < tries() / 2, "asked {asked} times for {} tries", tries());
    over.store(true, Ordering::SeqCst);
    world.dependencies.away.store(false, Ordering::SeqCst);
    world.until("all are handled", || world.handled().len() == 30).await;
    world.until("the stage is ready again", || worker.health.is_ready()).await;
    worker.stop().await.unwrap();
    assert_eq!(world.read(BatchPlanned::TOPIC, 30).await.len(), 30);
    assert_eq!(world.count(DEAD_LETTERS), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_waits_by_itself_holds_up_nobody_and_is_a_dead_letter_when_its_patience_is_over() {
    let mut world = World::new().await;
    world.settings.stage.patience_ms = 3_000;
    world.send(0..200).await;
    let slow = |service: &str| if service == "s7" { Err(Failure(Disposition::Unavailable)) } else { Ok(()) };
    let worker = world.start(slow);
    world.until("the stage is ready", || worker.health.is_ready()).await;
    let stayed_ready = AtomicBool::new(true);
    let watch = || stayed_ready.fetch_and(worker.health.is_ready(), Ordering::SeqCst);
    world.until("the others are handled", || watch() && world.handled().len() == 200).await;
    world.until("it is given up", || watch() && !world.given_up.lock().unwrap().is_empty()).await;
    let letters = world.read(DEAD_LETTERS, 1).await;
    worker.stop().await.unwrap();
    assert!(stayed_ready.into_inner(), "the stage was not ready meanwhile");
    assert_eq!((letters.len(), world.count(DEAD_LETTERS)), (1, 1));
    assert_eq!(letters[0].header(header::CODE), Some("SLUICE-TEST-001"));
    let tries = world.handled()["s7"];
    assert!(tries > 3, "given up after {tries} tries, as if it were an error that may pass");
    assert_eq!(letters[0].header(header::ATTEMPT), Some(tries.to_string().as_str()));
    assert!(world.handled().iter().all(|(service, times)| *times == 1 || service == "s7"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tick_that_fails_by_itself_pauses_nobody_and_one_in_an_outage_until_ready_says_so() {
    let world = World::new().await;
    *world.dependencies.tick.lock().unwrap() = Some(Tick { every: Duration::from_millis(100), panics: false });
    let worker = world.start(|_| Ok(()));
    world.until("the stage is ready", || worker.health.is_ready()).await;
    let ticks = || world.dependencies.ticks.load(Ordering::SeqCst);
    let asked = || world.dependencies.asked.load(Ordering::SeqCst);
    let (before, asked_before) = (ticks(), asked());
    world.until("ticks fail", || ticks() > before + 2 && asked() > asked_before).await;
    assert!(worker.health.is_ready(), "a tick of its own paused the stage: {:?}", worker.health);
    worker.stop().await.unwrap();

    // One tick, and no other in this test.
    *world.dependencies.tick.lock().unwrap() = Some(Tick { every: Duration::from_secs(3_600), panics: false });
    world.dependencies.away.store(true, Ordering::SeqCst);
    let worker = world.start(|_| Ok(()));
    world.until("the tick has asked", || ticks() > before && asked() > asked_before).await;
    world.until("the outage is shown", || !worker.health.is_ready()).await;
    world.dependencies.away.store(false, Ordering::SeqCst);
    world.until("the stage is ready again", || worker.health.is_ready()).await;
    worker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_the_timer_stops_the_stage() {
    let world = World::new().await;
    *world.dependencies.tick.lock().unwrap() = Some(Tick { every: Duration::from_millis(10), panics: true });
    let error = world.start(|_| Ok(())).ended().await.unwrap_err();
    let told = error.to_string();
    assert!(matches!(error, runtime::Error::Halted { code: "SLUICE-RUNTIME-001", .. }), "{told}");
    assert!(told.contains("timer"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_the_probe_stops_the_stage() {
    let world = World::new().await;
    world.dependencies.probe_panics.store(true, Ordering::SeqCst);
    let error = world.start(|_| Ok(())).ended().await.unwrap_err();
    assert!(matches!(error, runtime::Error::Halted { code: "SLUICE-RUNTIME-001", .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_schema_id_costs_time_when_the_registry_learns_of_it() {
    let mut world = World::new().await;
    world.settings.stage.max_attempts = 100;
    world.settings.stage.max_backoff_ms = 300;
    let worker = world.start(|_| Ok(()));
    world.until("the stage is ready", || worker.health.is_ready()).await;
    // The next id that the registry will give, and a writer that has it already: as after a restore of an older state.
    let registry = Registry::new(&world.settings.schema_registry).unwrap();
    let id = registry.register("another-value", "\"string\"").await.unwrap().id.0 + 1;
    let mut ahead = world.messages(0..1).await.remove(0);
    let payload = ahead.payload.as_mut().unwrap();
    payload[1..5].copy_from_slice(&id.to_be_bytes());
    // The newer field of it: nothing.
    payload.push(0);
    world.producer.send_all(vec![ahead]).await.unwrap();
    // Another test retries twice.
    let retried = || told(telemetry::metrics::HANDLED, r#"outcome="retry""#);
    let before = retried();
    world.until("it was tried", || retried() > before + 2.0).await;
    let mut newer: serde_json::Value = serde_json::from_str(ServiceDiscovered::SCHEMA).unwrap();
    let more = serde_json::json!({"name": "more", "type": ["null", "string"], "default": null});
    newer["fields"].as_array_mut().unwrap().push(more);
    let given = registry.register(&format!("{}-value", ServiceDiscovered::TOPIC), &newer.to_string()).await.unwrap();
    assert_eq!(given.id.0, id);
    world.until("it is handled", || world.handled().len() == 1).await;
    worker.stop().await.unwrap();
    assert_eq!(world.count(DEAD_LETTERS), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emission_that_no_topic_takes_is_a_dead_letter_and_not_an_outage() {
    let mut world = World::new().await;
    world.budgeted = true;
    world.send(0..10).await;
    *world.dependencies.emits.lock().unwrap() = Some(("s3".to_owned(), 4 * 1024 * 1024));
    let worker = world.start(|_| Ok(()));
    let letters = world.read(DEAD_LETTERS, 1).await;
    world.until("all are handled", || world.handled().len() == 10).await;
    worker.stop().await.unwrap();
    assert_eq!(letters[0].header(header::CODE), Some("SLUICE-KAFKA-009"));
    assert_eq!(letters[0].key.as_deref(), Some(b"s3".as_slice()));
    assert!(letters[0].payload.is_some(), "the message itself is small");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_that_is_too_large_goes_without_its_value_and_says_where_that_is() {
    let mut world = World::new().await;
    world.budgeted = true;
    let sender = Producer::new(&world.settings.kafka, None).unwrap();
    let message = Outbound {
        topic: ServiceDiscovered::TOPIC.to_owned(),
        key: Some(b"large".to_vec()),
        payload: Some(vec![7; 4 * 1024 * 1024]),
        headers: vec![("mine".to_owned(), Some(b"kept".to_vec()))],
    };
    let place = sender.send_all(vec![message]).await.unwrap().remove(0);
    let worker = world.start(|_| Ok(()));
    let letter = world.read(DEAD_LETTERS, 1).await.remove(0);
    world.until("the stage is told", || !world.given_up.lock().unwrap().is_empty()).await;
    world.send(0..10).await;
    world.until("the others are handled", || world.handled().len() == 10).await;
    worker.stop().await.unwrap();
    assert_eq!((letter.key.as_deref(), &letter.payload), (Some(b"large".as_slice()), &None));
    assert_eq!((letter.header("mine"), letter.header(header::LEFT_OUT)), (Some("kept"), Some("value")));
    assert_eq!(letter.header(header::OFFSET), Some(place.offset.to_string().as_str()));
    assert_eq!(letter.header(header::PARTITION), Some(place.partition.number.to_string().as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_without_work_is_shown_and_holds_what_comes() {
    let world = World::new().await;
    let worker = world.start(|_| Ok(()));
    let readyz = Readyz::of(&worker).await;
    world.until("the stage is ready", || worker.health.is_ready()).await;

    world.dependencies.away.store(true, Ordering::SeqCst);
    world.until("the stage is not ready", || !worker.health.is_ready()).await;
    readyz.until(503, |answer| answer.contains(r#""probe: dependencies: planted failure""#)).await;
    world.send(0..10).await;
    let asked = world.dependencies.asked.load(Ordering::SeqCst);
    world.until("it was asked again", || world.dependencies.asked.load(Ordering::SeqCst) > asked + 1).await;
    assert_eq!(world.handled().len(), 0, "messages were taken up during an outage");

    world.dependencies.away.store(false, Ordering::SeqCst);
    world.until("all are handled", || world.handled().len() == 10).await;
    world.until("the stage is ready again", || worker.health.is_ready()).await;
    worker.stop().await.unwrap();
    assert_eq!(world.count(DEAD_LETTERS), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_goes_away_after_the_start_holds_up_nobody() {
    let mut world = World::new().await;
    let worker = world.start(|_| Ok(()));
    world.until("the stage is ready", || worker.health.is_ready()).await;
    let messages = world.messages(0..10).await;
    world.registry.take().unwrap().shutdown().await;
    world.producer.send_all(messages).await.unwrap();
    world.until("all are handled", || world.handled().len() == 10).await;
    worker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_that_could_not_read_its_schemas_yet_is_not_ready() {
    let mut world = World::new().await;
    world.registry.take().unwrap().shutdown().await;
    let worker = world.start(|_| Ok(()));
    let readyz = Readyz::of(&worker).await;
    let url = world.settings.schema_registry.url.clone();
    let away = |answer: &str| answer.contains("probe: schema registry: could not") && answer.contains(&url);
    readyz.until(503, away).await;
    worker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_invariant_stops_the_stage_and_nothing_past_it_is_committed() {
    let world = World::new().await;
    world.send(0..60).await;
    let worker = world.start(|service| if service == "s30" { Err(Failure(Disposition::Halt)) } else { Ok(()) });
    let error = worker.ended().await.unwrap_err();
    assert!(matches!(error, runtime::Error::Halted { .. }), "{error}");
    let before = world.handled();
    let next = world.start(|_| Ok(()));
    world
        .until("the message is repeated", || world.handled().get("s30").is_some_and(|times| *times > before["s30"]))
        .await;
    world.until("the rest is handled", || world.handled().len() == 60).await;
    next.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_a_handler_stops_the_stage() {
    let world = World::new().await;
    world.send(0..1).await;
    let worker = world.start(|_| panic!("planted"));
    assert!(matches!(worker.ended().await, Err(runtime::Error::Halted { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_whose_schema_is_not_registered_refuses_to_start() {
    let world = World::unregistered().await;
    let worker = world.start(|_| Ok(()));
    assert!(matches!(worker.ended().await, Err(runtime::Error::Schemas { .. })));
}

// === the world of a test ===

struct World {
    broker: LocalBroker,
    /// Whether stages keep to what the local broker holds.
    budgeted: bool,
    /// Taken by a test that ends it.
    registry: Option<EmbeddedRegistry>,
    settings: Settings,
    producer: Producer,
    run: RunId,
    handled: Arc<Mutex<BTreeMap<String, usize>>>,
    given_up: Arc<Mutex<Vec<String>>>,
    dependencies: Arc<Dependencies>,
}

/// What the stage of a test needs besides its messages.
#[derive(Default)]
struct Dependencies {
    away: AtomicBool,
    asked: AtomicUsize,
    probe_panics: AtomicBool,
    /// What the stage's timer does; none when not set.
    tick: Mutex<Option<Tick>>,
    ticks: AtomicUsize,
    /// The message that much follows from, and how many bytes.
    emits: Mutex<Option<(String, usize)>>,
}

/// A timer whose ticks fail.
#[derive(Clone, Copy)]
struct Tick {
    every: Duration,
    panics: bool,
}

struct Worker {
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), runtime::Error>>,
    health: Health,
    /// What this worker alone has begun.
    handled: Arc<AtomicUsize>,
}

#[derive(Debug, thiserror::Error)]
#[error("planted failure")]
struct Failure(Disposition);

impl Classify for Failure {
    fn disposition(&self) -> Disposition {
        self.0
    }

    fn code(&self) -> &'static str {
        "SLUICE-TEST-001"
    }
}

struct Probe<F> {
    behave: F,
    pause: Duration,
    by_this_one: Arc<AtomicUsize>,
    handled: Arc<Mutex<BTreeMap<String, usize>>>,
    given_up: Arc<Mutex<Vec<String>>>,
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

    async fn ready(&self) -> Result<(), Failure> {
        self.dependencies.asked.fetch_add(1, Ordering::SeqCst);
        assert!(!self.dependencies.probe_panics.load(Ordering::SeqCst), "planted");
        if self.dependencies.away.load(Ordering::SeqCst) { Err(Failure(Disposition::Unavailable)) } else { Ok(()) }
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

    async fn given_up(&self, letter: &GivenUp<'_>) -> Result<(), Failure> {
        assert_eq!(letter.dead_letter.partition.topic, DEAD_LETTERS);
        self.given_up.lock().unwrap().push(letter.key.unwrap_or_default().to_owned());
        Ok(())
    }
}

impl World {
    async fn new() -> Self {
        let world = Self::unregistered().await;
        let registry = Registry::new(&world.settings.schema_registry).unwrap();
        let contracts =
            [(ServiceDiscovered::TOPIC, ServiceDiscovered::SCHEMA), (BatchPlanned::TOPIC, BatchPlanned::SCHEMA)];
        Codec::prepare(&registry, &contracts, &contracts, true).await.unwrap();
        world
    }

    async fn unregistered() -> Self {
        let broker = LocalBroker::start(&admin::topics()).unwrap();
        let registry = EmbeddedRegistry::start("127.0.0.1:0").await.unwrap();
        let mut settings = Settings::default();
        settings.kafka.bootstrap_servers = broker.bootstrap_servers().to_owned();
        settings.schema_registry.url = registry.url().to_owned();
        settings.stage.in_flight = 4;
        settings.stage.max_attempts = 3;
        settings.stage.max_backoff_ms = 50;
        let producer = Producer::new(&settings.kafka, Some(broker.budget())).unwrap();
        Self {
            broker,
            budgeted: false,
            registry: Some(registry),
            settings,
            producer,
            run: RunId::new(),
            handled: Arc::default(),
            given_up: Arc::default(),
            dependencies: Arc::default(),
        }
    }

    fn start(&self, behave: impl Fn(&str) -> Result<(), Failure> + Send + Sync + 'static) -> Worker {
        self.start_slow(Duration::ZERO, behave)
    }

    fn start_slow(
        &self,
        pause: Duration,
        behave: impl Fn(&str) -> Result<(), Failure> + Send + Sync + 'static,
    ) -> Worker {
        let shutdown = CancellationToken::new();
        let health = Health::new();
        let handled = Arc::default();
        let stage = Probe {
            behave,
            pause,
            by_this_one: Arc::clone(&handled),
            handled: Arc::clone(&self.handled),
            given_up: Arc::clone(&self.given_up),
            dependencies: Arc::clone(&self.dependencies),
        };
        let context = Context {
            settings: self.settings.clone(),
            registry: Registry::new(&self.settings.schema_registry).unwrap(),
            health: health.clone(),
            shutdown: shutdown.clone(),
            local_budget: self.budgeted.then(|| self.broker.budget()),
        };
        Worker { shutdown, task: tokio::spawn(runtime::run(stage, context)), health, handled }
    }

    async fn send(&self, numbers: std::ops::Range<i32>) {
        self.producer.send_all(self.messages(numbers).await).await.unwrap();
    }

    async fn messages(&self, numbers: std::ops::Range<i32>) -> Vec<Outbound> {
        let registry = Registry::new(&self.settings.schema_registry).unwrap();
        let contracts = [(ServiceDiscovered::TOPIC, ServiceDiscovered::SCHEMA)];
        let codec = Codec::prepare(&registry, &[], &contracts, false).await.unwrap();
        let messages = numbers.map(|number| {
            let message =
                ServiceDiscovered { run_id: self.run.to_string(), generation: 1, service_id: format!("s{number}") };
            Outbound {
                topic: ServiceDiscovered::TOPIC.to_owned(),
                key: Some(message.key().into_bytes()),
                payload: Some(codec.encode(&message).unwrap()),
                headers: Vec::new(),
            }
        });
        messages.collect()
    }

    async fn send_bytes(&self, key: &str, bytes: &[u8]) {
        let message = Outbound {
            topic: ServiceDiscovered::TOPIC.to_owned(),
            key: Some(key.as_bytes().to_vec()),
            payload: Some(bytes.to_vec()),
            headers: Vec::new(),
        };
        self.producer.send_all(vec![message]).await.unwrap();
    }

    fn handled(&self) -> BTreeMap<String, usize> {
        self.handled.lock().unwrap().clone()
    }

    async fn until(&self, what: &str, condition: impl Fn() -> bool) {
        let waited = tokio::time::timeout(PATIENCE, async {
            while !condition() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        assert!(waited.await.is_ok(), "waited in vain until {what}; handled: {:?}", self.handled());
    }

    /// Reads at least `count` messages of a topic as a group of its own.
    async fn read(&self, topic: &str, count: usize) -> Vec<Delivery> {
        let mut member = GroupMember::join(&self.settings.kafka, &format!("reader-{}", RunId::new()), topic).unwrap();
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
    fn committed(&self) -> Vec<Option<i64>> {
        let group = format!("{}-probe", self.settings.kafka.group_prefix);
        admin::committed(&self.settings.kafka, &group, ServiceDiscovered::TOPIC).unwrap()
    }

    /// Messages in a topic, by its watermarks.
    fn count(&self, topic: &str) -> usize {
        admin::watermarks(&self.settings.kafka, topic).unwrap().iter().map(|(low, high)| (high - low) as usize).sum()
    }
}

impl Worker {
    async fn stop(self) -> Result<(), runtime::Error> {
        self.shutdown.cancel();
        self.ended().await
    }

    async fn ended(self) -> Result<(), runtime::Error> {
        tokio::time::timeout(PATIENCE, self.task).await.expect("the stage did not end").unwrap()
    }
}

/// The sum of a metric's lines with this in them. All tests of this file share the metrics.
fn told(metric: &str, label: &str) -> f64 {
    let page = telemetry::metrics::install().render();
    let lines = page.lines().filter(|line| line.starts_with(metric) && line.contains(label));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

/// What a worker's `/readyz` answers.
struct Readyz {
    admin: Admin,
    stop: CancellationToken,
}

impl Readyz {
    async fn of(worker: &Worker) -> Self {
        let stop = CancellationToken::new();
        let metrics = telemetry::metrics::install();
        let admin = endpoint::start("127.0.0.1:0", worker.health.clone(), metrics, stop.clone()).await.unwrap();
        Self { admin, stop }
    }

    /// Waits for an answer with this status that `fits`.
    async fn until(self, status: u16, fits: impl Fn(&str) -> bool) {
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
