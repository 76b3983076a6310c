//! What an error of the client means: its kind and the server's code decide, never its words.
//!
//! | the cluster says | it is | the runtime |
//! |---|---|---|
//! | temporary failure, overload, rate limit, index service away | [`Error::Busy`] | waits without limit |
//! | the connection broke, nobody listens | [`Error::Unreachable`] | waits without limit |
//! | wrong password, missing right | [`Error::Denied`], [`Error::Forbidden`] | waits without limit |
//! | no such bucket, scope, collection or index | [`Error::MissingKeyspace`], [`Error::MissingIndex`] | waits |
//! | statement ended early or took too long for the server | [`Error::Incomplete`] | a few attempts |
//! | a fault of its own | [`Error::Server`] | a few attempts |
//! | the statement is not understood | [`Error::Statement`] | stops |

use couchbase::error::{Error as ClientError, ErrorKind};
use serde::Deserialize;

use super::{connection::Connection, statements::Statement};
use crate::Error;

/// What was tried, for the message.
#[derive(Clone, Copy)]
pub struct Attempt<'a> {
    /// Over which connection.
    pub connection: &'a Connection,
    /// Which collection was read.
    pub collection: &'a str,
    /// The statement; `None` for a read by key.
    pub statement: Option<&'a Statement>,
}

/// What the server said of a statement.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Said {
    code: u32,
    message: String,
    http_status_code: u16,
    /// Of the key-value protocol.
    status: u16,
}

#[derive(Deserialize)]
struct Context {
    extended_context: Said,
}

impl Attempt<'_> {
    /// `read the collection …`
    pub fn operation(&self) -> String {
        match self.collection {
            "" => "ask the query service".to_owned(),
            collection => format!("read the collection `{collection}`"),
        }
    }

    /// A time-out that a setting bounds.
    pub fn timed_out(&self, setting: &'static str, after_ms: u32) -> Error {
        let cluster = self.connection.address().hosts.clone();
        Error::TimedOut { cluster, operation: self.operation(), setting, after_ms }
    }

    /// An answer that ended without being complete.
    pub fn incomplete(&self, status: &str) -> Error {
        Error::Incomplete { operation: self.operation(), status: status.to_owned() }
    }

    /// A row that cannot be used.
    pub fn row(&self, reason: impl ToString) -> Error {
        Error::Row { operation: self.operation(), reason: reason.to_string() }
    }

    /// The error of the client, as ours.
    pub fn failed(&self, error: &ClientError) -> Error {
        let said = said(error);
        let Said { code, .. } = said;
        let operation = self.operation();
        let reason = if said.message.is_empty() { error.kind().to_string() } else { said.message.clone() };
        match error.kind() {
            ErrorKind::AuthenticationFailure if code == MISSING_RIGHT || self.statement.is_none() => {
                Error::Forbidden { operation, user: self.connection.user(), grant: self.grant() }
            }
            ErrorKind::AuthenticationFailure => {
                Error::Denied { cluster: self.connection.address().hosts.clone(), user: self.connection.user() }
            }
            ErrorKind::BucketNotFound => self.missing("bucket"),
            ErrorKind::ScopeNotFound => self.missing("scope"),
            ErrorKind::CollectionNotFound => self.missing("collection"),
            ErrorKind::IndexNotFound => Error::MissingIndex { operation, create: self.create_index() },
            ErrorKind::PlanningFailure if code == NO_INDEX => {
                Error::MissingIndex { operation, create: self.create_index() }
            }
            ErrorKind::PlanningFailure | ErrorKind::ParsingFailure => Error::Statement { operation, code, reason },
            ErrorKind::ServerTimeout => self.incomplete("timeout"),
            ErrorKind::TemporaryFailure
            | ErrorKind::RateLimitedFailure
            | ErrorKind::QuotaLimitedFailure
            | ErrorKind::DocumentLocked
            | ErrorKind::ServiceNotAvailable(_)
            | ErrorKind::PreparedStatementFailure
            | ErrorKind::IndexFailure => Error::Busy { operation, code, reason },
            _ if said.is_overload() => Error::Busy { operation, code, reason },
            _ if said.is_about_the_statement() => Error::Statement { operation, code, reason },
            ErrorKind::OtherFailure(_) | ErrorKind::ClusterDropped | ErrorKind::RequestCanceled
                if code == 0 && said.status == 0 =>
            {
                let cluster = self.connection.address().hosts.clone();
                Error::Unreachable { cluster, operation, reason }
            }
            _ => Error::Server { operation, code, reason },
        }
    }

    fn missing(&self, kind: &'static str) -> Error {
        let address = self.connection.address();
        let name = match kind {
            "bucket" => address.bucket.clone(),
            "scope" => format!("{}.{}", address.bucket, address.scope),
            _ => format!("{}.{}.{}", address.bucket, address.scope, self.collection),
        };
        Error::MissingKeyspace { operation: self.operation(), kind, name }
    }

    fn create_index(&self) -> String {
        self.statement.map(Statement::create_index).unwrap_or_default()
    }

    fn grant(&self) -> String {
        let address = self.connection.address();
        let role = if self.statement.is_some() { "query_select" } else { "data_reader" };
        let (bucket, scope, user) = (&address.bucket, &address.scope, self.connection.user());
        format!("GRANT {role} ON `{bucket}`.`{scope}`.`{}` TO `{user}`", self.collection)
    }
}

/// The user has no right to run the statement.
const MISSING_RIGHT: u32 = 13_014;
/// No index is there for the statement.
const NO_INDEX: u32 = 4_000;

impl Said {
    /// Shutting down, too many or too large requests of one user, or a node that says so by HTTP; by key: a rate limit,
    /// busy, out of memory, a temporary failure.
    fn is_overload(&self) -> bool {
        matches!(self.code, 1_180 | 1_181 | 1_191..=1_199)
            || matches!(self.http_status_code, 429 | 503)
            || matches!(self.status, 0x30..=0x34 | 0x82 | 0x85 | 0x86)
    }

    /// Not read-only, a parameter without a value, a name that is not known, and the like.
    fn is_about_the_statement(&self) -> bool {
        matches!(self.code, 1_000..=1_079 | 3_000..=3_999)
    }
}

/// The client keeps the server's code inside, and shows it as JSON behind the words of the kind.
fn said(error: &ClientError) -> Said {
    let text = error.to_string();
    let context = text.strip_prefix(&error.kind().to_string()).and_then(|rest| rest.strip_prefix(": "));
    let context = context.and_then(|json| serde_json::from_str::<Context>(json).ok());
    context.map(|context| context.extended_context).unwrap_or_default()
}
