//! Handlers that compute and never pause, in a process of their own: as many as the runtime has threads, and more.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use pipeline_core::{
    stage::{Emit, Record, Stage},
    worker,
};
use pipeline_model::{
    contracts::{BatchPlanned, ServiceDiscovered},
    needs::Needs,
};
use pipeline_settings::configuration::{self, Options};

use crate::world::{Failure, World};

/// Tells the process of the test below what it is, and where its broker and its registry are.
const SETTINGS: &str = "SLUICE_TEST_STUCK";

/// How long the process may take to end; far more than its drain time.
const PATIENCE: Duration = Duration::from_secs(60);

/// A stage that never answers.
struct Stuck;

impl Stage for Stuck {
    const NAME: &'static str = "stuck";
    type Input = ServiceDiscovered;
    type Output = BatchPlanned;
    type Error = Failure;

    async fn handle(&self, record: &Record<ServiceDiscovered>) -> Result<Emit<BatchPlanned>, Failure> {
        eprintln!("begun: {}", record.message.service_id);
        loop {
            std::hint::spin_loop();
        }
    }

    fn needs(&self) -> impl Needs {}
}

/// No test: the process that the test below starts.
#[test]
fn the_process_that_is_stuck() {
    let Ok(settings) = std::env::var(SETTINGS) else { return };
    let overrides = settings.lines().filter_map(|line| line.split_once('='));
    let overrides = overrides.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let loaded = configuration::load(Options { file: None, environment: std::iter::empty(), overrides }).unwrap();
    std::process::exit(i32::from(worker::run("stuck", loaded, |_| async { Ok(Stuck) })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_whose_handlers_never_return_answers_and_ends_within_its_drain_time() {
    let world = World::new().await;
    world.send(0..40).await;
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut child = start(&[
        ("kafka.bootstrap_servers", &world.settings.kafka.bootstrap_servers),
        ("schema_registry.url", &world.settings.schema_registry.url),
        ("admin.bind", &address.to_string()),
        ("stage.drain_timeout_ms", "500"),
        ("stage.in_flight", "8"),
    ]);
    let log = Arc::new(Mutex::new(String::new()));
    let (stderr, text) = (child.stderr.take().unwrap(), Arc::clone(&log));
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            text.lock().unwrap().push_str(&(line + "\n"));
        }
    });
    // Both threads of its runtime are taken.
    world.until("two handlers have begun", || log.lock().unwrap().matches("begun: ").count() >= 2).await;

    let answer = reqwest::Client::builder().timeout(Duration::from_secs(60)).no_proxy().build().unwrap();
    let answer = answer.get(format!("http://{address}/livez")).send().await.expect("`/livez` answers");
    assert!([200, 503].contains(&answer.status().as_u16()));

    let asked = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(asked.success());
    let id = child.id().to_string();
    let ended = tokio::time::timeout(PATIENCE, tokio::task::spawn_blocking(move || child.wait().unwrap())).await;
    let Ok(status) = ended else {
        Command::new("kill").args(["-KILL", &id]).status().unwrap();
        panic!("SIGTERM does not end the process: {}", log.lock().unwrap());
    };
    let status = status.unwrap();
    reader.join().unwrap();
    let log = log.lock().unwrap();
    assert!(status.success(), "{status}: {log}");
    assert!(log.contains("the time for stopping is over"), "{log}");
}

fn start(settings: &[(&str, &str)]) -> Child {
    let settings = settings.iter().map(|(key, value)| format!("{key}={value}\n")).collect::<String>();
    Command::new(std::env::current_exe().unwrap())
        .args(["stuck::the_process_that_is_stuck", "--exact", "--nocapture"])
        .env(SETTINGS, settings)
        .env("TOKIO_WORKER_THREADS", "2")
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}
