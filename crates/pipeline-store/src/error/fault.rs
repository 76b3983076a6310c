//! From what a driver says to what kind of fault it is.

use pipeline_settings::link::distrust::Distrust;
use sqlx::{error::DatabaseError, mysql::MySqlDatabaseError, sqlite::SqliteError};

use super::{
    DriverError, Error,
    numbers::{self, DUPLICATES, Fault},
};
use crate::operation::Operation;

impl Error {
    /// The error of a statement that failed.
    pub(crate) fn statement(operation: &Operation, source: impl Into<DriverError>) -> Self {
        let source = source.into();
        let Operation { verb: operation, subject } = operation.clone();
        match fault(&source) {
            Fault::Unavailable => Self::Unavailable { operation, subject, source },
            Fault::Contended => Self::Contended { operation, subject, source },
            Fault::Ended => Self::Ended { operation, subject, source },
            Fault::Refused => Self::Refused { operation, subject, source },
            Fault::ValueRefused => Self::ValueRefused { operation, subject, source },
            Fault::Denied => Self::Denied { operation, subject, source },
            Fault::Disagreement => Self::Disagreement { operation, subject, source },
            Fault::FileFull => Self::FileFull { operation, subject, source },
            Fault::FileReadOnly => Self::FileReadOnly { operation, subject, source },
            Fault::FileNotOpened => {
                let reason = "the database file cannot be opened".to_owned();
                Self::FileNotOpened { operation, subject, reason, source }
            }
            Fault::NotADatabase => Self::NotADatabase { operation, subject, source },
            Fault::FileDamaged => Self::FileDamaged { operation, subject, source },
        }
    }

    /// The error of a first connection that failed. An account that the server does not let in is then a fault of the
    /// configuration. Later it is not: the account has been let in before, and somebody has changed it since.
    pub(crate) fn first_connection(operation: &Operation, source: impl Into<DriverError>) -> Self {
        match Self::statement(operation, source) {
            Self::Unavailable { operation, subject, source } => match distrust(&source) {
                Some(reason) => Self::NotTrusted { target: subject, reason, source },
                None => Self::Unavailable { operation, subject, source },
            },
            Self::Denied { subject, source, .. } => Self::LoginRefused { target: subject, source },
            error => error,
        }
    }

    /// The error of a commit that failed. When the database itself says no, the transaction is rolled back; when the
    /// line went dead instead of answering, nobody knows.
    pub(crate) fn commit(operation: &Operation, source: impl Into<DriverError>) -> Self {
        match source.into() {
            source if source.is_of_server() => Self::statement(operation, source),
            source => Self::CommitUnknown { operation: operation.verb, subject: operation.subject.clone(), source },
        }
    }

    /// The error of a promise of the ledger that does not hold.
    pub(crate) fn broken(operation: &Operation, broken: impl Into<String>) -> Self {
        Self::Broken { operation: operation.verb, subject: operation.subject.clone(), broken: broken.into() }
    }
}

/// Why a server is not trusted, when that is what is wrong. Whoever does not trust us may do so for a moment only: that
/// counts as an outage.
fn distrust(error: &DriverError) -> Option<&'static str> {
    let DriverError::Sqlx(error) = error else { return None };
    let error = match error {
        sqlx::Error::Tls(_) => {
            return Some("the link could not be encrypted: the server offers no TLS, or none that is known");
        }
        sqlx::Error::Io(error) => error,
        _ => return None,
    };
    match Distrust::of(error, false)? {
        // A foreign authority of the same name has signed, and not with the key that is known here.
        Distrust::UnknownAuthority => Some("the server's certificate is of an authority that is not known here"),
        Distrust::WrongName { .. } => Some("the server's certificate is for another host"),
        Distrust::Expired => Some("the server's certificate has expired"),
        Distrust::NotYetValid | Distrust::Invalid => Some("the server's certificate is not valid"),
        Distrust::NotTls | Distrust::CertificateWanted | Distrust::CertificateRefused | Distrust::Unknown => None,
    }
}

/// Whether a statement failed because a unique key has the value already.
pub(crate) fn is_duplicate(error: &Error) -> bool {
    match error {
        Error::Disagreement { source: DriverError::Sqlx(sqlx::Error::Database(source)), .. } => {
            source.is_unique_violation()
        }
        Error::Disagreement { source: DriverError::Loader(source), .. } => {
            matches!(source.as_ref(), mysql_async::Error::Server(source) if DUPLICATES.contains(&source.code))
        }
        _ => false,
    }
}

/// Whether the server, or what stands between, does not let rows be loaded: `local_infile` is off (MySQL before 8,
/// MySQL, MariaDB), or a proxy passes the statement on and looks for a file itself.
pub(crate) fn is_loading_refused(error: &mysql_async::Error) -> bool {
    matches!(error, mysql_async::Error::Server(error) if [1148, 3948, 4166, 2].contains(&error.code))
}

/// Whether a view could not be read because of its own account. It is gone: 1449 for administrators, and for others 1045,
/// which no statement of a session gets otherwise. Or it lacks a right or a table that it needs: 1356.
pub(crate) fn is_view_broken(error: &Error) -> bool {
    let (Error::Disagreement { source, .. } | Error::Denied { source, .. } | Error::Refused { source, .. }) = error
    else {
        return false;
    };
    match source {
        DriverError::Sqlx(sqlx::Error::Database(source)) => source
            .try_downcast_ref::<MySqlDatabaseError>()
            .is_some_and(|source| [1045, 1356, 1449].contains(&source.number())),
        _ => false,
    }
}

/// Whether the server does not let the account in, or not do something.
pub(crate) fn is_denied(error: &sqlx::Error) -> bool {
    sqlx_fault(error) == Fault::Denied
}

/// Whether the server has no connection left: for anybody, or for this account.
pub(crate) fn is_full(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else { return false };
    error.try_downcast_ref::<MySqlDatabaseError>().is_some_and(|error| [1040, 1203, 1226].contains(&error.number()))
}

impl DriverError {
    /// Whether the database itself says no, and not the line to it.
    pub(crate) fn is_of_server(&self) -> bool {
        match self {
            Self::Sqlx(error) => matches!(error, sqlx::Error::Database(_)),
            Self::Loader(error) => matches!(error.as_ref(), mysql_async::Error::Server(_)),
        }
    }
}

fn fault(error: &DriverError) -> Fault {
    match error {
        DriverError::Sqlx(error) => sqlx_fault(error),
        DriverError::Loader(error) => loader_fault(error),
    }
}

fn loader_fault(error: &mysql_async::Error) -> Fault {
    match error {
        mysql_async::Error::Server(error) => numbers::mysql(error.code, Some(&error.state)).0,
        mysql_async::Error::Driver(
            mysql_async::DriverError::FromValue { .. }
            | mysql_async::DriverError::FromRow { .. }
            | mysql_async::DriverError::StmtParamsMismatch { .. },
        ) => Fault::Disagreement,
        // What else the driver says of itself is about a connection that is of no more use; a new one may be.
        mysql_async::Error::Io(_) | mysql_async::Error::Driver(_) => Fault::Unavailable,
        mysql_async::Error::Url(_) => Fault::Disagreement,
        mysql_async::Error::Other(_) => Fault::Refused,
    }
}

fn sqlx_fault(error: &sqlx::Error) -> Fault {
    match error {
        sqlx::Error::Database(error) => database_fault(error.as_ref()),
        // A protocol error in mid-stream means that the connection is of no more use; a new one may be.
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => Fault::Unavailable,
        // A value that the driver cannot send: too large for the server, which it does not have to see for that.
        sqlx::Error::Encode(_) => Fault::ValueRefused,
        // What the driver says of itself: an answer that this program did not expect, or a call that it should not have
        // made. Every message would meet it.
        _ => Fault::Disagreement,
    }
}

fn database_fault(error: &(dyn DatabaseError + 'static)) -> Fault {
    if let Some(error) = error.try_downcast_ref::<MySqlDatabaseError>() {
        return numbers::mysql(error.number(), error.code()).0;
    }
    if error.try_downcast_ref::<SqliteError>().is_some() {
        let code = error.code().and_then(|code| code.parse().ok());
        return code.map_or(Fault::Refused, |code| numbers::sqlite(code).0);
    }
    Fault::Refused
}
