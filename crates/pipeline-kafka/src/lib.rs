//! Everything that talks to Kafka; no other module names `rdkafka`.
//!
//! | module | holds |
//! |---|---|
//! | [`consumer`] | a consumer that hands each partition out as a queue of its own, and asks before it lets one go |
//! | [`reader`] | messages at known places, without joining a group |
//! | [`lag`] | how far a group is behind, in messages and by the age of the oldest, without joining it |
//! | [`standing`] | how a group stands to a message, without joining it |
//! | [`producer`] | a producer whose every send is acknowledged by all in-sync replicas |
//! | `partitioner` | which partition a key belongs to; deals the batches of a service out evenly |
//! | [`local`] | the in-process broker of local mode, and the guard against its silent size limit |
//! | `presence` | whether topics are there |
//! | [`admin`] | what is there: brokers, topics, offsets |
//! | [`provision`] | creating the topics that are missing |
//! | [`survey`] | what topics and groups are like: whether a cluster is fit for the work |
//! | [`admission`], `refusal` | whether the brokers let a client in, and if not, why |
//! | `asking` | a question by a client of its own, which ends when the client is refused |
//! | `told` | what every client has in common: its log, what it is told, its tokens |
//! | [`token`] | where the tokens of `OAUTHBEARER` come from |
//! | [`distrust`] | why there is no trust between client and broker |
//!
//! The transport is at-least-once: idempotent producer, `acks=all`, offsets committed after the effect. Correctness
//! does not rest on Kafka transactions.

pub mod admin;
pub mod admission;
pub mod consumer;
pub mod distrust;
pub mod lag;
pub mod local;
pub mod producer;
pub mod provision;
pub mod reader;
pub mod standing;
pub mod survey;
pub mod token;

mod asking;
mod error;
mod outbound;
mod partitioner;
mod presence;
mod refusal;
mod told;

use std::path::PathBuf;

use rdkafka::{ClientConfig, config::RDKafkaLogLevel};
use secrecy::{ExposeSecret, SecretString};

use pipeline_settings::settings::Kafka;

pub use error::{Error, Resource};
pub use outbound::Outbound;
pub use partitioner::Dealing;
pub use pipeline_model::place::{Partition, Position};
pub use presence::Absent;
pub use producer::Producer;
pub use reader::{PlaceReader, read_at};

/// A message as it lies in a partition, detached from the client's buffers.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Where it lies.
    pub position: Position,
    /// Key bytes, if any.
    pub key: Option<Vec<u8>>,
    /// Value bytes; `None` is a tombstone.
    pub payload: Option<Vec<u8>>,
    /// Headers in order; names may repeat.
    pub headers: Vec<Header>,
}

/// One header of a message.
pub type Header = (String, Option<Vec<u8>>);

impl Delivery {
    /// The value of the last header of this name, when it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().rev().find(|(header, _)| header == name)?;
        std::str::from_utf8(value.as_deref()?).ok()
    }

    /// Bytes that the message takes in a partition, about.
    pub fn size(&self) -> usize {
        size(self.key.as_deref(), self.payload.as_deref(), &self.headers)
    }
}

/// Bytes of a message, without what a partition puts around it: the same for who sends it and who receives it.
fn size(key: Option<&[u8]>, payload: Option<&[u8]>, headers: &[Header]) -> usize {
    let headers: usize = headers.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, Vec::len)).sum();
    key.map_or(0, <[u8]>::len) + payload.map_or(0, <[u8]>::len) + headers
}

/// What every client has in common: where the brokers are and how to be let in.
fn client_config(settings: &Kafka, client_id: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &settings.bootstrap_servers)
        .set("client.id", client_id)
        .set("allow.auto.create.topics", "false")
        // A topic that was deleted and made anew should be found long before the default's five minutes are over.
        .set("topic.metadata.refresh.interval.ms", "10000")
        // The defaults wait up to ten seconds between attempts; a restarted broker should be found sooner.
        .set("reconnect.backoff.ms", "100")
        .set("reconnect.backoff.max.ms", "2000")
        .set_log_level(RDKafkaLogLevel::Warning);
    secure(&mut config, settings);
    config
}

/// How the client proves who it is, and whom it trusts. What is not set here is as librdkafka has it: it verifies the
/// broker's certificate, and the name in it.
fn secure(config: &mut ClientConfig, settings: &Kafka) {
    let protocol = settings.security_protocol;
    config.set("security.protocol", protocol.as_str());
    let secret = |secret: &Option<SecretString>| secret.as_ref().map(|secret| secret.expose_secret().to_owned());
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.to_string_lossy().into_owned());
    let mut properties = Vec::new();
    if protocol.has_sasl() {
        properties.extend([
            ("sasl.mechanism", settings.sasl_mechanism.clone()),
            ("sasl.username", settings.username.clone()),
            ("sasl.password", secret(&settings.password)),
        ]);
    }
    if protocol.has_tls() {
        properties.extend([
            ("ssl.ca.location", path(&settings.ca_file)),
            ("ssl.certificate.location", path(&settings.client_certificate_file)),
            ("ssl.key.location", path(&settings.client_key_file)),
            ("ssl.key.password", secret(&settings.client_key_password)),
        ]);
    }
    for (name, value) in properties {
        if let Some(value) = value {
            config.set(name, value);
        }
    }
}

/// Passes a line of librdkafka on to `tracing`.
fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical | RDKafkaLogLevel::Error => {
            tracing::warn!(target: "librdkafka", facility, "{message}");
        }
        RDKafkaLogLevel::Warning => tracing::info!(target: "librdkafka", facility, "{message}"),
        _ => tracing::debug!(target: "librdkafka", facility, "{message}"),
    }
}
