//! The way to the trace collector: TLS, headers with a secret, and one line when it begins to fail.
//!
//! Spans that cannot be sent are lost, and nothing else is: no stage waits for its collector. So a collector that is away
//! is told once, and once more when it is back, and a metric counts what is in between. The exporter's own line for each
//! batch is left out, see [`is_heard`].

use std::{
    error::Error as StdError,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use pipeline_model::chain::Chain;
use pipeline_settings::{
    files,
    link::{distrust::Distrust, renewal::Renewed},
    settings::Telemetry,
};
use reqwest::{
    blocking,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use tracing::Metadata;

use crate::process_events;

use super::TIMEOUT;

/// The exporter's line for each batch that could not be sent.
const FOR_EACH_BATCH: &str = "BatchSpanProcessor.ExportError";

/// The way to the collector.
pub(super) struct Collector {
    shown: String,
    settings: Telemetry,
    way: Renewed<Way>,
    last: Mutex<Outcome>,
}

/// What is made from files that somebody may renew.
#[derive(Clone)]
struct Way {
    http: blocking::Client,
    headers: Arc<HeaderMap>,
}

/// How the last batch fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It was taken.
    Taken,
    /// There is no trust between the collector and this program.
    Untrusted,
    /// No answer came.
    Unreachable,
    /// The collector said no.
    Refused,
}

/// Whether a line belongs into the logs: all but one kind do.
pub(crate) fn is_heard(metadata: &Metadata<'_>) -> bool {
    metadata.name() != FOR_EACH_BATCH
}

// === impl Collector ===

impl Collector {
    /// Reads certificates and headers; connects to nothing. `shown` is the address without credentials.
    /// Not within a runtime: the client that blocks has one of its own.
    pub(super) fn new(shown: String, settings: &Telemetry) -> Result<Self, String> {
        let settings = settings.clone();
        let Telemetry { otlp_headers_file, otlp_ca_file, .. } = &settings;
        let Telemetry { otlp_client_certificate_file, otlp_client_key_file, .. } = &settings;
        let files = [otlp_headers_file, otlp_ca_file, otlp_client_certificate_file, otlp_client_key_file];
        let files = files.into_iter().flatten().cloned().collect();
        let way = Renewed::new("trace collector", files, || Way::new(&settings))?;
        Ok(Self { shown, settings, way, last: Mutex::new(Outcome::Taken) })
    }

    fn noted(&self, outcome: Outcome, reason: impl fmt::Display) {
        let before = std::mem::replace(&mut *self.last.lock().unwrap_or_else(PoisonError::into_inner), outcome);
        let collector = self.shown.as_str();
        match outcome {
            Outcome::Taken if before != outcome => tracing::info!(collector, "the trace collector takes spans again"),
            Outcome::Taken => {}
            _ => {
                process_events::spans_lost(collector, outcome.as_str(), reason, before != outcome);
            }
        }
    }

    fn failed(&self, error: &(dyn StdError + 'static)) {
        let shows_certificate = self.settings.otlp_client_certificate_file.is_some();
        match Distrust::of(error, shows_certificate) {
            Some(distrust) => self.noted(Outcome::Untrusted, distrust.by("telemetry.otlp_")),
            None => self.noted(Outcome::Unreachable, Chain(error)),
        }
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let Way { http, headers } = self.way.get(|| Way::new(&self.settings));
        for (name, value) in headers.iter() {
            request.headers_mut().insert(name, value.clone());
        }
        let answered = http.send_bytes(request).await.map_err(without_address);
        match &answered {
            Ok(response) if response.status().is_success() => self.noted(Outcome::Taken, ""),
            Ok(response) => self.noted(Outcome::Refused, response.status()),
            Err(error) => self.failed(error.as_ref()),
        }
        answered
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Collector").field(&self.shown).finish()
    }
}

/// The address may hold credentials.
fn without_address(error: HttpError) -> HttpError {
    match error.downcast::<reqwest::Error>() {
        Ok(error) => Box::new(error.without_url()),
        Err(error) => error,
    }
}

// === impl Way ===

impl Way {
    fn new(settings: &Telemetry) -> Result<Self, String> {
        let headers = match &settings.otlp_headers_file {
            Some(file) => headers(&files::read_text(file, files::SECRET).map_err(|error| error.to_string())?),
            None => Ok(HeaderMap::new()),
        };
        let headers = headers.map_err(|reason| format!("`telemetry.otlp_headers_file`: {reason}"))?;
        let builder = blocking::Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none());
        let http = secured(builder, settings)?.build().map_err(|error| Chain(&error).to_string())?;
        Ok(Self { http, headers: Arc::new(headers) })
    }
}

/// `name: value` on each line. An error names the line and repeats nothing of it.
fn headers(text: &str) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (line, number) in text.lines().map(str::trim).zip(1..).filter(|(line, _)| !line.is_empty()) {
        let wrong = || format!("line {number} is no header; write `name: value`");
        let (name, value) = line.split_once(':').ok_or_else(wrong)?;
        let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| wrong())?;
        let mut value = HeaderValue::from_str(value.trim()).map_err(|_| wrong())?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

#[cfg(feature = "tls")]
fn secured(mut builder: blocking::ClientBuilder, settings: &Telemetry) -> Result<blocking::ClientBuilder, String> {
    use pipeline_settings::link::pem;

    if let Some(file) = &settings.otlp_ca_file {
        let authorities = pem::authorities(file).map_err(|reason| format!("`telemetry.otlp_ca_file`: {reason}"))?;
        builder = builder.tls_certs_only(authorities);
    }
    if let (Some(certificate), Some(key)) = (&settings.otlp_client_certificate_file, &settings.otlp_client_key_file) {
        let identity = pem::identity(certificate, key);
        let about = |reason: String| format!("`telemetry.otlp_client_certificate_file`: {reason}");
        builder = builder.identity(identity.map_err(about)?);
    }
    Ok(builder)
}

#[cfg(not(feature = "tls"))]
#[expect(clippy::unnecessary_wraps, reason = "with TLS it may fail")]
fn secured(builder: blocking::ClientBuilder, _: &Telemetry) -> Result<blocking::ClientBuilder, String> {
    Ok(builder)
}

// === impl Outcome ===

impl Outcome {
    /// The label's value.
    fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Untrusted => "untrusted",
            Self::Unreachable => "unreachable",
            Self::Refused => "refused",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::headers;

    #[test]
    fn headers_are_lines_and_an_error_repeats_nothing_of_them() {
        let found = headers("Authorization: Bearer a:b=\n\n x-tenant :  one \r\n").unwrap();
        assert_eq!(
            (found.len(), &found["authorization"], &found["x-tenant"]),
            (2, &"Bearer a:b=".parse().unwrap(), &"one".parse().unwrap())
        );
        assert!(!format!("{found:?}").contains("Bearer"));
        for text in ["canary", "a b: canary", "x: y\nname: can\u{1}ary"] {
            let error = headers(text).unwrap_err();
            assert!(error.contains("line") && !error.contains("canary"), "{error}");
        }
    }
}
