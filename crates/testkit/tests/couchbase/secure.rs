//! TLS: who is let in, and who lets himself in.

use couchbase::{authenticator::CertificateAuthenticator, options::cluster_options::TlsOptions};
use testkit::tls::{Authority, Tls};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use super::*;

fn double(tls: Tls) -> CouchbaseDouble {
    let double = CouchbaseDouble::start(Options { tls: Some(tls), ..Options::default() });
    double.set("providers", "p", "{\"service_id\":\"s\"}");
    double
}

fn trusting(authority: &Authority) -> TlsOptions {
    let pem = authority.certificate();
    TlsOptions::new().add_ca_certificate(CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate"))
}

fn with_password(authority: &Authority) -> ClusterOptions {
    ClusterOptions::new(PasswordAuthenticator::new("sluice", "sluice-secret").into()).tls_options(trusting(authority))
}

/// A document by key and by query, over new connections.
async fn read(double: &CouchbaseDouble, options: ClusterOptions) -> Result<usize, Error> {
    let cluster = Cluster::connect(double.connection_string(), options).await?;
    collection(&cluster, double, "providers").get("p", None).await?;
    query(&scope(&cluster, double), PAGE, page("", 9)).await.map(|outcome| outcome.rows.len())
}

#[tokio::test]
async fn a_client_that_trusts_the_authority_reads_with_its_password() {
    let authority = Authority::default();
    let double = double(Tls::signed_by(&authority));
    assert!(double.url().starts_with("couchbases://127.0.0.1:"));
    assert_eq!(within("reading", read(&double, with_password(&authority))).await.expect("an answer"), 1);
}

#[tokio::test]
async fn a_client_with_a_certificate_needs_no_password() {
    let authority = Authority::default();
    let double = double(Tls::signed_by(&authority));
    let identity = authority.client("sluice");
    let certificate = CertificateDer::from_pem_slice(identity.certificate.as_bytes()).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("a key");
    let options = ClusterOptions::new(CertificateAuthenticator::new(vec![certificate], key).into());
    let options = options.tls_options(trusting(&authority));
    assert_eq!(within("reading", read(&double, options)).await.expect("an answer"), 1);
}

#[tokio::test]
async fn a_client_refuses_another_authority_another_name_and_an_old_certificate() {
    let authority = Authority::default();
    let sound = Tls::signed_by(&authority);
    let doubles = [
        (double(sound.clone()), Authority::default()),
        (double(Tls { name: "elsewhere.example".to_owned(), ..sound.clone() }), authority.clone()),
        (double(Tls { is_expired: true, ..sound }), authority),
    ];
    for (double, trusted) in &doubles {
        let outcome = tokio::time::timeout(IMPATIENCE, read(double, with_password(trusted))).await;
        assert!(!matches!(outcome, Ok(Ok(_))), "{outcome:?}");
        assert_eq!((double.kv_operations(), double.queries().len()), (0, 0));
    }
}

#[tokio::test]
async fn nothing_is_said_in_the_clear() {
    let double = double(Tls::signed_by(&Authority::default()));
    let address = double.connection_string().replace("couchbases://", "couchbase://");
    let options = ClusterOptions::new(PasswordAuthenticator::new("sluice", "sluice-secret").into());
    let reading = async {
        let cluster = Cluster::connect(address, options).await?;
        collection(&cluster, &double, "providers").get("p", None).await
    };
    assert!(!matches!(tokio::time::timeout(IMPATIENCE, reading).await, Ok(Ok(_))));
    assert_eq!(double.kv_operations(), 0);
}
