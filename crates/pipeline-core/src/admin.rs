//! The address at which a process tells about itself: `/livez`, `/readyz`, `/metrics` and `/version`.
//!
//! `/livez` is about this process alone: do its loops turn, and does the work in hand come back? It never looks at a
//! dependency, since otherwise a broker that is away would have every worker restarted, which helps nobody. `/readyz` is
//! about the work: is everything there that it needs, and if not, what is missing? It has a port of its own, so that it
//! can stay inside the cluster.

use std::{io, net::SocketAddr, path::Path, time::Duration};

use axum::{
    Json, Router,
    extract::{RawQuery, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use pipeline_settings::settings::{self, AdminTls};
use pipeline_telemetry::{REVISION, VERSION, metrics::Handle};
use serde::Serialize;
use tokio::{net::TcpListener, task::JoinHandle, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tower_http::limit::RequestBodyLimitLayer;

use crate::listener::{self, Tls};

mod health;

#[cfg(test)]
mod tests;

pub use health::{Beat, Component, Health, MAX_WAITING};

/// Nothing here reads a body.
const BODY_LIMIT: usize = 1024;
/// How often the histograms are folded together.
const UPKEEP: Duration = Duration::from_secs(5);

/// The endpoint could not be opened.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts show what the fields are")]
pub enum Error {
    /// There is no listening on the address.
    #[error("cannot listen on `{bind}`; see `admin.bind`")]
    Bind { bind: String, source: io::Error },
    /// Certificate and key cannot be used.
    #[error("cannot answer over TLS on `{bind}`: {reason}; see `admin.certificate_file` and `admin.key_file`")]
    Tls { bind: String, reason: String },
}

/// The open endpoint.
#[derive(Debug)]
pub struct Admin {
    /// Where it listens; with port 0 in the configuration this says which port it became.
    pub local_addr: SocketAddr,
    /// `http`, or `https` when it answers over TLS.
    pub scheme: &'static str,
    server: JoinHandle<()>,
}

#[derive(Clone)]
struct About {
    health: Health,
    metrics: Handle,
}

/// Listens on `admin.bind` until `stop` is cancelled.
///
/// # Errors
/// When the address is not free, not ours, or not an address, or the certificate cannot be used.
pub async fn start(
    settings: &settings::Admin,
    health: Health,
    metrics: Handle,
    stop: CancellationToken,
) -> Result<Admin, Error> {
    let bind = &settings.bind;
    let failed = |source| Error::Bind { bind: bind.clone(), source };
    let tls = tls(settings).map_err(|reason| Error::Tls { bind: bind.clone(), reason })?;
    let listener = TcpListener::bind(bind).await.map_err(failed)?;
    let local_addr = listener.local_addr().map_err(failed)?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let routes = routes(About { health, metrics: metrics.clone() });
    let server = tokio::spawn(async move {
        tokio::join!(listener::serve(listener, tls, routes, stop.clone()), keep_up(metrics, stop));
    });
    tracing::info!(address = %local_addr, scheme, "the admin endpoint listens");
    Ok(Admin { local_addr, scheme, server })
}

/// How the endpoint proves who it is; `None` when it does not.
fn tls(settings: &settings::Admin) -> Result<Option<Tls>, String> {
    match (settings.tls, &settings.certificate_file, &settings.key_file) {
        (AdminTls::Disabled, ..) | (AdminTls::Auto, None, None) => Ok(None),
        (_, Some(certificate), Some(key)) => certified(certificate, key).map(Some),
        _ => Err("certificate and key are not both set".to_owned()),
    }
}

#[cfg(feature = "tls")]
fn certified(certificate: &Path, key: &Path) -> Result<Tls, String> {
    Tls::new(certificate.to_owned(), key.to_owned()).map_err(|error| error.to_string())
}

#[cfg(not(feature = "tls"))]
fn certified(_: &Path, _: &Path) -> Result<Tls, String> {
    Err("this program was built without TLS".to_owned())
}

fn routes(about: About) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/version", get(version))
        .layer(RequestBodyLimitLayer::new(BODY_LIMIT))
        .with_state(about)
}

/// Folds the histograms together while the endpoint is open.
async fn keep_up(metrics: Handle, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(UPKEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => metrics.upkeep(),
            () = stop.cancelled() => break,
        }
    }
}

// === the answers ===

async fn livez(State(about): State<About>) -> Response {
    let causes = about.health.silent_loops();
    answer(causes.is_empty(), &Live { live: causes.is_empty(), causes })
}

async fn readyz(State(about): State<About>, RawQuery(query): RawQuery) -> Response {
    let components = about.health.components();
    let causes = Health::causes(&components);
    let is_verbose = query.is_some_and(|query| query.split('&').any(|part| part.split('=').next() == Some("verbose")));
    let ready = causes.is_empty();
    answer(ready, &Ready { ready, causes, components: is_verbose.then_some(components) })
}

async fn metrics(State(about): State<About>) -> Response {
    let content_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(header::CONTENT_TYPE, content_type)], about.metrics.render()).into_response()
}

async fn version(State(about): State<About>) -> Json<Version> {
    Json(Version { name: about.health.service_name().to_owned(), version: VERSION, revision: REVISION })
}

fn answer<B: Serialize>(is_well: bool, body: &B) -> Response {
    let status = if is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let not_stored = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (status, not_stored, Json(body)).into_response()
}

#[derive(Serialize)]
struct Live {
    live: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    causes: Vec<String>,
}

#[derive(Serialize)]
struct Ready {
    ready: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    causes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    components: Option<Vec<health::ComponentState>>,
}

#[derive(Serialize)]
struct Version {
    name: String,
    version: &'static str,
    revision: &'static str,
}

// === impl Admin ===

impl Admin {
    /// Waits until the endpoint is closed, at most a few seconds after its token was cancelled.
    pub async fn closed(self) {
        if let Err(error) = self.server.await {
            tracing::error!(%error, "the admin endpoint ended");
        }
    }
}
