//! The connections to a server, shared with other processes that want some too.
//!
//! **A server that has no connection left is no outage for who has some.** The driver's pool opens another one whenever
//! all that it has are at work, and gives the server's refusal to whoever asked. Here they wait: for one that is given
//! back in this process, or by another one, whichever comes first.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::{ConnectOptions as _, MySql, MySqlConnection, MySqlPool, pool::PoolConnection};

use pipeline_telemetry::process_events::connections_in_use;

use crate::error::fault::{is_denied, is_full};

/// How often who waits looks for a connection that was given back in this process.
const LOOK: Duration = Duration::from_millis(50);
/// The longest pause between two questions to a server that has none left.
const PAUSE: Duration = Duration::from_secs(1);

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

/// A pool of connections, and what is known of the server.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pool: MySqlPool,
    pub(super) limits: Limits,
    known: Arc<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Connections that somebody works with, of both drivers.
    at_work: AtomicUsize,
    /// Whether the server did not let the account in when it was asked last.
    refused: AtomicBool,
}

/// Counts a connection as at work until it is dropped.
#[derive(Debug)]
pub(crate) struct AtWork(Arc<Known>);

// === impl Limits ===

impl Limits {
    /// How long it may take until a transaction has begun.
    pub(super) fn patience(self) -> Duration {
        self.begin.saturating_add(self.statement)
    }
}

// === impl Server ===

impl Server {
    /// Opens nothing.
    pub(crate) fn new(pool: MySqlPool, limits: Limits) -> Self {
        Self { pool, limits, known: Arc::default() }
    }

    /// A connection, new or given back by somebody.
    pub(crate) async fn acquire(&self) -> Result<(PoolConnection<MySql>, AtWork), sqlx::Error> {
        let begun = Instant::now();
        let mut pause = LOOK;
        let connection = loop {
            match self.pool.acquire().await {
                Err(error) if is_full(&error) && begun.elapsed() < self.limits.begin => {}
                answer => break self.learn(answer)?,
            }
            if let Some(idle) = self.given_back_within(pause).await {
                break idle;
            }
            pause = PAUSE.min(pause * 2);
        };
        Ok((connection, self.at_work()))
    }

    async fn given_back_within(&self, pause: Duration) -> Option<PoolConnection<MySql>> {
        let begun = Instant::now();
        while begun.elapsed() < pause {
            tokio::time::sleep(LOOK).await;
            if let Some(idle) = self.pool.try_acquire() {
                return Some(idle);
            }
        }
        None
    }

    /// A transaction over such a connection.
    pub(super) async fn begin(&self) -> Result<(sqlx::Transaction<'static, MySql>, AtWork), sqlx::Error> {
        let (connection, at_work) = self.acquire().await?;
        // What the pool's own `begin` does after its own way to a connection.
        Ok((sqlx::Transaction::begin(connection, None).await?, at_work))
    }

    /// The database that the connections are to.
    pub(super) fn namespace(&self) -> String {
        self.pool.connect_options().get_database().unwrap_or_default().to_owned()
    }

    /// A connection beside the pool, whose session is as the server makes it.
    pub(crate) async fn connect(&self) -> Result<MySqlConnection, sqlx::Error> {
        self.learn(self.pool.connect_options().connect().await)
    }

    /// Counts a connection of the other driver.
    pub(super) fn at_work(&self) -> AtWork {
        self.known.at_work.fetch_add(1, Ordering::Relaxed);
        connections_in_use(1.0);
        AtWork(Arc::clone(&self.known))
    }

    /// Whether somebody works with a connection now.
    pub(crate) fn is_at_work(&self) -> bool {
        self.known.at_work.load(Ordering::Relaxed) > 0
    }

    /// Whether the server did not let the account in when it was asked last. Connections from before go on as if nothing
    /// had happened, so that who asks over one of them does not see it.
    pub(crate) fn was_refused(&self) -> bool {
        self.known.refused.load(Ordering::Relaxed)
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }

    fn learn<T>(&self, answer: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        match &answer {
            Ok(_) => self.known.refused.store(false, Ordering::Relaxed),
            Err(error) if is_denied(error) => self.known.refused.store(true, Ordering::Relaxed),
            Err(_) => {}
        }
        answer
    }
}

// === impl AtWork ===

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.at_work.fetch_sub(1, Ordering::Relaxed);
        connections_in_use(-1.0);
    }
}
