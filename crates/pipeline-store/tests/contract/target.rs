//! An empty, migrated database for one test, and eyes on its tables that do not go through the store.

use pipeline_settings::settings;
use pipeline_store::Store;
use sqlx::{AssertSqlSafe, Connection, Row, mysql::MySqlConnection, sqlite::SqliteConnection};
use testkit::{
    mariadb::{Database, MariaDb, Session},
    wait,
};

/// The newest version of the tables.
pub const VERSION: i64 = 12;

/// A database of one kind.
pub struct Target {
    pub store: Store,
    /// What the store was connected with.
    pub url: String,
    kind: Kind,
}

enum Kind {
    Sqlite(#[expect(dead_code, reason = "removes the file when dropped")] tempfile::TempDir),
    MySql(Database),
}

/// A row, every column as text.
pub type TextRow = Vec<Option<String>>;

impl Target {
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/copy.db", folder.path().display());
        let store = connect(&url).await;
        store.migrate().await.unwrap();
        Self { store, url, kind: Kind::Sqlite(folder) }
    }

    pub async fn mysql() -> Self {
        Self::mysql_on(MariaDb::shared()).await
    }

    pub async fn mysql_on(server: &MariaDb) -> Self {
        let database = tokio::task::block_in_place(|| server.fresh_database());
        connect(&server.url(&database.name)).await.migrate().await.unwrap();
        Self::mysql_in(database).await
    }

    /// A database that has its tables.
    pub async fn mysql_in(database: Database) -> Self {
        let url = database.loader_url();
        Self { store: connect(&url).await, url, kind: Kind::MySql(database) }
    }

    /// A session of the server's administrator.
    pub fn administrator(&self) -> Session {
        match &self.kind {
            Kind::MySql(database) => database.session(),
            Kind::Sqlite(_) => panic!("a file has no administrator"),
        }
    }

    /// Waits until the loader waits for so many locks in this server.
    pub async fn wait_for_lock_waits(&self, count: i64) {
        let mut session = self.administrator();
        wait::until("statements wait for a lock", wait::PATIENCE, || {
            let waiting = session.number(
                "SELECT COUNT(*) FROM information_schema.innodb_trx t
                 JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id
                 WHERE p.db = database() AND t.trx_state = 'LOCK WAIT'",
            );
            async move {
                // The server renews this table only when nobody has read it for a tenth of a second.
                tokio::time::sleep(std::time::Duration::from_millis(150)).await;
                (waiting >= count).then_some(())
            }
        })
        .await;
    }

    /// Another process's handle on the same database.
    pub async fn another(&self) -> Store {
        connect(&self.url).await
    }

    /// Rows of a query whose columns are all text, in the order of their bytes.
    pub async fn rows(&self, sql: &str) -> Vec<TextRow> {
        let mut rows = self.rows_in_order(sql).await;
        rows.sort();
        rows
    }

    pub async fn rows_in_order(&self, sql: &str) -> Vec<TextRow> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self.kind {
            Kind::Sqlite(_) => {
                let mut connection = SqliteConnection::connect(&self.url).await.unwrap();
                let rows = sqlx::query(sql).fetch_all(&mut connection).await.unwrap();
                let text = |row: &sqlx::sqlite::SqliteRow| (0..row.len()).map(|i| row.get_unchecked(i)).collect();
                rows.iter().map(text).collect()
            }
            Kind::MySql(_) => {
                let mut connection = MySqlConnection::connect(&self.url).await.unwrap();
                let rows = sqlx::query(sql).fetch_all(&mut connection).await.unwrap();
                let text = |row: &sqlx::mysql::MySqlRow| (0..row.len()).map(|i| row.get_unchecked(i)).collect();
                rows.iter().map(text).collect()
            }
        }
    }

    pub async fn count(&self, what: &str) -> i64 {
        let rows = self.rows(&format!("SELECT CAST(COUNT(*) AS CHAR) FROM {what}")).await;
        rows[0][0].as_ref().unwrap().parse().unwrap()
    }
}

pub async fn connect(url: &str) -> Store {
    Store::connect(&settings::Target { url: url.to_owned(), ..settings::Target::default() }).await.unwrap()
}

/// URL of an empty database, for an account that may do everything in it.
pub async fn empty_mysql_database() -> String {
    let server = MariaDb::shared();
    let database = tokio::task::spawn_blocking(|| server.fresh_database()).await.unwrap();
    server.url(&database.name)
}
