//! What is away, and what only seems so.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use pipeline_core::runtime::header;
use pipeline_model::{
    contracts::{BatchPlanned, DEAD_LETTERS, Message as _},
    disposition::Disposition,
};
use pipeline_settings::settings::SecurityProtocol;

use crate::world::{Failure, Readyz, Tick, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_is_not_ready_while_it_only_knocks_at_the_cluster() {
    let mut world = World::new().await;
    // Connections are taken, and nobody ever answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let kafka = &mut world.settings.kafka;
    kafka.bootstrap_servers = silent.local_addr().unwrap().to_string();
    kafka.security_protocol = SecurityProtocol::SaslPlaintext;
    kafka.sasl_mechanism = Some("PLAIN".to_owned());
    (kafka.username, kafka.password) = (Some("user".to_owned()), Some("secret".to_owned().into()));
    let worker = world.start(|_| Ok(()));
    let readyz = Readyz::of(&worker).await;
    let never_ready = async {
        loop {
            assert!(!worker.health.is_ready(), "ready, and not in its group");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let registry_is_there = |causes: &str| causes.contains("joining the group") && !causes.contains("schema registry");
    tokio::select! {
        () = never_ready => {}
        () = readyz.until(503, registry_is_there) => {}
    }
    worker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_pauses_the_stage_and_makes_no_dead_letter() {
    let mut world = World::new().await;
    // An outage uses up no patience.
    world.settings.stage.patience_ms = 1;
    // Fewer than may be in hand: what keeps the others out is the outage.
    world.send(0..2).await;
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
    world.until("the outage is shown", || world.handled().len() == 2 && !worker.health.is_ready()).await;
    world.send(2..30).await;
    // Many more attempts than a message may use up.
    let tries = || world.handled().values().sum::<usize>();
    world.until("the stage has tried often", || tries() > 40).await;
    assert_eq!(world.handled().len(), 2, "messages were taken up during an outage");
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
    world.until("it is given up", || watch() && !world.dependencies.given_up.lock().unwrap().is_empty()).await;
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
    let readyz = Readyz::of(&worker).await;
    readyz.until(503, |answer| answer.contains(r#""probe: dependencies: planted failure""#)).await;
    world.dependencies.away.store(false, Ordering::SeqCst);
    world.until("the stage is ready again", || worker.health.is_ready()).await;
    worker.stop().await.unwrap();
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
