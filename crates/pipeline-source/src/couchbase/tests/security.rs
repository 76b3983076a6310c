//! Who is let in, and what is shown of secrets.

use pipeline_model::disposition::{Classify, Disposition};
use testkit::tls::{Authority, Tls};

use super::*;
use crate::Error;

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_and_a_wrong_bucket_are_answers_and_not_silence() {
    let double = CouchbaseDouble::start(Options::default());
    let mut wrong = settings(&double);
    wrong.couchbase.password = Some(SecretString::from("wrong-horse"));
    let error = open(&wrong).ready().await.unwrap_err();
    assert!(matches!(error, Error::Denied { .. }), "{error:?}");
    assert_eq!(error.disposition(), Disposition::Unavailable);
    assert!(!format!("{error:?} {error}").contains("wrong-horse"));

    let elsewhere = settings::Source { url: double.url().replace("/catalog.", "/other."), ..settings(&double) };
    let error = open(&elsewhere).ready().await.unwrap_err();
    assert!(matches!(&error, Error::MissingKeyspace { kind: "bucket", .. }), "{error:?}");
    let elsewhere = settings::Source { url: double.url().replace(".sluice", ".other"), ..settings(&double) };
    let error = open(&elsewhere).counts().await.unwrap_err();
    assert!(matches!(&error, Error::MissingKeyspace { .. }), "{error:?}");
}

#[test]
fn settings_that_cannot_be_used_are_named() {
    let base = settings::Source { url: "couchbase://127.0.0.1/b.s".to_owned(), ..settings::Source::default() };
    let reason = |settings: settings::Source| Couchbase::open(&settings).err().unwrap().to_string();
    assert!(reason(base.clone()).contains("`source.couchbase.username` cannot be used: it is not set"));
    let mut named = base.clone();
    named.couchbase.username = Some("u".to_owned());
    assert!(reason(named.clone()).contains("source.couchbase.password_file"));
    named.couchbase.password = Some(SecretString::from("p"));
    assert!(Couchbase::open(&named).is_ok());
    named.couchbase.collections.bundles = "b`; DROP".to_owned();
    assert!(reason(named.clone()).contains("is no name of a collection"));
    named = base;
    named.couchbase.ca_file = Some("/nowhere/ca.pem".into());
    named.couchbase.username = Some("u".to_owned());
    named.couchbase.password = Some(SecretString::from("p"));
    assert!(reason(named).contains("`/nowhere/ca.pem`"));
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_trusts_the_named_authority_and_no_other() {
    let (authority, other) = (Authority::default(), Authority::default());
    let double = CouchbaseDouble::start(Options { tls: Some(Tls::signed_by(&authority)), ..Options::default() });
    double.set("provider_services", "s", r#"{"id":"s"}"#);
    let folder = tempfile::tempdir().unwrap();
    let (ca, stranger) = (folder.path().join("ca.pem"), folder.path().join("other.pem"));
    std::fs::write(&ca, authority.certificate()).unwrap();
    std::fs::write(&stranger, other.certificate()).unwrap();

    let mut settings = settings(&double);
    assert!(settings.url.starts_with("couchbases://"));
    settings.couchbase.ca_file = Some(ca.clone());
    let services: Vec<_> = open(&settings).services().try_collect().await.unwrap();
    assert_eq!(services.len(), 1);

    let mut wrong = settings.clone();
    wrong.couchbase.password = Some(SecretString::from("wrong"));
    assert!(matches!(open(&wrong).ready().await.unwrap_err(), Error::Denied { .. }));

    settings.couchbase.ca_file = Some(stranger);
    settings.couchbase.connect_timeout_ms = 10_000;
    let error = open(&settings).ready().await.unwrap_err();
    assert!(error.to_string().contains("is not signed by the authority of `source.couchbase.ca_file`"), "{error}");
    assert_eq!((error.code(), error.disposition()), ("SLUICE-SOURCE-037", Disposition::Unavailable));

    // Only the client knows the public authorities, and it does not say why it tries again.
    let public = settings::Couchbase { ca_file: None, connect_timeout_ms: 1_000, ..settings.couchbase.clone() };
    let public = settings::Source { couchbase: public, ..settings.clone() };
    assert!(matches!(open(&public).services().try_collect::<Vec<_>>().await.unwrap_err(), Error::TimedOut { .. }));

    // A certificate in place of a password.
    let identity = authority.client("sluice");
    let (certificate, key) = (folder.path().join("client.pem"), folder.path().join("client.key"));
    std::fs::write(&certificate, identity.certificate).unwrap();
    std::fs::write(&key, identity.key).unwrap();
    settings.couchbase = settings::Couchbase {
        username: None,
        password: None,
        ca_file: Some(ca),
        client_certificate_file: Some(certificate),
        client_key_file: Some(key),
        ..settings.couchbase
    };
    let services: Vec<_> = open(&settings).services().try_collect().await.unwrap();
    assert_eq!(services.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_for_another_name_or_of_another_time_is_refused_with_the_reason() {
    let authority = Authority::default();
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, authority.certificate()).unwrap();
    let expired = Tls { is_expired: true, ..Tls::signed_by(&authority) };
    let other_name = Tls { name: "db.example.org".to_owned(), ..Tls::signed_by(&authority) };
    for (tls, reason) in [
        (expired, "its certificate has expired"),
        (other_name, "its certificate is not for `127.0.0.1`, but for db.example.org"),
    ] {
        let double = CouchbaseDouble::start(Options { tls: Some(tls), ..Options::default() });
        let mut settings = settings(&double);
        settings.couchbase.ca_file = Some(ca.clone());
        let error = open(&settings).ready().await.unwrap_err();
        assert!(matches!(&error, Error::Untrusted { .. }) && error.to_string().contains(reason), "{error}");
    }
}
