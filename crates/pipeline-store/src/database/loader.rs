//! A second driver, for the one thing that the first cannot do: rows loaded from memory, by `LOAD DATA LOCAL`.
//!
//! Loading belongs into the transaction that locks a batch and records its counts, so the whole transaction goes over a
//! connection of this driver. Connections are kept for the next batch; there are as many as batches are written at the
//! same time, which the store bounds.
//!
//! **A transaction that is not committed takes its connection with it.** The server then undoes what was done, whatever
//! state the two sides are in, and no later batch meets an answer that was meant for an earlier one.
//!
//! **The server gets what we meant to send and nothing else.** `LOAD DATA LOCAL` lets a server ask for any file of the
//! client's. Here it never gets one: whatever name it asks for, the answer are the rows in memory, once; asked at any
//! other time, the driver refuses.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use mysql_async::{Conn, Error, Opts, Row, prelude::Queryable};

use super::{Value, arguments::parameters};
use crate::error::words;

/// How long a kept connection may take to begin a transaction before another one is used.
const BEGIN: Duration = Duration::from_secs(5);

/// Connections that rows can be loaded through.
pub(crate) struct Loader {
    options: Opts,
    /// How long a connection may lie unused: less than the server keeps one that says nothing.
    keep: Duration,
    idle: Mutex<Vec<Idle>>,
    refused: AtomicBool,
}

struct Idle {
    connection: Conn,
    since: Instant,
}

/// A transaction. Dropping it closes its connection.
pub(crate) struct Transaction {
    connection: Conn,
    loader: Arc<Loader>,
}

/// What a server says of loaded rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) rows: u64,
    pub(super) warnings: u16,
}

// === impl Loader ===

impl Loader {
    /// Opens nothing yet.
    pub(crate) fn new(options: impl Into<Opts>, keep: Duration) -> Self {
        Self { options: options.into(), keep, idle: Mutex::default(), refused: AtomicBool::new(false) }
    }

    /// Whether loading was given up.
    pub(crate) fn is_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    /// Does not try again: what the server, the account or a proxy does not allow, it will not allow for the next batch.
    pub(crate) fn refuse(&self, reason: &str) {
        if !self.refused.swap(true, Ordering::Relaxed) {
            tracing::warn!(reason, "rows are inserted from now on, since they cannot be loaded");
        }
    }

    pub(super) async fn begin(self: &Arc<Self>) -> Result<Transaction, Error> {
        while let Some(connection) = self.take() {
            // Whether a kept connection is still one, its first statement shows.
            if let Ok(Ok(transaction)) = tokio::time::timeout(BEGIN, self.begin_on(connection)).await {
                return Ok(transaction);
            }
        }
        self.begin_on(Conn::new(self.options.clone()).await?).await
    }

    async fn begin_on(self: &Arc<Self>, mut connection: Conn) -> Result<Transaction, Error> {
        connection.query_drop("BEGIN").await?;
        Ok(Transaction { connection, loader: Arc::clone(self) })
    }

    /// A kept connection that the server should still know.
    fn take(&self) -> Option<Conn> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|idle| idle.since.elapsed() < self.keep);
        idle.pop().map(|idle| idle.connection)
    }

    fn keep(&self, connection: Conn) {
        let idle = Idle { connection, since: Instant::now() };
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(idle);
    }

    /// Closes connections that have lain unused for too long.
    pub(crate) fn release_idle(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).retain(|idle| idle.since.elapsed() < self.keep);
    }

    /// Closes the kept connections.
    pub(crate) fn close(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl std::fmt::Debug for Loader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loader").field("refused", &self.is_refused()).finish_non_exhaustive()
    }
}

// === impl Transaction ===

impl Transaction {
    pub(super) async fn execute(&mut self, sql: &str, values: &[Value<'_>]) -> Result<u64, Error> {
        self.connection.exec_drop(sql, parameters(values)).await?;
        Ok(self.connection.affected_rows())
    }

    pub(super) async fn execute_text(&mut self, sql: &str) -> Result<(), Error> {
        self.connection.query_drop(sql).await
    }

    pub(super) async fn fetch_all(&mut self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>, Error> {
        self.connection.exec(sql, parameters(values)).await
    }

    /// Runs a `LOAD DATA LOCAL` statement and answers the server's question for the file with `text`.
    pub(super) async fn load(&mut self, sql: &str, mut text: Bytes, piece: usize) -> Result<Taken, Error> {
        let mut pieces = Vec::with_capacity(text.len().div_ceil(piece));
        while !text.is_empty() {
            pieces.push(Ok(text.split_to(piece.min(text.len()))));
        }
        self.connection.set_infile_handler(async move { Ok(stream::iter(pieces).boxed()) });
        self.connection.query_drop(sql).await?;
        Ok(Taken { rows: self.connection.affected_rows(), warnings: self.connection.get_warnings() })
    }

    pub(super) fn refused(&self, reason: &Error) {
        self.loader.refuse(&words::of_loader(reason));
    }

    pub(super) async fn commit(mut self) -> Result<(), Error> {
        self.connection.query_drop("COMMIT").await?;
        self.loader.keep(self.connection);
        Ok(())
    }
}
