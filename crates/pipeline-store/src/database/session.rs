//! A connection in use, whichever driver it is of: statements with borrowed values in, typed rows out.

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use pipeline_model::disposition::Classify as _;
use pipeline_telemetry::{crash, span::TransactionSpan};
use sqlx::{AssertSqlSafe, MySql, Sqlite, pool::PoolConnection};
use tokio::sync::OwnedMutexGuard;

use super::{
    Row, Rows, Value,
    arguments::{check_size, mysql_arguments, sqlite_arguments},
    loader, row,
    server::AtWork,
    within,
};
use crate::{
    Error,
    dialect::Dialect,
    error::{DriverError, fault::is_loading_refused},
    operation::Operation,
};

/// Bytes of loaded rows that are given to the driver at once.
const PIECE: usize = 64 * 1024;

/// A connection in use: in a transaction, or for single statements. Dropping a transaction rolls it back.
pub(crate) struct Session {
    pub(super) handle: Handle,
    pub(super) operation: Operation,
    /// How long a statement may take; a local file needs no such bound.
    pub(super) patience: Option<Duration>,
    pub(super) packet_limit: usize,
    pub(super) span: TransactionSpan,
    // Dropped after the connection.
    pub(super) _at_work: Option<AtWork>,
}

/// Whether the server took loaded rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loaded {
    /// All, as they are.
    All,
    /// Some not, or changed; the transaction is of no use any more.
    NotAll,
}

pub(super) enum Handle {
    MySql(PoolConnection<MySql>),
    MySqlTransaction(sqlx::Transaction<'static, MySql>),
    Loading(loader::Transaction),
    Sqlite(PoolConnection<Sqlite>),
    // Fields are dropped in order: the roll-back is under way before the next writer gets its turn.
    SqliteTransaction(sqlx::Transaction<'static, Sqlite>, OwnedMutexGuard<()>),
}

/// Runs an expression on whichever connection a handle holds.
macro_rules! on_connection {
    (
        $handle:expr,
        mysql: $mysql:ident => $on_mysql:expr,
        loading: $loading:ident => $on_loading:expr,
        sqlite: $sqlite:ident => $on_sqlite:expr
    ) => {
        match $handle {
            Handle::MySql($mysql) => $on_mysql.map_err(DriverError::from),
            Handle::MySqlTransaction($mysql) => $on_mysql.map_err(DriverError::from),
            Handle::Loading($loading) => $on_loading.map_err(DriverError::from),
            Handle::Sqlite($sqlite) => $on_sqlite.map_err(DriverError::from),
            Handle::SqliteTransaction($sqlite, _) => $on_sqlite.map_err(DriverError::from),
        }
    };
}

// === impl Session ===

impl Session {
    /// The same session for statements that take as long as they take, such as changing a table.
    pub(crate) fn patient(mut self) -> Self {
        self.patience = None;
        self
    }

    pub(crate) fn operation(&self) -> &Operation {
        &self.operation
    }

    /// The dialect that this session speaks.
    pub(crate) fn dialect(&self) -> Dialect {
        match self.handle {
            Handle::MySql(_) | Handle::MySqlTransaction(_) | Handle::Loading(_) => Dialect::MySql,
            Handle::Sqlite(_) | Handle::SqliteTransaction(..) => Dialect::Sqlite,
        }
    }

    /// Runs a statement; gives the number of rows that it inserted, deleted, or matched for update. The connection
    /// keeps it prepared, so that callers see to it that there are not too many different ones.
    pub(crate) async fn execute(
        &mut self,
        sql: impl Into<Cow<'static, str>>,
        values: &[Value<'_>],
    ) -> Result<u64, Error> {
        self.check_size(values)?;
        let (sql, patience) = (sql.into(), self.patience);
        let statement = self.span.begin(&sql);
        let result = on_connection!(&mut self.handle,
            mysql: connection => match mysql_arguments(values) {
                Ok(arguments) => within(patience, sqlx::query_with(AssertSqlSafe(sql), arguments).execute(&mut **connection))
                    .await
                    .map(|done| done.rows_affected()),
                Err(source) => Err(source),
            },
            loading: transaction => within(patience, transaction.execute(&sql, values)).await,
            sqlite: connection => match sqlite_arguments(values) {
                Ok(arguments) => sqlx::query_with(AssertSqlSafe(sql), arguments)
                    .execute(&mut **connection).await
                    .map(|done| done.rows_affected()),
                Err(source) => Err(source),
            }
        );
        let rows = result.map_err(|source| self.failed(source))?;
        self.span.changed(statement, rows);
        Ok(rows)
    }

    /// Runs a statement that changes one row, or fails.
    pub(crate) async fn execute_one(
        &mut self,
        sql: impl Into<Cow<'static, str>>,
        values: &[Value<'_>],
    ) -> Result<(), Error> {
        match self.execute(sql, values).await? {
            1 => Ok(()),
            rows => Err(Error::broken(&self.operation, format!("{rows} rows of the ledger were changed instead of 1"))),
        }
    }

    /// Runs statements without parameters, as text. For definitions, which cannot be prepared everywhere.
    pub(crate) async fn execute_text(&mut self, sql: &str) -> Result<(), Error> {
        let text = AssertSqlSafe(sql.to_owned());
        let patience = self.patience;
        let result = on_connection!(&mut self.handle,
            mysql: connection => within(patience, sqlx::raw_sql(text).execute(&mut **connection)).await.map(drop),
            loading: transaction => within(patience, transaction.execute_text(sql)).await,
            sqlite: connection => sqlx::raw_sql(text).execute(&mut **connection).await.map(drop)
        );
        result.map_err(|source| Error::statement(&self.operation, source))
    }

    /// All rows of a query.
    pub(crate) async fn fetch_all(
        &mut self,
        sql: impl Into<Cow<'static, str>>,
        values: &[Value<'_>],
    ) -> Result<Rows<'_>, Error> {
        self.check_size(values)?;
        let (sql, patience) = (sql.into(), self.patience);
        let statement = self.span.begin(&sql);
        let rows: Result<Vec<row::Inner>, _> = on_connection!(&mut self.handle,
            mysql: connection => match mysql_arguments(values) {
                Ok(arguments) => {
                    within(patience, sqlx::query_with(AssertSqlSafe(sql), arguments).fetch_all(&mut **connection))
                        .await
                        .map(|rows| rows.into_iter().map(row::Inner::MySql).collect())
                }
                Err(source) => Err(source),
            },
            loading: transaction => within(patience, transaction.fetch_all(&sql, values))
                .await
                .map(|rows| rows.into_iter().map(row::Inner::Loading).collect()),
            sqlite: connection => match sqlite_arguments(values) {
                Ok(arguments) => sqlx::query_with(AssertSqlSafe(sql), arguments)
                    .fetch_all(&mut **connection).await
                    .map(|rows| rows.into_iter().map(row::Inner::Sqlite).collect()),
                Err(source) => Err(source),
            }
        );
        let rows = rows.map_err(|source| self.failed(source))?;
        self.span.returned(statement, rows.len() as u64);
        Ok(Rows::new(rows, &self.operation))
    }

    /// The first row of a query that gives one row at most.
    pub(crate) async fn fetch_optional(
        &mut self,
        sql: impl Into<Cow<'static, str>>,
        values: &[Value<'_>],
    ) -> Result<Option<Row<'_>>, Error> {
        Ok(self.fetch_all(sql, values).await?.into_iter().next())
    }

    /// The row of a query that always gives one, such as a count.
    pub(crate) async fn fetch_one(
        &mut self,
        sql: impl Into<Cow<'static, str>>,
        values: &[Value<'_>],
    ) -> Result<Row<'_>, Error> {
        let rows = self.fetch_all(sql, values).await?;
        let operation = rows.operation;
        rows.into_iter().next().ok_or_else(|| Error::statement(operation, sqlx::Error::RowNotFound))
    }

    /// Whether rows can be loaded over this session.
    pub(crate) fn can_load(&self) -> bool {
        matches!(self.handle, Handle::Loading(_))
    }

    /// Loads rows that are given as text, by a `LOAD DATA LOCAL` statement. It must take all of them as they are: the
    /// server warns of values that it changed and of rows that it left out, where it would refuse an insert.
    pub(crate) async fn load(&mut self, sql: &str, text: Bytes, rows: u64) -> Result<Loaded, Error> {
        let Handle::Loading(transaction) = &mut self.handle else {
            return Err(Error::broken(&self.operation, "rows were to be loaded over a connection that cannot"));
        };
        // No piece of them is larger than a packet may be, and no larger than is copied at once with profit.
        let piece = PIECE.min(self.packet_limit).max(1);
        let statement = self.span.begin(sql);
        match within(self.patience, transaction.load(sql, text, piece)).await {
            Ok(taken) => {
                self.span.changed(statement, taken.rows);
                Ok(if taken == (loader::Taken { rows, warnings: 0 }) { Loaded::All } else { Loaded::NotAll })
            }
            Err(source) if is_loading_refused(&source) => {
                transaction.refused(&source);
                Ok(Loaded::NotAll)
            }
            Err(source) => Err(self.failed(source)),
        }
    }

    fn failed(&self, source: impl Into<DriverError>) -> Error {
        failed(&self.span, Error::statement(&self.operation, source))
    }

    /// Values that together are larger than the server accepts are refused before they are sent.
    fn check_size(&self, values: &[Value<'_>]) -> Result<(), Error> {
        check_size(values, self.packet_limit)
            .map_err(|source| Error::statement(&self.operation, sqlx::Error::Encode(Box::new(source))))
    }

    /// Commits a transaction; nothing else has been done for a session without one.
    pub(crate) async fn commit(self) -> Result<(), Error> {
        crash::point("before-commit", self.operation.verb);
        let result = match self.handle {
            Handle::MySql(_) | Handle::Sqlite(_) => Ok(()),
            Handle::MySqlTransaction(transaction) => {
                within(self.patience, transaction.commit()).await.map_err(DriverError::from)
            }
            Handle::Loading(transaction) => {
                within(self.patience, transaction.commit()).await.map_err(DriverError::from)
            }
            Handle::SqliteTransaction(transaction, turn) => {
                let result = transaction.commit().await.map_err(DriverError::from);
                drop(turn);
                result
            }
        };
        match result {
            Ok(()) => {
                self.span.committed();
                Ok(())
            }
            Err(source) => Err(failed(&self.span, Error::commit(&self.operation, source))),
        }
    }
}

/// Notes an error on the span of its transaction.
pub(super) fn failed(span: &TransactionSpan, error: Error) -> Error {
    span.failed(error.code());
    error
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("operation", &self.operation).finish_non_exhaustive()
    }
}
