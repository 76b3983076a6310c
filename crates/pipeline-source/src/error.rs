//! What can go wrong while reading, as opposed to documents that are wrong.

use pipeline_core::{
    disposition::{Classify, Disposition},
    error_pages::ErrorPage,
};

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
    /// A file changed in place while it was read.
    #[error("could not finish reading `{path}`: it changed meanwhile")]
    Changed {
        /// The file.
        path: String,
    },
    /// A collection without which there is no hierarchy is not in the folder.
    #[error("could not find `{path}`")]
    MissingFile {
        /// Where the file was expected.
        path: String,
    },
    /// The folder that the settings name is not there.
    #[error("`source.url` names the folder `{path}`, which does not exist")]
    MissingFolder {
        /// The folder.
        path: String,
    },
    /// The URL of the source cannot be understood.
    #[error("`source.url` cannot be understood: {reason}")]
    Url {
        /// What is wrong with it, and what was expected.
        reason: String,
    },
    /// The URL has a scheme that no source answers to.
    #[error(
        "`source.url` has the unknown scheme `{scheme}`: use `couchbase://host/bucket.scope`, `file:///folder` or `generator:?…`"
    )]
    Scheme {
        /// The scheme found.
        scheme: String,
    },
    /// The URL names a source that this build does not have.
    #[error("`source.url` has the scheme `{scheme}`, which this build cannot read")]
    NotInThisBuild {
        /// The scheme found.
        scheme: String,
    },
    /// A parameter that the generator does not know.
    #[error("`source.url` has the unknown parameter `{name}`: did you mean `{nearest}`?")]
    UnknownParameter {
        /// The parameter found.
        name: String,
        /// The valid parameter that is spelt most alike.
        nearest: &'static str,
    },
    /// A parameter of the generator with a value that it cannot have.
    #[error("`source.url` has `{name}={value}`: expected {expected}")]
    Parameter {
        /// The parameter.
        name: &'static str,
        /// Its value as given.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// Field names in the settings that contradict each other.
    #[error("`source.mapping.{collection}` cannot be used: {reason}")]
    Mapping {
        /// The collection whose names they are.
        collection: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A file beyond what the index can address.
    #[error("`{path}` cannot be indexed: it has more than {limit}")]
    TooBig {
        /// The file.
        path: String,
        /// The bound that it passes.
        limit: &'static str,
    },
    /// A file or folder could not be written.
    #[error("could not write `{path}`")]
    Write {
        /// What was to be written.
        path: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The thread that read did not come back with an answer.
    #[error("reading stopped without an answer")]
    Stopped {
        /// How it ended.
        #[source]
        source: tokio::task::JoinError,
    },
    /// A setting of a Couchbase source cannot be used.
    #[error("`{key}` cannot be used: {reason}")]
    Setting {
        /// The setting.
        key: &'static str,
        /// What is wrong with it, and what was expected.
        reason: String,
    },
    /// No node of the cluster could be reached, or the connection broke.
    #[error("could not reach the Couchbase cluster `{cluster}` while trying to {operation}: {reason}")]
    Unreachable {
        /// The cluster's hosts.
        cluster: String,
        /// What was tried.
        operation: String,
        /// What the network said.
        reason: String,
    },
    /// The cluster let a time-out pass.
    #[error("could not {operation}: `{cluster}` gave no answer for {after_ms} ms (`{setting}`)")]
    TimedOut {
        /// The cluster's hosts.
        cluster: String,
        /// What was tried.
        operation: String,
        /// The setting that bounds it.
        setting: &'static str,
        /// Its value.
        after_ms: u32,
    },
    /// The cluster does not take the user and password, or the client certificate.
    #[error("could not log in to the Couchbase cluster `{cluster}`: it refused the credentials of `{user}`")]
    Denied {
        /// The cluster's hosts.
        cluster: String,
        /// The user, or `a client certificate`.
        user: String,
    },
    /// The user may not do what is needed.
    #[error("could not {operation}: `{user}` may not; an administrator may allow it with: {grant}")]
    Forbidden {
        /// What was tried.
        operation: String,
        /// The user.
        user: String,
        /// The statement to run.
        grant: String,
    },
    /// A bucket, scope or collection is not there.
    #[error("could not {operation}: the {kind} `{name}` does not exist")]
    MissingKeyspace {
        /// What was tried.
        operation: String,
        /// `bucket`, `scope` or `collection`.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// No index serves a statement.
    #[error("could not {operation}: no index serves the statement; create it with: {create}")]
    MissingIndex {
        /// What was tried.
        operation: String,
        /// The statement to run.
        create: String,
    },
    /// The cluster does not understand a statement.
    #[error("cannot {operation}: the statement is refused with code {code}: {reason}")]
    Statement {
        /// What was tried.
        operation: String,
        /// The server's code; 0 when it gave none.
        code: u32,
        /// The server's words.
        reason: String,
    },
    /// The cluster has too much to do, or limits the rate.
    #[error("could not {operation}: the cluster is busy (code {code}): {reason}")]
    Busy {
        /// What was tried.
        operation: String,
        /// The server's code; 0 when it gave none.
        code: u32,
        /// The server's words.
        reason: String,
    },
    /// The cluster ended a statement before its last row.
    #[error("could not {operation}: the answer is not complete, the statement ended as `{status}`")]
    Incomplete {
        /// What was tried.
        operation: String,
        /// What the server said of it.
        status: String,
    },
    /// The cluster failed in a way that is its own.
    #[error("could not {operation}: the cluster failed (code {code}): {reason}")]
    Server {
        /// What was tried.
        operation: String,
        /// The server's code; 0 when it gave none.
        code: u32,
        /// The server's words.
        reason: String,
    },
    /// A row that is not what the statement should give.
    #[error("cannot {operation}: a row of the answer cannot be used: {reason}")]
    Row {
        /// What was tried.
        operation: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The clocks of this machine and of the cluster differ.
    #[error("the clock of the Couchbase cluster differs from this machine's by {skew_ms} ms")]
    Clock {
        /// The cluster's time less ours.
        skew_ms: i64,
    },
}

/// One page for each code of [`Error`], in order of their numbers.
pub const ERRORS: &[ErrorPage] = &[
    ErrorPage {
        code: "SLUICE-SOURCE-001",
        title: "a source file could not be read",
        cause: "The operating system refused to open or read a file of the source folder, or the disk failed.",
        remedy: "Check that the user who runs the stage may read the folder and its files, and that the disk or mount \
                 is there. The stages go on by themselves when it is.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-002",
        title: "a source file changed while it was read",
        cause: "Somebody wrote into a file of the source folder during a run. What was read could mix old and new.",
        remedy: "Nothing, if the writer finishes: the stage reads again. To avoid it, write a new file and rename it \
                 over the old one.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-003",
        title: "a source file is missing",
        cause: "The folder has no `provider_services.jsonl`, `providers.jsonl` or `bundles.jsonl`. Only \
                `subscription_fields.jsonl` may be absent.",
        remedy: "Put the file there; an empty file means a collection without documents.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-004",
        title: "the source folder does not exist",
        cause: "`source.url` names a folder that is not there, or a file.",
        remedy: "Correct `source.url`; it needs the absolute path: `file:///data/export`. In a container, check that \
                 the folder is mounted.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-005",
        title: "the source URL cannot be understood",
        cause: "`source.url` is empty, has no scheme, or does not have the form that its scheme asks for.",
        remedy: "Use `couchbase://host/bucket.scope`, `couchbases://…` for TLS, `file:///folder` or \
                 `generator:?services=40&providers=10000&bundles=20&fields=5&seed=1`.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-006",
        title: "unknown kind of source",
        cause: "`source.url` begins with a scheme that no source answers to.",
        remedy: "Use `couchbase://host/bucket.scope`, `couchbases://…`, `file:///folder` or `generator:?…`.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-007",
        title: "this build cannot read such a source",
        cause: "`source.url` names a Couchbase cluster, and this program was built without the client for it. The \
                stages have it; the command has it when it is built with `--features couchbase`.",
        remedy: "Build with `cargo build --release -p sluice --features couchbase`, or export the collections with \
                 `cbexport json -f lines` and use `file:///folder`.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-008",
        title: "unknown parameter of the generator",
        cause: "`source.url` has a parameter that the generator does not know, often a slip of the pen.",
        remedy: "Use the parameter that the message proposes. All of them: services, providers, bundles, fields, \
                 seed, skew, latency_ms, changed_percent, revision.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-009",
        title: "a parameter of the generator has a wrong value",
        cause: "A parameter in `source.url` is not a number, is outside its range, or is given twice.",
        remedy: "Give the value that the message asks for.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-010",
        title: "the field mapping cannot be used",
        cause: "In `source.mapping`, a field name is empty, or two meanings of one collection have the same name.",
        remedy: "Give each meaning its own field name; leave out what has the default name.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-011",
        title: "a source file is too big",
        cause: "A file of the source folder has more bytes or lines than the index can address.",
        remedy: "Split the export into several folders and run Sluice on each with a scope of its own services.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-012",
        title: "a folder could not be written",
        cause: "The sample data or an export could not be written: no space, or no right to write.",
        remedy: "Free some space or choose a folder that may be written to.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-013",
        title: "reading stopped",
        cause: "The thread that read the source ended without an answer: the process was stopping, or Sluice has a \
                fault.",
        remedy: "If the process was not being stopped, report it with the log.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-014",
        title: "a Couchbase setting cannot be used",
        cause: "The URL holds a password, a certificate cannot be read, or two settings of `source.couchbase` \
                contradict each other. The message names the setting.",
        remedy: "Correct the setting. A password belongs into `source.couchbase.password_file` or \
                 SLUICE__SOURCE__COUCHBASE__PASSWORD.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-015",
        title: "the Couchbase cluster cannot be reached",
        cause: "No node answered at the address, TLS could not be agreed on, or a connection broke while documents \
                were read.",
        remedy: "Check the hosts and ports in `source.url`, the network, and with `couchbases://` the authority in \
                 `source.couchbase.ca_file`. The stages hold their messages and go on by themselves.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-016",
        title: "the Couchbase cluster gives no answer",
        cause: "The cluster was reached and then let a time-out pass: it is overloaded, rebalancing, or something \
                between it and Sluice swallows packets. A read by key also waits for a collection that is not there.",
        remedy: "Look at the cluster's load. If it is healthy and merely slow, raise the setting that the message \
                 names or lower `source.couchbase.page_size`. The stages hold their messages and go on by themselves.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-017",
        title: "the Couchbase cluster refuses the credentials",
        cause: "The user does not exist, the password is wrong, or the client certificate is not accepted.",
        remedy: "Correct `source.couchbase.username` and `password_file` and restart the stages. Nothing was lost: \
                 their messages wait.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-018",
        title: "the Couchbase user may not read",
        cause: "The user has no right to query or to read a collection.",
        remedy: "Let an administrator run the statement in the message, or `deploy/couchbase/user.sh`. The stages hold \
                 their messages and go on by themselves.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-019",
        title: "a Couchbase bucket, scope or collection is missing",
        cause: "`source.url` or `source.couchbase.collections` names something that the cluster does not have, or that \
                the user may not see.",
        remedy: "Correct the name, or create the collection: an empty one means that there are no such documents. The \
                 stages hold their messages and go on by themselves.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-020",
        title: "a Couchbase index is missing",
        cause: "The cluster cannot plan a statement because no index serves it, or the index is still being built.",
        remedy: "Run the statement in the message, or all of `deploy/couchbase/indexes.sql`. The stages hold their \
                 messages and go on by themselves when the index is online.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-021",
        title: "Couchbase refuses a statement",
        cause: "A statement is not understood. Those that Sluice makes are tested, so it is most likely one of \
                `source.couchbase.statements`, or a server that is older than 7.0.",
        remedy: "Try the statement in the cluster's query workbench, correct it, and start the stage again. Its \
                 messages wait.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-022",
        title: "the Couchbase cluster is busy",
        cause: "The cluster reports a temporary failure, an overload or a rate limit.",
        remedy: "Nothing: the stages slow down and try again without limit. If it lasts, lower \
                 `source.couchbase.concurrent_reads` or `requests_per_second`.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-023",
        title: "a Couchbase answer is not complete",
        cause: "The server ended a statement before its last row: it was cancelled, or ran into the server's time-out. \
                The rows that had come were thrown away.",
        remedy: "The stage tries again a few times; then the message is a dead letter. If a batch is too large for the \
                 cluster, start runs with a smaller one, or raise `source.couchbase.statement_timeout_ms`.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-024",
        title: "the Couchbase cluster failed",
        cause: "The server answered with an error that is its own; the message has its code and words.",
        remedy: "Look up the code in the server's documentation and its log. The stage tries again a few times; then \
                 the message is a dead letter, which can be replayed.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-025",
        title: "a row from Couchbase cannot be used",
        cause: "A row lacks `_id` or `doc`, or `_id` is not text: a statement of `source.couchbase.statements` selects \
                something else.",
        remedy: "Let the statement begin with `SELECT META(d).id AS _id, META(d).cas AS _cas, d AS doc`, and start the \
                 stage again. Its messages wait.",
    },
    ErrorPage {
        code: "SLUICE-SOURCE-026",
        title: "the clocks differ",
        cause: "The clock of the Couchbase cluster and that of this machine are more than some seconds apart.",
        remedy: "Let both follow the same time servers: certificates, tokens and logs are judged by them. Copying \
                 works all the same.",
    },
];

impl Error {
    /// For `map_err` on an operation that read `path`.
    pub(crate) fn read(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.display().to_string();
        move |source| Self::Read { path, source }
    }

    /// For `map_err` on an operation that wrote `path`.
    pub(crate) fn write(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.display().to_string();
        move |source| Self::Write { path, source }
    }
}

impl Classify for Error {
    fn disposition(&self) -> Disposition {
        match self {
            // The folder may come back, or its writer may finish.
            Self::Read { .. } | Self::Changed { .. } | Self::MissingFile { .. } | Self::Write { .. } => {
                Disposition::Unavailable
            }
            // The cluster is away, busy, or lacks what a person can give it while the messages wait.
            Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::Denied { .. }
            | Self::Forbidden { .. }
            | Self::MissingKeyspace { .. }
            | Self::MissingIndex { .. }
            | Self::Busy { .. }
            | Self::Clock { .. } => Disposition::Unavailable,
            // It may be this one statement: the others must not wait for it for ever.
            Self::Incomplete { .. } | Self::Server { .. } => Disposition::Retry,
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
            | Self::Row { .. }
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
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_page_in_order_of_their_numbers() {
        for (index, page) in ERRORS.iter().enumerate() {
            assert_eq!(page.code, format!("SLUICE-SOURCE-{:03}", index + 1));
            assert!(page.cause.ends_with('.') && page.remedy.ends_with('.'), "{}", page.code);
        }
        let last = Error::Clock { skew_ms: 0 };
        assert_eq!(ERRORS.last().map(|page| page.code), Some(last.code()));
    }
}
