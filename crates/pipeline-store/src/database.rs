//! A thin layer over the two drivers: statements with `?` placeholders, borrowed values in, typed columns out.
//!
//! Its own and thin, because the driver's `Any` loses types, and because rows are loaded through another driver than
//! everything else is done with (`loader.rs`): what is above this module knows [`Session`], [`Value`] and [`Row`] only.
//!
//! Every session carries a [`Operation`], so that an error says what was being done without each call repeating it.
//!
//! **No statement waits for ever.** A link can die without a word: then TCP goes on hoping for a quarter of an hour or
//! more. So every statement has a time, and a connection that did not answer in it is not used again. A commit that is
//! given up may have happened; the caller reads the ledger, as after every lost answer.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::SqlitePool;
use tokio::sync::Mutex;

use pipeline_telemetry::span::TransactionSpan;

use crate::{Error, error::DriverError, operation::Operation};

use server::AtWork;
use session::{Handle, failed};

#[cfg(test)]
pub(crate) use arguments::check_size;
pub(crate) use loader::Loader;
pub(crate) use row::{Row, Rows};
pub(crate) use server::{Limits, Server};
pub(crate) use session::{Loaded, Session};
pub(crate) use value::Value;

mod arguments;
mod loader;
mod row;
mod server;
mod session;
mod value;

/// How long a writer waits for its turn at a SQLite file. Bounded, so that a task that begins a transaction while it
/// holds another one gets an error and not a silence.
const TURN_TIMEOUT: Duration = Duration::from_secs(60);

/// A pool of connections to one of the two kinds of database.
#[derive(Clone, Debug)]
pub(crate) enum Database {
    /// MySQL or MariaDB.
    MySql(Server),
    /// SQLite. It has one writer at a time; the mutex is the queue of this process's writers. Without it they would
    /// poll the file's lock, unfairly and up to a time-out.
    Sqlite(SqlitePool, Arc<Mutex<()>>),
}

// === impl Database ===

impl Database {
    /// A connection for single statements, each a transaction of its own. To read with, and for conditional updates
    /// that stand alone.
    pub(crate) async fn session(&self, operation: Operation) -> Result<Session, Error> {
        let span = self.span(&operation);
        let handle = match self {
            Self::MySql(server) => server.acquire().await.map(|(it, at_work)| (Handle::MySql(it), Some(at_work))),
            Self::Sqlite(pool, _) => pool.acquire().await.map(|connection| (Handle::Sqlite(connection), None)),
        };
        self.wrap(handle, operation, span)
    }

    /// A transaction that writes. SQLite takes its write lock at once: a transaction that reads first and locks later
    /// can find that its snapshot is stale, and no waiting helps it then.
    pub(crate) async fn begin(&self, operation: Operation) -> Result<Session, Error> {
        let mut span = self.span(&operation);
        let handle = match self {
            Self::MySql(server) => {
                let begun = within(Some(server.limits.patience()), server.begin()).await;
                begun.map(|(transaction, at_work)| (Handle::MySqlTransaction(transaction), Some(at_work)))
            }
            Self::Sqlite(pool, writers) => {
                // The turn comes before the connection, so that waiting writers do not starve readers of them.
                let asked = Instant::now();
                let turn = tokio::time::timeout(TURN_TIMEOUT, Arc::clone(writers).lock_owned()).await;
                span.waited(asked.elapsed());
                match turn {
                    Ok(turn) => {
                        let transaction = pool.begin_with("BEGIN IMMEDIATE").await;
                        transaction.map(|transaction| (Handle::SqliteTransaction(transaction, turn), None))
                    }
                    Err(_) => Err(sqlx::Error::PoolTimedOut),
                }
            }
        };
        self.wrap(handle, operation, span)
    }

    /// A transaction that writes, over a connection that rows can be loaded through.
    pub(crate) async fn begin_loading(&self, loader: &Arc<Loader>, operation: Operation) -> Result<Session, Error> {
        let span = self.span(&operation);
        let (patience, at_work) = match self {
            Self::MySql(server) => (Some(server.limits.patience()), Some(server.at_work())),
            Self::Sqlite(..) => (None, None),
        };
        let begun = within(patience, loader.begin()).await;
        self.wrap(begun.map(|transaction| (Handle::Loading(transaction), at_work)), operation, span)
    }

    fn span(&self, operation: &Operation) -> TransactionSpan {
        match self {
            Self::MySql(server) => TransactionSpan::new("mysql", || server.namespace(), operation.verb),
            Self::Sqlite(pool, _) => {
                let file = || pool.connect_options().get_filename().to_string_lossy().into_owned();
                TransactionSpan::new("sqlite", file, operation.verb)
            }
        }
    }

    fn wrap(
        &self,
        handle: Result<(Handle, Option<AtWork>), impl Into<DriverError>>,
        operation: Operation,
        span: TransactionSpan,
    ) -> Result<Session, Error> {
        let (patience, packet_limit) = match self {
            Self::MySql(server) => (Some(server.limits.statement), server.limits.packet),
            Self::Sqlite(..) => (None, usize::MAX),
        };
        match handle {
            Ok((handle, at_work)) => Ok(Session { handle, operation, patience, packet_limit, span, _at_work: at_work }),
            Err(source) => Err(failed(&span, Error::statement(&operation, source))),
        }
    }

    /// Waits for transactions under way, then closes all connections.
    pub(crate) async fn close(&self) {
        match self {
            Self::MySql(server) => server.close().await,
            Self::Sqlite(pool, _) => pool.close().await,
        }
    }
}

/// Waits for an answer no longer than `patience`; [`None`] is without a bound.
async fn within<T, E: From<io::Error>>(
    patience: Option<Duration>,
    answer: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let Some(patience) = patience else {
        return answer.await;
    };
    match tokio::time::timeout(patience, answer).await {
        Ok(result) => result,
        Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
    }
}
