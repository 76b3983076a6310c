//! The client and a registry behind TLS: whom it trusts, how it shows who it is, and what it refuses.
#![expect(clippy::unwrap_used, reason = "test code outside of test functions")]

use std::path::PathBuf;

use pipeline_core::registry::{EmbeddedRegistry, Error, Registry};
use pipeline_model::disposition::{Classify, Disposition};
use pipeline_settings::settings::SchemaRegistry;
use testkit::tls::{Authority, Tls};
use tokio::net::{TcpListener, TcpStream};

const INT: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#;

/// A registry that speaks TLS, and the files that a client is given.
struct Secured {
    url: String,
    files: tempfile::TempDir,
    _registry: EmbeddedRegistry,
}

impl Secured {
    /// With `wants_client`, a client without a certificate is sent away after the handshake.
    async fn start(tls: &Tls, wants_client: bool) -> Self {
        let registry = EmbeddedRegistry::start("127.0.0.1:0").await.unwrap();
        let behind = registry.url().strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let acceptor = tls.acceptor();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (acceptor, behind) = (acceptor.clone(), behind.clone());
                tokio::spawn(async move {
                    // Clients that refuse us end here.
                    let Ok(mut stream) = acceptor.accept(socket).await else { return };
                    if wants_client && stream.get_ref().1.peer_certificates().is_none() {
                        return;
                    }
                    let mut registry = TcpStream::connect(behind).await.unwrap();
                    drop(tokio::io::copy_bidirectional(&mut stream, &mut registry).await);
                });
            }
        });
        Self { url, files: tempfile::tempdir().unwrap(), _registry: registry }
    }

    fn file(&self, name: &str, text: &str) -> Option<PathBuf> {
        let path = self.files.path().join(name);
        std::fs::write(&path, text).unwrap();
        Some(path)
    }

    fn settings(&self, authority: &Authority) -> SchemaRegistry {
        let ca_file = self.file("ca.pem", &authority.certificate());
        SchemaRegistry { url: self.url.clone(), ca_file, ..SchemaRegistry::default() }
    }
}

#[tokio::test]
async fn a_registry_of_our_own_authority_is_trusted_by_every_kind_of_call() {
    let authority = Authority::default();
    let secured = Secured::start(&Tls::signed_by(&authority), false).await;
    let registry = Registry::new(&secured.settings(&authority)).unwrap();
    registry.ping().await.unwrap();
    let registered = registry.register("x-value", INT).await.unwrap();
    registry.by_id(registered.id).await.unwrap();
}

#[tokio::test]
async fn a_registry_that_cannot_prove_who_it_is_hears_nothing() {
    let authority = Authority::default();
    let expired = Tls { is_expired: true, ..Tls::signed_by(&authority) };
    let other_name = Tls { name: "registry.example.org".to_owned(), ..Tls::signed_by(&authority) };
    let other_authority = Tls::signed_by(&Authority::default());
    let reasons = [
        (expired, "its certificate has expired"),
        (other_name, "its certificate is not for `127.0.0.1`, but for registry.example.org"),
        (other_authority, "its certificate is not signed by the authority of `schema_registry.ca_file`"),
    ];
    for (tls, reason) in reasons {
        let secured = Secured::start(&tls, false).await;
        let settings = SchemaRegistry {
            username: Some("sluice".to_owned()),
            password_file: secured.file("password", "canary"),
            ..secured.settings(&authority)
        };
        let error = Registry::new(&settings).unwrap().ping().await.unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
        assert_eq!((error.code(), error.disposition()), ("SLUICE-REGISTRY-013", Disposition::Unavailable));
        assert!(!format!("{error:?}{error}").contains("canary"));
    }
    let plain = EmbeddedRegistry::start("127.0.0.1:0").await.unwrap();
    let secured = Secured::start(&Tls::signed_by(&authority), false).await;
    let url = plain.url().replace("http://", "https://");
    let settings = SchemaRegistry { url, ..secured.settings(&authority) };
    let error = Registry::new(&settings).unwrap().ping().await.unwrap_err();
    assert!(error.to_string().ends_with("it does not speak TLS at this port"), "{error}");
    // Without an authority of our own, the system's are asked, and none of them knows ours.
    let secured = Secured::start(&Tls::signed_by(&authority), false).await;
    let settings = SchemaRegistry { ca_file: None, ..secured.settings(&authority) };
    let error = Registry::new(&settings).unwrap().ping().await.unwrap_err();
    assert!(error.to_string().contains("or of the system without one"), "{error}");
}

#[tokio::test]
async fn a_client_certificate_is_shown_where_one_is_configured() {
    let authority = Authority::default();
    let secured = Secured::start(&Tls::signed_by(&authority), true).await;
    let nobody = secured.settings(&authority);
    assert!(Registry::new(&nobody).unwrap().ping().await.is_err());
    let identity = authority.client("sluice");
    let known = SchemaRegistry {
        client_certificate_file: secured.file("client.pem", &identity.certificate),
        client_key_file: secured.file("client.key", &identity.key),
        ..nobody
    };
    let registry = Registry::new(&known).unwrap();
    registry.ping().await.unwrap();
    registry.register("x-value", INT).await.unwrap();
}

/// The next call has the new files, whatever the calls before it had.
#[tokio::test]
async fn an_authority_and_a_client_certificate_that_are_renewed_are_in_use_at_the_next_call() {
    let (old, new) = (Authority::default(), Authority::default());
    let secured = Secured::start(&Tls::signed_by(&new), true).await;
    let (first, second) = (old.client("sluice"), new.client("sluice"));
    let settings = SchemaRegistry {
        client_certificate_file: secured.file("client.pem", &first.certificate),
        client_key_file: secured.file("client.key", &first.key),
        ..secured.settings(&old)
    };
    let registry = Registry::new(&settings).unwrap();
    assert!(registry.ping().await.unwrap_err().to_string().contains("not signed by the authority"));
    secured.file("ca.pem", &new.certificate());
    // The client's own is still of the old authority.
    assert!(registry.ping().await.is_err());
    secured.file("client.pem", &second.certificate);
    // It does not fit its key yet: what was there before stays.
    assert!(registry.ping().await.is_err());
    secured.file("client.key", &second.key);
    registry.ping().await.unwrap();
}

#[tokio::test]
async fn files_that_cannot_be_used_are_told_with_their_key() {
    let authority = Authority::default();
    let secured = Secured::start(&Tls::signed_by(&authority), false).await;
    let key_of = |settings: &SchemaRegistry| match Registry::new(settings) {
        Err(Error::Setting { key, .. }) => key,
        other => panic!("{other:?}"),
    };
    let settings = secured.settings(&authority);
    let missing = SchemaRegistry { ca_file: Some("/nowhere/ca.pem".into()), ..settings.clone() };
    assert_eq!(key_of(&missing), "ca_file");
    let empty = SchemaRegistry { ca_file: secured.file("empty.pem", ""), ..settings.clone() };
    assert_eq!(key_of(&empty), "ca_file");
    let certificate = secured.file("client.pem", &authority.client("sluice").certificate);
    let no_key =
        SchemaRegistry { client_certificate_file: certificate.clone(), client_key_file: certificate, ..settings };
    assert_eq!(key_of(&no_key), "client_certificate_file");
}
