//! The handle to the target that every stage and command holds.
//!
//! Connecting changes nothing in the database and fails fast: it opens one connection outside the pool, so that the
//! caller sees the driver's own answer instead of the pool's time-out. Later, the pool opens connections as needed.

use std::{path::Path, str::FromStr, sync::Arc, time::Duration};

use pipeline_settings::{
    files,
    redaction::redact_url,
    settings,
    target_url::{self, Link, TlsMode},
};
use secrecy::ExposeSecret;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Executor,
    mysql::{MySqlConnectOptions, MySqlConnection, MySqlPoolOptions, MySqlSslMode},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::{Mutex, Semaphore};

use crate::{
    Error,
    database::{Database, Limits, Server},
    migration::ViewPrefix,
    operation::Operation,
};

use rows::RowWrites;

mod encryption;
mod rows;
mod session;

/// How long to wait for a connection, new or from the pool.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a connection that is given back may take to show that it is sound. One whose statement was given up is
/// not: its answer may never come, and the pool would wait for it until TCP notices.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection lies in the pool before it is looked at again: a look costs as much as a small statement, and a
/// batch would pay it twice.
const DOUBTFUL: Duration = Duration::from_secs(1);
/// Whether a file has tables, and none of ours: then it stays as it is until a migration has found that it may change it.
const IS_FOREIGN: &str = "SELECT EXISTS (SELECT 1 FROM sqlite_master) \
     AND NOT EXISTS (SELECT 1 FROM pragma_table_info('sluice_schema') WHERE name = 'version')";
/// Readers never wait for the writer. The file remembers it.
pub(crate) const KEEP_A_LOG: &str = "PRAGMA journal_mode = WAL";
/// How long a SQLite connection waits for a writer in another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
/// The same for the connection that finds out whether the file can be used.
const FIRST_BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// SQLite's share of `packet_limit`; its own limit is a thousand million bytes.
const SQLITE_PACKET: usize = 64 * 1024 * 1024;

/// Prepared statements that a connection keeps: more than there are different ones, about 200, since dropping one costs
/// what `insert.rs` describes. A server allows 16,382 by default, over all connections.
const STATEMENTS: usize = 256;

/// How long a connection may lie unused. A server that is short of connections gets those of an idle process back, and
/// another process waits for one no longer than [`ACQUIRE_TIMEOUT`].
const IDLE: Duration = Duration::from_secs(5);

/// The target: its ledger, its rows and its views. Cheap to clone; clones share one pool of connections.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) database: Database,
    pub(crate) target: Arc<str>,
    /// Bytes that one statement may have at most.
    pub(crate) packet_limit: usize,
    /// Turns of those who write the content of batches. Never closed.
    pub(crate) writers: Arc<Semaphore>,
    /// What the views are called.
    pub(crate) views: ViewPrefix,
    rows: Arc<RowWrites>,
}

impl Store {
    /// Connects to `mysql://user@host:port/database` or `sqlite:///file.db` (created when absent); changes nothing in
    /// it. Errors say whether the URL is wrong, the server is away, or the account is refused.
    pub async fn connect(target: &settings::Target) -> Result<Store, Error> {
        let url = target.url.as_str();
        match url.split_once(':') {
            Some(("mysql" | "mariadb", _)) => connect_mysql(target).await,
            Some(("sqlite", _)) => connect_sqlite(target).await,
            _ => Err(invalid(url, "expected `mysql://user@host:port/database` or `sqlite:///file.db`".to_owned())),
        }
    }

    /// The target's URL without its secrets.
    pub fn describe(&self) -> String {
        self.target.to_string()
    }

    /// Closes all connections, after the transactions under way have ended.
    pub async fn close(&self) {
        self.database.close().await;
        self.rows.close();
    }

    /// Closes connections that have been idle for a while. The pool does so by itself.
    pub(crate) fn release_idle(&self) {
        self.rows.release_idle();
    }
}

async fn connect_mysql(target: &settings::Target) -> Result<Store, Error> {
    let url = target.url.as_str();
    let views = ViewPrefix::new(&target.view_prefix).map_err(|reason| invalid(url, reason))?;
    let described = redact_url(url);
    let operation = Operation::new("connect to", described.as_str());
    let mut options = MySqlConnectOptions::from_str(url).map_err(|source| invalid(url, unusable(&source)))?;
    let link = Link::read(url, cfg!(feature = "tls")).map_err(|error| invalid(url, error.to_string()))?;
    options = options.ssl_mode(match link.tls {
        TlsMode::Disabled => MySqlSslMode::Disabled,
        TlsMode::Preferred => MySqlSslMode::Preferred,
        TlsMode::Required => MySqlSslMode::Required,
        TlsMode::VerifyCa => MySqlSslMode::VerifyCa,
        TlsMode::VerifyIdentity => MySqlSslMode::VerifyIdentity,
    });
    if options.get_database().is_none() {
        return Err(invalid(url, "it names no database: expected `mysql://user@host:port/database`".to_owned()));
    }
    let password = password(target).await?;
    if let Some(password) = &password {
        options = options.password(password);
    }
    let options = options.statement_cache_capacity(STATEMENTS).disable_statement_logging();
    let silence = Duration::from_secs(u64::from(target.session_timeout_ms).div_ceil(1_000));

    let first = within_timeout(async {
        let mut connection = options.connect().await?;
        prepare_mysql_session(&mut connection, silence).await?;
        let facts = sqlx::query_as("SELECT CAST(@@max_allowed_packet AS SIGNED), CAST(@@local_infile AS SIGNED)");
        let facts: (i64, i64) = facts.fetch_one(&mut connection).await?;
        let (_, cipher): (String, String) =
            sqlx::query_as("SHOW SESSION STATUS LIKE 'Ssl_cipher'").fetch_one(&mut connection).await?;
        connection.close().await?;
        Ok((facts, cipher))
    });
    let ((packet, local_infile), cipher) = first.await.map_err(|source| Error::first_connection(&operation, source))?;
    let rows = match (target.local_infile, local_infile == 1) {
        (false, _) => RowWrites::insert("`target.local_infile` is off"),
        (true, false) => RowWrites::insert("the server has `local_infile` off"),
        (true, true) => RowWrites::load(url, &link, !cipher.is_empty(), password, silence),
    };
    let packet_limit = usize::try_from(packet).unwrap_or(usize::MAX);

    let idle = IDLE.min(silence.div_f32(2.0));
    let pool = MySqlPoolOptions::new()
        .max_connections(target.max_connections.max(1))
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // Before the server ends them.
        .idle_timeout(idle)
        // Whoever gives a connection back shows that it is sound, so that only a long silence makes it doubtful again.
        .test_before_acquire(false)
        .before_acquire(|connection, last| Box::pin(has_survived(connection, last.idle_for)))
        .after_connect(move |connection, _| Box::pin(prepare_mysql_session(connection, silence)))
        .after_release(|connection, _| Box::pin(is_sound(connection)))
        .connect_lazy_with(options);
    let limits = Limits {
        begin: ACQUIRE_TIMEOUT,
        statement: Duration::from_millis(u64::from(target.statement_timeout_ms)),
        packet: packet_limit,
    };
    let database = Database::MySql(Server::new(pool, limits));
    Ok(Store {
        database,
        target: described.into(),
        packet_limit,
        writers: writers(target),
        views,
        rows: Arc::new(rows),
    })
}

async fn prepare_mysql_session(connection: &mut MySqlConnection, silence: Duration) -> Result<(), sqlx::Error> {
    for statement in session::preparation(silence) {
        connection.execute(AssertSqlSafe(statement)).await?;
    }
    Ok(())
}

/// Whether a connection from the pool still is one. The server may have ended it, but not many do within a second; what
/// does comes out as an outage and is tried again.
async fn has_survived(connection: &mut MySqlConnection, idle_for: Duration) -> Result<bool, sqlx::Error> {
    if idle_for < DOUBTFUL { Ok(true) } else { is_sound(connection).await }
}

/// Whether a connection that is given back may be used again. An error makes the pool close it without ceremony.
async fn is_sound(connection: &mut MySqlConnection) -> Result<bool, sqlx::Error> {
    match tokio::time::timeout(RELEASE_TIMEOUT, connection.ping()).await {
        Ok(answer) => answer.map(|()| true),
        Err(_) => Err(timed_out()),
    }
}

/// Readers never wait for the writer (WAL), and a commit is on the disk before it is answered (FULL): the ledger must
/// not forget what a committed Kafka offset says is done.
async fn connect_sqlite(target: &settings::Target) -> Result<Store, Error> {
    let url = target.url.as_str();
    let views = ViewPrefix::new(&target.view_prefix).map_err(|reason| invalid(url, reason))?;
    let operation = Operation::new("open", url);
    target_url::check_file(url).map_err(|error| invalid(url, error.to_string()))?;
    let options = SqliteConnectOptions::from_str(url)
        .map_err(|source| invalid(url, unusable(&source)))?
        .create_if_missing(true)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .statement_cache_capacity(STATEMENTS)
        .disable_statement_logging();
    if is_in_memory(url) {
        return Err(invalid(url, "each connection would have a database of its own: name a file".to_owned()));
    }

    if !url.contains("mode=ro") {
        // SQLite would make a file that everybody may read. That it is there already, or cannot be made, SQLite says.
        drop(files::create(options.get_filename()));
    }
    // Shorter than the time that the whole may take, so that it is SQLite who says that somebody holds the file.
    let first = options.clone().busy_timeout(FIRST_BUSY_TIMEOUT);
    let first = within_timeout(async {
        let mut connection = first.connect().await?;
        let is_foreign: bool = sqlx::query_scalar(IS_FOREIGN).fetch_one(&mut connection).await?;
        if !is_foreign {
            connection.execute(KEEP_A_LOG).await?;
        }
        connection.close().await?;
        Ok(is_foreign)
    });
    let is_foreign = first.await;
    let is_foreign =
        is_foreign.map_err(|source| not_opened(Error::statement(&operation, source), options.get_filename()))?;
    let options = if is_foreign { options } else { options.journal_mode(SqliteJournalMode::Wal) };

    let pool = SqlitePoolOptions::new()
        .max_connections(target.max_connections.max(2))
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_lazy_with(options);
    let database = Database::Sqlite(pool, Arc::new(Mutex::new(())));
    let rows = RowWrites::insert("SQLite takes rows by INSERT; LOAD DATA is for MySQL and MariaDB");
    Ok(Store {
        database,
        target: url.into(),
        packet_limit: SQLITE_PACKET,
        writers: writers(target),
        views,
        rows: Arc::new(rows),
    })
}

/// Says what is in the way of a file that cannot be opened; SQLite does not.
fn not_opened(error: Error, path: &Path) -> Error {
    let Error::FileNotOpened { operation, subject, source, .. } = error else { return error };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let reason = match (std::fs::metadata(path), std::fs::metadata(folder)) {
        (Ok(found), _) if found.is_dir() => "it is a directory and not a file".to_owned(),
        (Ok(_), _) => "the file is there, and this user may not open it".to_owned(),
        (Err(_), Ok(folder)) if !folder.is_dir() => format!("`{}` is a file and not a folder", path.display()),
        (Err(_), Ok(_)) => format!("no file can be made in the folder `{}`", folder.display()),
        (Err(_), Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            format!("the folder `{}` does not exist", folder.display())
        }
        (Err(_), Err(error)) => format!("the folder `{}` cannot be used: {error}", folder.display()),
    };
    Error::FileNotOpened { operation, subject, reason, source }
}

/// Whether a URL asks for a database that is in no file.
fn is_in_memory(url: &str) -> bool {
    let rest = url.trim_start_matches("sqlite:").trim_start_matches("//");
    let (path, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    path == ":memory:" || parameters.split('&').any(|parameter| parameter == "mode=memory")
}

fn writers(target: &settings::Target) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(usize::try_from(target.max_writers.max(1)).unwrap_or(Semaphore::MAX_PERMITS)))
}

/// A server that accepts and then says nothing is as away as one that refuses.
async fn within_timeout<T>(connecting: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    match tokio::time::timeout(ACQUIRE_TIMEOUT, connecting).await {
        Ok(result) => result,
        Err(_) => Err(timed_out()),
    }
}

/// What a server that does not answer is for the driver.
pub(crate) fn timed_out() -> sqlx::Error {
    sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())
}

async fn password(target: &settings::Target) -> Result<Option<String>, Error> {
    if let Some(password) = &target.password {
        return Ok(Some(password.expose_secret().to_owned()));
    }
    let Some(path) = &target.password_file else {
        return Ok(None);
    };
    let file = path.clone();
    let read = tokio::task::spawn_blocking(move || files::read_text(&file, files::SECRET)).await;
    match read.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
        Ok(text) => Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned())),
        Err(source) => Err(Error::PasswordFile { path: path.clone(), source }),
    }
}

fn invalid(url: &str, reason: String) -> Error {
    Error::InvalidTarget { url: redact_url(url), reason }
}

/// Why a driver cannot read a URL. It knows no secret yet but those in the URL, and repeats none of it.
fn unusable(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Configuration(reason) => reason.to_string(),
        _ => "it is not a URL of a database".to_owned(),
    }
}
