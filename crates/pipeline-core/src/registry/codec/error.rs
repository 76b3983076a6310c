//! Why a message could not be read or written.

use std::time::Duration;

use apache_avro::Error as AvroError;
use pipeline_model::disposition::{Classify, Disposition};

use crate::registry::{
    Error, SchemaId,
    datum::Fault,
    reading::{Unfit, Unread},
};

/// A schema that a registry lacks comes by people, not in a moment: the pause between two attempts at least.
const UNKNOWN_SCHEMA_PAUSE: Duration = Duration::from_secs(10);

/// A message could not be turned into a record.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts show what the fields are")]
pub enum DecodeError {
    /// No bytes at all: a tombstone.
    #[error("the message is empty")]
    Empty,
    /// The bytes do not begin as the registry's format does.
    #[error("{length} bytes that begin with {first:#04x} are not in the schema registry's wire format")]
    NotWireFormat { first: u8, length: usize },
    /// Cut off, too long, or with lengths that nobody writes.
    #[error("the message of schema {id} is not a whole record")]
    Damaged { id: SchemaId, source: Fault },
    /// Whole as far as it was read, and more than a record may be.
    #[error("the message of schema {id} asks for more than a record may have")]
    Excessive { id: SchemaId, source: Fault },
    /// The registry does not know the schema.
    #[error("the message says it was written with schema {id}, which is not registered")]
    UnknownSchema { id: SchemaId },
    /// The writer's schema is known, and beyond this program.
    #[error("a message of schema {id} cannot be read as a record of `{topic}`: {reason}")]
    Unresolvable { topic: &'static str, id: SchemaId, reason: String },
    /// The schemas go together, and this message's values do not.
    #[error("the message of schema {id} does not fit a record of `{topic}`")]
    Unfit { topic: &'static str, id: SchemaId, source: Unfit },
    /// A message of a foreign topic is not in the form that its reader knows.
    #[error("the message cannot be read: {reason}")]
    Foreign { reason: String },
    /// The writer's schema could not be fetched.
    #[error("could not fetch schema {id} to read a message")]
    Registry { id: SchemaId, source: Error },
}

/// A record could not be turned into a message: a fault of this program.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts show what the fields are")]
pub enum EncodeError {
    /// The stage never said that it writes this topic.
    #[error("the schema of `{topic}` was not looked up at the start")]
    NotPrepared { topic: &'static str },
    /// The record does not fit its schema.
    #[error("a record of `{topic}` does not fit its schema")]
    Unfit { topic: &'static str, source: Box<AvroError> },
}

// === impl DecodeError ===

impl DecodeError {
    /// A message whose bytes are no datum of its schema, or one beyond the bounds.
    pub(in crate::registry) fn faulty(id: SchemaId, source: Fault) -> Self {
        match source {
            Fault::Excessive { .. } => Self::Excessive { id, source },
            Fault::Truncated | Fault::Trailing { .. } | Fault::Damaged { .. } => Self::Damaged { id, source },
        }
    }

    /// A message of a writer's schema that is no value of ours.
    pub(in crate::registry) fn unread(topic: &'static str, id: SchemaId, unread: Unread) -> Self {
        match unread {
            Unread::Damaged(source) => Self::faulty(id, source),
            Unread::Unfit(source) => Self::Unfit { topic, id, source },
        }
    }
}

// === impl Classify ===

impl Classify for DecodeError {
    fn disposition(&self) -> Disposition {
        match self {
            Self::Empty
            | Self::NotWireFormat { .. }
            | Self::Damaged { .. }
            | Self::Excessive { .. }
            | Self::Unresolvable { .. }
            | Self::Unfit { .. }
            | Self::Foreign { .. } => Disposition::Reject,
            // A registry may be behind, or come back from an older copy, and be given what it lacks.
            Self::UnknownSchema { .. } => Disposition::Retry,
            Self::Registry { source, .. } => source.disposition(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        matches!(self, Self::UnknownSchema { .. }).then_some(UNKNOWN_SCHEMA_PAUSE)
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Empty => "SLUICE-MESSAGE-001",
            Self::NotWireFormat { .. } => "SLUICE-MESSAGE-002",
            Self::Damaged { .. } => "SLUICE-MESSAGE-003",
            Self::UnknownSchema { .. } => "SLUICE-MESSAGE-004",
            Self::Unresolvable { .. } => "SLUICE-MESSAGE-005",
            Self::Unfit { .. } => "SLUICE-MESSAGE-006",
            Self::Excessive { .. } => "SLUICE-MESSAGE-009",
            Self::Foreign { .. } => "SLUICE-MESSAGE-010",
            Self::Registry { source, .. } => source.code(),
        }
    }
}

impl Classify for EncodeError {
    fn disposition(&self) -> Disposition {
        match self {
            Self::NotPrepared { .. } | Self::Unfit { .. } => Disposition::Halt,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotPrepared { .. } => "SLUICE-MESSAGE-007",
            Self::Unfit { .. } => "SLUICE-MESSAGE-008",
        }
    }
}
