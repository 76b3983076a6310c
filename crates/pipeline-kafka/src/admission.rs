//! Whether the brokers let a client in, asked beforehand.

use pipeline_settings::settings;
use rdkafka::consumer::Consumer as _;

use super::{
    Error,
    asking::{TIMEOUT, ask},
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
    match ask(settings, None, |client| client.fetch_metadata(None, TIMEOUT)).await {
        Err(error) if error.is_refusal() || matches!(error, Error::Client { .. }) => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}
