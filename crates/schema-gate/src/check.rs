//! May these schemas follow their history? Against git and folders, no network is needed.
//!
//! A schema that equals the newest version of its subject passes without further questions.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use pipeline_core::registry::Registry;
use pipeline_schema::Level;
use pipeline_settings::settings::{Names, Settings};

use crate::{
    Error,
    files::{self, SchemaFile},
    past::{Against, Gone, History},
    policy::{self, Policy},
    rules::rule_ids,
    subjects,
    verdict::{Entry, Verdict},
};

mod columns;
mod judge;
mod topics;
mod waivers;

pub use topics::Tried;

/// What to check.
#[derive(Clone, Debug)]
pub struct Check {
    /// Folders or files of schemas.
    pub paths: Vec<PathBuf>,
    /// What to hold them against.
    pub against: Against,
    /// Level for every subject; wins over every policy.
    pub level: Option<Level>,
    /// File with levels and waivers, in place of those beside the schemas.
    pub policy: Option<PathBuf>,
    /// Try the schemas also on so many last messages of each partition of their topics.
    pub topics: Option<i64>,
    /// The day on which waivers are judged, as `YYYY-MM-DD`; more may follow.
    pub today: String,
}

/// What a check came to.
#[derive(Clone, Debug)]
pub struct Checked {
    /// What was found.
    pub verdict: Verdict,
    /// The topics whose messages were read.
    pub tried: Vec<Tried>,
}

// === impl Check ===

impl Check {
    /// Checks. The settings say where registry and broker are: only a past in the registry, and messages, need them.
    ///
    /// # Errors
    /// When files, their past or a policy cannot be read. What is wrong with a schema is in the verdict.
    pub async fn run(&self, settings: Option<&Settings>) -> Result<Checked, Error> {
        let files = files::find(&self.paths)?;
        let policies = Policies::read(&files, self)?;
        let registry = match self.against {
            Against::Registry => Some(subjects::registry(settings)?),
            Against::Git(_) | Against::Folder(_) => None,
        };
        let levels = levels(&files, &policies, registry.as_ref()).await?;
        let history = history(self, &files, &policies, &levels, registry.as_ref()).await?;
        let mut own = columns::check(&files)?;
        let mut tried = Vec::new();
        if let Some(last) = self.topics {
            let (entries, topics) = topics::check(settings, &files, last).await?;
            own.extend(entries);
            tried = topics;
        }
        let verdict = judge(&files, &policies, &levels, &history, own, (&self.against, &self.today));
        Ok(Checked { verdict, tried })
    }
}

/// The policies, by the folder of the schemas.
struct Policies {
    by_folder: BTreeMap<PathBuf, Policy>,
    only: Option<Policy>,
    /// The flag, which wins over all.
    flag: Option<Level>,
}

/// The level that each subject is held to.
type Levels = BTreeMap<String, Level>;

// === impl Policies ===

impl Policies {
    fn read(files: &[SchemaFile], check: &Check) -> Result<Self, Error> {
        let rules = rule_ids();
        let only = check.policy.as_deref().map(|path| Policy::of_file(path, &rules)).transpose()?;
        let mut by_folder = BTreeMap::new();
        if only.is_none() {
            let named = check.paths.iter().filter(|path| path.is_dir()).map(PathBuf::as_path);
            for folder in files.iter().map(|file| folder_of(&file.path)).chain(named) {
                if !by_folder.contains_key(folder) {
                    by_folder.insert(folder.to_owned(), Policy::of_folder(folder, &rules)?);
                }
            }
        }
        Ok(Self { by_folder, only, flag: check.level })
    }

    fn all(&self) -> impl Iterator<Item = &Policy> {
        self.only.iter().chain(self.by_folder.values())
    }

    fn level(&self, file: &Path, subject: &str) -> Option<Level> {
        let beside = || self.by_folder.get(folder_of(file));
        self.flag.or_else(|| self.only.as_ref().or_else(beside)?.level(subject))
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

// === what is asked of each subject ===

async fn levels(
    files: &[SchemaFile],
    policies: &Policies,
    registry: Option<&(Registry, Names)>,
) -> Result<Levels, Error> {
    let mut levels = Levels::new();
    for SchemaFile { path, subject, .. } in files {
        let level = match (policies.level(path, subject), registry) {
            (Some(level), _) => level,
            (None, Some((registry, names))) => registry.level(&names.topic(subject)).await?,
            (None, None) => policy::STRICTEST,
        };
        levels.insert(subject.clone(), level);
    }
    Ok(levels)
}

async fn history(
    check: &Check,
    files: &[SchemaFile],
    policies: &Policies,
    levels: &Levels,
    registry: Option<&(Registry, Names)>,
) -> Result<History, Error> {
    match (&check.against, registry) {
        (Against::Git(reference), _) => {
            History::of_git(reference, &check.paths, files, levels.values().any(|level| level.is_transitive()))
        }
        (Against::Folder(folder), _) => History::of_folder(folder, files),
        (Against::Registry, Some((registry, names))) => {
            let listed = policies.all().flat_map(Policy::subjects);
            History::of_registry(registry, names, files, &listed.collect::<Vec<_>>()).await
        }
        (Against::Registry, None) => Ok(History::default()),
    }
}

// === the verdict ===

fn judge(
    files: &[SchemaFile],
    policies: &Policies,
    levels: &Levels,
    history: &History,
    own: Vec<Entry>,
    (against, today): (&Against, &str),
) -> Verdict {
    let mut verdict = Verdict::new(against.to_string());
    for file in files.iter().filter(|file| file.text.is_some()) {
        let level = levels.get(&file.subject).copied().unwrap_or(policy::STRICTEST);
        let (subject, entries) = judge::file(file, level, &history.of_file(file));
        verdict.subjects.push(subject);
        verdict.entries.extend(entries);
    }
    verdict.entries.extend(removed(files, policies, levels, history));
    verdict.entries.extend(own);
    let named: BTreeSet<&str> = files.iter().map(|file| file.subject.as_str()).collect();
    waivers::apply(&mut verdict, policies.all(), &named, today.get(..10).unwrap_or(today));
    verdict
}

/// Schemas that were there and are not any more.
fn removed(files: &[SchemaFile], policies: &Policies, levels: &Levels, history: &History) -> Vec<Entry> {
    let level = |subject: &str| {
        let said = || policies.all().find_map(|policy| policy.level(subject));
        levels.get(subject).copied().or(policies.flag).or_else(said).unwrap_or(policy::STRICTEST)
    };
    let mut gone: BTreeMap<(&str, PathBuf), Option<String>> = BTreeMap::new();
    for Gone { subject, path, text } in history.gone() {
        let successor = text.as_deref().and_then(|text| renamed_to(text, files, history));
        gone.insert((subject, path.clone()), successor);
    }
    for policy in policies.all() {
        let is_told = |subject: &str| {
            let there = files.iter().any(|file| file.text.is_some() && file.subject == subject);
            there || history.gone().iter().any(|gone| gone.subject == subject)
        };
        for subject in policy.subjects().filter(|subject| history.knows(subject) && !is_told(subject)) {
            gone.insert((subject, policy.path.clone().unwrap_or_default()), None);
        }
    }
    gone.into_iter()
        .filter(|((subject, _), _)| level(subject) != Level::None)
        .map(|((subject, path), successor)| Entry::removed(subject, &path, level(subject), successor.as_deref()))
        .collect()
}

/// A new file that holds the record of one that is gone.
fn renamed_to(old: &str, files: &[SchemaFile], history: &History) -> Option<String> {
    let is_it = |file: &&SchemaFile| {
        history.of_file(file).versions.is_empty() && file.whole().is_some_and(|text| files::same_schema(text, old))
    };
    files.iter().find(is_it).map(|file| file.path.display().to_string())
}

#[cfg(test)]
mod tests;
