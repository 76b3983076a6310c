//! Who we are to the cluster, and whom we trust: passwords and certificates, in the forms that the client takes.

use std::{fmt, path::Path, sync::Arc};

use couchbase::{
    authenticator::{Authenticator, CertificateAuthenticator, PasswordAuthenticator},
    options::cluster_options::TlsOptions,
};
use couchbase_core::memdx::{auth_mechanism::AuthMechanism, op_auth_saslauto};
use pipeline_settings::{files, settings};
use secrecy::{ExposeSecret, SecretString};
use tokio_rustls::rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use super::address::Address;
use crate::Error;

/// How we log in.
pub enum Credentials {
    /// By user and password.
    Password(String, SecretString),
    /// By a client certificate with its chain.
    Certificate(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>),
}

/// Certificates that sign the nodes'; `None` for the public ones.
pub type Authorities = Option<Vec<CertificateDer<'static>>>;

impl Credentials {
    /// Reads what the settings name.
    pub fn read(address: &Address, settings: &settings::Couchbase) -> Result<Self, Error> {
        if let (Some(chain), Some(key)) = (&settings.client_certificate_file, &settings.client_key_file) {
            let chain = certificates("source.couchbase.client_certificate_file", chain)?;
            let name = "source.couchbase.client_key_file";
            let pem = read(name, key)?;
            let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| unusable(name, key, &error))?;
            return Ok(Self::Certificate(chain, key));
        }
        let user = settings.username.as_ref().or(address.user.as_ref());
        let unset = |key| Error::Setting { key, reason: "it is not set".to_owned() };
        let user = user.ok_or_else(|| unset("source.couchbase.username"))?;
        let password = settings.password.as_ref().ok_or_else(|| unset("source.couchbase.password_file"))?;
        Ok(Self::Password(user.clone(), password.clone()))
    }

    /// For the client.
    pub fn authenticator(&self) -> Authenticator {
        match self {
            Self::Password(user, password) => PasswordAuthenticator::new(user, password.expose_secret()).into(),
            Self::Certificate(chain, key) => CertificateAuthenticator::new(chain.clone(), key.clone_key()).into(),
        }
    }

    /// For the key-value protocol's log-in; a certificate has logged in by the TLS handshake.
    pub fn sasl(&self, tls: bool) -> Option<op_auth_saslauto::SASLAuthAutoOptions> {
        let Self::Password(username, password) = self else { return None };
        let (username, password) = (username.clone(), password.expose_secret().to_owned());
        let enabled_mechs = match tls {
            true => vec![AuthMechanism::Plain],
            false => vec![AuthMechanism::ScramSha512, AuthMechanism::ScramSha256, AuthMechanism::ScramSha1],
        };
        let credentials = op_auth_saslauto::Credentials::UserPass { username, password };
        Some(op_auth_saslauto::SASLAuthAutoOptions { credentials, enabled_mechs })
    }
}

impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password(user, _) => f.write_str(user),
            Self::Certificate(..) => f.write_str("a client certificate"),
        }
    }
}

/// The authorities of `source.couchbase.ca_file`.
pub fn authorities(settings: &settings::Couchbase) -> Result<Authorities, Error> {
    settings.ca_file.as_deref().map(|path| certificates("source.couchbase.ca_file", path)).transpose()
}

/// TLS for the client.
pub fn tls_options(authorities: &Authorities) -> TlsOptions {
    match authorities {
        None => TlsOptions::new(),
        Some(certificates) => TlsOptions::new().add_ca_certificates(certificates.iter().cloned()),
    }
}

/// TLS for the first look at a node, which trusts exactly what the client trusts; `None` when these are the public
/// authorities, which only the client knows.
pub fn tls_config(authorities: &Authorities, credentials: &Credentials) -> Result<Option<Arc<ClientConfig>>, Error> {
    let Some(authorities) = authorities else { return Ok(None) };
    let refused = |key| move |error: tokio_rustls::rustls::Error| Error::Setting { key, reason: error.to_string() };
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.clone()).map_err(refused("source.couchbase.ca_file"))?;
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(refused("source.url"))?
        .with_root_certificates(roots);
    let config = match credentials {
        Credentials::Password(..) => builder.with_no_client_auth(),
        Credentials::Certificate(chain, key) => builder
            .with_client_auth_cert(chain.clone(), key.clone_key())
            .map_err(refused("source.couchbase.client_certificate_file"))?,
    };
    Ok(Some(Arc::new(config)))
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    match CertificateDer::pem_slice_iter(&read(key, path)?).collect::<Result<Vec<_>, _>>() {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(unusable(key, path, &"it has no certificate in PEM")),
        Err(error) => Err(unusable(key, path, &error)),
    }
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, Error> {
    files::read(path, files::WRITTEN_BY_HAND).map_err(|error| unusable(key, path, &error))
}

fn unusable(key: &'static str, path: &Path, why: &dyn fmt::Display) -> Error {
    Error::Setting { key, reason: format!("`{}`: {why}", path.display()) }
}
