use pipeline_telemetry as telemetry;
use serde_json::{Value, json};

use super::*;

struct Running {
    address: String,
    health: Health,
    stop: CancellationToken,
    admin: Admin,
}

async fn running() -> Running {
    let (health, stop) = (Health::named("sluice-test"), CancellationToken::new());
    let at = settings::Admin::default();
    let admin = start(&at, health.clone(), telemetry::metrics::install(), stop.clone()).await.expect("a free port");
    Running { address: format!("http://{}", admin.local_addr), health, stop, admin }
}

impl Running {
    async fn get(&self, path: &str) -> (u16, String) {
        let response = reqwest::get(format!("{}{path}", self.address)).await.expect("an answer");
        (response.status().as_u16(), response.text().await.expect("text"))
    }

    async fn get_json(&self, path: &str) -> (u16, Value) {
        let (status, text) = self.get(path).await;
        (status, serde_json::from_str(&text).expect("JSON"))
    }
}

#[tokio::test]
async fn a_process_is_ready_when_all_its_components_are_up() {
    let running = running().await;
    assert_eq!(running.get_json("/readyz").await, (503, json!({"ready": false, "causes": ["starting"]})));

    let kafka = running.health.component("kafka");
    let target = running.health.component("target");
    kafka.up();
    assert_eq!(running.get_json("/readyz").await, (503, json!({"ready": false, "causes": ["target: starting"]})));
    target.up();
    assert!(running.health.is_ready());
    assert_eq!(running.get_json("/readyz").await, (200, json!({"ready": true})));

    kafka.down("no broker answers");
    let kafka_is_down = json!({"name": "kafka", "ready": false, "cause": "no broker answers"});
    let components = json!([kafka_is_down, {"name": "target", "ready": true}]);
    let causes = json!(["kafka: no broker answers"]);
    let expected = json!({"ready": false, "causes": causes, "components": components});
    assert_eq!(running.get_json("/readyz?verbose").await, (503, expected));
}

#[tokio::test]
async fn a_missing_dependency_does_not_make_a_process_dead() {
    let running = running().await;
    running.health.component("kafka").down("away");
    assert_eq!(running.get_json("/livez").await, (200, json!({"live": true})));
}

#[test]
fn a_loop_that_goes_silent_makes_a_process_dead() {
    let health = Health::named("sluice-test");
    let limit = Duration::from_secs(30);
    let silent_in = |seconds: u64| health.silent_loops_at(health.now() + seconds * 1_000);
    let beat = health.register_loop("poll", limit);
    assert!(silent_in(29).is_empty());
    assert_eq!(silent_in(31), ["poll: silent for 31 s"]);

    let other = health.register_loop("poll", limit);
    beat.finish();
    assert_eq!(silent_in(31), ["poll: silent for 31 s"], "the new loop of that name is still watched");
    other.finish();
    assert!(silent_in(31).is_empty());
}

#[test]
fn a_beat_ends_the_silence() {
    let health = Health::named("sluice-test");
    let beat = health.register_loop("poll", Duration::from_millis(1));
    while health.silent_loops().is_empty() {
        std::thread::yield_now();
    }
    let before = health.now();
    beat.beat();
    assert!(health.silent_loops_at(before).is_empty());
}

#[tokio::test]
async fn work_that_computes_or_waits_without_end_makes_a_process_dead() {
    let health = Health::named("sluice-test");
    let stuck_in = |seconds: u64| health.silent_loops_at(health.now() + seconds * 1_000);
    let computing = health.watched("bundles: a message".to_owned(), MAX_WAITING, async {
        assert!(stuck_in(29).is_empty());
        assert_eq!(stuck_in(31), ["bundles: a message: has computed for 31 s without a pause"]);
    });
    computing.await;
    assert!(stuck_in(10_000).is_empty(), "it has come back");

    let mut waiting =
        Box::pin(health.watched("bundles: a message".to_owned(), MAX_WAITING, std::future::pending::<()>()));
    assert!(polled_once(waiting.as_mut()).is_pending());
    assert!(stuck_in(1_799).is_empty());
    assert_eq!(stuck_in(1_801), ["bundles: a message: has waited for 1801 s without being woken"]);
    drop(waiting);
    assert!(stuck_in(10_000).is_empty(), "it was broken off");
}

fn polled_once<F: Future>(future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
    future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
}

#[tokio::test]
async fn a_silent_loop_is_answered_with_503() {
    let running = running().await;
    let beat = running.health.register_loop("poll", Duration::ZERO);
    drop(beat); // as a panic would
    loop {
        let (status, body) = running.get_json("/livez").await;
        if status == 503 {
            assert_eq!(body, json!({"live": false, "causes": ["poll: silent for 0 s"]}));
            break;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_version_and_the_metrics_are_told() {
    let running = running().await;
    let (status, version) = running.get_json("/version").await;
    assert_eq!((status, &version["name"]), (200, &json!("sluice-test")));
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    let response = reqwest::get(format!("{}/metrics", running.address)).await.expect("an answer");
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    assert!(response.text().await.expect("text").contains("sluice_build_info{"));
    assert_eq!(running.get("/nothing").await.0, 404);
}

#[tokio::test]
async fn a_large_body_is_refused() {
    let running = running().await;
    let sent = reqwest::Client::new().get(format!("{}/livez", running.address)).body(vec![0; BODY_LIMIT + 1]).send();
    assert_eq!(sent.await.expect("an answer").status().as_u16(), 413);
}

#[tokio::test]
async fn the_endpoint_closes_when_it_is_told_to() {
    let running = running().await;
    running.stop.cancel();
    running.admin.closed().await;
    assert!(reqwest::get(format!("{}/livez", running.address)).await.is_err());
}

#[tokio::test]
async fn an_address_that_is_taken_is_an_error_that_names_it() {
    let running = running().await;
    let taken = running.admin.local_addr.to_string();
    let at = settings::Admin { bind: taken.clone(), ..settings::Admin::default() };
    let result = start(&at, Health::new(), telemetry::metrics::install(), CancellationToken::new()).await;
    let error = result.expect_err("taken");
    assert_eq!(error.to_string(), format!("cannot listen on `{taken}`; see `admin.bind`"));
}
