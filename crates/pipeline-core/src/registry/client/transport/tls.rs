//! TLS to the registry: whom we trust, and how we show who we are.
//!
//! The registry's certificate is always verified, against the authority of `schema_registry.ca_file` alone when that is
//! set, and otherwise against the system's. There is no switch to turn this off.

use pipeline_settings::settings::SchemaRegistry;
use reqwest::{ClientBuilder, Url};

use super::Error;

/// The client to begin with for this address.
pub(super) fn client(url: &Url, settings: &SchemaRegistry) -> Result<ClientBuilder, Error> {
    let builder = reqwest::Client::builder();
    match url.scheme() {
        "https" => secured(builder, settings),
        _ => Ok(builder),
    }
}

#[cfg(not(feature = "tls"))]
fn secured(builder: ClientBuilder, _: &SchemaRegistry) -> Result<ClientBuilder, Error> {
    // The address was refused before.
    Ok(builder)
}

#[cfg(feature = "tls")]
fn secured(mut builder: ClientBuilder, settings: &SchemaRegistry) -> Result<ClientBuilder, Error> {
    use pipeline_settings::link::pem;

    // What the registry redirects to in plain text would carry the credentials in plain text.
    builder = builder.https_only(true);
    if let Some(file) = &settings.ca_file {
        builder = builder.tls_certs_only(pem::authorities(file).map_err(|reason| unusable("ca_file", reason))?);
    }
    if let (Some(certificate), Some(key)) = (&settings.client_certificate_file, &settings.client_key_file) {
        let identity = pem::identity(certificate, key);
        builder = builder.identity(identity.map_err(|reason| unusable("client_certificate_file", reason))?);
    }
    Ok(builder)
}

#[cfg(feature = "tls")]
fn unusable(key: &'static str, reason: String) -> Error {
    Error::Setting { key, reason }
}
