//! Why something was not done: it was refused as things stand, or somebody who had to be asked failed.

use std::time::Duration;

use pipeline_core::registry;
use pipeline_model::{
    disposition::{Classify, Disposition},
    ids::{Generation, ProviderId, RunId, ServiceId},
};
use pipeline_store::RunState;

/// Why an operation was not carried out. Nothing was changed, unless a message says otherwise.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts show what the fields are")]
pub enum Error {
    /// It has to wait until no run is open.
    #[error("run {run} is open on `{target}` (by {by})")]
    RunOpen { run: RunId, target: String, since_ms: i64, by: String },
    /// It needs a run that is open.
    #[error("run {run} is not open: it is {}", state.as_str())]
    NotOpen { run: RunId, state: RunState },
    /// What was shown is not so any more.
    #[error("{what}")]
    Changed { what: String },
    /// The target has no such run.
    #[error("there is no run {run} in `{target}`")]
    NoSuchRun { run: RunId, target: String },
    /// The target has no such letter among those that were chosen.
    #[error("there is no such dead letter {id} in `{target}`")]
    NoSuchLetter { id: i64, target: String },
    /// Readers were never shown anything.
    #[error("nothing was ever activated in `{target}`")]
    NothingActivated { target: String },
    /// Readers were never shown this service.
    #[error("service `{service}` was never activated")]
    NeverActivated { service: ServiceId },
    /// A generation cannot be read.
    #[error("generation {generation} is not kept in `{target}`: it was pruned, or never activated")]
    NotKept { generation: Generation, target: String },
    /// A comparison cannot go on where an earlier one ended.
    #[error("service `{service}` of the source has no provider `{provider}` to go on behind")]
    PlaceGone { service: ServiceId, provider: ProviderId },
    /// The target failed.
    #[error(transparent)]
    Target(#[from] pipeline_store::Error),
    /// The source failed.
    #[error(transparent)]
    Source(#[from] pipeline_source::Error),
    /// The cluster failed.
    #[error(transparent)]
    Kafka(#[from] pipeline_kafka::Error),
    /// The registry failed.
    #[error(transparent)]
    Registry(#[from] registry::Error),
    /// A message could not be written as its schema says.
    #[error(transparent)]
    Encode(#[from] registry::EncodeError),
}

// === impl Error ===

impl Error {
    /// The run has ended since it was looked at.
    pub(crate) fn ended(run: RunId) -> Self {
        Self::Changed { what: format!("run {run} has ended meanwhile") }
    }

    fn of_another(&self) -> Option<&dyn Classify> {
        match self {
            Self::Target(error) => Some(error),
            Self::Source(error) => Some(error),
            Self::Kafka(error) => Some(error),
            Self::Registry(error) => Some(error),
            Self::Encode(error) => Some(error),
            Self::RunOpen { .. }
            | Self::NotOpen { .. }
            | Self::Changed { .. }
            | Self::NoSuchRun { .. }
            | Self::NoSuchLetter { .. }
            | Self::NothingActivated { .. }
            | Self::NeverActivated { .. }
            | Self::NotKept { .. }
            | Self::PlaceGone { .. } => None,
        }
    }
}

impl Classify for Error {
    fn disposition(&self) -> Disposition {
        // A refusal stands until somebody changes what it rests on.
        self.of_another().map_or(Disposition::Reject, Classify::disposition)
    }

    fn retry_after(&self) -> Option<Duration> {
        self.of_another().and_then(Classify::retry_after)
    }

    fn code(&self) -> &'static str {
        match self {
            Self::RunOpen { .. } => "SLUICE-OPERATION-001",
            Self::NotOpen { .. } => "SLUICE-OPERATION-002",
            Self::Changed { .. } => "SLUICE-OPERATION-003",
            Self::NoSuchRun { .. }
            | Self::NoSuchLetter { .. }
            | Self::NothingActivated { .. }
            | Self::NeverActivated { .. }
            | Self::NotKept { .. }
            | Self::PlaceGone { .. } => "SLUICE-OPERATION-004",
            Self::Target(error) => error.code(),
            Self::Source(error) => error.code(),
            Self::Kafka(error) => error.code(),
            Self::Registry(error) => error.code(),
            Self::Encode(error) => error.code(),
        }
    }
}
