//! TLS to the registry: whom we trust, and how we show who we are.
//!
//! The registry's certificate is always verified, against the authority of `schema_registry.ca_file` alone when that is
//! set, and otherwise against the system's. There is no switch to turn this off.

use reqwest::{ClientBuilder, Url};

use super::Error;
use crate::settings::SchemaRegistry;

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
    use reqwest::{Certificate, Identity};

    // What the registry redirects to in plain text would carry the credentials in plain text.
    builder = builder.https_only(true);
    if let Some(file) = &settings.ca_file {
        let authorities = Certificate::from_pem_bundle(&read("ca_file", file)?)
            .map_err(|error| unusable("ca_file", file, &error.to_string()))?;
        if authorities.is_empty() {
            return Err(unusable("ca_file", file, "it holds no certificate"));
        }
        builder = builder.tls_certs_only(authorities);
    }
    if let (Some(certificate), Some(key)) = (&settings.client_certificate_file, &settings.client_key_file) {
        let mut pem = read("client_certificate_file", certificate)?;
        pem.push(b'\n');
        pem.extend(read("client_key_file", key)?);
        let identity = Identity::from_pem(&pem)
            .map_err(|error| unusable("client_certificate_file", certificate, &error.to_string()))?;
        builder = builder.identity(identity);
    }
    Ok(builder)
}

#[cfg(feature = "tls")]
fn read(key: &'static str, file: &std::path::Path) -> Result<Vec<u8>, Error> {
    crate::files::read(file, crate::files::WRITTEN_BY_HAND).map_err(|error| unusable(key, file, &error.to_string()))
}

#[cfg(feature = "tls")]
fn unusable(key: &'static str, file: &std::path::Path, reason: &str) -> Error {
    Error::Setting { key, reason: format!("`{}`: {reason}", file.display()) }
}
