//! The health and metrics endpoint behind TLS: who can ask it, who cannot, and a certificate that is renewed.
#![expect(clippy::unwrap_used, reason = "test code outside of test functions")]

use std::path::PathBuf;

use pipeline_core::admin::{self, Admin, Health};
use pipeline_settings::settings::{self, AdminTls};
use pipeline_telemetry::metrics;
use testkit::tls::{Authority, Identity};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_util::sync::CancellationToken;

/// An endpoint with its files.
struct Endpoint {
    admin: Admin,
    health: Health,
    files: tempfile::TempDir,
}

impl Endpoint {
    async fn start(identity: &Identity) -> Self {
        let files = tempfile::tempdir().unwrap();
        let at = settings_of(&files, identity);
        let health = Health::named("sluice-test");
        let admin = admin::start(&at, health.clone(), metrics::install(), CancellationToken::new()).await.unwrap();
        Self { admin, health, files }
    }

    async fn get(&self, authority: &Authority, path: &str) -> reqwest::Result<(u16, String)> {
        let trusted = reqwest::Certificate::from_pem(authority.certificate().as_bytes())?;
        let client = reqwest::Client::builder().tls_certs_only([trusted]).no_proxy().build()?;
        let answer = client.get(format!("https://{}{path}", self.admin.local_addr)).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }
}

fn settings_of(files: &tempfile::TempDir, identity: &Identity) -> settings::Admin {
    settings::Admin {
        tls: AdminTls::Required,
        certificate_file: Some(write(files, "tls.crt", &identity.certificate)),
        key_file: Some(write(files, "tls.key", &identity.key)),
        ..settings::Admin::default()
    }
}

fn write(files: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    let path = files.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[tokio::test]
async fn probes_and_scrapes_are_answered_over_tls_and_nothing_is_in_plain_text() {
    let authority = Authority::default();
    let endpoint = Endpoint::start(&authority.server("localhost", false)).await;
    assert_eq!(endpoint.admin.scheme, "https");
    assert_eq!(endpoint.get(&authority, "/livez").await.unwrap().0, 200);
    assert_eq!(endpoint.get(&authority, "/readyz").await.unwrap().0, 503);
    endpoint.health.component("kafka").up();
    assert_eq!(endpoint.get(&authority, "/readyz").await.unwrap().0, 200);
    assert!(endpoint.get(&authority, "/metrics").await.unwrap().1.contains("sluice_build_info{"));
    assert!(endpoint.get(&Authority::default(), "/livez").await.is_err(), "a stranger's certificate");

    let mut plain = TcpStream::connect(endpoint.admin.local_addr).await.unwrap();
    plain.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await.unwrap();
    let mut said = Vec::new();
    plain.read_to_end(&mut said).await.unwrap_or_default();
    assert!(!String::from_utf8_lossy(&said).contains("HTTP"), "{said:?}");
}

#[tokio::test]
async fn who_never_shakes_hands_keeps_nobody_out() {
    let authority = Authority::default();
    let endpoint = Endpoint::start(&authority.server("localhost", false)).await;
    let mut silent = Vec::new();
    for _ in 0..300 {
        silent.push(TcpStream::connect(endpoint.admin.local_addr).await.unwrap());
    }
    assert_eq!(endpoint.get(&authority, "/livez").await.unwrap().0, 200);
    for mut stream in silent {
        // Closed, or reset.
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap_or_default(), 0);
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_at_the_next_connection() {
    let (old, new) = (Authority::default(), Authority::default());
    let endpoint = Endpoint::start(&old.server("localhost", false)).await;
    let renewed = new.server("localhost", false);
    write(&endpoint.files, "tls.crt", &renewed.certificate);
    // It does not fit its key yet: the old ones stay.
    assert_eq!(endpoint.get(&old, "/livez").await.unwrap().0, 200);
    write(&endpoint.files, "tls.key", &renewed.key);
    assert_eq!(endpoint.get(&new, "/livez").await.unwrap().0, 200);
    assert!(endpoint.get(&old, "/livez").await.is_err());
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_told_with_its_file() {
    let files = tempfile::tempdir().unwrap();
    let authority = Authority::default();
    let other = Identity { key: authority.client("x").key, ..authority.server("localhost", false) };
    let empty = Identity { certificate: String::new(), ..other.clone() };
    for (identity, reason) in [(other, "tls.crt"), (empty, "it holds no certificate")] {
        let at = settings_of(&files, &identity);
        let error = admin::start(&at, Health::new(), metrics::install(), CancellationToken::new()).await.unwrap_err();
        let error = error.to_string();
        assert!(error.contains(reason) && error.contains("see `admin.certificate_file`"), "{error}");
    }
}
