//! Tables and views, and the version that they have.
//!
//! Definitions commit by themselves on MySQL and MariaDB, so a migration cannot be undone half-way. Instead every
//! statement of a migration may be run again, and the version is recorded after the last one: a migration that was
//! cut off is run once more from its beginning.
//!
//! **Nobody else's table or view is changed**: before its first change a migration looks at every name that it would make
//! or replace, and refuses when what has the name is not ours (`ownership.rs`).

use crate::{
    Error, Store,
    clock::now_ms,
    connection::{KEEP_A_LOG, timed_out},
    database::Session,
    dialect::Dialect,
    operation::Operation,
};

pub(crate) use prefix::ViewPrefix;
use steps::{MIGRATIONS, Migration, NEEDED};

mod former;
mod names;
mod ownership;
mod plan;
mod prefix;
pub(crate) mod steps;
mod views;

pub use former::Rename;
pub use plan::MigrationPlan;

/// Collations that compare text code point by code point and pad nothing: MariaDB's, and MySQL's.
const COLLATIONS: [&str; 2] = ["utf8mb4_nopad_bin", "utf8mb4_0900_bin"];

/// Seconds that a migration waits for another one to end.
const LOCK_TIMEOUT: i64 = 60;

/// Our tables on MySQL and MariaDB, each with the columns that it was made with. A catalogue would show an account only what
/// it has rights on.
pub(crate) fn tables() -> Vec<(String, Vec<String>)> {
    let made = definitions(Dialect::MySql, &ViewPrefix::default());
    let made = made.iter().map(String::as_str).chain([VERSIONS]).filter_map(names::Made::by);
    made.filter(|made| made.kind == names::Kind::Table).map(|made| (made.name, made.parts)).collect()
}

/// The table of versions.
const VERSIONS: &str = "CREATE TABLE IF NOT EXISTS sluice_schema (
    version BIGINT NOT NULL PRIMARY KEY,
    applied_at_ms BIGINT NOT NULL
)";

/// What a migration did. Schema versions before and after; 0 is an empty database.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Migrated {
    /// Before.
    pub from: i64,
    /// After.
    pub to: i64,
    /// Views that were missing or belonged to another account, and belong to this one now.
    pub adopted: Vec<String>,
}

impl Store {
    /// Creates or upgrades tables and views, and gives the views to this account. The only operation that needs more than
    /// SELECT, INSERT, UPDATE and DELETE. Running it again changes nothing. Fails before the first change when a name that
    /// it needs is taken.
    pub async fn migrate(&self) -> Result<Migrated, Error> {
        let mut session = self.database.session(Operation::new("migrate", &*self.target)).await?.patient();
        let locked = lock(&mut session).await?;
        let result = self.migrate_locked(&mut session).await;
        if locked {
            session.fetch_all("SELECT RELEASE_LOCK('sluice_migration') AS released", &[]).await?;
        }
        result
    }

    /// Fails unless the schema has exactly the version that this program was built for.
    pub async fn check_migrated(&self) -> Result<(), Error> {
        let mut session = self.database.session(Operation::new("check the schema of", &*self.target)).await?;
        match version(&mut session).await? {
            NEEDED => self.check_views_are_there(&mut session).await,
            found => Err(Error::NotMigrated { target: self.describe(), found, needed: NEEDED }),
        }
    }

    async fn migrate_locked(&self, session: &mut Session) -> Result<Migrated, Error> {
        let (MigrationPlan { from, .. }, renaming) = self.plan_in(session).await?;
        let dialect = session.dialect();
        let collation = match dialect {
            Dialect::MySql => self.collation(session).await?,
            Dialect::Sqlite => {
                session.execute_text(KEEP_A_LOG).await?;
                ""
            }
        };
        if from < former::RENAMED {
            self.rename(session, &renaming).await?;
        }
        session.execute_text(VERSIONS).await?;
        for migration in MIGRATIONS.iter().filter(|migration| migration.version > from) {
            for statement in migration.statements(dialect, &self.views) {
                let statement = statement.replace("{collation}", collation);
                if is_done(session, &statement).await? {
                    continue;
                }
                let made = session.execute_text(&statement).await;
                // A file lets two migrations go side by side: the other one may have added the column meanwhile.
                if made.is_err() && !is_done(session, &statement).await? {
                    made?;
                }
            }
            session
                .execute(
                    // A file lets two migrations go side by side.
                    "INSERT INTO sluice_schema (version, applied_at_ms) SELECT s.version, s.at_ms \
                     FROM (SELECT ? AS version, ? AS at_ms) s \
                     WHERE NOT EXISTS (SELECT 1 FROM sluice_schema t WHERE t.version = s.version)",
                    &[migration.version.into(), now_ms().into()],
                )
                .await?;
        }
        Ok(Migrated { from, to: NEEDED, adopted: self.adopt_views(session).await? })
    }

    /// The collation of ids: asked from the server by name, because version texts say little across two dialects.
    async fn collation(&self, session: &mut Session) -> Result<&'static str, Error> {
        for collation in COLLATIONS {
            let found = session
                .fetch_optional(
                    "SELECT collation_name AS name FROM information_schema.collations WHERE collation_name = ?",
                    &[collation.into()],
                )
                .await?;
            if found.is_some() {
                return Ok(collation);
            }
        }
        Err(Error::NoCollation { target: self.describe() })
    }
}

// === impl Migration ===

impl Migration {
    /// Its statements, with the views called as they are called here.
    fn statements(&self, dialect: Dialect, views: &ViewPrefix) -> Vec<String> {
        let text = match dialect {
            Dialect::MySql => self.mysql,
            Dialect::Sqlite => self.sqlite,
        };
        statements(text).into_iter().map(|statement| names::with_prefix(statement, views.as_str())).collect()
    }
}

/// The statements of all migrations in their order.
fn definitions(dialect: Dialect, views: &ViewPrefix) -> Vec<String> {
    MIGRATIONS.iter().flat_map(|migration| migration.statements(dialect, views)).collect()
}

/// Keeps a second migration out until the first has ended. SQLite needs no lock: its definitions take the file's, and
/// each may be run again.
async fn lock(session: &mut Session) -> Result<bool, Error> {
    if session.dialect() == Dialect::Sqlite {
        return Ok(false);
    }
    let got = session
        .fetch_one("SELECT GET_LOCK('sluice_migration', ?) AS got", &[LOCK_TIMEOUT.into()])
        .await?
        .optional_int("got")?;
    match got {
        Some(1) => Ok(true),
        _ => Err(Error::Contended {
            operation: session.operation().verb,
            subject: session.operation().subject.clone(),
            source: timed_out().into(),
        }),
    }
}

/// The schema's version; 0 when its table does not exist. Looked up in the catalogue first, so that a missing table is
/// an answer and not an error.
async fn version(session: &mut Session) -> Result<i64, Error> {
    let catalogue = match session.dialect() {
        Dialect::MySql => {
            "SELECT COUNT(*) AS found FROM information_schema.tables \
             WHERE table_schema = DATABASE() AND table_name = 'sluice_schema'"
        }
        Dialect::Sqlite => {
            "SELECT COUNT(*) AS found FROM sqlite_master WHERE type = 'table' AND name = 'sluice_schema'"
        }
    };
    if session.fetch_one(catalogue, &[]).await?.int("found")? == 0 {
        return Ok(0);
    }
    session.fetch_one("SELECT COALESCE(MAX(version), 0) AS version FROM sluice_schema", &[]).await?.int("version")
}

/// Whether the statement adds a column that is there: no dialect but MariaDB's can say `IF NOT EXISTS` of a column.
async fn is_done(session: &mut Session, statement: &str) -> Result<bool, Error> {
    let Some((table, column)) = added_column(statement) else { return Ok(false) };
    let catalogue = match session.dialect() {
        Dialect::MySql => {
            "SELECT COUNT(*) AS found FROM information_schema.columns \
             WHERE table_schema = DATABASE() AND table_name = ? AND column_name = ?"
        }
        Dialect::Sqlite => "SELECT COUNT(*) AS found FROM pragma_table_info(?) WHERE name = ?",
    };
    let found = session.fetch_one(catalogue, &[table.into(), column.into()]).await?.int("found")?;
    Ok(found > 0)
}

/// Table and column of `ALTER TABLE t ADD COLUMN c …`.
fn added_column(statement: &str) -> Option<(&str, &str)> {
    let (table, rest) = statement.strip_prefix("ALTER TABLE ")?.split_once(" ADD COLUMN ")?;
    Some((table, rest.split_whitespace().next()?))
}

/// The statements of a migration file, without its comments.
fn statements(text: &str) -> Vec<String> {
    let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    let code = code.join("\n");
    code.split(';').map(str::trim).filter(|statement| !statement.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::{MIGRATIONS, NEEDED, added_column, statements};

    #[test]
    fn the_last_migration_gives_the_version_that_is_needed() {
        let versions: Vec<_> = MIGRATIONS.iter().map(|migration| migration.version).collect();
        assert_eq!(versions, (1..=NEEDED).collect::<Vec<_>>());
    }

    #[test]
    fn every_table_is_named_with_columns_of_its_own() {
        let made: usize = MIGRATIONS.iter().map(|migration| migration.mysql.matches("CREATE TABLE").count()).sum();
        let tables = super::tables();
        assert_eq!(tables.len(), made + 1, "and the table of versions");
        assert!(tables.iter().all(|(_, columns)| !columns.is_empty()), "{tables:?}");
    }

    #[test]
    fn every_statement_of_a_migration_may_be_run_again() {
        for migration in MIGRATIONS {
            for statement in statements(migration.mysql) {
                let again = statement.starts_with("CREATE TABLE IF NOT EXISTS")
                    || statement.starts_with("CREATE OR REPLACE VIEW")
                    || statement.starts_with("INSERT IGNORE")
                    || added_column(&statement).is_some();
                assert!(again, "{statement}");
            }
            for statement in statements(migration.sqlite) {
                let again = statement.contains(" IF NOT EXISTS ")
                    || statement.starts_with("DROP VIEW IF EXISTS")
                    || statement.starts_with("CREATE VIEW")
                    || statement.starts_with("INSERT OR IGNORE")
                    || added_column(&statement).is_some();
                assert!(again, "{statement}");
            }
        }
    }
}
