//! The endpoint for orchestrators and monitoring: `/livez`, `/readyz`, `/metrics`, `/version`, on a port of its own.
//!
//! `/livez` answers for the process alone: its own loops turn. It knows nothing of dependencies, or an outage of the
//! broker would restart every pod. `/readyz` answers for the work: 503 with the causes while anything is away.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tower_http::{limit::RequestBodyLimitLayer, timeout::TimeoutLayer};

use crate::telemetry::metrics::Handle;

#[cfg(test)]
mod tests;

/// Longest time that a request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest body that a request may have; none of ours has one.
const BODY_LIMIT: usize = 1024;

/// What the parts of a process say of themselves. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Health {
    inner: Arc<Mutex<Parts>>,
}

#[derive(Debug, Default)]
struct Parts {
    loops: BTreeMap<String, Loop>,
    /// The cause for which a component is not ready; `None` when it is.
    components: BTreeMap<String, Option<String>>,
}

#[derive(Debug)]
struct Loop {
    last_beat: Instant,
    max_silence: Duration,
}

/// The sign of life of one loop.
#[derive(Clone, Debug)]
pub struct Beat {
    health: Health,
    name: String,
}

/// A part that may be not ready, such as a connection.
#[derive(Clone, Debug)]
pub struct Component {
    health: Health,
    name: String,
}

/// The running endpoint.
#[derive(Debug)]
pub struct Admin {
    /// Where it listens.
    pub local_addr: SocketAddr,
    /// Ends when the endpoint has stopped.
    pub task: JoinHandle<()>,
}

/// The endpoint cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot serve health and metrics on `{bind}` (`admin.bind`)")]
pub struct Error {
    /// The configured address.
    pub bind: String,
    /// Why not.
    #[source]
    pub source: std::io::Error,
}

// === impl Health ===

impl Health {
    /// Nothing is registered, so the process is live and not ready.
    pub fn new() -> Self {
        Self::default()
    }

    /// A loop that promises to beat at least every `max_silence`; it counts as having beaten now.
    pub fn register_loop(&self, name: &str, max_silence: Duration) -> Beat {
        let beat = Loop { last_beat: Instant::now(), max_silence };
        self.parts(|parts| parts.loops.insert(name.to_owned(), beat));
        Beat { health: self.clone(), name: name.to_owned() }
    }

    /// A component, not ready until it says so.
    pub fn component(&self, name: &str) -> Component {
        let component = Component { health: self.clone(), name: name.to_owned() };
        component.down("not started");
        component
    }

    /// Loops that have been silent for too long.
    pub fn stuck_loops(&self) -> Vec<String> {
        let stuck =
            |(name, beat): (&String, &Loop)| (beat.last_beat.elapsed() > beat.max_silence).then(|| name.clone());
        self.parts(|parts| parts.loops.iter().filter_map(stuck).collect())
    }

    /// Whether everything that is registered is ready; something must be.
    pub fn is_ready(&self) -> bool {
        self.parts(|parts| !parts.components.is_empty() && parts.components.values().all(Option::is_none))
    }

    /// `component: cause` for everything that is not ready.
    pub fn causes(&self) -> Vec<String> {
        let cause = |(name, cause): (&String, &Option<String>)| Some(format!("{name}: {}", cause.as_ref()?));
        self.parts(|parts| match parts.components.is_empty() {
            true => vec!["starting".to_owned()],
            false => parts.components.iter().filter_map(cause).collect(),
        })
    }

    fn parts<T>(&self, look: impl FnOnce(&mut Parts) -> T) -> T {
        look(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

// === impl Beat ===

impl Beat {
    /// The loop turns.
    pub fn beat(&self) {
        self.health.parts(|parts| {
            if let Some(beat) = parts.loops.get_mut(&self.name) {
                beat.last_beat = Instant::now();
            }
        });
    }
}

// === impl Component ===

impl Component {
    /// Ready.
    pub fn up(&self) {
        self.set(None);
    }

    /// Not ready, for this cause.
    pub fn down(&self, cause: &str) {
        self.set(Some(cause.to_owned()));
    }

    fn set(&self, cause: Option<String>) {
        self.health.parts(|parts| parts.components.insert(self.name.clone(), cause));
    }
}

// === the endpoint ===

#[derive(Clone)]
struct Served {
    health: Health,
    metrics: Handle,
}

/// Serves until `stop` is cancelled.
///
/// # Errors
/// When the address cannot be bound.
pub async fn start(bind: &str, health: Health, metrics: Handle, stop: CancellationToken) -> Result<Admin, Error> {
    let unbound = |source| Error { bind: bind.to_owned(), source };
    let listener = TcpListener::bind(bind).await.map_err(unbound)?;
    let local_addr = listener.local_addr().map_err(unbound)?;
    let router = Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(render_metrics))
        .route("/version", get(version))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, REQUEST_TIMEOUT))
        .layer(RequestBodyLimitLayer::new(BODY_LIMIT))
        .with_state(Served { health, metrics });
    let serving = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
    let task = tokio::spawn(async move {
        if let Err(error) = serving.await {
            tracing::error!("the admin endpoint stopped: {error}");
        }
    });
    Ok(Admin { local_addr, task })
}

async fn livez(State(served): State<Served>) -> Response {
    let stuck = served.health.stuck_loops();
    let status = if stuck.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "live": stuck.is_empty(), "stuck": stuck }))).into_response()
}

async fn readyz(State(served): State<Served>) -> Response {
    let ready = served.health.is_ready();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": ready, "causes": served.health.causes() }))).into_response()
}

async fn render_metrics(State(served): State<Served>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], served.metrics.render()).into_response()
}

async fn version() -> Response {
    Json(json!({ "name": "sluice", "version": crate::telemetry::VERSION, "revision": crate::telemetry::REVISION })).into_response()
}
