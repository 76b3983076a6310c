//! Everything in which the two dialects differ. All other SQL of this crate is accepted by MySQL 8.4, MariaDB 10.11
//! and SQLite alike.

/// A family of databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// MySQL and MariaDB.
    MySql,
    /// SQLite.
    Sqlite,
}

impl Dialect {
    /// Suffix of a query that keeps others from changing the rows until the transaction ends, and lets them read and
    /// share. SQLite's transactions hold the only write lock already.
    pub(crate) fn shared_lock(self) -> &'static str {
        match self {
            // `FOR SHARE` would be the newer word; MariaDB does not have it.
            Self::MySql => " LOCK IN SHARE MODE",
            Self::Sqlite => "",
        }
    }

    /// Suffix of a query that keeps others from changing or locking the rows until the transaction ends.
    pub(crate) fn exclusive_lock(self) -> &'static str {
        match self {
            Self::MySql => " FOR UPDATE",
            Self::Sqlite => "",
        }
    }

    /// The database's own time in milliseconds since 1970-01-01 UTC, as an expression. Where decisions rest on time, they
    /// rest on one clock. MySQL's is as exact as a second: the one that counts fractions is ambiguous for an hour a year.
    pub(crate) fn now_ms(self) -> &'static str {
        match self {
            Self::MySql => "CAST(UNIX_TIMESTAMP() * 1000 AS SIGNED)",
            Self::Sqlite => "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
        }
    }

    /// Placeholders that one statement may have.
    pub(crate) fn max_placeholders(self) -> usize {
        match self {
            Self::MySql => 65_535,
            Self::Sqlite => 32_766,
        }
    }
}
