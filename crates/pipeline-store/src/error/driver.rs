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

impl From<mysql_async::Error> for DriverError {
    fn from(error: mysql_async::Error) -> Self {
        Self::Loader(Box::new(error))
    }
}
