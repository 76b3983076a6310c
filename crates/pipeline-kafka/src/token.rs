//! Where the tokens of `OAUTHBEARER` come from: a file that somebody keeps fresh, or a token endpoint.
//!
//! librdkafka asks for a new token when four fifths of the last one's time are over, by a callback on whatever thread
//! serves the client. The token endpoint is asked by a runtime of its own on a thread of its own: the callback's thread
//! may be one on which waiting for a future is forbidden.

use std::{
    path::PathBuf,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rdkafka::client::OAuthToken;
use secrecy::ExposeSecret;
use serde::Deserialize;

use pipeline_model::chain::chain;
use pipeline_settings::{files, link::answer, redaction::redact_url, settings::Oauth};

#[cfg(test)]
mod tests;

/// How long the token endpoint may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of an answer; a token has a few thousand.
const LONGEST_ANSWER: usize = 64 * 1024;

/// How long a token holds that does not say so: its source is asked again this soon.
const UNKNOWN_LIFETIME: Duration = Duration::from_secs(60);

/// Why there is no token.
#[derive(Clone, Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts show what the fields are")]
pub enum Error {
    /// The file cannot be read, or holds none.
    #[error("cannot read a token from `{}`: {reason}", path.display())]
    File { path: PathBuf, reason: String },
    /// The token endpoint does not give one to this client.
    #[error("`{url}` refuses the client of `kafka.oauth`: {reason}")]
    Refused { url: String, reason: String },
    /// The token endpoint does not answer, or not with a token.
    #[error("could not get a token from `{url}`: {reason}")]
    Endpoint { url: String, reason: String },
}

/// Gives tokens.
pub(super) struct Source {
    oauth: Oauth,
}

/// The answer of a token endpoint, RFC 6749 section 5.1.
#[derive(Deserialize)]
struct Answer {
    access_token: String,
    /// Seconds.
    expires_in: Option<u64>,
}

/// Its refusal, section 5.2.
#[derive(Deserialize)]
struct Denial {
    error: String,
    error_description: Option<String>,
}

/// What we look at of a token that can be read (RFC 7519). Nothing is verified: that is the broker's affair.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Claims {
    exp: Option<f64>,
    sub: Option<String>,
}

// === impl Source ===

impl Source {
    pub(super) fn new(oauth: Oauth) -> Self {
        Self { oauth }
    }

    /// A fresh token. Blocks the thread.
    pub(super) fn token(&self) -> Result<OAuthToken, Error> {
        let (token, expires_in) = match &self.oauth.token_file {
            Some(path) => (read(path)?, None),
            None => {
                let url = self.oauth.token_endpoint.clone().unwrap_or_default();
                let answer = thread::scope(|scope| scope.spawn(|| self.fetch(&url)).join());
                let answer =
                    answer.unwrap_or_else(|_| Err(Error::Endpoint { url, reason: "asking ended early".into() }))?;
                (answer.access_token, answer.expires_in.map(Duration::from_secs))
            }
        };
        Ok(described(token, expires_in))
    }

    fn fetch(&self, url: &str) -> Result<Answer, Error> {
        let failed = |reason: String| Error::Endpoint { url: redact_url(url), reason };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(|error| failed(error.to_string()))?.block_on(self.ask(url))
    }

    async fn ask(&self, url: &str) -> Result<Answer, Error> {
        let failed = |reason: String| Error::Endpoint { url: redact_url(url), reason };
        let failed_call = |error: reqwest::Error| failed(chain(&error.without_url()));
        let client = self.client().map_err(failed)?.timeout(TIMEOUT).build().map_err(failed_call)?;
        let secret = self.oauth.client_secret.as_ref().map(ExposeSecret::expose_secret);
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend(self.oauth.scope.as_deref().map(|scope| ("scope", scope)));
        let response = client
            .post(url)
            .basic_auth(self.oauth.client_id.as_deref().unwrap_or_default(), secret)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(encoded(&form))
            .send()
            .await
            .map_err(failed_call)?;
        let status = response.status();
        let body = answer::body(response, LONGEST_ANSWER).await.map_err(|error| match error {
            answer::Error::Broken(error) => failed_call(error),
            answer::Error::TooLong { .. } => failed(error.to_string()),
        })?;
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|_| failed("its answer holds no token".to_owned()));
        }
        match serde_json::from_slice::<Denial>(&body) {
            Ok(Denial { error, error_description }) => {
                let more = error_description.map(|text| format!(" ({text})")).unwrap_or_default();
                Err(Error::Refused { url: redact_url(url), reason: format!("{status}: {error}{more}") })
            }
            Err(_) if matches!(status.as_u16(), 400 | 401 | 403) => {
                Err(Error::Refused { url: redact_url(url), reason: status.to_string() })
            }
            Err(_) => Err(failed(status.to_string())),
        }
    }

    #[cfg(feature = "tls")]
    fn client(&self) -> Result<reqwest::ClientBuilder, String> {
        let mut builder = reqwest::Client::builder();
        if let Some(file) = &self.oauth.ca_file {
            let authorities = pipeline_settings::link::pem::authorities(file);
            let authorities = authorities.map_err(|reason| format!("`kafka.oauth.ca_file`: {reason}"))?;
            builder = builder.tls_certs_only(authorities);
        }
        Ok(builder)
    }

    #[cfg(not(feature = "tls"))]
    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "with TLS it may fail")]
    fn client(&self) -> Result<reqwest::ClientBuilder, String> {
        Ok(reqwest::Client::builder())
    }
}

fn read(path: &std::path::Path) -> Result<String, Error> {
    let failed = |reason: String| Error::File { path: path.to_owned(), reason };
    let text = files::read_text(path, files::SECRET).map_err(|error| failed(error.to_string()))?;
    let token = text.trim();
    if token.is_empty() { Err(failed("it is empty".to_owned())) } else { Ok(token.to_owned()) }
}

/// The token with its end and its name, as far as they can be told.
fn described(token: String, expires_in: Option<Duration>) -> OAuthToken {
    let claims = claims(&token).unwrap_or_default();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let end = match (claims.exp, expires_in) {
        (Some(exp), _) if exp.is_finite() && exp > 0.0 => Duration::try_from_secs_f64(exp).unwrap_or(now),
        (_, Some(lifetime)) => now + lifetime,
        _ => now + UNKNOWN_LIFETIME,
    };
    OAuthToken {
        token,
        principal_name: claims.sub.filter(|name| !name.contains('\0')).unwrap_or_default(),
        lifetime_ms: i64::try_from(end.as_millis()).unwrap_or(i64::MAX),
    }
}

fn claims(token: &str) -> Option<Claims> {
    let payload = token.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?).ok()
}

/// A form's fields as they are sent.
fn encoded(fields: &[(&str, &str)]) -> String {
    let mut url = reqwest::Url::parse("form:/").ok();
    if let Some(url) = &mut url {
        url.query_pairs_mut().extend_pairs(fields);
    }
    url.and_then(|url| url.query().map(str::to_owned)).unwrap_or_default()
}
