//! What the drivers say, and how much of it people are told.
//!
//! A server's texts quote what they complain of: `Duplicate entry 'value'`, `Incorrect string value 'value'`, and
//! whatever a trigger's author wrote. Values are documents, and an error's text goes into headers, the ledger, logs and
//! screens. So nobody is shown a driver's text: neither as text, nor for debugging, nor as the cause of another error.
//! What is shown is the server's number and SQLSTATE, our own words for them, and a name that our tables define.

use std::fmt;

use super::words;

/// An error of one of the two drivers. Shows the part that quotes nothing.
pub enum DriverError {
    /// The driver of nearly everything.
    Sqlx(sqlx::Error),
    /// The driver that loads rows. Boxed, since it is much larger than the other one.
    Loader(Box<mysql_async::Error>),
}

// === impl DriverError ===

impl DriverError {
    /// Whether SQLite says so.
    pub fn is_of_file(&self) -> bool {
        matches!(self, Self::Sqlx(sqlx::Error::Database(error)) if error.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some())
    }
}

impl fmt::Display for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlx(error) => f.write_str(&words::of_sqlx(error)),
            Self::Loader(error) => f.write_str(&words::of_loader(error)),
        }
    }
}

impl fmt::Debug for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DriverError({self})")
    }
}

/// Without a source: what stands below would be shown.
impl std::error::Error for DriverError {}

impl From<sqlx::Error> for DriverError {
    fn from(error: sqlx::Error) -> Self {
        Self::Sqlx(error)
    }
}

impl From<mysql_async::Error> for DriverError {
    fn from(error: mysql_async::Error) -> Self {
        Self::Loader(Box::new(error))
    }
}
