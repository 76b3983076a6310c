//! What came before: the versions of each file, from git, from a registry, or from another folder.
//!
//! Nothing that was there is left out: a version that cannot be read is one too, with the reason, so that nobody takes
//! *not compared* for *compatible*.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    str::FromStr,
};

use pipeline_core::registry::{Error as RegistryError, Registry};
use pipeline_settings::settings::{Names, Settings};

use crate::{
    Error,
    files::{self, SchemaFile},
    subjects,
};

mod git;
mod lineage;

use lineage::{Chapter, lineages};
pub use lineage::{Lineage, Version};

/// What to hold schemas against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Against {
    /// The revisions that are reachable from a commit.
    Git(String),
    /// The registered versions.
    Registry,
    /// The files of a folder.
    Folder(PathBuf),
}

/// The earlier versions of every schema.
#[derive(Debug, Default)]
pub struct History {
    files: BTreeMap<PathBuf, Lineage>,
    /// Schema files that were there before and have no successor at their place, with what was in them.
    gone: Vec<Gone>,
    /// Subjects that have a past.
    subjects: BTreeSet<String>,
}

/// A schema file that is not there any more.
#[derive(Debug)]
pub struct Gone {
    /// The registry's subject.
    pub subject: String,
    /// Its path, as it is shown.
    pub path: PathBuf,
    /// Its last text, when it could be read.
    pub text: Option<String>,
}

// === impl Against ===

impl FromStr for Against {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("git", "")) => Err("expected a branch, a tag or a commit after `git:`".to_owned()),
            // What begins with a hyphen would be an option of git.
            Some(("git", reference)) if reference.starts_with('-') => {
                Err(format!("`{reference}` is not a branch, a tag or a commit"))
            }
            Some(("git", reference)) => Ok(Self::Git(reference.to_owned())),
            _ if text == "registry" => Ok(Self::Registry),
            _ if text.is_empty() => Err("expected git:REF, registry or a folder".to_owned()),
            _ => Ok(Self::Folder(text.into())),
        }
    }
}

impl std::fmt::Display for Against {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Git(reference) => write!(f, "git:{reference}"),
            Self::Registry => f.write_str("registry"),
            Self::Folder(folder) => folder.display().fmt(f),
        }
    }
}

// === impl History ===

impl History {
    /// What came before these files; with `all`, every revision that git has, and not only that of the commit. A registry
    /// is found by the settings.
    pub async fn of(
        settings: Option<&Settings>,
        against: &Against,
        paths: &[PathBuf],
        files: &[SchemaFile],
        all: bool,
    ) -> Result<Self, Error> {
        match against {
            Against::Git(reference) => Self::of_git(reference, paths, files, all),
            Against::Folder(folder) => Self::of_folder(folder, files),
            Against::Registry => {
                let (registry, names) = subjects::registry(settings)?;
                Self::of_registry(&registry, &names, files, &[]).await
            }
        }
    }

    /// What came before a file; nothing for a new one.
    pub fn of_file(&self, file: &SchemaFile) -> Lineage {
        self.files.get(&file.path).cloned().unwrap_or_default()
    }

    /// The files that were there before and are not any more.
    pub fn gone(&self) -> &[Gone] {
        &self.gone
    }

    /// Whether the subject has a past.
    pub fn knows(&self, subject: &str) -> bool {
        self.subjects.contains(subject)
    }

    /// What git knows of the paths at a commit; with `all`, of every revision before it too.
    pub fn of_git(reference: &str, paths: &[PathBuf], files: &[SchemaFile], all: bool) -> Result<Self, Error> {
        let chapters = git::chapters(reference, paths, files, all)?;
        Ok(Self::of_chapters(&chapters, files, |file| git::place(&file.path)))
    }

    /// The files of a folder, each the only version of its subject.
    pub fn of_folder(folder: &Path, files: &[SchemaFile]) -> Result<Self, Error> {
        let chapter = |file: SchemaFile| {
            let content = match (&file.fault, file.whole()) {
                (Some(fault), _) => Err(fault.clone()),
                (None, text) => Ok(text.unwrap_or_default().to_owned()),
            };
            let versions = vec![Version { label: file.path.display().to_string(), content }];
            Chapter { key: file.inside, path: file.path, subject: file.subject, versions, present: true }
        };
        let chapters: Vec<Chapter> = files::find_past(folder)?.into_iter().map(chapter).collect();
        Ok(Self::of_chapters(&chapters, files, |file| nearest(&chapters, file)))
    }

    fn of_chapters(chapters: &[Chapter], files: &[SchemaFile], key: impl Fn(&SchemaFile) -> PathBuf) -> Self {
        let (lineages, orphans) = lineages(chapters, files, key);
        let text = |chapter: &Chapter| chapter.versions.last().and_then(|version| version.content.clone().ok());
        let gone = |chapter: &Chapter| Gone {
            subject: chapter.subject.clone(),
            path: chapter.path.clone(),
            text: text(chapter),
        };
        Self {
            files: files.iter().map(|file| file.path.clone()).zip(lineages).collect(),
            gone: orphans.into_iter().map(gone).collect(),
            subjects: chapters.iter().map(|chapter| chapter.subject.clone()).collect(),
        }
    }

    /// The registered versions of the files' subjects; of others, whether they have any. Files and policies call a subject
    /// by its contract.
    pub async fn of_registry(
        registry: &Registry,
        names: &Names,
        files: &[SchemaFile],
        others: &[&str],
    ) -> Result<Self, Error> {
        let mut history = Self::default();
        let subjects: BTreeSet<&str> = files.iter().map(|file| file.subject.as_str()).collect();
        for subject in subjects {
            let versions = registered(registry, &names.topic(subject)).await?;
            if !versions.is_empty() {
                history.subjects.insert(subject.to_owned());
            }
            let lineage = Lineage { heads: usize::from(!versions.is_empty()), versions };
            for file in files.iter().filter(|file| file.subject == subject) {
                history.files.insert(file.path.clone(), lineage.clone());
            }
        }
        for subject in others {
            if !registry.versions(&names.topic(subject)).await?.is_empty() {
                history.subjects.insert((*subject).to_owned());
            }
        }
        Ok(history)
    }
}

/// The versions of a subject, each with what it refers to.
async fn registered(registry: &Registry, subject: &str) -> Result<Vec<Version>, Error> {
    let mut versions = Vec::new();
    for number in registry.versions(subject).await? {
        let content = match registry.version(subject, Some(number)).await? {
            Some(found) => match registry.whole_schema(subject, &found).await {
                Ok(text) => Ok(text),
                Err(RegistryError::Unusable { reason, .. }) => Err(reason),
                Err(error) => return Err(error.into()),
            },
            None => Err("the registry lists it and does not give it; it may have been deleted just now".to_owned()),
        };
        versions.push(Version { label: format!("version {number}"), content });
    }
    Ok(versions)
}

/// The key of the past's file for one of today: the one at the same place below its folder. A file that was named
/// itself says nothing of its folder; for it, the one whose path has most parts in common at its end.
fn nearest(chapters: &[Chapter], file: &SchemaFile) -> PathBuf {
    if file.inside.components().count() > 1 || chapters.iter().any(|chapter| chapter.key == file.inside) {
        return file.inside.clone();
    }
    let common = |chapter: &&Chapter| {
        let (one, other) = (chapter.path.components().rev(), file.path.components().rev());
        one.zip(other).take_while(|(one, other)| one == other).count()
    };
    let named = chapters.iter().filter(|chapter| chapter.subject == file.subject);
    let best = named.clone().map(|chapter| common(&chapter)).max().unwrap_or(0);
    let mut nearest = named.filter(|chapter| common(chapter) == best);
    match (nearest.next(), nearest.next()) {
        (Some(only), None) if best > 1 => only.key.clone(),
        _ => file.inside.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_hold_against_is_read_from_one_word() {
        assert_eq!("git:origin/main".parse(), Ok(Against::Git("origin/main".to_owned())));
        assert_eq!("registry".parse(), Ok(Against::Registry));
        assert_eq!("../old".parse(), Ok(Against::Folder("../old".into())));
        for wrong in ["", "git:", "git:--output=x"] {
            assert!(wrong.parse::<Against>().is_err(), "{wrong}");
        }
    }
}
