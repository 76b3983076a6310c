use std::sync::Arc;

use axum::routing::{get, post};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

struct Server {
    address: String,
    stop: CancellationToken,
    serving: tokio::task::JoinHandle<()>,
}

async fn serving(routes: Router) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(serve(listener, None, routes, stop.clone()));
    Server { address, stop, serving }
}

impl Server {
    async fn send(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }
}

/// What the other side says until it hangs up.
async fn until_closed(mut stream: TcpStream) -> String {
    let mut said = Vec::new();
    // A connection may be reset as well as closed.
    stream.read_to_end(&mut said).await.unwrap_or_default();
    String::from_utf8(said).unwrap()
}

#[tokio::test]
async fn half_requests_keep_nobody_out_and_are_closed() {
    let server = serving(Router::new().route("/livez", get(async || "live"))).await;
    let mut half = Vec::new();
    for _ in 0..300 {
        half.push(server.send("GET /livez HTTP/1.1\r\nhost: x\r\n").await);
    }
    let answer = until_closed(server.send("GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("live"), "{answer}");
    for stream in half {
        assert!(!until_closed(stream).await.contains("200 OK"));
    }
}

#[tokio::test]
async fn a_body_that_never_ends_and_a_client_that_says_nothing_are_given_up() {
    let server = serving(Router::new().route("/", post(async |body: String| body))).await;
    let silent = server.send("").await;
    let slow = server.send("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf").await;
    let said = until_closed(slow).await;
    assert!(said.starts_with("HTTP/1.1 503"), "{said}");
    assert_eq!(until_closed(silent).await, "");
}

#[tokio::test]
async fn what_was_asked_is_answered_when_the_listener_stops() {
    let (begun, go) = (Arc::new(tokio::sync::Notify::new()), Arc::new(tokio::sync::Notify::new()));
    let (has_begun, may_go) = (Arc::clone(&begun), Arc::clone(&go));
    let answer = async move || {
        has_begun.notify_one();
        may_go.notified().await;
        "done"
    };
    let server = serving(Router::new().route("/", get(answer))).await;
    let asked = server.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    begun.notified().await;
    server.stop.cancel();
    go.notify_one();
    let said = until_closed(asked).await;
    assert!(said.ends_with("done"), "{said}");
    server.serving.await.unwrap();
    assert!(TcpStream::connect(&server.address).await.is_err());
}
