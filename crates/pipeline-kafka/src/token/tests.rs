use std::fs;

use super::*;

#[test]
fn a_token_that_says_its_end_holds_so_long_and_another_one_a_minute() {
    let payload = URL_SAFE_NO_PAD.encode(r#"{"sub":"stage-root","exp":4102444800}"#);
    let told = described(format!("e30.{payload}."), Some(Duration::from_secs(5)));
    assert_eq!((told.principal_name.as_str(), told.lifetime_ms), ("stage-root", 4_102_444_800_000));
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let opaque = described("opaque".to_owned(), None).lifetime_ms - now;
    assert!((59_000..=61_000).contains(&opaque), "{opaque}");
    let said = described("opaque".to_owned(), Some(Duration::from_secs(300))).lifetime_ms - now;
    assert!((299_000..=301_000).contains(&said), "{said}");
}

#[test]
fn the_file_is_read_again_for_each_token() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let source = Source::new(Oauth { token_file: Some(path.clone()), ..Oauth::default() });
    assert!(matches!(source.token(), Err(Error::File { .. })));
    for token in ["first", "second"] {
        fs::write(&path, format!("{token}\n")).unwrap();
        assert_eq!(source.token().unwrap().token, token);
    }
}

#[cfg(feature = "tls")]
#[test]
fn the_authority_of_the_endpoint_is_read_again_for_each_token() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let oauth = Oauth {
        token_endpoint: Some("https://127.0.0.1:1/token".to_owned()),
        ca_file: Some(path.clone()),
        ..Oauth::default()
    };
    let source = Source::new(oauth);
    assert!(source.token().err().unwrap().to_string().contains("No such file"));
    fs::write(&path, "").unwrap();
    assert!(source.token().err().unwrap().to_string().contains("it holds no certificate"));
    // Endless: it says that it has no bytes.
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
    assert!(source.token().err().unwrap().to_string().contains("a device"));
}

/// A token endpoint that knows one client.
async fn endpoint() -> String {
    use axum::{
        Router,
        body::Bytes,
        http::{HeaderMap, StatusCode},
        routing::post,
    };
    let answer = |headers: HeaderMap, body: Bytes| async move {
        let login = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        // `client:secret` in base 64.
        let known = login == "Basic Y2xpZW50OnNlY3JldA==" && body == "grant_type=client_credentials&scope=kafka";
        if known {
            (StatusCode::OK, r#"{"access_token":"opaque","token_type":"Bearer","expires_in":300}"#)
        } else {
            (StatusCode::UNAUTHORIZED, r#"{"error":"invalid_client","error_description":"no such client"}"#)
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/token", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/token", post(answer))).await });
    url
}

/// Asked as librdkafka asks: on a thread that blocks.
async fn ask(url: &str, secret: &str) -> Result<String, Error> {
    let oauth = Oauth {
        token_endpoint: Some(url.to_owned()),
        client_id: Some("client".to_owned()),
        client_secret: Some(secret.to_owned().into()),
        scope: Some("kafka".to_owned()),
        ..Oauth::default()
    };
    tokio::task::spawn_blocking(move || Source::new(oauth).token().map(|token| token.token)).await.unwrap()
}

#[tokio::test]
async fn an_endpoint_gives_a_token_to_its_client_and_says_why_not_to_another() {
    let url = endpoint().await;
    assert_eq!(ask(&url, "secret").await.unwrap(), "opaque");
    let refused = ask(&url, "wrong").await.unwrap_err();
    assert!(matches!(&refused, Error::Refused { reason, .. } if reason.ends_with("invalid_client (no such client)")));
    assert!(!format!("{refused:?}{refused}").contains("wrong"), "{refused}");
    let away = ask("http://127.0.0.1:1/token", "secret").await.unwrap_err();
    assert!(matches!(away, Error::Endpoint { .. }), "{away}");
}

#[tokio::test]
async fn an_endpoint_that_sends_without_end_gives_no_token() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/token", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert_ne!(stream.read(&mut [0; 1024]).await.unwrap(), 0);
        let mut sent = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"access_token\":\"").await;
        while sent.is_ok() {
            sent = stream.write_all(&[b'x'; 8192]).await;
        }
    });
    let error = ask(&url, "secret").await.unwrap_err().to_string();
    assert!(error.contains("the answer has more than 65536 bytes"), "{error}");
}

#[test]
fn a_form_is_escaped() {
    assert_eq!(encoded(&[("grant_type", "a b"), ("scope", "x&y=z")]), "grant_type=a+b&scope=x%26y%3Dz");
}
