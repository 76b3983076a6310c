//! What a migration would do, and whether it may: looked up before anything is changed, and all that is in the way told
//! at once.

use super::{
    MIGRATIONS, NEEDED, VERSIONS,
    former::{self, Rename, Renaming},
    names::{Kind, Made},
    ownership::Catalogue,
    prefix::VIEWS,
    version, views,
};
use crate::{Error, Store, database::Session, operation::Operation};

/// What a migration would do.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct MigrationPlan {
    /// The version that is there; 0 is an empty database.
    pub from: i64,
    /// The version that it would have.
    pub to: i64,
    /// Tables, views and, in a file, indexes that would be made.
    pub makes: Vec<String>,
    /// Views of ours that would be made anew: with another definition, or for this account in place of another one.
    pub replaces: Vec<String>,
    /// Tables that get another name.
    pub renames: Vec<Rename>,
}

// === impl MigrationPlan ===

impl MigrationPlan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.from == self.to && self.makes.is_empty() && self.replaces.is_empty()
    }
}

impl Store {
    /// What [`Store::migrate`] would do now; fails as it would when names are taken. Changes nothing.
    pub async fn plan_migration(&self) -> Result<MigrationPlan, Error> {
        let mut session = self.database.session(Operation::new("plan the migration of", &*self.target)).await?;
        Ok(self.plan_in(&mut session).await?.0)
    }

    pub(super) async fn plan_in(&self, session: &mut Session) -> Result<(MigrationPlan, Renaming), Error> {
        let all = self.all_made(session);
        let names: Vec<String> = all.iter().map(|(_, made)| made.name.clone()).chain(former::names()).collect();
        let catalogue = Catalogue::read(session, &names).await?;
        let account = views::account(session).await?;

        // A foreign table of versions has no version that could be read.
        let versions = all.first().and_then(|(_, made)| catalogue.objection(made, false));
        let from = if versions.is_some() { 0 } else { version(session).await? };
        if from > NEEDED {
            return Err(Error::NotMigrated { target: self.describe(), found: from, needed: NEEDED });
        }
        let mut renaming = Renaming::of(&catalogue, &all, from);
        let replaces_views = renaming.replaces_views(session.dialect());
        let renames = renaming.tables.clone();
        let mut plan = MigrationPlan { from, to: NEEDED, makes: Vec::new(), replaces: Vec::new(), renames };
        let mut objections = std::mem::take(&mut renaming.objections);
        for (version, made) in &all {
            let replaced = made.kind == Kind::View
                && (*version > from
                    || replaces_views
                    || views::needs_adoption(&catalogue, &made.name, account.as_deref()));
            let is_renamed = plan.renames.iter().any(|rename| rename.to == made.name);
            if is_renamed || *version <= from && !replaced {
                continue;
            }
            match (catalogue.get(&made.name), catalogue.objection(made, *version <= from)) {
                (None, _) => plan.makes.push(made.name.clone()),
                (Some(_), Some(objection)) => objections.push(objection),
                (Some(_), None) if replaced => plan.replaces.push(made.name.clone()),
                (Some(_), None) => {}
            }
        }
        if let Some(prefix) = self.other_prefix(&catalogue, &all).filter(|_| from > 0) {
            let prefix = if prefix.is_empty() { "have no prefix".to_owned() } else { format!("begin with `{prefix}`") };
            objections.push(format!(
                "its tables are those of an installation whose views {prefix} (`target.view_prefix`), and each installation \
                 needs a database of its own"
            ));
        }
        if objections.is_empty() {
            return Ok((plan, renaming));
        }
        Err(Error::NamesTaken { target: self.describe(), found: objections.join(", ") })
    }

    /// Everything that migrations make, the table of versions first, each with the version that made it last.
    pub(super) fn all_made(&self, session: &Session) -> Vec<(i64, Made)> {
        let mut all: Vec<(i64, Made)> = Made::by(VERSIONS).map(|made| (1, made)).into_iter().collect();
        for migration in MIGRATIONS {
            for made in migration.statements(session.dialect(), &self.views).iter().filter_map(|text| Made::by(text)) {
                match all.iter_mut().find(|(_, earlier)| earlier.name == made.name) {
                    // What all definitions have in common is in those of older versions, too.
                    Some((version, earlier)) => {
                        *version = migration.version;
                        earlier.parts.retain(|part| made.parts.contains(part));
                    }
                    None => all.push((migration.version, made)),
                }
            }
        }
        all
    }

    /// The prefix of four views of ours, when this installation's own are not there.
    fn other_prefix(&self, catalogue: &Catalogue, all: &[(i64, Made)]) -> Option<String> {
        if self.views.names().iter().any(|name| catalogue.get(name).is_some()) {
            return None;
        }
        let mut prefixes: Vec<&str> = catalogue.views().filter_map(|name| name.strip_suffix(VIEWS.first()?)).collect();
        prefixes.sort_unstable();
        let is_ours = |prefix: &&str| {
            all.iter().filter(|(_, made)| made.kind == Kind::View).all(|(_, made)| {
                let view = made.name.strip_prefix(self.views.as_str()).unwrap_or(&made.name);
                let there = Made { name: format!("{prefix}{view}"), ..made.clone() };
                catalogue.get(&there.name).is_some() && catalogue.objection(&there, false).is_none()
            })
        };
        prefixes.into_iter().find(is_ours).map(str::to_owned)
    }
}
