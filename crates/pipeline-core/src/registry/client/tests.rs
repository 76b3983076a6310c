use std::sync::atomic::{AtomicUsize, Ordering};

use axum::{Router, http::StatusCode, middleware, routing::any};
use pipeline_model::{
    contracts::{self, Message, RunRequested},
    disposition::{Classify, Disposition},
};

use super::*;
use crate::registry::{EmbeddedRegistry, server};

const INT: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#;

fn client(url: &str) -> Registry {
    Registry::new(&settings::SchemaRegistry { url: url.to_owned(), ..Default::default() }).unwrap()
}

/// Serves the router on a free port for the rest of the test.
async fn serve(router: Router) -> Registry {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, router).into_future());
    client(&url)
}

async fn answering(status: u16, body: &'static str) -> Registry {
    let status = StatusCode::from_u16(status).unwrap();
    serve(Router::new().fallback(any(async move || (status, body)))).await
}

#[tokio::test]
async fn every_record_is_registered_without_conflict() {
    let embedded = EmbeddedRegistry::start("127.0.0.1:0").await.unwrap();
    let registry = client(embedded.url());
    for (topic, schema) in contracts::ALL {
        let subject = contracts::subject(topic);
        registry.set_level(&subject, Level::FullTransitive).await.unwrap();
        assert!(!registry.register(&subject, schema).await.unwrap().already);
        assert!(registry.register(&subject, schema).await.unwrap().already);
    }
}

#[tokio::test]
async fn a_schema_is_fetched_by_one_request_however_many_ask() {
    let requests = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&requests);
    let counting = middleware::from_fn(move |request: axum::extract::Request, next: middleware::Next| {
        let counter = Arc::clone(&counter);
        async move {
            if request.uri().path().starts_with("/schemas/ids/") {
                counter.fetch_add(1, Ordering::SeqCst);
            }
            next.run(request).await
        }
    });
    let registry = serve(server::router().layer(counting)).await;
    let id = registry.register("x-value", INT).await.unwrap().id;
    let (one, two, three) = tokio::join!(registry.by_id(id), registry.by_id(id), registry.by_id(id));
    assert!(Arc::ptr_eq(&one.unwrap(), &two.unwrap()));
    three.unwrap();
    registry.clone().by_id(id).await.unwrap();
    assert_eq!(requests.load(Ordering::SeqCst), 1);

    // What failed is asked again, and leaves nothing behind.
    registry.by_id(SchemaId(9)).await.unwrap_err();
    registry.by_id(SchemaId(9)).await.unwrap_err();
    assert_eq!(requests.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_registry_that_is_away_or_broken_is_waited_for() {
    let gone = EmbeddedRegistry::start("127.0.0.1:0").await.unwrap();
    let refused = client(gone.url());
    gone.shutdown().await;
    let broken = answering(500, r#"{"error_code":50001,"message":"store is away"}"#).await;
    let gateway = answering(502, "<html>bad gateway</html>").await;
    let overloaded = answering(429, r#"{"error_code":42901,"message":"slow down"}"#).await;
    let other_program = answering(200, "hello").await;
    let wrong_path = answering(404, "<html>not found</html>").await;
    for registry in [refused, broken, gateway, overloaded, other_program, wrong_path] {
        for error in [
            registry.ping().await.unwrap_err(),
            registry.lookup("x-value", RunRequested::SCHEMA).await.unwrap_err(),
            registry.versions("x-value").await.unwrap_err(),
            registry.by_id(SchemaId(1)).await.unwrap_err(),
        ] {
            assert_eq!(error.disposition(), Disposition::Unavailable, "{error}");
        }
    }
}

#[tokio::test]
async fn a_registry_that_never_answers_is_given_up_after_the_timeout() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let settings = settings::SchemaRegistry { url, timeout_ms: 50, ..Default::default() };
    let registry = Registry::new(&settings).unwrap();
    for error in [registry.ping().await.unwrap_err(), registry.by_id(SchemaId(1)).await.unwrap_err()] {
        assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    }
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_its_end() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    let endless = async move || {
        let bytes = futures::stream::repeat_with(move || {
            counter.fetch_add(65_536, Ordering::SeqCst);
            Ok::<_, std::io::Error>(vec![b' '; 65_536])
        });
        axum::body::Body::from_stream(bytes)
    };
    let registry = serve(Router::new().fallback(any(endless))).await;
    for error in [registry.ping().await.unwrap_err(), registry.by_id(SchemaId(1)).await.unwrap_err()] {
        assert!(error.to_string().contains("more than 8388608 bytes"), "{error}");
        assert_eq!(error.disposition(), Disposition::Unavailable);
    }
    assert!(sent.load(Ordering::SeqCst) < 64 * 1024 * 1024);
}

#[tokio::test]
async fn a_denied_user_stops_instead_of_waiting() {
    let registry = answering(401, r#"{"error_code":40101,"message":"who are you"}"#).await;
    let proxy = answering(401, "<html>unauthorized</html>").await;
    let errors = [registry.ping().await, proxy.ping().await, registry.lookup("x-value", INT).await.map(|_| ())];
    for error in errors.map(Result::unwrap_err) {
        assert_eq!((error.disposition(), error.code()), (Disposition::Halt, "SLUICE-REGISTRY-004"));
    }
}

#[tokio::test]
async fn user_name_and_password_are_sent_by_every_kind_of_call_and_never_shown() {
    let authorised = middleware::from_fn(|request: axum::extract::Request, next: middleware::Next| async move {
        let sent = request.headers().get("authorization").and_then(|value| value.to_str().ok());
        if sent == Some("Basic YW5hOnMzY3JldA==") { Ok(next.run(request).await) } else { Err(StatusCode::UNAUTHORIZED) }
    });
    let plain = serve(server::router().layer(authorised)).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "s3cret\n").unwrap();
    let settings = settings::SchemaRegistry {
        url: plain.url().to_owned(),
        username: Some("ana".to_owned()),
        password_file: Some(file.path().to_owned()),
        ..Default::default()
    };
    let registry = Registry::new(&settings).unwrap();
    registry.ping().await.unwrap();
    registry.register("x-value", INT).await.unwrap();
    assert!(!format!("{registry:?}").contains("s3cret"));
    assert_eq!(client("http://ana:s3cret@localhost:8081/").url(), "http://ana:***@localhost:8081");
}

#[tokio::test]
async fn a_bearer_token_is_sent_by_every_kind_of_call_and_never_shown() {
    let authorised = middleware::from_fn(|request: axum::extract::Request, next: middleware::Next| async move {
        let sent = request.headers().get("authorization").and_then(|value| value.to_str().ok());
        if sent == Some("Bearer t0ken") { Ok(next.run(request).await) } else { Err(StatusCode::UNAUTHORIZED) }
    });
    let plain = serve(server::router().layer(authorised)).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "t0ken\n").unwrap();
    let settings = settings::SchemaRegistry {
        url: plain.url().to_owned(),
        token_file: Some(file.path().to_owned()),
        ..Default::default()
    };
    let registry = Registry::new(&settings).unwrap();
    registry.ping().await.unwrap();
    registry.register("x-value", INT).await.unwrap();
    assert!(!format!("{registry:?}").contains("t0ken"));
}

/// As whoever rotates them does: the registry takes the new one, then the file is written.
#[tokio::test]
async fn a_password_and_a_token_that_are_renewed_are_sent_by_the_next_call() {
    let expected = Arc::new(std::sync::Mutex::new(String::new()));
    let (asked, folder) = (Arc::clone(&expected), tempfile::tempdir().unwrap());
    let authorised = middleware::from_fn(move |request: axum::extract::Request, next: middleware::Next| {
        let wanted = asked.lock().unwrap().clone();
        async move {
            let sent = request.headers().get("authorization").and_then(|value| value.to_str().ok());
            if sent == Some(&wanted) { Ok(next.run(request).await) } else { Err(StatusCode::UNAUTHORIZED) }
        }
    });
    let plain = serve(server::router().layer(authorised)).await;
    let file = folder.path().join("secret");
    std::fs::write(&file, "old").unwrap();
    let old: secrecy::SecretString = "old".to_owned().into();
    let base = settings::SchemaRegistry { url: plain.url().to_owned(), ..Default::default() };
    let by_password = settings::SchemaRegistry {
        username: Some("ana".to_owned()),
        password: Some(old.clone()),
        password_file: Some(file.clone()),
        ..base.clone()
    };
    let by_token = settings::SchemaRegistry { token: Some(old), token_file: Some(file.clone()), ..base };
    // `ana:new` in base 64.
    for (settings, header) in [(by_password, "Basic YW5hOm5ldw=="), (by_token, "Bearer new")] {
        std::fs::write(&file, "old").unwrap();
        let registry = Registry::new(&settings).unwrap();
        *expected.lock().unwrap() = header.to_owned();
        assert_eq!(registry.ping().await.unwrap_err().code(), "SLUICE-REGISTRY-004");
        std::fs::write(&file, "new").unwrap();
        registry.ping().await.unwrap();
    }
}

#[test]
fn addresses_that_cannot_work_are_refused_with_their_key() {
    for url in ["", "localhost:8081", "ftp://registry", "registry"] {
        let settings = settings::SchemaRegistry { url: url.to_owned(), ..Default::default() };
        let error = Registry::new(&settings).unwrap_err();
        assert!(matches!(error, Error::Setting { key: "url", .. }), "{error}");
    }
}

#[tokio::test]
async fn what_a_schema_refers_to_is_fetched_and_put_in() {
    let embedded = EmbeddedRegistry::start("127.0.0.1:0").await.unwrap();
    let registry = client(embedded.url());
    let city = r#"{"type":"record","name":"c.City","fields":[{"name":"n","type":"string"}]}"#;
    let address = r#"{"type":"record","name":"c.Address","fields":[{"name":"city","type":"City"}]}"#;
    let order = r#"{"type":"record","name":"Order","fields":[{"name":"to","type":"c.Address"}]}"#;
    registry.register("city-value", city).await.unwrap();
    let refer = async |subject: &str, schema: &str, name: &str, to: &str| -> Value {
        let references = json!([{ "name": name, "subject": to, "version": 1 }]);
        let body = json!({ "schema": schema, "references": references });
        let path = ["subjects", subject, "versions"];
        registry.inner.wire.call("register", Method::POST, &path, Some(body)).await.unwrap()
    };
    refer("address-value", address, "c.City", "city-value").await;
    let id = refer("order-value", order, "c.Address", "address-value").await["id"].as_u64().unwrap();

    let version = registry.version("order-value", None).await.unwrap().unwrap();
    let whole = registry.whole_schema("order-value", &version).await.unwrap();
    let read = pipeline_schema::Schema::parse(&whole).unwrap();
    assert_eq!(read.describe(read.root()), "record Order");
    let decodable = registry.by_id(SchemaId(u32::try_from(id).unwrap())).await.unwrap();
    assert_eq!(decodable.schema, Schema::parse_str(&whole).unwrap());

    // What it refers to is gone.
    registry.delete_version("city-value", 1).await.unwrap();
    let error = registry.whole_schema("order-value", &version).await.unwrap_err();
    assert!(error.to_string().contains("`c.City` from version 1 of `city-value`"), "{error}");
}
