//! Whether the brokers let a client in, and if not, why: in words that a person can act on.

use pipeline_settings::settings;
use rdkafka::consumer::Consumer as _;

use super::{
    Error, admin,
    asking::ask,
    distrust::{self, Distrust},
    error::Words,
    token,
    told::Refusal,
};

/// Succeeds unless the brokers refuse this client. A cluster that is away is no refusal: it is waited for elsewhere.
///
/// # Errors
/// [`Error::Untrusted`], [`Error::LoginRefused`]; [`Error::Client`] when librdkafka refuses the configuration.
pub async fn check(settings: &settings::Kafka) -> Result<(), Error> {
    let protocol = settings.security_protocol;
    if !protocol.has_tls() && !protocol.has_sasl() {
        return Ok(());
    }
    match ask(settings, None, |client| client.fetch_metadata(None, admin::TIMEOUT)).await {
        Err(error) if error.is_refusal() || matches!(error, Error::Client { .. }) => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// The error that a refusal is, after a second look at the broker when it is about TLS. `None` when a broker hung up and
/// the look finds nothing wrong.
pub(super) async fn refused(settings: &settings::Kafka, refusal: Refusal) -> Option<Error> {
    let is_sure = !matches!(refusal, Refusal::HungUp(_));
    match of(settings, refusal) {
        Error::Untrusted { broker, source, .. } => {
            let distrust = distrust::look(settings, &broker).await;
            (is_sure || distrust != Distrust::Unknown).then_some(Error::Untrusted { broker, distrust, source })
        }
        other => Some(other),
    }
}

/// The error that a refusal is, as far as the client says.
pub(super) fn of(settings: &settings::Kafka, refusal: Refusal) -> Error {
    let login = |user: Option<&String>, reason| Error::LoginRefused {
        bootstrap_servers: settings.bootstrap_servers.clone(),
        mechanism: settings.sasl_mechanism.clone().unwrap_or_default(),
        user: user.cloned(),
        source: Words(reason),
    };
    match refusal {
        Refusal::Tls(reason) | Refusal::HungUp(reason) => {
            let broker = broker(&reason).unwrap_or(&settings.bootstrap_servers).to_owned();
            Error::Untrusted { broker, distrust: Distrust::Unknown, source: Words(reason) }
        }
        Refusal::Login(reason) => login(settings.username.as_ref(), reason),
        Refusal::NoToken(error @ token::Error::Refused { .. }) => {
            login(settings.oauth.client_id.as_ref(), error.to_string())
        }
        Refusal::NoToken(source) => Error::NoToken { source },
    }
}

/// The broker that librdkafka's words are about: `host:port` of `ssl://host:port/bootstrap: …`.
fn broker(reason: &str) -> Option<&str> {
    let (_, rest) = reason.split_once("://")?;
    let (broker, _) = rest.split_once('/')?;
    broker
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
        .then_some(broker)
}

#[cfg(test)]
mod tests {
    use super::broker;

    #[test]
    fn the_broker_is_read_from_what_the_client_says() {
        let reason =
            "ssl://localhost:9093/bootstrap: SSL handshake failed: error:0A000086 (after 5ms in state CONNECT)";
        assert_eq!(broker(reason), Some("localhost:9093"));
        assert_eq!(broker("sasl_ssl://[::1]:9093/1: Failed"), Some("[::1]:9093"));
        assert_eq!(broker("1/1 brokers are down"), None);
    }
}
