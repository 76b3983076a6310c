//! Is the database there? Asked every few seconds by stages that have nothing to do.

use std::{io::ErrorKind, time::Duration};

use sqlx::{ConnectOptions, Connection, Pool};
use tokio::time::timeout;

use crate::{
    Error, Store,
    database::{Context, Database},
};

/// How long one way of asking may take.
const PATIENCE: Duration = Duration::from_secs(3);

impl Store {
    /// Succeeds when the database answers: one ping over a connection that the pool has. Reads and writes nothing.
    pub async fn ready(&self) -> Result<(), Error> {
        let answer = match &self.database {
            Database::MySql(pool, _) => answers(pool).await,
            Database::Sqlite(pool, _) => answers(pool).await,
        };
        answer.map_err(|source| Error::statement(&Context::new("reach", self.describe()), source))
    }
}

/// A connection of the pool is asked here, since the pool gives one that was at work a moment ago away unseen. When
/// none answers, the database is away, or the connection was lost, or all are at work; a connection of our own tells
/// which, and in the driver's words instead of the pool's time-out.
async fn answers<D: sqlx::Database>(pool: &Pool<D>) -> Result<(), sqlx::Error> {
    let pooled = async { pool.acquire().await?.ping().await };
    if let Ok(Ok(())) = timeout(PATIENCE, pooled).await {
        return Ok(());
    }
    let options = pool.connect_options();
    let own = async { options.connect().await?.close().await };
    timeout(PATIENCE, own).await.unwrap_or_else(|_| Err(sqlx::Error::Io(ErrorKind::TimedOut.into())))
}
