//! What can go wrong while reading, as opposed to documents that are wrong.

use pipeline_core::disposition::{Classify, Disposition};

/// An answer that could not be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder could not be read.
    #[error("could not read `{path}`")]
    Read {
        /// What was to be read.
        path: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

impl Classify for Error {
    fn disposition(&self) -> Disposition {
        match self {
            Self::Read { .. } => Disposition::Unavailable,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "SLUICE-SOURCE-001",
        }
    }
}
