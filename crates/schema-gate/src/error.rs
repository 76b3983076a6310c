//! Why schemas could not be checked. What a check finds is no error.

use std::{io, path::PathBuf};

use pipeline_core::registry;

/// Why a question about schemas has no answer.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts show what the fields are")]
pub enum Error {
    /// What was named is neither a folder nor a file that can be read.
    #[error("cannot read `{}`", path.display())]
    NotSchemas { path: PathBuf, source: io::Error },
    /// A file that is there could not be read.
    #[error("cannot read `{}`", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    /// A path is not there.
    #[error("cannot find `{}`", path.display())]
    NotFound { path: PathBuf, source: io::Error },
    /// A file beside the schemas is not written as it has to be.
    #[error("{place}: {problem}")]
    Written { place: String, problem: String },
    /// A version is no schema.
    #[error("{name}: {reason}")]
    NotASchema { name: String, reason: String },
    /// The repository lacks its own past.
    #[error("this clone is shallow: the earlier revisions of the schemas are not in it")]
    Shallow,
    /// A path is elsewhere.
    #[error("`{}` does not lie in the git repository `{}`", path.display(), top.display())]
    OutsideRepository { path: PathBuf, top: PathBuf },
    /// The repository has no such commit.
    #[error("git knows no commit `{reference}`")]
    NoCommit { reference: String },
    /// Git's program could not be run.
    #[error("cannot run `git`")]
    NoGit(#[source] io::Error),
    /// Git's program failed.
    #[error("git could not answer")]
    Git { said: String },
    /// Nobody said where the registry and the broker are.
    #[error("cannot ask the registry or the broker: no settings were given")]
    NoSettings,
    /// The broker could not be asked.
    #[error("could not ask for the offsets")]
    Offsets(#[source] tokio::task::JoinError),
    /// The cluster failed.
    #[error(transparent)]
    Kafka(#[from] pipeline_kafka::Error),
    /// The registry failed.
    #[error(transparent)]
    Registry(#[from] registry::Error),
}
