//! What can go wrong with Kafka, and what it means for the message at hand.

use std::fmt;

use pipeline_model::disposition::{Classify, Disposition};
use pipeline_settings::redaction::redact_url;
use rdkafka::{error::KafkaError, types::RDKafkaErrorCode};

use super::{distrust::Distrust, token};

/// A failed operation on the cluster.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts show what the fields are")]
pub enum Error {
    /// A client could not be made from the configuration.
    #[error("cannot make a Kafka client for `{}`", redact_url(bootstrap_servers))]
    Client { bootstrap_servers: String, source: KafkaError },
    /// A message could not be produced.
    #[error("could not produce to `{topic}`")]
    Produce { topic: String, source: KafkaError },
    /// Offsets could not be committed.
    #[error("could not commit offsets of group `{group}`")]
    Commit { group: String, source: KafkaError },
    /// A message could not be fetched, or the group not be joined.
    #[error("could not consume from `{topic}`")]
    Consume { topic: String, source: KafkaError },
    /// A message is larger than the client or the topic takes; `bytes` are those of key, value and headers.
    #[error("cannot produce a message of about {bytes} bytes to `{topic}`: it is larger than the topic takes")]
    TooLarge { topic: String, bytes: usize, source: KafkaError },
    /// A message did not come the way on which its partition keeps its order.
    #[error("offset {offset} of `{topic}` partition {partition} arrived outside the queue of its partition")]
    OutsideItsQueue { topic: String, partition: i32, offset: i64 },
    /// Metadata of the cluster could not be had.
    #[error("could not reach Kafka at `{}`", redact_url(bootstrap_servers))]
    Unreachable { bootstrap_servers: String, source: KafkaError },
    /// A topic could not be created.
    #[error("could not create topic `{topic}`: {reason}")]
    CreateTopic { topic: String, reason: String },
    /// The local broker keeps 5 MiB per partition and would drop the oldest message silently.
    #[error("cannot produce to `{topic}`: local mode keeps {limit} bytes per partition, and {partition} is full")]
    LocalPartitionFull { topic: String, partition: i32, limit: usize },
    /// The local broker did not start.
    #[error("cannot start the local broker: {reason}")]
    Local { reason: String },
    /// Client and broker do not trust each other; `source` says the same in librdkafka's words.
    #[error("cannot use TLS with Kafka at `{broker}`: {}", distrust.by("kafka."))]
    Untrusted { broker: String, distrust: Distrust, source: Words },
    /// The brokers do not take the login. No `user`: only the token says who logs in.
    #[error(
        "Kafka at `{}` refuses the login{} by {mechanism}",
        redact_url(bootstrap_servers),
        user.as_ref().map(|user| format!(" of `{user}`")).unwrap_or_default()
    )]
    LoginRefused { bootstrap_servers: String, mechanism: String, user: Option<String>, source: Words },
    /// There is no token to log in with.
    #[error("could not log in to Kafka: no token")]
    NoToken { source: token::Error },
    /// The brokers know who we are, and we may not do this.
    #[error("Kafka does not authorise this client for {resource}: {needs}")]
    NotAuthorised { resource: Resource, needs: &'static str },
}

/// What a client was told, as it was told.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Words(pub String);

/// What a right is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// A topic.
    Topic(String),
    /// A consumer group.
    Group(String),
    /// The cluster as a whole.
    Cluster,
}

// === impl Error ===

impl Error {
    /// A message that was not produced: for its size, or for another reason.
    pub(super) fn unproduced(topic: &str, bytes: usize, source: KafkaError) -> Self {
        let topic = topic.to_owned();
        match source.rdkafka_error_code() {
            Some(RDKafkaErrorCode::TopicAuthorizationFailed) => {
                Self::NotAuthorised { resource: Resource::Topic(topic), needs: "it needs `Write`" }
            }
            Some(RDKafkaErrorCode::MessageSizeTooLarge) => Self::TooLarge { topic, bytes, source },
            _ => Self::Produce { topic, source },
        }
    }

    /// Messages of a topic that cannot be had, by a member of a group.
    pub(super) fn unconsumed(topic: &str, group: &str, source: KafkaError) -> Self {
        match source.rdkafka_error_code() {
            Some(RDKafkaErrorCode::TopicAuthorizationFailed) => {
                Self::NotAuthorised { resource: Resource::Topic(topic.to_owned()), needs: "it needs `Read`" }
            }
            Some(RDKafkaErrorCode::GroupAuthorizationFailed) => {
                Self::NotAuthorised { resource: Resource::Group(group.to_owned()), needs: "it needs `Read`" }
            }
            _ => Self::Consume { topic: topic.to_owned(), source },
        }
    }

    /// Whether it is the consumer group that this client may not use.
    pub fn is_of_group(&self) -> bool {
        matches!(self, Self::NotAuthorised { resource: Resource::Group(_), .. })
    }

    /// Whether the brokers do not let this client in as it is configured.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Untrusted { .. } | Self::LoginRefused { .. })
    }

    /// Whether somebody has to change the configuration: asking again will not help.
    pub fn is_of_configuration(&self) -> bool {
        self.is_refusal() || matches!(self, Self::Client { .. })
    }
}

// === impl Resource ===

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(name) => write!(f, "topic `{name}`"),
            Self::Group(name) => write!(f, "group `{name}`"),
            Self::Cluster => f.write_str("the cluster"),
        }
    }
}

impl Classify for Error {
    fn disposition(&self) -> Disposition {
        match self {
            Self::Produce { source, .. } => produce_disposition(source),
            // Whoever gives the right, or mends the certificate or the password at the broker, ends the waiting of a stage.
            Self::Untrusted { .. }
            | Self::LoginRefused { .. }
            | Self::NoToken { .. }
            | Self::NotAuthorised { .. }
            | Self::Commit { .. }
            | Self::Consume { .. }
            | Self::Unreachable { .. }
            | Self::CreateTopic { .. } => Disposition::Unavailable,
            Self::TooLarge { .. } => Disposition::Reject,
            Self::OutsideItsQueue { .. }
            | Self::Client { .. }
            | Self::LocalPartitionFull { .. }
            | Self::Local { .. } => Disposition::Halt,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Client { .. } => "SLUICE-KAFKA-001",
            Self::Produce { .. } => "SLUICE-KAFKA-002",
            Self::Commit { .. } => "SLUICE-KAFKA-003",
            Self::Consume { .. } => "SLUICE-KAFKA-004",
            Self::Unreachable { .. } => "SLUICE-KAFKA-005",
            Self::CreateTopic { .. } => "SLUICE-KAFKA-006",
            Self::LocalPartitionFull { .. } => "SLUICE-KAFKA-007",
            Self::Local { .. } => "SLUICE-KAFKA-008",
            Self::TooLarge { .. } => "SLUICE-KAFKA-009",
            Self::OutsideItsQueue { .. } => "SLUICE-KAFKA-010",
            Self::Untrusted { .. } => "SLUICE-KAFKA-011",
            Self::LoginRefused { .. } => "SLUICE-KAFKA-012",
            Self::NotAuthorised { .. } => "SLUICE-KAFKA-013",
            Self::NoToken { .. } => "SLUICE-KAFKA-014",
        }
    }
}

/// Only a message that the broker will never take is the message's fault; anything else is the cluster's.
fn produce_disposition(error: &KafkaError) -> Disposition {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::InvalidMessage) => Disposition::Reject,
        // The idempotent producer lost track of its sequence: only a new process can go on safely.
        Some(RDKafkaErrorCode::Fatal) => Disposition::Halt,
        _ => Disposition::Unavailable,
    }
}
