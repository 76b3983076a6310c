//! What can go wrong while reading, as opposed to documents that are wrong.

use pipeline_model::disposition::{Classify, Disposition};
use pipeline_settings::link::distrust::Distrust;

/// An answer that could not be had. A server's `code` is 0 when it gave none.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts show what the fields are")]
pub enum Error {
    /// A file or folder could not be read.
    #[error("could not read `{path}`")]
    Read { path: String, source: std::io::Error },
    /// A file changed in place while it was read.
    #[error("could not finish reading `{path}`: it changed meanwhile")]
    Changed { path: String },
    /// A collection without which there is no hierarchy is not in the folder.
    #[error("could not find `{path}`")]
    MissingFile { path: String },
    /// The folder that the settings name is not there.
    #[error("`source.url` names the folder `{path}`, which does not exist")]
    MissingFolder { path: String },
    /// The URL of the source cannot be understood.
    #[error("`source.url` cannot be understood: {reason}")]
    Url { reason: String },
    /// The URL has a scheme that no source answers to.
    #[error(
        "`source.url` has the unknown scheme `{scheme}`: use `couchbase://host/bucket.scope`, `file:///folder` or `generator:?…`"
    )]
    Scheme { scheme: String },
    /// The URL names a source that this build does not have.
    #[error("`source.url` has the scheme `{scheme}`, which this build cannot read")]
    NotInThisBuild { scheme: String },
    /// A parameter that the generator does not know; `nearest` is the valid one that is spelt most alike.
    #[error("`source.url` has the unknown parameter `{name}`: did you mean `{nearest}`?")]
    UnknownParameter { name: String, nearest: &'static str },
    /// A parameter of the generator with a value that it cannot have.
    #[error("`source.url` has `{name}={value}`: expected {expected}")]
    Parameter { name: &'static str, value: String, expected: &'static str },
    /// Field names in the settings that contradict each other.
    #[error("`source.mapping.{collection}` cannot be used: {reason}")]
    Mapping { collection: &'static str, reason: String },
    /// A file beyond what the index can address.
    #[error("`{path}` cannot be indexed: it has more than {limit}")]
    TooBig { path: String, limit: &'static str },
    /// A file or folder could not be written.
    #[error("could not write `{path}`")]
    Write { path: String, source: std::io::Error },
    /// The thread that read did not come back with an answer.
    #[error("reading stopped without an answer")]
    Stopped { source: tokio::task::JoinError },
    /// A setting of a Couchbase source cannot be used.
    #[error("`{key}` cannot be used: {reason}")]
    Setting { key: &'static str, reason: String },
    /// No node of the cluster could be reached, or the connection broke.
    #[error("could not reach the Couchbase cluster `{cluster}` while trying to {operation}: {reason}")]
    Unreachable { cluster: String, operation: String, reason: String },
    /// The cluster and this program do not trust each other.
    #[error("no trust in the Couchbase cluster `{cluster}`: {}", distrust.by("source.couchbase."))]
    Untrusted { cluster: String, distrust: Distrust },
    /// The cluster let a time-out pass.
    #[error("could not {operation}: `{cluster}` gave no answer for {after_ms} ms (`{setting}`)")]
    TimedOut { cluster: String, operation: String, setting: &'static str, after_ms: u32 },
    /// The cluster does not take the user and password, or the client certificate; `user` says which.
    #[error("could not log in to the Couchbase cluster `{cluster}`: it refused the credentials of `{user}`")]
    Denied { cluster: String, user: String },
    /// The user may not do what is needed.
    #[error("could not {operation}: `{user}` may not; an administrator may allow it with: {grant}")]
    Forbidden { operation: String, user: String, grant: String },
    /// A bucket, scope or collection, as `kind` says, is not there.
    #[error("could not {operation}: the {kind} `{name}` does not exist")]
    MissingKeyspace { operation: String, kind: &'static str, name: String },
    /// No index serves a statement.
    #[error("could not {operation}: no index serves the statement; create it with: {create}")]
    MissingIndex { operation: String, create: String },
    /// The cluster does not understand a statement.
    #[error("cannot {operation}: the statement is refused with code {code}: {reason}")]
    Statement { operation: String, code: u32, reason: String },
    /// The cluster has too much to do, or limits the rate.
    #[error("could not {operation}: the cluster is busy (code {code}): {reason}")]
    Busy { operation: String, code: u32, reason: String },
    /// The cluster ended a statement before its last row.
    #[error("could not {operation}: the answer is not complete, the statement ended as `{status}`")]
    Incomplete { operation: String, status: String },
    /// The cluster failed in a way that is its own.
    #[error("could not {operation}: the cluster failed (code {code}): {reason}")]
    Server { operation: String, code: u32, reason: String },
    /// Rows that the next page cannot go on behind.
    #[error("cannot {operation}: the answer cannot be used: {reason}")]
    Row { operation: String, reason: String },
    /// The clocks of this machine and of the cluster differ; `skew_ms` is the cluster's time less ours.
    #[error("the clock of the Couchbase cluster differs from this machine's by {skew_ms} ms")]
    Clock { skew_ms: i64 },
    /// A read that was begun and did not end.
    #[error("could not read `{path}`: it gave no answer for {after_ms} ms (`source.read_timeout_ms`)")]
    NoAnswer { path: String, after_ms: u64 },
    /// What has the name of a source file is read in another way.
    #[error("could not read `{path}`: it is {found} and not a file")]
    NotAFile { path: String, found: &'static str },
    /// A collection has two files.
    #[error("could not tell which file of `{folder}` to read: it has both `{one}` and `{other}`")]
    TwoFiles { folder: String, one: &'static str, other: &'static str },
    /// A compressed file is broken, or not all there.
    #[error("could not unpack `{path}`: it is damaged or not complete")]
    Packed { path: String, source: std::io::Error },
    /// There is no place for what a compressed file holds.
    #[error("could not unpack `{path}` into the folder `{folder}` (`source.spool_dir`)")]
    Spool { path: String, folder: String, source: std::io::Error },
    /// A folder says what its fields are called, and that cannot be used.
    #[error("could not use the field names in `{path}`: {reason}")]
    FolderNames { path: String, reason: String },
    /// The manifest of a folder says nothing that can be understood.
    #[error("could not use the manifest `{path}`: {reason}")]
    Manifest { path: String, reason: String },
    /// A folder is not what its manifest says.
    #[error("could not use the folder `{folder}`, which is not what its manifest says: {reason}")]
    NotComplete { folder: String, reason: String },
    /// A folder has no manifest where one is required.
    #[error("could not use the folder `{folder}`: it has no `manifest.json`, which `source.require_manifest` asks for")]
    NoManifest { folder: String },
    /// Fewer documents came than there are.
    #[error("could not {operation} completely: {read} documents came of {counted}")]
    Fewer { operation: String, read: i64, counted: i64 },
}

impl Error {
    /// For `map_err` on an operation that read `path`.
    pub(crate) fn read(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        |source| Self::Read { path: path.display().to_string(), source }
    }

    /// For `map_err` on an operation that wrote `path`.
    pub(crate) fn write(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        |source| Self::Write { path: path.display().to_string(), source }
    }
}

impl Classify for Error {
    fn disposition(&self) -> Disposition {
        match self {
            // The folder may come back, its writer may finish, or somebody may put the right file in its place.
            Self::Read { .. }
            | Self::Changed { .. }
            | Self::MissingFile { .. }
            | Self::Write { .. }
            | Self::NoAnswer { .. }
            | Self::NotAFile { .. }
            | Self::TwoFiles { .. }
            | Self::Packed { .. }
            | Self::Spool { .. }
            | Self::FolderNames { .. }
            | Self::Manifest { .. }
            | Self::NotComplete { .. }
            | Self::NoManifest { .. } => Disposition::Unavailable,
            // The cluster is away, busy, or lacks what a person can give it while the messages wait.
            Self::Unreachable { .. }
            | Self::Untrusted { .. }
            | Self::TimedOut { .. }
            | Self::Denied { .. }
            | Self::Forbidden { .. }
            | Self::MissingKeyspace { .. }
            | Self::MissingIndex { .. }
            | Self::Busy { .. }
            | Self::Clock { .. } => Disposition::Unavailable,
            // It may be this one statement: the others must not wait for it for ever.
            Self::Incomplete { .. } | Self::Server { .. } | Self::Row { .. } | Self::Fewer { .. } => Disposition::Retry,
            // Only a person can change the settings or the files' size.
            Self::MissingFolder { .. }
            | Self::Url { .. }
            | Self::Scheme { .. }
            | Self::NotInThisBuild { .. }
            | Self::UnknownParameter { .. }
            | Self::Parameter { .. }
            | Self::Mapping { .. }
            | Self::TooBig { .. }
            | Self::Setting { .. }
            | Self::Statement { .. }
            | Self::Stopped { .. } => Disposition::Halt,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "SLUICE-SOURCE-001",
            Self::Changed { .. } => "SLUICE-SOURCE-002",
            Self::MissingFile { .. } => "SLUICE-SOURCE-003",
            Self::MissingFolder { .. } => "SLUICE-SOURCE-004",
            Self::Url { .. } => "SLUICE-SOURCE-005",
            Self::Scheme { .. } => "SLUICE-SOURCE-006",
            Self::NotInThisBuild { .. } => "SLUICE-SOURCE-007",
            Self::UnknownParameter { .. } => "SLUICE-SOURCE-008",
            Self::Parameter { .. } => "SLUICE-SOURCE-009",
            Self::Mapping { .. } => "SLUICE-SOURCE-010",
            Self::TooBig { .. } => "SLUICE-SOURCE-011",
            Self::Write { .. } => "SLUICE-SOURCE-012",
            Self::Stopped { .. } => "SLUICE-SOURCE-013",
            Self::Setting { .. } => "SLUICE-SOURCE-014",
            Self::Unreachable { .. } => "SLUICE-SOURCE-015",
            Self::Untrusted { .. } => "SLUICE-SOURCE-037",
            Self::TimedOut { .. } => "SLUICE-SOURCE-016",
            Self::Denied { .. } => "SLUICE-SOURCE-017",
            Self::Forbidden { .. } => "SLUICE-SOURCE-018",
            Self::MissingKeyspace { .. } => "SLUICE-SOURCE-019",
            Self::MissingIndex { .. } => "SLUICE-SOURCE-020",
            Self::Statement { .. } => "SLUICE-SOURCE-021",
            Self::Busy { .. } => "SLUICE-SOURCE-022",
            Self::Incomplete { .. } => "SLUICE-SOURCE-023",
            Self::Server { .. } => "SLUICE-SOURCE-024",
            Self::Row { .. } => "SLUICE-SOURCE-025",
            Self::Clock { .. } => "SLUICE-SOURCE-026",
            Self::NoAnswer { .. } => "SLUICE-SOURCE-027",
            Self::NotAFile { .. } => "SLUICE-SOURCE-028",
            Self::TwoFiles { .. } => "SLUICE-SOURCE-029",
            Self::Packed { .. } => "SLUICE-SOURCE-030",
            Self::Spool { .. } => "SLUICE-SOURCE-031",
            Self::FolderNames { .. } => "SLUICE-SOURCE-032",
            Self::Manifest { .. } => "SLUICE-SOURCE-033",
            Self::NotComplete { .. } => "SLUICE-SOURCE-034",
            Self::NoManifest { .. } => "SLUICE-SOURCE-035",
            Self::Fewer { .. } => "SLUICE-SOURCE-036",
        }
    }
}
