//! What came before: the versions of each subject, from git, from a registry, or from another folder.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    str::FromStr,
};

use pipeline_core::registry::Registry;

use super::files::{self, SchemaFile};
use crate::{
    failure::Failure,
    session::{self, Session},
};

mod git;

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

/// An earlier version of a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// What people call it: a commit, `version 3`, a file.
    pub label: String,
    /// Its text.
    pub text: String,
}

/// The earlier versions of every schema, oldest first.
#[derive(Debug, Default)]
pub struct History {
    versions: BTreeMap<String, Vec<Version>>,
    /// Schema files that were there before, by subject, as paths to show; empty for a registry.
    files: BTreeMap<String, PathBuf>,
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
    /// What came before these files; with `all`, every revision that git has, and not only that of the commit.
    pub async fn of(
        session: &Session,
        against: &Against,
        paths: &[PathBuf],
        files: &[SchemaFile],
        all: bool,
    ) -> Result<Self, Failure> {
        match against {
            Against::Git(reference) => Self::of_git(reference, paths, all),
            Against::Folder(folder) => Self::of_folder(folder),
            Against::Registry => {
                let subjects: Vec<&str> = files.iter().map(|file| file.subject.as_str()).collect();
                Self::of_registry(&super::registry(session)?, &subjects).await
            }
        }
    }

    /// The versions of a subject, oldest first; empty for a new one.
    pub fn versions(&self, subject: &str) -> &[Version] {
        self.versions.get(subject).map(Vec::as_slice).unwrap_or_default()
    }

    /// The files that were there before, with their subjects.
    pub fn files(&self) -> impl Iterator<Item = (&str, &Path)> {
        self.files.iter().map(|(subject, path)| (subject.as_str(), path.as_path()))
    }

    /// What git knows of the paths at a commit; with `all`, of every revision before it too.
    pub fn of_git(reference: &str, paths: &[PathBuf], all: bool) -> Result<Self, Failure> {
        git::history(reference, paths, all)
    }

    /// The files of a folder, each the only version of its subject.
    pub fn of_folder(folder: &Path) -> Result<Self, Failure> {
        let mut history = Self::default();
        for SchemaFile { path, subject, text } in files::find(&[folder.to_owned()])? {
            let version = Version { label: path.display().to_string(), text: text.unwrap_or_default() };
            history.versions.insert(subject.clone(), vec![version]);
            history.files.insert(subject, path);
        }
        Ok(history)
    }

    /// The registered versions of the subjects.
    pub async fn of_registry(registry: &Registry, subjects: &[&str]) -> Result<Self, Failure> {
        let failure = |error| session::registry_failure(&error);
        let mut history = Self::default();
        for subject in subjects {
            let mut versions = Vec::new();
            for number in registry.versions(subject).await.map_err(failure)? {
                // A version may be deleted between the two calls.
                if let Some(found) = registry.version(subject, Some(number)).await.map_err(failure)? {
                    versions.push(Version { label: format!("version {number}"), text: found.schema });
                }
            }
            history.versions.insert((*subject).to_owned(), versions);
        }
        Ok(history)
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
