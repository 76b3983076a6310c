//! How the client reaches the registry: addresses, credentials, TLS, proxies, and what an answer that is none means.
//!
//! The library makes the calls it knows; ours are those it lacks. Errors of both are sorted here, by the type of their
//! source and by the registry's code, so that an outage is never taken for a refusal.

use std::{path::Path, time::Duration};

use reqwest::{Method, Url};
use schema_registry_converter::{
    async_impl::schema_registry::SrSettings, error::SRCError, schema_registry_common::RawError,
};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::super::Error;
use crate::{redaction::redact_url, settings};

mod tls;

/// The media type of the registry's bodies.
const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// A way to the registry.
pub(super) struct Transport {
    url: Url,
    /// The address without credentials, for messages.
    shown: String,
    library: SrSettings,
    http: reqwest::Client,
    credentials: Credentials,
}

/// What is sent with every call so that the registry lets us in.
enum Credentials {
    Nobody,
    Basic(String, Option<SecretString>),
    Bearer(SecretString),
}

// === impl Transport ===

impl Transport {
    pub(super) fn new(settings: &settings::SchemaRegistry) -> Result<Self, Error> {
        let url = parse_url(&settings.url)?;
        let credentials = Credentials::of(settings)?;
        let timeout = Duration::from_millis(settings.timeout_ms.into());

        let mut library = SrSettings::new_builder(url.as_str().trim_end_matches('/').to_owned());
        library.set_timeout(timeout);
        let client = || {
            let mut client = tls::client(&url, settings)?.timeout(timeout);
            if is_loopback(&url) {
                // A proxy of the environment could only get in the way of a registry on this machine.
                client = client.no_proxy();
            }
            Ok(client)
        };
        match &credentials {
            Credentials::Nobody => {}
            Credentials::Basic(username, password) => {
                library.set_basic_authorization(username, password.as_ref().map(ExposeSecret::expose_secret));
            }
            Credentials::Bearer(token) => {
                library.set_token_authorization(token.expose_secret());
            }
        }
        let unusable = |reason: String| Error::Setting { key: "url", reason };
        let library = library.build_with(client()?).map_err(|error| unusable(error.error))?;
        let http = client()?.build().map_err(|error| unusable(error.to_string()))?;
        let shown = redact_url(url.as_str()).trim_end_matches('/').to_owned();
        Ok(Self { shown, url, library, http, credentials })
    }

    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    pub(super) fn library(&self) -> &SrSettings {
        &self.library
    }

    /// One call that the library lacks. The path's parts are escaped one by one.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        operation: &str,
        method: Method,
        path: &[&str],
        body: Option<Value>,
    ) -> Result<T, Error> {
        let mut url = self.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        // Confluent's registry gives the reasons of an incompatibility only when asked for.
        if path.first() == Some(&"compatibility") {
            url.query_pairs_mut().append_pair("verbose", "true");
        }
        let mut request = self.http.request(method, url).header("accept", MEDIA_TYPE);
        request = match &self.credentials {
            Credentials::Nobody => request,
            Credentials::Basic(username, password) => {
                request.basic_auth(username, password.as_ref().map(ExposeSecret::expose_secret))
            }
            Credentials::Bearer(token) => request.bearer_auth(token.expose_secret()),
        };
        if let Some(body) = body {
            request = request.header("content-type", MEDIA_TYPE).body(body.to_string());
        }
        let unreachable = |error: reqwest::Error| self.unreachable(operation.to_owned(), error);
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(unreachable)?;
        if status.is_success() {
            return serde_json::from_slice(&bytes)
                .map_err(|error| self.nonsense(operation.to_owned(), error.to_string()));
        }
        Err(match serde_json::from_slice::<RawError>(&bytes) {
            Ok(answer) => self.answered(operation.to_owned(), answer.error_code, answer.message),
            Err(_) if status.is_server_error() || matches!(status.as_u16(), 401 | 403) => {
                self.answered(operation.to_owned(), status.as_u16().into(), status.to_string())
            }
            Err(_) => self.nonsense(operation.to_owned(), status.to_string()),
        })
    }

    /// The library's error, sorted by the type of its source.
    pub(super) fn failed(&self, operation: String, error: SRCError) -> Error {
        let source = std::error::Error::source(&error);
        if let Some(answer) = source.and_then(|source| source.downcast_ref::<RawError>()) {
            if answer.error_code == 0 {
                return self.nonsense(operation, format!("{}: {}", error.error, answer.message));
            }
            return self.answered(operation, answer.error_code, answer.message.clone());
        }
        match source.and_then(|source| source.downcast_ref::<reqwest::Error>()) {
            Some(http) if !http.is_decode() => self.unreachable(operation, error),
            _ => self.nonsense(operation, error.cause.unwrap_or(error.error)),
        }
    }

    fn unreachable(&self, operation: String, source: impl std::error::Error + Send + Sync + 'static) -> Error {
        Error::Unreachable { operation, url: self.shown.clone(), source: Box::new(source) }
    }

    fn answered(&self, operation: String, code: u32, message: String) -> Error {
        Error::answered(operation, self.shown.clone(), code, message)
    }

    pub(super) fn nonsense(&self, operation: String, detail: String) -> Error {
        Error::Nonsense { operation, url: self.shown.clone(), detail }
    }
}

// === settings ===

fn parse_url(text: &str) -> Result<Url, Error> {
    let unusable = |reason: String| Error::Setting { key: "url", reason };
    let url = Url::parse(text).map_err(|error| unusable(error.to_string()))?;
    match url.scheme() {
        "http" => Ok(url),
        "https" if cfg!(feature = "tls") => Ok(url),
        // Without this the stage would wait for ever for a registry that it cannot speak to.
        "https" => Err(unusable("this program was built without TLS; build it with `--features tls`".to_owned())),
        scheme => Err(unusable(format!("scheme `{scheme}` is neither `http` nor `https`"))),
    }
}

// === impl Credentials ===

impl Credentials {
    fn of(settings: &settings::SchemaRegistry) -> Result<Self, Error> {
        let settings::SchemaRegistry { username, password, password_file, token, token_file, .. } = settings;
        if let Some(token) = secret(token.as_ref(), ("token_file", token_file.as_deref()))? {
            return Ok(Self::Bearer(token));
        }
        let password = secret(password.as_ref(), ("password_file", password_file.as_deref()))?;
        Ok(username.clone().map_or(Self::Nobody, |username| Self::Basic(username, password)))
    }
}

/// A secret, or else what its file holds.
fn secret(
    value: Option<&SecretString>,
    (key, file): (&'static str, Option<&Path>),
) -> Result<Option<SecretString>, Error> {
    let (None, Some(file)) = (value, file) else { return Ok(value.cloned()) };
    let text = std::fs::read_to_string(file)
        .map_err(|error| Error::Setting { key, reason: format!("`{}`: {error}", file.display()) })?;
    Ok(Some(text.trim_end_matches(['\r', '\n']).into()))
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
