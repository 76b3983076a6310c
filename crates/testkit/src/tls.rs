//! A certificate authority for tests, and the certificates that it signs.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ClientConfig, RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
        server::WebPkiClientVerifier,
    },
};

/// A certificate authority that nobody trusts but whoever is given its certificate.
#[derive(Clone)]
pub struct Authority(Arc<CertifiedIssuer<'static, KeyPair>>);

/// A certificate and its key, both as PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// The private key, PKCS #8.
    pub key: String,
}

/// How a listener of a test speaks TLS.
#[derive(Clone)]
pub struct Tls {
    /// Signs the listener's certificate, and those of its clients.
    pub authority: Authority,
    /// The name in the listener's certificate. Clients reach it as `127.0.0.1`; with any other name they must refuse it.
    pub name: String,
    /// Whether the listener's certificate is out of date.
    pub is_expired: bool,
}

// === impl Authority ===

impl Default for Authority {
    fn default() -> Self {
        let key = KeyPair::generate().expect("a key pair");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "Test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        Self(Arc::new(CertifiedIssuer::self_signed(params, key).expect("a certificate of its own")))
    }
}

impl Authority {
    /// Its own certificate, for those who are to trust it, as PEM.
    pub fn certificate(&self) -> String {
        self.0.pem()
    }

    /// A certificate for a client. The user it stands for is its common name.
    pub fn client(&self, user: &str) -> Identity {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, user);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let (certificate, key) = self.sign(&params);
        Identity { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// A certificate for a server of this name, also when it is reached by its address.
    pub fn server(&self, name: &str, is_expired: bool) -> Identity {
        let names =
            if name == "localhost" { vec![name.to_owned(), "127.0.0.1".to_owned()] } else { vec![name.to_owned()] };
        let (certificate, key) = self.sign(&server_params(names, is_expired));
        Identity { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// How a client trusts it and nobody else.
    pub fn trusting(&self) -> ClientConfig {
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("protocol versions that the provider has")
            .with_root_certificates(self.roots())
            .with_no_client_auth()
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).expect("an authority's certificate");
        roots
    }

    fn sign(&self, params: &CertificateParams) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().expect("a key pair");
        let certificate = params.signed_by(&key, &*self.0).expect("a signed certificate");
        (certificate, key)
    }
}

fn server_params(names: Vec<String>, is_expired: bool) -> CertificateParams {
    let mut params = CertificateParams::new(names).expect("a name for a certificate");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    if is_expired {
        params.not_after = date_time_ymd(2001, 1, 1);
    }
    params
}

// === impl Tls ===

impl Tls {
    /// TLS as it should be: a valid certificate for `127.0.0.1`.
    pub fn signed_by(authority: &Authority) -> Self {
        Self { authority: authority.clone(), name: "127.0.0.1".to_owned(), is_expired: false }
    }

    /// Takes a client's certificate if it has one; one of another authority is refused.
    pub fn acceptor(&self) -> TlsAcceptor {
        let (certificate, key) = self.authority.sign(&server_params(vec![self.name.clone()], self.is_expired));
        let provider = Arc::new(ring::default_provider());
        let roots = Arc::new(self.authority.roots());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider));
        let verifier = verifier.allow_unauthenticated().build().expect("a verifier with one authority");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("protocol versions that the provider has")
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("a certificate with its key");
        TlsAcceptor::from(Arc::new(config))
    }
}
