//! Whose the names are that a migration would make or replace. Asked before the first change.
//!
//! Neither database writes down which program made a table. What is there proves it: **a table is ours when it has every
//! column of our definition, a view when it reads every table that ours reads, in this database.** That holds for the
//! tables of every older version and of a migration that was cut off half-way, when no version is recorded yet. A record
//! of our own would lack both.

use std::collections::HashMap;

use super::names::{Kind, Made, former, words};
use crate::{
    Error,
    database::{Session, Value},
    dialect::Dialect,
    insert::placeholders,
};

/// What has a name already.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) kind: Kind,
    /// Columns of a table; the table of an index.
    parts: Vec<String>,
    /// The definition of a view; empty when this account may not read it.
    definition: String,
    /// The account that a view belongs to, on a server.
    pub(super) definer: Option<String>,
}

/// What the database has of the names that were asked for, and all its views.
pub(super) struct Catalogue {
    found: HashMap<String, Found>,
    /// How a definition spells the database before a table; empty for a file.
    database: String,
}

// === impl Catalogue ===

impl Catalogue {
    pub(super) async fn read(session: &mut Session, names: &[String]) -> Result<Self, Error> {
        match session.dialect() {
            Dialect::MySql => Self::of_server(session, names).await,
            Dialect::Sqlite => Self::of_file(session, names).await,
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Found> {
        self.found.get(name)
    }

    /// Names of all views.
    pub(super) fn views(&self) -> impl Iterator<Item = &str> {
        self.found.iter().filter(|(_, found)| found.kind == Kind::View).map(|(name, _)| name.as_str())
    }

    /// Why what has the name is not ours; nothing when it is, or when the name is free. `recorded`: the version that made
    /// it is recorded here, so that a definition which may not be read is no reason to doubt.
    pub(super) fn objection(&self, made: &Made, recorded: bool) -> Option<String> {
        let found = self.found.get(&made.name)?;
        let objection = match (made.kind, found.kind) {
            (Kind::Table, Kind::Table) if made.parts.iter().all(|part| found.parts.contains(part)) => return None,
            (Kind::Table, Kind::Table) => "a table with other columns",
            (Kind::Index, Kind::Index) if found.parts == made.parts => return None,
            (Kind::Index, Kind::Index) => "an index of another table",
            (Kind::View, Kind::View) if self.reads_all(found, made) => return None,
            (Kind::View, Kind::View) if found.definition.is_empty() && recorded => return None,
            (Kind::View, Kind::View) if found.definition.is_empty() => {
                "a view whose definition this account may not read (`SHOW VIEW`)"
            }
            (Kind::View, Kind::View) => "a view of other tables",
            (_, found) => found.words(),
        };
        Some(format!("`{}` is {objection}", made.name))
    }

    /// Whether it is there, and ours.
    pub(super) fn is_ours(&self, made: &Made) -> bool {
        self.found.contains_key(&made.name) && self.objection(made, false).is_none()
    }

    /// Under the name of today, or under its former one.
    fn reads_all(&self, found: &Found, made: &Made) -> bool {
        if self.database.is_empty() {
            return made.parts.iter().all(|table| {
                words(&found.definition).any(|word| word == table || former(table).is_some_and(|former| word == former))
            });
        }
        // A server writes every table of a definition out, so that a view of another database's tables is told from ours.
        let reads = |table: &str| found.definition.contains(&format!("{}.`{table}`", self.database));
        made.parts.iter().all(|table| reads(table) || former(table).is_some_and(reads))
    }

    async fn of_server(session: &mut Session, names: &[String]) -> Result<Self, Error> {
        let own = session
            .fetch_one("SELECT DATABASE() AS name, CAST(@@lower_case_table_names AS SIGNED) AS folded", &[])
            .await?;
        let (database, folded) = (own.text("name")?, own.int("folded")? != 0);
        let fold = |text: String| if folded { text.to_lowercase() } else { text };
        let values: Vec<Value<'_>> = names.iter().map(Value::from).collect();
        let of_names = format!("table_schema = DATABASE() AND table_name IN ({})", placeholders(names.len()));

        let mut found = HashMap::new();
        let sql =
            format!("SELECT table_name AS name, table_type AS kind FROM information_schema.tables WHERE {of_names}");
        for row in session.fetch_all(sql, &values).await?.into_iter() {
            let kind = match row.text("kind")?.as_str() {
                "VIEW" => Kind::View,
                "SEQUENCE" => Kind::Other,
                _ => Kind::Table,
            };
            found.insert(fold(row.text("name")?), Found::new(kind));
        }
        let sql =
            format!("SELECT table_name AS owner, column_name AS name FROM information_schema.columns WHERE {of_names}");
        for row in session.fetch_all(sql, &values).await?.into_iter() {
            if let Some(found) = found.get_mut(&fold(row.text("owner")?)) {
                found.parts.push(row.text("name")?);
            }
        }
        let sql = "SELECT table_name AS name, view_definition AS definition, definer AS definer \
                   FROM information_schema.views WHERE table_schema = DATABASE()";
        for row in session.fetch_all(sql, &[]).await?.into_iter() {
            let view = found.entry(fold(row.text("name")?)).or_insert_with(|| Found::new(Kind::View));
            view.definition = fold(row.optional_text("definition")?.unwrap_or_default());
            view.definer = row.optional_text("definer")?;
        }
        Ok(Self { found, database: fold(format!("`{}`", database.replace('`', "``"))) })
    }

    /// A file has one space of names for all kinds, whatever their case.
    async fn of_file(session: &mut Session, names: &[String]) -> Result<Self, Error> {
        let mut found = HashMap::new();
        let sql = format!(
            "SELECT lower(name) AS name, type AS kind, lower(tbl_name) AS owner, COALESCE(sql, '') AS definition \
             FROM sqlite_master WHERE type = 'view' OR type IN ('table', 'index') AND lower(name) IN ({})",
            placeholders(names.len())
        );
        let values: Vec<Value<'_>> = names.iter().map(Value::from).collect();
        for row in session.fetch_all(sql, &values).await?.into_iter() {
            let (kind, parts) = match row.text("kind")?.as_str() {
                "table" => (Kind::Table, Vec::new()),
                "view" => (Kind::View, Vec::new()),
                "index" => (Kind::Index, vec![row.text("owner")?]),
                _ => (Kind::Other, Vec::new()),
            };
            let definition = row.text("definition")?;
            found.insert(row.text("name")?, Found { parts, definition, ..Found::new(kind) });
        }
        for (name, found) in found.iter_mut().filter(|(_, found)| found.kind == Kind::Table) {
            let columns = session.fetch_all("SELECT name FROM pragma_table_info(?)", &[name.into()]).await?;
            found.parts = columns.into_iter().map(|row| row.text("name")).collect::<Result<_, _>>()?;
        }
        Ok(Self { found, database: String::new() })
    }
}

// === impl Found ===

impl Found {
    fn new(kind: Kind) -> Self {
        Self { kind, parts: Vec::new(), definition: String::new(), definer: None }
    }
}
