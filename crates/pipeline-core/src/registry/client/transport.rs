//! How the client reaches the registry: addresses, credentials, TLS, proxies, and what an answer that is none means.
//!
//! What fails is sorted here, by how far it came and by the registry's code, so that an outage is never taken for a
//! refusal. An answer is read up to a bound: whoever sends without end has not answered.

use std::{path::Path, sync::Arc, time::Duration};

use pipeline_settings::{
    files,
    link::{answer, distrust::Distrust, renewal::Renewed},
    redaction::redact_url,
    settings,
    target_url::is_loopback,
};
use reqwest::{Method, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::super::Error;

mod tls;

/// The media type of the registry's bodies.
const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// Bytes of an answer: far above the longest schema or list of subjects, far below the memory.
const MAX_ANSWER: usize = 8 * 1024 * 1024;

/// How the registry says no.
#[derive(Deserialize)]
struct RawError {
    error_code: u32,
    message: String,
}

/// A way to the registry.
pub(super) struct Transport {
    url: Url,
    /// The address without credentials, for messages.
    shown: String,
    settings: settings::SchemaRegistry,
    way: Renewed<Way>,
}

/// What is made from files that somebody may renew.
#[derive(Clone)]
struct Way {
    http: reqwest::Client,
    credentials: Arc<Credentials>,
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
        let settings = settings.clone();
        let way = Renewed::new("schema registry", files_of(&settings), || Way::new(&url, &settings))?;
        let shown = redact_url(url.as_str()).trim_end_matches('/').to_owned();
        Ok(Self { url, shown, settings, way })
    }

    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// One call. The path's parts are escaped one by one.
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
        match path.first() {
            // Confluent's registry gives the reasons of an incompatibility only when asked for.
            Some(&"compatibility") => drop(url.query_pairs_mut().append_pair("verbose", "true")),
            // Messages outlive the version that they were written with.
            Some(&"schemas") => drop(url.query_pairs_mut().append_pair("deleted", "true")),
            _ => {}
        }
        let Way { http, credentials } = self.way.get(|| Way::new(&self.url, &self.settings));
        let mut request = http.request(method, url).header("accept", MEDIA_TYPE);
        request = match credentials.as_ref() {
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
        let bytes = answer::body(response, MAX_ANSWER).await.map_err(|error| match error {
            answer::Error::Broken(error) => unreachable(error),
            answer::Error::TooLong { .. } => self.nonsense(operation.to_owned(), error.to_string()),
        })?;
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

    fn unreachable(&self, operation: String, source: reqwest::Error) -> Error {
        let url = self.shown.clone();
        match Distrust::of(&source, self.settings.client_certificate_file.is_some()) {
            Some(distrust) => Error::Untrusted { operation, url, distrust },
            None => Error::Unreachable { operation, url, source: Box::new(source) },
        }
    }

    fn answered(&self, operation: String, code: u32, message: String) -> Error {
        Error::answered(operation, self.shown.clone(), code, message)
    }

    pub(super) fn nonsense(&self, operation: String, detail: String) -> Error {
        Error::Nonsense { operation, url: self.shown.clone(), detail }
    }
}

// === impl Way ===

impl Way {
    fn new(url: &Url, settings: &settings::SchemaRegistry) -> Result<Self, Error> {
        let credentials = Arc::new(Credentials::of(settings)?);
        let timeout = Duration::from_millis(settings.timeout_ms.into());
        let mut client = tls::client(url, settings)?.timeout(timeout);
        if is_loopback(url) {
            // A proxy of the environment could only get in the way of a registry on this machine.
            client = client.no_proxy();
        }
        let http = client.build().map_err(|error| Error::Setting { key: "url", reason: error.to_string() })?;
        Ok(Self { http, credentials })
    }
}

/// The files that the way to the registry is made from.
fn files_of(settings: &settings::SchemaRegistry) -> Vec<std::path::PathBuf> {
    let settings::SchemaRegistry { password_file, token_file, ca_file, .. } = settings;
    let settings::SchemaRegistry { client_certificate_file, client_key_file, .. } = settings;
    let files = [password_file, token_file, ca_file, client_certificate_file, client_key_file];
    files.into_iter().flatten().cloned().collect()
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

/// What the file of a secret holds, or else the secret: the file may have been renewed since the settings were read.
fn secret(
    value: Option<&SecretString>,
    (key, file): (&'static str, Option<&Path>),
) -> Result<Option<SecretString>, Error> {
    let Some(file) = file else { return Ok(value.cloned()) };
    let text = files::read_text(file, files::SECRET)
        .map_err(|error| Error::Setting { key, reason: format!("`{}`: {error}", file.display()) })?;
    Ok(Some(text.trim_end_matches(['\r', '\n']).into()))
}
