//! What a query gives.
//!
//! Columns are read without the driver's type check: it takes text with a binary collation for bytes.

use mysql_async::{FromValueError, prelude::FromValue};
use sqlx::{Decode, MySql, Row as _, Sqlite, mysql::MySqlRow, sqlite::SqliteRow};

use crate::{DriverError, Error, operation::Operation};

/// One row.
pub(crate) struct Row<'c> {
    inner: Inner,
    operation: &'c Operation,
}

/// All rows of a query, and what the query was for.
pub(crate) struct Rows<'c> {
    rows: Vec<Inner>,
    pub(super) operation: &'c Operation,
}

pub(super) enum Inner {
    MySql(MySqlRow),
    Loading(mysql_async::Row),
    Sqlite(SqliteRow),
}

impl<'c> Rows<'c> {
    pub(super) fn new(rows: Vec<Inner>, operation: &'c Operation) -> Self {
        Self { rows, operation }
    }

    pub(crate) fn into_iter(self) -> impl Iterator<Item = Row<'c>> {
        let operation = self.operation;
        self.rows.into_iter().map(move |inner| Row { inner, operation })
    }
}

impl Row<'_> {
    pub(crate) fn int(&self, column: &'static str) -> Result<i64, Error> {
        self.get(column)
    }

    pub(crate) fn optional_int(&self, column: &'static str) -> Result<Option<i64>, Error> {
        self.get(column)
    }

    pub(crate) fn optional_real(&self, column: &'static str) -> Result<Option<f64>, Error> {
        self.get(column)
    }

    pub(crate) fn text(&self, column: &'static str) -> Result<String, Error> {
        self.get(column)
    }

    pub(crate) fn optional_text(&self, column: &'static str) -> Result<Option<String>, Error> {
        self.get(column)
    }

    pub(crate) fn bytes(&self, column: &'static str) -> Result<Vec<u8>, Error> {
        self.get(column)
    }

    pub(crate) fn optional_bytes(&self, column: &'static str) -> Result<Option<Vec<u8>>, Error> {
        self.get(column)
    }

    /// The error of a column whose value the ledger never writes.
    pub(crate) fn broken(&self, broken: impl Into<String>) -> Error {
        Error::broken(self.operation, broken)
    }

    fn get<'r, T>(&'r self, column: &'static str) -> Result<T, Error>
    where
        T: Decode<'r, MySql> + Decode<'r, Sqlite> + FromValue,
    {
        let value = match &self.inner {
            Inner::MySql(row) => row.try_get_unchecked(column).map_err(DriverError::from),
            Inner::Sqlite(row) => row.try_get_unchecked(column).map_err(DriverError::from),
            Inner::Loading(row) => match row.get_opt(column) {
                Some(value) => value.map_err(|FromValueError(value)| {
                    mysql_async::Error::from(mysql_async::DriverError::FromValue { value }).into()
                }),
                None => Err(sqlx::Error::ColumnNotFound(column.to_owned()).into()),
            },
        };
        value.map_err(|source| Error::statement(self.operation, source))
    }
}
