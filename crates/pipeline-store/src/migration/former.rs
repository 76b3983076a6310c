//! The names that tables had before version 9, and how they get today's.
//!
//! The steps know today's names only. A database with the former ones gets the new ones first, and then the steps that it
//! lacks. Whoever is cut off at any point runs it again from the beginning.
//!
//! **Readers never meet a missing view.** On a server a view names its tables by name, so that a rename alone would break
//! it until it is made again. Therefore each table that views read gets a *bridge* first: a view that has the table's new
//! name. Then our views are made again, upon the bridges. Then one `RENAME TABLE` puts all tables where their bridges
//! were: it is done as a whole, and whoever reads sees the moment before or the moment after. SQLite writes the new names
//! into its views by itself, and does all in one transaction.

use super::{
    MIGRATIONS,
    names::{FORMER, Kind, Made},
    ownership::Catalogue,
};
use crate::{Error, Store, database::Session, dialect::Dialect, operation::Operation};

/// The version whose step gave the names of today.
pub(super) const RENAMED: i64 = 9;

/// A table that gets another name.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Rename {
    /// Its name so far.
    pub from: &'static str,
    /// Its new name.
    pub to: &'static str,
}

/// What has to be renamed, and what is in the way.
pub(super) struct Renaming {
    pub(super) tables: Vec<Rename>,
    /// Bridges that a migration left which was cut off.
    leftover: Vec<String>,
    /// Whether every table that views read is there, so that they can be made anew.
    complete: bool,
    pub(super) objections: Vec<String>,
}

/// Every name that a renaming looks at, beside those of today.
pub(super) fn names() -> impl Iterator<Item = String> {
    FORMER.iter().flat_map(|(from, _)| [(*from).to_owned(), bridge(from)])
}

/// What a bridge is called when the table has taken its place.
fn bridge(from: &str) -> String {
    format!("sluice_bridge_{from}")
}

/// A view of nothing but the table with the former name.
fn bridge_of(from: &str, name: &str) -> Made {
    Made { kind: Kind::View, name: name.to_owned(), parts: vec![from.to_owned()] }
}

// === impl Renaming ===

impl Renaming {
    /// From version `from` on; `all` is what migrations make.
    pub(super) fn of(catalogue: &Catalogue, all: &[(i64, Made)], from: i64) -> Self {
        let mut renaming = Self { tables: Vec::new(), leftover: Vec::new(), complete: true, objections: Vec::new() };
        if from >= RENAMED {
            return renaming;
        }
        for (former, to) in FORMER {
            let Some((_, made)) = all.iter().find(|(_, made)| made.name == to) else { continue };
            renaming.look_at(catalogue, made, Rename { from: former, to }, from > 0);
            let is_there = renaming.tables.last().is_some_and(|last| last.to == to) || catalogue.is_ours(made);
            let is_read = all.iter().any(|(_, view)| view.kind == Kind::View && view.parts.iter().any(|it| it == to));
            renaming.complete &= is_there || !is_read;
        }
        renaming
    }

    /// `recorded`: a version is recorded, so that a table with the former name is ours.
    fn look_at(&mut self, catalogue: &Catalogue, made: &Made, rename: Rename, recorded: bool) {
        let left = bridge_of(rename.from, &bridge(rename.from));
        match catalogue.objection(&left, false) {
            Some(objection) => self.objections.push(objection),
            None if catalogue.get(&left.name).is_some() => self.leftover.push(left.name),
            None => {}
        }
        let table = Made { name: rename.from.to_owned(), ..made.clone() };
        if !catalogue.is_ours(&table) {
            // Somebody else's, and none of our business: unless ours would have to be there.
            let is_lost = recorded && catalogue.get(&made.name).is_none();
            self.objections.extend(catalogue.objection(&table, false).filter(|_| is_lost));
            return;
        }
        let is_free = catalogue.get(&made.name).is_none() || catalogue.is_ours(&bridge_of(rename.from, &made.name));
        if !is_free {
            let both = format!("`{}` is there beside `{}`, which would get its name", made.name, rename.from);
            self.objections.push(catalogue.objection(made, false).unwrap_or(both));
        }
        self.tables.push(rename);
    }

    /// Whether our views are made anew: a server does not change them with the tables.
    pub(super) fn replaces_views(&self, dialect: Dialect) -> bool {
        dialect == Dialect::MySql && self.complete && !self.tables.is_empty()
    }
}

impl Store {
    /// Gives tables and indexes the names of today.
    pub(super) async fn rename(&self, session: &mut Session, renaming: &Renaming) -> Result<(), Error> {
        match session.dialect() {
            Dialect::MySql => self.rename_on_server(session, renaming).await,
            Dialect::Sqlite if renaming.tables.is_empty() => Ok(()),
            Dialect::Sqlite => self.rename_in_file().await,
        }
    }

    async fn rename_on_server(&self, session: &mut Session, renaming: &Renaming) -> Result<(), Error> {
        drop_bridges(session, renaming.leftover.iter()).await?;
        let mut moves = Vec::new();
        let mut bridges = Vec::new();
        if renaming.replaces_views(Dialect::MySql) {
            // As the steps up to here define them: a later one may ask for columns that are not there yet.
            let steps = MIGRATIONS.iter().filter(|step| step.version <= RENAMED);
            let views: Vec<(Made, String)> = steps
                .flat_map(|step| step.statements(Dialect::MySql, &self.views))
                .filter_map(|text| Made::by(&text).filter(|made| made.kind == Kind::View).map(|made| (made, text)))
                .collect();
            for Rename { from, to } in &renaming.tables {
                if views.iter().any(|(view, _)| view.parts.iter().any(|part| part == to)) {
                    session.execute_text(&format!("CREATE OR REPLACE VIEW {to} AS SELECT * FROM {from}")).await?;
                    moves.push(format!("{to} TO {}", bridge(from)));
                    bridges.push(bridge(from));
                }
            }
            for (_, definition) in &views {
                session.execute_text(definition).await?;
            }
        }
        moves.extend(renaming.tables.iter().map(|Rename { from, to }| format!("{from} TO {to}")));
        if !moves.is_empty() {
            session.execute_text(&format!("RENAME TABLE {}", moves.join(", "))).await?;
        }
        drop_bridges(session, bridges.iter()).await?;
        rename_indexes_on_server(session).await
    }

    /// Looks again within its transaction, which keeps a second migration out: a file has no lock of another kind.
    async fn rename_in_file(&self) -> Result<(), Error> {
        let mut transaction = self.database.begin(Operation::new("migrate", &*self.target)).await?;
        transaction.execute_text("PRAGMA legacy_alter_table = OFF").await?;
        let all = self.all_made(&transaction);
        let looked_for: Vec<String> = all.iter().map(|(_, made)| made.name.clone()).chain(names()).collect();
        let catalogue = Catalogue::read(&mut transaction, &looked_for).await?;
        for Rename { from, to } in Renaming::of(&catalogue, &all, 0).tables {
            transaction.execute_text(&format!("ALTER TABLE {from} RENAME TO {to}")).await?;
            rename_indexes_in_file(&mut transaction, from, to).await?;
        }
        transaction.commit().await
    }
}

async fn drop_bridges(session: &mut Session, bridges: impl Iterator<Item = &String>) -> Result<(), Error> {
    for bridge in bridges {
        session.execute_text(&format!("DROP VIEW IF EXISTS {bridge}")).await?;
    }
    Ok(())
}

/// Indexes are called as their table is, with a word behind.
fn index_of_today(index: &str, from: &str, to: &str) -> Option<String> {
    Some(format!("{to}{}", index.strip_prefix(from).filter(|rest| rest.starts_with('_'))?))
}

async fn rename_indexes_on_server(session: &mut Session) -> Result<(), Error> {
    for (from, to) in FORMER {
        let sql = "SELECT DISTINCT index_name AS name FROM information_schema.statistics \
                   WHERE table_schema = DATABASE() AND table_name = ?";
        let found = session.fetch_all(sql, &[to.into()]).await?;
        let names = found.into_iter().map(|row| row.text("name")).collect::<Result<Vec<_>, _>>()?;
        for index in names {
            if let Some(name) = index_of_today(&index, from, to) {
                session.execute_text(&format!("ALTER TABLE {to} RENAME INDEX {index} TO {name}")).await?;
            }
        }
    }
    Ok(())
}

async fn rename_indexes_in_file(session: &mut Session, from: &str, to: &str) -> Result<(), Error> {
    let sql = "SELECT name, sql AS definition FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql <> ''";
    let found = session.fetch_all(sql, &[to.into()]).await?;
    let found = found.into_iter().map(|row| Ok((row.text("name")?, row.text("definition")?)));
    for (index, definition) in found.collect::<Result<Vec<_>, Error>>()? {
        if let Some(name) = index_of_today(&index, from, to) {
            session.execute_text(&definition.replacen(&index, &name, 1)).await?;
            session.execute_text(&format!("DROP INDEX {index}")).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{FORMER, bridge, index_of_today};
    use crate::{
        dialect::Dialect,
        migration::{
            definitions,
            names::{Kind, Made, words},
            prefix::ViewPrefix,
        },
    };

    /// What a server allows.
    const LONGEST: usize = 64;

    #[test]
    fn every_table_and_index_has_the_prefix_and_a_name_that_is_not_too_long() {
        for dialect in [Dialect::MySql, Dialect::Sqlite] {
            for text in definitions(dialect, &ViewPrefix::default()) {
                let keys = text.lines().filter_map(|line| line.trim().split_once("KEY "));
                let keys = keys.filter_map(|(_, rest)| rest.split_once(" (")).map(|(name, _)| name.to_owned());
                let made = Made::by(&text).filter(|made| made.kind != Kind::View).map(|made| made.name);
                for name in made.into_iter().chain(keys) {
                    assert!(name.starts_with("sluice_") && name.len() <= LONGEST, "{name}");
                }
            }
        }
        assert!(FORMER.iter().all(|(from, _)| bridge(from).len() <= LONGEST));
    }

    #[test]
    fn no_definition_names_a_table_as_it_was_called_before() {
        let definitions = definitions(Dialect::MySql, &ViewPrefix::default());
        let made: Vec<_> = definitions.iter().filter_map(|text| Made::by(text)).collect();
        for (from, to) in FORMER {
            assert!(made.iter().any(|made| made.kind == Kind::Table && made.name == to), "{to}");
            assert!(!definitions.iter().any(|text| words(text).any(|word| word == from)), "{from}");
        }
    }

    #[test]
    fn an_index_follows_its_table() {
        let name = |index| index_of_today(index, "sync_run", "sluice_run");
        assert_eq!(name("sync_run_open_slot").as_deref(), Some("sluice_run_open_slot"));
        for other in ["PRIMARY", "sync_running", "sluice_run_open_slot"] {
            assert_eq!(name(other), None);
        }
    }
}
