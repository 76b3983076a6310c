//! What all clients have in common: where their log goes, what they are told about being let in, and their tokens.
//!
//! librdkafka does not fail when a broker refuses a client: it tries again without end, and the call that waits for an
//! answer times out without a reason. The reason comes by another way, the error callback, and only while somebody serves
//! the client's queue. So every client has a [`Common`], which keeps what the callback said; whoever waits for an answer
//! looks here too.

use std::sync::Arc;

use pipeline_settings::settings;
use rdkafka::{
    ClientContext,
    client::OAuthToken,
    config::RDKafkaLogLevel,
    consumer::ConsumerContext,
    error::{KafkaError, RDKafkaErrorCode},
};
use tokio::sync::watch;

use super::{log, token};

/// What every client's context holds.
#[derive(Clone)]
pub(super) struct Common {
    /// What the client is, for the log.
    who: &'static str,
    told: Told,
    tokens: Option<Arc<token::Source>>,
}

/// The last reason for which a client was not let in; shared by all that look.
#[derive(Clone)]
pub(super) struct Told {
    words: Arc<watch::Sender<Option<Refusal>>>,
    is_tls: bool,
}

/// Why a client was not let in, as it was told.
#[derive(Clone, Debug)]
pub(super) enum Refusal {
    /// There is no trust between client and broker, in librdkafka's words.
    Tls(String),
    /// The broker does not take the login, in librdkafka's words.
    Login(String),
    /// There was no token to log in with.
    NoToken(token::Error),
    /// A broker that was to speak TLS hung up, which may mean many things; in librdkafka's words.
    HungUp(String),
}

// === impl Common ===

impl Common {
    pub(super) fn new(who: &'static str, settings: &settings::Kafka) -> Self {
        let tokens = (settings.sasl_mechanism.as_deref() == Some("OAUTHBEARER"))
            .then(|| Arc::new(token::Source::new(settings.oauth.clone())));
        let told = Told { words: Arc::default(), is_tls: settings.security_protocol.has_tls() };
        Self { who, told, tokens }
    }

    pub(super) fn told(&self) -> Told {
        self.told.clone()
    }
}

impl ClientContext for Common {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::info!(target: "librdkafka", "{}: {error}: {reason}", self.who);
        self.told.hear(&error, reason);
    }

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        let Some(tokens) = &self.tokens else { return Err("no source of tokens is set".into()) };
        tokens.token().map_err(|error| {
            self.told.words.send_replace(Some(Refusal::NoToken(error.clone())));
            error.into()
        })
    }
}

impl ConsumerContext for Common {}

// === impl Told ===

impl Told {
    fn hear(&self, error: &KafkaError, reason: &str) {
        let refusal = match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::BrokerTransportFailure) if self.is_tls => Refusal::HungUp(reason.to_owned()),
            Some(RDKafkaErrorCode::SSL) => Refusal::Tls(reason.to_owned()),
            Some(RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SaslAuthenticationFailed) => {
                Refusal::Login(reason.to_owned())
            }
            _ => return,
        };
        self.words.send_if_modified(|told| {
            // A login without a token fails too, and says less; and who was refused may be hung up on later.
            let is_news = match (&told, &refusal) {
                (Some(Refusal::NoToken(_)), Refusal::Login(_)) => false,
                (Some(Refusal::HungUp(_)) | None, _) => true,
                (Some(_), Refusal::HungUp(_)) => false,
                (Some(_), _) => true,
            };
            if is_news {
                *told = Some(refusal);
            }
            is_news
        });
    }

    /// Why this client is not let in, as far as that is sure.
    pub(super) fn last(&self) -> Option<Refusal> {
        self.words.borrow().clone().filter(Refusal::is_sure)
    }

    /// Returns when the client has been told for sure that it is not let in.
    pub(super) async fn refused(&self) -> Refusal {
        let mut words = self.words();
        loop {
            let refusal = next(&mut words).await;
            if refusal.is_sure() {
                return refusal;
            }
        }
    }

    /// What is told from now on, and what was told last, for [`next`].
    pub(super) fn words(&self) -> watch::Receiver<Option<Refusal>> {
        let mut words = self.words.subscribe();
        words.mark_changed();
        words
    }
}

/// What the client is told next.
pub(super) async fn next(words: &mut watch::Receiver<Option<Refusal>>) -> Refusal {
    loop {
        if words.changed().await.is_err() {
            // The client is gone, and tells nothing more.
            std::future::pending::<()>().await;
        }
        if let Some(refusal) = words.borrow_and_update().clone() {
            return refusal;
        }
    }
}

// === impl Refusal ===

impl Refusal {
    fn is_sure(&self) -> bool {
        !matches!(self, Self::HungUp(_))
    }
}
