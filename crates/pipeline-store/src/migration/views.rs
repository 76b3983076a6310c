//! The four views: what they are called here, whose they are, and whether they can be read.
//!
//! **A view belongs to the account that made it**, and reads the tables with that account's rights: so readers need no
//! right to a table, and see one generation only. Readers depend on that account. So `migrate` gives the views to the
//! account that it runs as, whoever had them before, and says so; grants on views stay. The other way, views with the
//! rights of who reads, would open every table and every generation to readers.

use super::{definitions, names::Made, ownership::Catalogue};
use crate::{Error, Store, database::Session, dialect::Dialect, error::fault::is_view_broken, operation::Operation};

impl Store {
    /// Fails when a view is missing, or readers get an error from it because the account that it belongs to is gone or
    /// may not read the tables any more.
    pub async fn check_views(&self) -> Result<(), Error> {
        let mut session = self.database.session(Operation::new("read the views of", &*self.target)).await?;
        self.check_views_are_there(&mut session).await?;
        let mut broken = Vec::new();
        for view in self.views.names() {
            match session.fetch_all(format!("SELECT 1 AS found FROM {view} WHERE 1 = 0"), &[]).await {
                Ok(_) => {}
                Err(error) if is_view_broken(&error) => broken.push(format!("`{view}`")),
                Err(error) => return Err(error),
            }
        }
        if broken.is_empty() {
            return Ok(());
        }
        let reason = "the account that they belong to is gone, or may not read the tables any more";
        Err(self.unreadable(&format!("{reason}: {}", broken.join(", "))))
    }

    /// The tables alone do not say that this installation made them: another one's views have another prefix.
    pub(super) async fn check_views_are_there(&self, session: &mut Session) -> Result<(), Error> {
        let names = self.views.names();
        let catalogue = Catalogue::read(session, &names).await?;
        let missing: Vec<_> = names.iter().filter(|name| catalogue.get(name).is_none()).collect();
        match missing.as_slice() {
            [] => Ok(()),
            missing => {
                let names: Vec<_> = missing.iter().map(|name| format!("`{name}`")).collect();
                Err(self.unreadable(&format!("there is no {}", names.join(", "))))
            }
        }
    }

    fn unreadable(&self, reason: &str) -> Error {
        Error::ViewsUnreadable { target: self.describe(), reason: reason.to_owned() }
    }

    /// Makes the views that are missing, and those that belong to another account; gives their names.
    pub(super) async fn adopt_views(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        let mut adopted = Vec::new();
        let names = self.views.names();
        let catalogue = Catalogue::read(session, &names).await?;
        let account = account(session).await?;
        for name in names {
            if needs_adoption(&catalogue, &name, account.as_deref()) {
                let mut newest_first = definitions(session.dialect(), &self.views).into_iter().rev();
                let is_its = |text: &String| Made::by(text).is_some_and(|made| made.name == name);
                if let Some(definition) = newest_first.find(is_its) {
                    session.execute_text(&definition).await?;
                    adopted.push(name);
                }
            }
        }
        Ok(adopted)
    }
}

/// Whether `migrate` has to make a view anew, though no version asks for it.
pub(super) fn needs_adoption(catalogue: &Catalogue, name: &str, account: Option<&str>) -> bool {
    catalogue.get(name).is_none_or(|found| account.is_some() && found.definer.as_deref() != account)
}

/// The account that this session's views would belong to; a file knows none.
pub(super) async fn account(session: &mut Session) -> Result<Option<String>, Error> {
    match session.dialect() {
        Dialect::MySql => session.fetch_one("SELECT CURRENT_USER() AS account", &[]).await?.optional_text("account"),
        Dialect::Sqlite => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::super::prefix::{VIEWS, ViewPrefix};
    use crate::{
        dialect::Dialect,
        migration::{
            definitions,
            names::{Kind, Made},
        },
    };

    #[test]
    fn the_views_are_those_that_the_definitions_make() {
        for dialect in [Dialect::MySql, Dialect::Sqlite] {
            let prefix = ViewPrefix::new("x_").unwrap();
            let made = definitions(dialect, &prefix).iter().filter_map(|text| Made::by(text)).collect::<Vec<_>>();
            let mut views: Vec<_> =
                made.into_iter().filter(|made| made.kind == Kind::View).map(|made| made.name).collect();
            views.dedup();
            assert_eq!(views, VIEWS.map(|view| format!("x_{view}")));
        }
    }

    #[test]
    fn a_prefix_never_needs_quotes() {
        for prefix in ["", "a", "acme_2_"] {
            assert!(ViewPrefix::new(prefix).is_ok(), "{prefix}");
        }
        for prefix in ["_", "2a", "A", "a-", "a.b", "a`", "ä", &"a".repeat(33)] {
            assert!(ViewPrefix::new(prefix).is_err(), "{prefix}");
        }
    }
}
