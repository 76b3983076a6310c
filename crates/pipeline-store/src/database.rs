//! A thin layer over the two drivers: statements with `?` placeholders, borrowed values in, typed columns out.
//!
//! Its own and thin, because the driver's `Any` loses types, and because bulk loading may one day go through another
//! client: everything above this module knows [`Session`], [`Value`] and [`Row`] only.
//!
//! Every session carries a [`Context`], so that an error says what was being done without each call repeating it.
//!
//! **No statement waits for ever.** A link can die without a word: then TCP goes on hoping for a quarter of an hour or
//! more. So every statement has a time, and a connection that did not answer in it is not used again. A commit that is
//! given up may have happened; the caller reads the ledger, as after every lost answer.

use std::{borrow::Cow, sync::Arc, time::Duration};

use sqlx::{
    Arguments, AssertSqlSafe, MySql, MySqlPool, Sqlite, SqlitePool, mysql::MySqlArguments, pool::PoolConnection,
    sqlite::SqliteArguments,
};
use tokio::sync::{Mutex, OwnedMutexGuard};

use pipeline_core::crash;

use crate::{Error, connection::timed_out, dialect::Dialect};

pub(crate) use row::{Row, Rows};
pub(crate) use value::Value;

mod row;
mod value;

/// How long a writer waits for its turn at a SQLite file. Bounded, so that a task that begins a transaction while it
/// holds another one gets an error and not a silence.
const TURN_TIMEOUT: Duration = Duration::from_secs(60);

/// A pool of connections to one of the two kinds of database.
#[derive(Clone, Debug)]
pub(crate) enum Database {
    /// MySQL or MariaDB.
    MySql(MySqlPool, Limits),
    /// SQLite. It has one writer at a time; the mutex is the queue of this process's writers. Without it they would
    /// poll the file's lock, unfairly and up to a time-out.
    Sqlite(SqlitePool, Arc<Mutex<()>>),
}

/// What a link to a server has to keep.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How long a connection is waited for, new or from the pool.
    pub(crate) begin: Duration,
    /// How long a statement may take.
    pub(crate) statement: Duration,
    /// Bytes that the server accepts in one packet. A larger one would not be refused but break the connection, often
    /// before the server's answer is read, and look like an outage.
    pub(crate) packet: usize,
}

/// What is being done to what, for errors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Context {
    /// A verb and its object, such as `store batch`.
    pub(crate) operation: &'static str,
    /// Identifiers.
    pub(crate) subject: String,
}

/// A connection in use: in a transaction, or for single statements. Dropping a transaction rolls it back.
pub(crate) struct Session {
    handle: Handle,
    context: Context,
    /// How long a statement may take; a local file needs no such bound.
    patience: Option<Duration>,
    packet_limit: usize,
}

enum Handle {
    MySql(PoolConnection<MySql>),
    MySqlTransaction(sqlx::Transaction<'static, MySql>),
    Sqlite(PoolConnection<Sqlite>),
    // Fields are dropped in order: the roll-back is under way before the next writer gets its turn.
    SqliteTransaction(sqlx::Transaction<'static, Sqlite>, OwnedMutexGuard<()>),
}

/// Runs an expression on whichever connection a handle holds.
macro_rules! on_connection {
    ($handle:expr, mysql: $mysql:ident => $on_mysql:expr, sqlite: $sqlite:ident => $on_sqlite:expr) => {
        match $handle {
            Handle::MySql($mysql) => $on_mysql,
            Handle::MySqlTransaction($mysql) => $on_mysql,
            Handle::Sqlite($sqlite) => $on_sqlite,
            Handle::SqliteTransaction($sqlite, _) => $on_sqlite,
        }
    };
}

// === impl Database ===

impl Database {
    /// A connection for single statements, each a transaction of its own. To read with, and for conditional updates
    /// that stand alone.
    pub(crate) async fn session(&self, context: Context) -> Result<Session, Error> {
        let handle = match self {
            Self::MySql(pool, _) => pool.acquire().await.map(Handle::MySql),
            Self::Sqlite(pool, _) => pool.acquire().await.map(Handle::Sqlite),
        };
        self.wrap(handle, context)
    }

    /// A transaction that writes. SQLite takes its write lock at once: a transaction that reads first and locks later
    /// can find that its snapshot is stale, and no waiting helps it then.
    pub(crate) async fn begin(&self, context: Context) -> Result<Session, Error> {
        let handle = match self {
            Self::MySql(pool, limits) => {
                let patience = limits.begin.saturating_add(limits.statement);
                within(Some(patience), pool.begin()).await.map(Handle::MySqlTransaction)
            }
            Self::Sqlite(pool, writers) => {
                // The turn comes before the connection, so that waiting writers do not starve readers of them.
                match tokio::time::timeout(TURN_TIMEOUT, Arc::clone(writers).lock_owned()).await {
                    Ok(turn) => {
                        let transaction = pool.begin_with("BEGIN IMMEDIATE").await;
                        transaction.map(|transaction| Handle::SqliteTransaction(transaction, turn))
                    }
                    Err(_) => Err(sqlx::Error::PoolTimedOut),
                }
            }
        };
        self.wrap(handle, context)
    }

    fn wrap(&self, handle: Result<Handle, sqlx::Error>, context: Context) -> Result<Session, Error> {
        let (patience, packet_limit) = match self {
            Self::MySql(_, limits) => (Some(limits.statement), limits.packet),
            Self::Sqlite(..) => (None, usize::MAX),
        };
        match handle {
            Ok(handle) => Ok(Session { handle, context, patience, packet_limit }),
            Err(source) => Err(Error::statement(&context, source)),
        }
    }

    /// Waits for transactions under way, then closes all connections.
    pub(crate) async fn close(&self) {
        match self {
            Self::MySql(pool, _) => pool.close().await,
            Self::Sqlite(pool, _) => pool.close().await,
        }
    }
}

// === impl Context ===

impl Context {
    pub(crate) fn new(operation: &'static str, subject: impl Into<String>) -> Self {
        Self { operation, subject: subject.into() }
    }
}

// === impl Session ===

impl Session {
    /// The same session for statements that take as long as they take, such as changing a table.
    pub(crate) fn patient(mut self) -> Self {
        self.patience = None;
        self
    }

    pub(crate) fn context(&self) -> &Context {
        &self.context
    }

    /// The dialect that this session speaks.
    pub(crate) fn dialect(&self) -> Dialect {
        match self.handle {
            Handle::MySql(_) | Handle::MySqlTransaction(_) => Dialect::MySql,
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
        let sql = AssertSqlSafe(sql.into());
        let (patience, packet_limit) = (self.patience, self.packet_limit);
        let result = on_connection!(&mut self.handle,
            mysql: connection => match mysql_arguments(values, packet_limit) {
                Ok(arguments) => within(patience, sqlx::query_with(sql, arguments).execute(&mut **connection))
                    .await
                    .map(|done| done.rows_affected()),
                Err(source) => Err(source),
            },
            sqlite: connection => match sqlite_arguments(values) {
                Ok(arguments) => sqlx::query_with(sql, arguments)
                    .execute(&mut **connection).await
                    .map(|done| done.rows_affected()),
                Err(source) => Err(source),
            }
        );
        result.map_err(|source| Error::statement(&self.context, source))
    }

    /// Runs a statement that changes one row, or fails.
    pub(crate) async fn execute_one(
        &mut self,
        sql: impl Into<Cow<'static, str>>,
        values: &[Value<'_>],
    ) -> Result<(), Error> {
        match self.execute(sql, values).await? {
            1 => Ok(()),
            rows => Err(Error::broken(&self.context, format!("{rows} rows of the ledger were changed instead of 1"))),
        }
    }

    /// Runs statements without parameters, as text. For definitions, which cannot be prepared everywhere.
    pub(crate) async fn execute_text(&mut self, sql: &str) -> Result<(), Error> {
        let sql = AssertSqlSafe(sql.to_owned());
        let patience = self.patience;
        let result = on_connection!(&mut self.handle,
            mysql: connection => within(patience, sqlx::raw_sql(sql).execute(&mut **connection)).await.map(drop),
            sqlite: connection => sqlx::raw_sql(sql).execute(&mut **connection).await.map(drop)
        );
        result.map_err(|source| Error::statement(&self.context, source))
    }

    /// All rows of a query.
    pub(crate) async fn fetch_all(
        &mut self,
        sql: impl Into<Cow<'static, str>>,
        values: &[Value<'_>],
    ) -> Result<Rows<'_>, Error> {
        let sql = AssertSqlSafe(sql.into());
        let (patience, packet_limit) = (self.patience, self.packet_limit);
        let rows = on_connection!(&mut self.handle,
            mysql: connection => match mysql_arguments(values, packet_limit) {
                Ok(arguments) => within(patience, sqlx::query_with(sql, arguments).fetch_all(&mut **connection))
                    .await
                    .map(|rows| rows.into_iter().map(row::Inner::MySql).collect()),
                Err(source) => Err(source),
            },
            sqlite: connection => match sqlite_arguments(values) {
                Ok(arguments) => sqlx::query_with(sql, arguments)
                    .fetch_all(&mut **connection).await
                    .map(|rows| rows.into_iter().map(row::Inner::Sqlite).collect()),
                Err(source) => Err(source),
            }
        );
        match rows {
            Ok(rows) => Ok(Rows::new(rows, &self.context)),
            Err(source) => Err(Error::statement(&self.context, source)),
        }
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
        let context = rows.context;
        rows.into_iter().next().ok_or_else(|| Error::statement(context, sqlx::Error::RowNotFound))
    }

    /// Commits a transaction; nothing else has been done for a session without one.
    pub(crate) async fn commit(self) -> Result<(), Error> {
        crash::point("before-commit", self.context.operation);
        let result = match self.handle {
            Handle::MySql(_) | Handle::Sqlite(_) => Ok(()),
            Handle::MySqlTransaction(transaction) => within(self.patience, transaction.commit()).await,
            Handle::SqliteTransaction(transaction, turn) => {
                let result = transaction.commit().await;
                drop(turn);
                result
            }
        };
        result.map_err(|source| Error::commit(&self.context, source))
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("context", &self.context).finish_non_exhaustive()
    }
}

/// Waits for an answer no longer than `patience`; [`None`] is without a bound.
async fn within<T>(
    patience: Option<Duration>,
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    let Some(patience) = patience else {
        return answer.await;
    };
    match tokio::time::timeout(patience, answer).await {
        Ok(result) => result,
        Err(_) => Err(timed_out()),
    }
}

/// Values that together are larger than the server accepts.
#[derive(Debug, thiserror::Error)]
#[error("the values have {bytes} bytes, and the server accepts {limit} (`max_allowed_packet`)")]
struct TooLarge {
    bytes: usize,
    limit: usize,
}

pub(crate) fn mysql_arguments(values: &[Value<'_>], limit: usize) -> Result<MySqlArguments, sqlx::Error> {
    // Each has its type, and a bit that says whether it is null.
    let bytes = values.iter().map(|value| value.size().saturating_add(3)).sum();
    if bytes > limit {
        return Err(sqlx::Error::Encode(Box::new(TooLarge { bytes, limit })));
    }
    let mut arguments = MySqlArguments::default();
    arguments.reserve(values.len(), bytes);
    for value in values {
        match value {
            Value::Int(value) => arguments.add(*value),
            Value::Real(value) => arguments.add(*value),
            Value::Text(value) => arguments.add(*value),
            Value::Bytes(value) => arguments.add(*value),
            Value::Null => arguments.add(None::<i64>),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

fn sqlite_arguments(values: &[Value<'_>]) -> Result<SqliteArguments, sqlx::Error> {
    let mut arguments = SqliteArguments::default();
    arguments.reserve(values.len(), 0);
    for value in values {
        match value {
            Value::Int(value) => arguments.add(*value),
            Value::Real(value) => arguments.add(*value),
            Value::Text(value) => arguments.add(*value),
            Value::Bytes(value) => arguments.add(*value),
            Value::Null => arguments.add(None::<i64>),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}
