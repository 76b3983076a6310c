//! Who may speak to the embedded registry.
//!
//! It listens on this machine alone, and a web page that somebody of this machine looks at speaks from there too. A page
//! can send any request whose content type is a form's or plain text, and reads the answers as well once its own name
//! leads to this machine. So the name that is asked for has to be this machine's, and a body has to say that it is JSON,
//! which a browser asks leave for first. A token keeps out the machine's other users.

use std::net::IpAddr;

use axum::{
    Router,
    extract::Request,
    http::{HeaderMap, Method, header},
    middleware::{Next, from_fn},
    response::IntoResponse as _,
};
use secrecy::{ExposeSecret as _, SecretString};

use super::{MEDIA_TYPE, Refusal};

/// The media types of the registry's API.
const JSON: [&str; 3] = [MEDIA_TYPE, "application/vnd.schemaregistry+json", "application/json"];

/// What a request has to bring.
#[derive(Clone)]
pub(super) struct Access {
    token: Option<SecretString>,
}

// === impl Access ===

impl Access {
    pub(super) fn by(token: Option<SecretString>) -> Self {
        Self { token }
    }

    /// The routes for those who may use them.
    pub(super) fn guard(self, routes: Router) -> Router {
        routes.layer(from_fn(move |request: Request, next: Next| {
            let refused = self.refusal(request.method(), request.headers());
            async move {
                match refused {
                    Some(refusal) => refusal.into_response(),
                    None => next.run(request).await,
                }
            }
        }))
    }

    fn refusal(&self, method: &Method, headers: &HeaderMap) -> Option<Refusal> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !is_this_machine(text(header::HOST)) {
            return Some(Refusal::new(403, "this registry answers to `localhost` and its address alone"));
        }
        let expected = self.token.as_ref().map(|token| format!("Bearer {}", token.expose_secret()));
        if expected.is_some_and(|expected| text(header::AUTHORIZATION) != expected) {
            return Some(Refusal::new(
                401,
                "this registry needs the token that the configuration of `sluice dev` holds",
            ));
        }
        let media_type = text(header::CONTENT_TYPE).split(';').next().unwrap_or_default().trim();
        if matches!(*method, Method::POST | Method::PUT) && !JSON.contains(&media_type) {
            return Some(Refusal::new(415, format!("a body has to be of type `{MEDIA_TYPE}`")));
        }
        None
    }
}

/// Whether a `Host` is a name that nobody can let lead here but this machine: an address, or `localhost`.
fn is_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or(rest, |(address, _)| address),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name == "localhost" || name.parse::<IpAddr>().is_ok()
}
