//! Whether a target can be worked with: asked for real, and nothing is changed.
//!
//! Grants can be read in many ways, by roles, patterns and defaults, and none of them says what a server that is read-only
//! does. So each right is used, by a statement that finds no row, in a transaction that is rolled back.

use std::collections::BTreeMap;

use crate::{Error, Store, clock::now_ms, database::Session, dialect::Dialect, operation::Operation};

/// What an account that works as a stage must be allowed, beside reading.
const WRITES: [&str; 3] = ["INSERT", "UPDATE", "DELETE"];

/// What was found.
#[derive(Debug)]
pub struct Examined {
    /// Rights that this account lacks, by table.
    pub lacking: BTreeMap<String, Vec<&'static str>>,
    /// How far the database's clock is before ours, in milliseconds.
    pub clock_ahead_ms: i64,
    /// Bytes of tables and indexes, where the database says.
    pub bytes: Option<i64>,
}

impl Store {
    /// Looks at rights and clock of a target that has its tables.
    ///
    /// # Errors
    /// When the database does not answer, or takes no writes from anybody.
    pub async fn examine(&self) -> Result<Examined, Error> {
        let lacking = self.lacking_rights().await?;
        if lacking.is_empty() {
            self.check_writable().await?;
        }
        let mut session = self.database.session(Operation::new("look at", self.describe())).await?;
        let clock_ahead_ms = clock_ahead(&mut session).await?;
        let bytes = bytes(&mut session).await?;
        Ok(Examined { lacking, clock_ahead_ms, bytes })
    }

    /// A file has no rights within it.
    async fn lacking_rights(&self) -> Result<BTreeMap<String, Vec<&'static str>>, Error> {
        let mut lacking: BTreeMap<String, Vec<&'static str>> = BTreeMap::new();
        let mut session = self.database.begin(Operation::new("ask for rights on", self.describe())).await?;
        if session.dialect() == Dialect::Sqlite {
            return Ok(lacking);
        }
        for (table, columns) in crate::migration::tables() {
            let (all, first) = (columns.join(", "), columns.first().map_or("", String::as_str));
            let reads = session.execute_text(&format!("SELECT 1 FROM {table} WHERE 1 = 0")).await;
            if is_denied(reads)? {
                lacking.entry(table.clone()).or_default().push("SELECT");
            }
            for right in WRITES.iter().copied().filter(|_| !only_migrated(&table)) {
                let statement = match right {
                    "INSERT" => {
                        let nulls = vec!["NULL"; columns.len()].join(", ");
                        format!("INSERT INTO {table} ({all}) SELECT {nulls} FROM DUAL WHERE 1 = 0")
                    }
                    "UPDATE" => format!("UPDATE {table} SET {first} = {first} WHERE 1 = 0"),
                    _ => format!("DELETE FROM {table} WHERE 1 = 0"),
                };
                if is_denied(session.execute_text(&statement).await)? {
                    lacking.entry(table.clone()).or_default().push(right);
                }
            }
        }
        Ok(lacking)
    }
}

/// Written by migrations alone.
fn only_migrated(table: &str) -> bool {
    matches!(table, "sluice_schema" | "sluice_target")
}

/// The right is lacking. Anything else that keeps a statement out, such as a server that is read-only, is not about rights.
fn is_denied(tried: Result<(), Error>) -> Result<bool, Error> {
    match tried {
        Ok(()) => Ok(false),
        Err(Error::Denied { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Half of the way there and back counts as the way: enough to tell clocks that are seconds apart.
async fn clock_ahead(session: &mut Session) -> Result<i64, Error> {
    let sql = match session.dialect() {
        Dialect::MySql => "SELECT CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED) AS now_ms",
        Dialect::Sqlite => "SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER) AS now_ms",
    };
    let before = now_ms();
    let theirs = session.fetch_one(sql, &[]).await?.int("now_ms")?;
    Ok(theirs - before.midpoint(now_ms()))
}

async fn bytes(session: &mut Session) -> Result<Option<i64>, Error> {
    let sql = match session.dialect() {
        Dialect::MySql => {
            "SELECT CAST(SUM(data_length + index_length) AS SIGNED) AS bytes FROM information_schema.tables \
             WHERE table_schema = DATABASE()"
        }
        Dialect::Sqlite => "SELECT page_count * page_size AS bytes FROM pragma_page_count(), pragma_page_size()",
    };
    session.fetch_one(sql, &[]).await?.optional_int("bytes")
}
