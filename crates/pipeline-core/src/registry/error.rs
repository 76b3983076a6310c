//! What can go wrong between this program and the registry, and what the runtime does about each.

use apache_avro::Error as AvroError;
use pipeline_model::disposition::{Classify, Disposition};
use pipeline_settings::link::distrust::Distrust;

use super::SchemaId;

/// A source of any type; the registry's client libraries have several.
pub(super) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A call to the registry, or a schema in it, failed.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts show what the fields are")]
pub enum Error {
    /// No answer: not resolved, refused, cut, or not within the time limit.
    #[error("could not {operation}: the schema registry `{url}` is not reachable")]
    Unreachable { operation: String, url: String, source: Cause },
    /// The registry and this program do not trust each other.
    #[error("cannot {operation}: no trust in the schema registry `{url}`: {}", distrust.by("schema_registry."))]
    Untrusted { operation: String, url: String, distrust: Distrust },
    /// The registry answered that it has a fault of its own.
    #[error("could not {operation}: the schema registry `{url}` failed with {code}: {message}")]
    Failing { operation: String, url: String, code: u32, message: String },
    /// What answered does not speak the registry's language.
    #[error("could not {operation}: `{url}` did not answer as a schema registry does ({detail})")]
    Nonsense { operation: String, url: String, detail: String },
    /// The registry does not let this program in.
    #[error("cannot {operation}: the schema registry `{url}` denied access with {code}: {message}")]
    Denied { operation: String, url: String, code: u32, message: String },
    /// The registry understood and said no.
    #[error("cannot {operation}: the schema registry `{url}` refused with {code}: {message}")]
    Refused { operation: String, url: String, code: u32, message: String },
    /// This program's schema is not in the registry.
    #[error("this program's schema is not registered under `{subject}`; run `sluice schema register`")]
    NotRegistered { subject: String },
    /// This program's schema and those in the registry do not go together.
    #[error("this program's schema is incompatible with those registered under `{subject}`: {reason}")]
    Incompatible { subject: String, reason: String },
    /// The registry has no schema of this id.
    #[error("no schema with id {id} is registered")]
    UnknownId { id: SchemaId },
    /// The registry has a schema of this id that is not Avro, or is beyond this program.
    #[error("the registered schema {what} cannot be used: {reason}")]
    Unusable { what: String, reason: String },
    /// A schema given to this program is not Avro.
    #[error("the schema given for `{subject}` is not valid Avro")]
    InvalidSchema { subject: String, source: Box<AvroError> },
    /// A setting of the registry cannot be used.
    #[error("setting `schema_registry.{key}` cannot be used: {reason}")]
    Setting { key: &'static str, reason: String },
    /// The embedded registry could not open its port.
    #[error("could not open the embedded registry on `{address}`")]
    Bind { address: String, source: std::io::Error },
}

// === impl Error ===

impl Error {
    /// True when the registry says that the subject, version or schema asked for does not exist.
    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if http_class(*code) == 404)
    }

    /// The registry's own error code and words, sorted by what they mean for us.
    pub(super) fn answered(operation: String, url: String, code: u32, message: String) -> Self {
        match http_class(code) {
            // Zero stands for a body that was not the registry's: a proxy's page, or another program on the port.
            0 => Self::Nonsense { operation, url, detail: message },
            401 | 403 | 407 => Self::Denied { operation, url, code, message },
            408 | 429 | 500..=599 => Self::Failing { operation, url, code, message },
            _ => Self::Refused { operation, url, code, message },
        }
    }
}

/// The registry's codes are an HTTP status, with two more digits where it says more: 404 and 40403.
fn http_class(code: u32) -> u32 {
    if code >= 10_000 { code / 100 } else { code }
}

impl Classify for Error {
    fn disposition(&self) -> Disposition {
        match self {
            // A certificate can be renewed on either side while the messages wait.
            Self::Unreachable { .. } | Self::Untrusted { .. } | Self::Failing { .. } | Self::Nonsense { .. } => {
                Disposition::Unavailable
            }
            Self::UnknownId { .. } | Self::Unusable { .. } => Disposition::Reject,
            Self::Denied { .. }
            | Self::Refused { .. }
            | Self::NotRegistered { .. }
            | Self::Incompatible { .. }
            | Self::InvalidSchema { .. }
            | Self::Setting { .. }
            | Self::Bind { .. } => Disposition::Halt,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "SLUICE-REGISTRY-001",
            Self::Failing { .. } => "SLUICE-REGISTRY-002",
            Self::Nonsense { .. } => "SLUICE-REGISTRY-003",
            Self::Denied { .. } => "SLUICE-REGISTRY-004",
            Self::Refused { .. } => "SLUICE-REGISTRY-005",
            Self::NotRegistered { .. } => "SLUICE-REGISTRY-006",
            Self::Incompatible { .. } => "SLUICE-REGISTRY-007",
            Self::UnknownId { .. } => "SLUICE-REGISTRY-008",
            Self::Unusable { .. } => "SLUICE-REGISTRY-009",
            Self::InvalidSchema { .. } => "SLUICE-REGISTRY-010",
            Self::Setting { .. } => "SLUICE-REGISTRY-011",
            Self::Bind { .. } => "SLUICE-REGISTRY-012",
            Self::Untrusted { .. } => "SLUICE-REGISTRY-013",
        }
    }
}
