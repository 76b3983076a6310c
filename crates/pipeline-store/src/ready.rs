//! Is the database there, and may it be written to? Asked every few seconds by stages that have nothing to do.

use std::time::Duration;

use pipeline_model::{letter::GivenUp, needs::Needs};
use sqlx::{AssertSqlSafe, Connection, Executor, Pool, Sqlite};
use tokio::time::timeout;

use crate::{
    Error, Store,
    connection::timed_out,
    database::{Database, Server},
    error::fault::is_full,
    operation::Operation,
};

/// How long one way of asking may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// A write that finds no row: it changes nothing, locks no row and is not in the server's binary log, and yet it meets
/// whatever keeps all writes out.
const CHANGES_NOTHING: &str = "UPDATE sluice_run SET reason = reason WHERE 1 = 0";

/// The same on a server, which would let it wait for the lock of all tables (`FLUSH TABLES WITH READ LOCK`) as long as the
/// session says. Each dialect has its own way to say it for one statement, and takes the other's for a comment.
const CHANGES_NOTHING_SOON: &str = "/*M! SET STATEMENT lock_wait_timeout = 1 FOR */ \
     UPDATE /*+ SET_VAR(lock_wait_timeout = 1) */ sluice_run SET reason = reason WHERE 1 = 0";

impl Store {
    /// Fails when the target cannot be written to, as who only reads does not find out. Changes nothing; the target must
    /// have its tables.
    pub async fn check_writable(&self) -> Result<(), Error> {
        let mut transaction = self.database.begin(Operation::new("write to", self.describe())).await?;
        // A file that may only be read lets a transaction begin, and fails the first statement that could write.
        transaction.execute_text(CHANGES_NOTHING).await
    }

    /// Succeeds when the database answers, and a server when it may be written to. Changes nothing; gives back
    /// connections that have not been used for a while.
    pub async fn ready(&self) -> Result<(), Error> {
        self.release_idle();
        let answer = match &self.database {
            Database::MySql(server) => server_answers(server).await,
            // A file has no lock that keeps writers out for long, and asking for its own would be in their way.
            Database::Sqlite(pool, _) => file_answers(pool).await,
        };
        answer.map_err(|source| Error::statement(&Operation::new("reach", self.describe()), source))
    }
}

/// What a stage writes to: it is there when it can be written to, and it keeps the notes of what was given up.
impl Needs for Store {
    type Error = Error;

    async fn ready(&self) -> Result<(), Error> {
        Store::ready(self).await
    }

    async fn given_up(&self, step: &'static str, letter: &GivenUp<'_>) -> Result<(), Error> {
        self.record_dead_letter(step, letter).await
    }
}

/// A connection of the pool is asked here, since the pool gives one that was at work a moment ago away unseen. When
/// none answers well, the database is away or may not be written to, or the connection was lost, or all are at work; a
/// connection of our own tells which, and in the server's words instead of the pool's time-out.
async fn server_answers(server: &Server) -> Result<(), sqlx::Error> {
    if !server.was_refused() {
        let pooled = async {
            let (mut connection, _at_work) = server.acquire().await?;
            connection.execute(AssertSqlSafe(CHANGES_NOTHING_SOON)).await
        };
        if let Ok(Ok(_)) = timeout(PATIENCE, pooled).await {
            return Ok(());
        }
    }
    let own = async {
        let mut connection = server.connect().await?;
        connection.execute(AssertSqlSafe(CHANGES_NOTHING_SOON)).await?;
        connection.close().await
    };
    match timeout(PATIENCE, own).await.unwrap_or_else(|_| Err(timed_out())) {
        // The server answers; we have connections, and they are at work.
        Err(error) if server.is_at_work() && is_full(&error) => Ok(()),
        answer => answer,
    }
}

async fn file_answers(pool: &Pool<Sqlite>) -> Result<(), sqlx::Error> {
    let pooled = async { pool.acquire().await?.ping().await };
    if let Ok(Ok(())) = timeout(PATIENCE, pooled).await {
        return Ok(());
    }
    let options = pool.connect_options();
    let own = async { sqlx::ConnectOptions::connect(options.as_ref()).await?.close().await };
    timeout(PATIENCE, own).await.unwrap_or_else(|_| Err(timed_out()))
}
