//! A small schema registry in memory, with the Confluent API, for local mode and tests.
//!
//! It keeps what a real registry promises to its clients: equal schemas share one id, registering twice changes
//! nothing, and a version that breaks the subject's compatibility level is refused. It forgets everything at its end.
//! What it leaves out: other formats than Avro, deleting for good, modes, users. What keeps strangers out is [`access`].

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, Query, State},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Error;
use crate::listener;

mod access;
mod subjects;
#[cfg(test)]
mod tests;

use access::Access;
use subjects::{Offered, Refusal, Subjects};

use super::client::Reference;

/// A running registry; dropping it ends it.
#[derive(Debug)]
pub struct EmbeddedRegistry {
    url: String,
    token: Option<SecretString>,
    stop: DropGuard,
    server: JoinHandle<()>,
}

type Shared = Arc<Mutex<Subjects>>;
type Answer = Result<Json, Refusal>;

/// A body in the registry's media type.
struct Json(Value);

// === impl EmbeddedRegistry ===

impl EmbeddedRegistry {
    /// Starts an empty registry on an address such as `127.0.0.1:0`; port 0 picks a free one.
    pub async fn start(bind: &str) -> Result<Self, Error> {
        Self::start_with(bind, None).await
    }

    /// The same for those alone who send its token, which nobody can guess, as a bearer's; see [`Self::token`].
    pub async fn start_guarded(bind: &str) -> Result<Self, Error> {
        Self::start_with(bind, Some(uuid::Uuid::new_v4().simple().to_string().into())).await
    }

    async fn start_with(bind: &str, token: Option<SecretString>) -> Result<Self, Error> {
        let failed = |source| Error::Bind { address: bind.to_owned(), source };
        let listener = TcpListener::bind(bind).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let stop = CancellationToken::new();
        let routes = Access::by(token.clone()).guard(router());
        let server = tokio::spawn(listener::serve(listener, None, routes, stop.clone()));
        Ok(Self { url: format!("http://{address}"), token, stop: stop.drop_guard(), server })
    }

    /// The address for `schema_registry.url`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The value for `schema_registry.token`; none when everybody on this machine may use the registry.
    pub fn token(&self) -> Option<&SecretString> {
        self.token.as_ref()
    }

    /// Ends the registry and waits until its port is closed and the last answer is out.
    pub async fn shutdown(self) {
        drop(self.stop);
        if let Err(error) = self.server.await {
            tracing::warn!(%error, "the embedded registry did not end by itself");
        }
    }
}

/// The whole API over an empty registry.
pub(super) fn router() -> Router {
    Router::new()
        .route("/", get(async || Json(json!({}))))
        .route("/subjects", get(subjects))
        .route("/subjects/{subject}", post(lookup))
        .route("/subjects/{subject}/versions", get(versions).post(register))
        .route("/subjects/{subject}/versions/{version}", get(version).delete(delete_version))
        .route("/subjects/{subject}/versions/{version}/schema", get(version_text))
        .route("/schemas/ids/{id}", get(by_id))
        .route("/config", get(level).put(set_level))
        .route("/config/{subject}", get(subject_level).put(set_subject_level))
        .route("/compatibility/subjects/{subject}/versions", post(check))
        .route("/compatibility/subjects/{subject}/versions/{version}", post(check_version))
        .fallback(async || Refusal::new(404, "no such resource"))
        .with_state(Shared::default())
}

// === handlers ===

fn locked(shared: &Shared) -> MutexGuard<'_, Subjects> {
    // No method leaves the subjects half changed, so what a panicking thread left behind is still true.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn subjects(State(shared): State<Shared>) -> Answer {
    Ok(Json(json!(locked(&shared).names())))
}

async fn versions(State(shared): State<Shared>, Path(subject): Path<String>) -> Answer {
    Ok(Json(json!(locked(&shared).versions(&subject)?)))
}

async fn version(State(shared): State<Shared>, Path((subject, version)): Path<(String, String)>) -> Answer {
    Ok(Json(locked(&shared).version(&subject, &version)?.described(&subject)))
}

async fn delete_version(State(shared): State<Shared>, Path((subject, version)): Path<(String, String)>) -> Answer {
    Ok(Json(json!(locked(&shared).delete(&subject, &version)?)))
}

async fn version_text(
    State(shared): State<Shared>,
    Path((subject, version)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let text = locked(&shared).version(&subject, &version)?.offered.text;
    Ok(([(CONTENT_TYPE, MEDIA_TYPE)], text).into_response())
}

async fn register(State(shared): State<Shared>, Path(subject): Path<String>, body: Bytes) -> Answer {
    let id = locked(&shared).register(&subject, &schema_of(&body)?)?;
    Ok(Json(json!({ "id": id })))
}

async fn lookup(State(shared): State<Shared>, Path(subject): Path<String>, body: Bytes) -> Answer {
    Ok(Json(locked(&shared).lookup(&subject, &schema_of(&body)?)?.described(&subject)))
}

async fn by_id(State(shared): State<Shared>, Path(id): Path<String>) -> Answer {
    Ok(Json(locked(&shared).by_id(&id)?))
}

async fn level(State(shared): State<Shared>) -> Answer {
    Ok(Json(json!({ "compatibilityLevel": locked(&shared).level(None) })))
}

async fn set_level(State(shared): State<Shared>, body: Bytes) -> Answer {
    let level = locked(&shared).set_level(None, &level_of(&body)?)?;
    Ok(Json(json!({ "compatibility": level })))
}

async fn subject_level(
    State(shared): State<Shared>,
    Path(subject): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Answer {
    let subjects = locked(&shared);
    let or_global = query.get("defaultToGlobal").is_some_and(|value| value == "true");
    match subjects.own_level(&subject) {
        Some(level) => Ok(Json(json!({ "compatibilityLevel": level }))),
        None if or_global => Ok(Json(json!({ "compatibilityLevel": subjects.level(None) }))),
        None => Err(Refusal::new(40408, format!("subject `{subject}` has no compatibility level of its own"))),
    }
}

async fn set_subject_level(State(shared): State<Shared>, Path(subject): Path<String>, body: Bytes) -> Answer {
    let level = locked(&shared).set_level(Some(&subject), &level_of(&body)?)?;
    Ok(Json(json!({ "compatibility": level })))
}

async fn check(State(shared): State<Shared>, Path(subject): Path<String>, body: Bytes) -> Answer {
    let messages = locked(&shared).check(&subject, None, &schema_of(&body)?)?;
    Ok(Json(json!({ "is_compatible": messages.is_empty(), "messages": messages })))
}

async fn check_version(
    State(shared): State<Shared>,
    Path((subject, version)): Path<(String, String)>,
    body: Bytes,
) -> Answer {
    let messages = locked(&shared).check(&subject, Some(&version), &schema_of(&body)?)?;
    Ok(Json(json!({ "is_compatible": messages.is_empty(), "messages": messages })))
}

// === bodies ===

const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";

#[derive(Deserialize)]
struct SchemaBody {
    schema: String,
    #[serde(default, rename = "schemaType")]
    schema_type: Option<String>,
    #[serde(default)]
    references: Vec<Reference>,
}

#[derive(Deserialize)]
struct LevelBody {
    compatibility: String,
}

fn schema_of(body: &Bytes) -> Result<Offered, Refusal> {
    let body: SchemaBody =
        serde_json::from_slice(body).map_err(|error| Refusal::new(400, format!("unreadable body: {error}")))?;
    if body.schema_type.as_deref().is_some_and(|schema_type| schema_type != "AVRO") {
        return Err(Refusal::new(42201, "only schemas of type AVRO are kept here"));
    }
    Ok(Offered { text: body.schema, references: body.references })
}

fn level_of(body: &Bytes) -> Result<String, Refusal> {
    let body: LevelBody =
        serde_json::from_slice(body).map_err(|error| Refusal::new(400, format!("unreadable body: {error}")))?;
    Ok(body.compatibility)
}

impl IntoResponse for Json {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, MEDIA_TYPE)], self.0.to_string()).into_response()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = json!({ "error_code": self.code, "message": self.message });
        (status, Json(body)).into_response()
    }
}
