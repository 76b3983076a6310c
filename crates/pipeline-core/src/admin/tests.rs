use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
}

async fn serve(health: &Health) -> SocketAddr {
    let metrics = crate::telemetry::metrics::install();
    start("127.0.0.1:0", health.clone(), metrics, CancellationToken::new()).await.unwrap().local_addr
}

#[tokio::test]
async fn a_process_is_ready_when_all_its_components_are() {
    let health = Health::new();
    let address = serve(&health).await;
    assert_eq!(get(address, "/readyz").await.0, 503);
    let (database, broker) = (health.component("database"), health.component("broker"));
    database.up();
    broker.up();
    assert_eq!(get(address, "/readyz").await.0, 200);
    broker.down("connection refused");
    let (status, body) = get(address, "/readyz").await;
    assert_eq!(status, 503);
    assert!(body.contains("broker: connection refused") && !body.contains("database"), "{body}");
    assert_eq!(get(address, "/livez").await.0, 200, "an outage is no reason to be restarted");
}

#[tokio::test]
async fn a_process_is_dead_when_one_of_its_loops_is_silent() {
    let health = Health::new();
    let address = serve(&health).await;
    let beat = health.register_loop("drive", Duration::ZERO);
    let (status, body) = get(address, "/livez").await;
    assert_eq!(status, 503);
    assert!(body.contains("drive"), "{body}");
    let patient = health.register_loop("drive", Duration::from_secs(3600));
    patient.beat();
    beat.beat();
    assert_eq!(get(address, "/livez").await.0, 200);
}

#[tokio::test]
async fn metrics_and_version_are_served() {
    let address = serve(&Health::new()).await;
    assert!(get(address, "/metrics").await.1.contains("sluice_build_info"));
    assert!(get(address, "/version").await.1.contains(crate::telemetry::VERSION));
    assert_eq!(get(address, "/nothing").await.0, 404);
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bind = taken.local_addr().unwrap().to_string();
    let metrics = crate::telemetry::metrics::install();
    let error = start(&bind, Health::new(), metrics, CancellationToken::new()).await.unwrap_err();
    assert!(error.to_string().contains(&bind));
}
