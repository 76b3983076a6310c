//! What the drivers say.

/// An error of one of the two drivers.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub enum DriverError {
    /// The driver of nearly everything.
    Sqlx(#[from] sqlx::Error),
    /// The driver that loads rows. Boxed, since it is much larger than the other one.
    Loader(Box<mysql_async::Error>),
}

impl DriverError {
    /// Whether SQLite says so.
    pub fn is_of_file(&self) -> bool {
        matches!(self, Self::Sqlx(sqlx::Error::Database(error)) if error.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some())
    }
}

impl From<mysql_async::Error> for DriverError {
    fn from(error: mysql_async::Error) -> Self {
        Self::Loader(Box::new(error))
    }
}
