//! From what a driver says to what kind of fault it is.

use sqlx::{error::DatabaseError, mysql::MySqlDatabaseError, sqlite::SqliteError};

use super::{DriverError, Error};
use crate::database::Context;

/// The kinds of fault that a statement can meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Unavailable,
    Contended,
    ValueRefused,
    Denied,
    Disagreement,
    FileFull,
    FileReadOnly,
    FileNotOpened,
    NotADatabase,
    FileDamaged,
}

impl Error {
    /// The error of a statement that failed.
    pub(crate) fn statement(context: &Context, source: impl Into<DriverError>) -> Self {
        let source = source.into();
        let operation = context.operation;
        let subject = context.subject.clone();
        match fault(&source) {
            Fault::Unavailable => Self::Unavailable { operation, subject, source },
            Fault::Contended => Self::Contended { operation, subject, source },
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

    /// The error of a commit that failed. When the database itself says no, the transaction is rolled back; when the
    /// line went dead instead of answering, nobody knows.
    pub(crate) fn commit(context: &Context, source: impl Into<DriverError>) -> Self {
        match source.into() {
            source if source.is_of_server() => Self::statement(context, source),
            source => Self::CommitUnknown { operation: context.operation, subject: context.subject.clone(), source },
        }
    }

    /// The error of a promise of the ledger that does not hold.
    pub(crate) fn broken(context: &Context, broken: impl Into<String>) -> Self {
        Self::Broken { operation: context.operation, subject: context.subject.clone(), broken: broken.into() }
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
        mysql_async::Error::Server(error) => mysql_fault(error.code, Some(&error.state)),
        mysql_async::Error::Driver(
            mysql_async::DriverError::FromValue { .. }
            | mysql_async::DriverError::FromRow { .. }
            | mysql_async::DriverError::StmtParamsMismatch { .. },
        ) => Fault::Disagreement,
        // What else the driver says of itself is about a connection that is of no more use; a new one may be.
        mysql_async::Error::Io(_) | mysql_async::Error::Driver(_) => Fault::Unavailable,
        mysql_async::Error::Url(_) | mysql_async::Error::Other(_) => Fault::Disagreement,
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
        // The enum may grow; what is not known is our fault until looked at.
        _ => Fault::Disagreement,
    }
}

fn database_fault(error: &(dyn DatabaseError + 'static)) -> Fault {
    if let Some(error) = error.try_downcast_ref::<MySqlDatabaseError>() {
        return mysql_fault(error.number(), error.code());
    }
    if error.try_downcast_ref::<SqliteError>().is_some() {
        let code = error.code().and_then(|code| code.parse().ok());
        return code.map_or(Fault::Disagreement, sqlite_fault);
    }
    Fault::Disagreement
}

/// A unique key has the value already.
const DUPLICATES: [u16; 4] = [1022, 1062, 1169, 1586];

/// Error numbers of MySQL and MariaDB; where both use a number, they mean the same. What is not listed is judged by
/// the class of its SQLSTATE.
pub(super) fn mysql_fault(number: u16, sqlstate: Option<&str>) -> Fault {
    match number {
        // Lock wait time-out: somebody sits on a row for longer than any of our transactions takes, such as a worker
        // that was frozen inside one. The message did nothing wrong and must not use up its attempts on it.
        1205 => Fault::Unavailable,
        // Deadlock, record changed since read, table definition changed, statement killed, prepared statement to be
        // made again, NOWAIT refused, statement time-out (both dialects).
        1213 | 1020 | 1412 | 1317 | 1615 | 3572 | 3024 | 1969 => Fault::Contended,
        // Too many connections (server, user, resource), shutdown, connection killed or aborted, network, host
        // blocked.
        1040 | 1203 | 1226 | 1053 | 1927 | 1152 | 1184 | 1158..=1161 | 1129 | 4031 => Fault::Unavailable,
        // Read-only server or transaction; disk or table full, storage engine error, out of memory; no such database.
        1290 | 1836 | 1792 | 1021 | 1114 | 1030 | 1037 | 1041 | 1049 => Fault::Unavailable,
        // Access denied: database, user, table, column, special, routine, password-less, host, insecure transport.
        1044 | 1045 | 1142 | 1143 | 1227 | 1370 | 1698 | 1130 | 3159 | 1820 => Fault::Denied,
        // Too long, out of range, wrong string, wrong value, truncated, null, bad UTF-8, packet too large, CHECK.
        1406 | 1264 | 1366 | 1292 | 1265 | 1048 | 1300 | 1153 | 3819 | 4025 => Fault::ValueRefused,
        // Duplicates: every key is guarded by the ledger, so a duplicate is a broken promise, not a bad value.
        number if DUPLICATES.contains(&number) => Fault::Disagreement,
        _ => match sqlstate.and_then(|state| state.get(..2)) {
            Some("08") => Fault::Unavailable,
            Some("40") => Fault::Contended,
            Some("22") => Fault::ValueRefused,
            Some("28") => Fault::Denied,
            _ => Fault::Disagreement,
        },
    }
}

/// SQLite's extended result codes; the low byte is the primary code.
pub(super) fn sqlite_fault(code: i32) -> Fault {
    const UNIQUE: i32 = 2067;
    const PRIMARY_KEY: i32 = 1555;
    if code == UNIQUE || code == PRIMARY_KEY {
        return Fault::Disagreement;
    }
    match code & 0xff {
        // BUSY, LOCKED, INTERRUPT
        5 | 6 | 9 => Fault::Contended,
        // NOMEM, IOERR, PROTOCOL
        7 | 10 | 15 => Fault::Unavailable,
        8 => Fault::FileReadOnly,
        11 => Fault::FileDamaged,
        13 => Fault::FileFull,
        14 => Fault::FileNotOpened,
        26 => Fault::NotADatabase,
        // PERM, AUTH
        3 | 23 => Fault::Denied,
        // TOOBIG, CONSTRAINT, MISMATCH
        18..=20 => Fault::ValueRefused,
        _ => Fault::Disagreement,
    }
}
