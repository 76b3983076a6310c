//! The names that things have: each id is a type of its own, so that the compiler keeps them apart.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One synchronisation, from its request to its activation. A UUIDv7; its 128 bits are also the run's trace id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(Uuid);

/// The version of the copy that a run fills: a counter of the target that only grows. The first is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub i64);

/// Number of a batch within one service of one run, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BatchNo(pub i32);

/// Id of a provider service, as the source writes it; compared byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ServiceId(pub String);

/// Id of a provider, unique within its service; compared byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProviderId(pub String);

/// Identity of a target, made with its tables; texts are compared byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TargetId(pub String);

// === impl RunId ===

impl RunId {
    /// A new id; ids made later sort later.
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// Reads the canonical text. Anything else than a UUID is an error.
    pub fn parse(text: &str) -> Result<Self, InvalidRunId> {
        Uuid::try_parse(text).map(Self).map_err(|_| InvalidRunId { text: text.to_owned() })
    }

    /// When the id was made, in milliseconds since 1970-01-01 UTC, if it says so: those that are made here do.
    pub fn made_at_ms(&self) -> Option<i64> {
        let (seconds, nanos) = self.0.get_timestamp()?.to_unix();
        i64::try_from(seconds.checked_mul(1_000)?.checked_add(u64::from(nanos / 1_000_000))?).ok()
    }

    /// The id's 128 bits as 32 lower-case hexadecimal digits: the trace id of the run.
    pub fn trace_id(&self) -> String {
        self.0.simple().to_string()
    }
}

impl Default for RunId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// A text that is not a run id.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` is not a run id: expected a UUID such as 01980f6e-3c5a-7cc1-9b1e-0d2c5e8a4f10")]
pub struct InvalidRunId {
    /// What was given.
    pub text: String,
}

// === impl the other ids ===

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for BatchNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! text_id {
    ($name:ident) => {
        impl $name {
            /// The id's text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }
    };
}

text_id!(ServiceId);
text_id!(ProviderId);
text_id!(TargetId);
