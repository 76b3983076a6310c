//! Earlier versions from git, by its own program: a few calls, however many schemas there are.
//!
//! A shallow clone has no history to hold a schema against, and says nothing about it. For the transitive levels it is
//! refused, for otherwise the check would pass what it could not see. What git has and cannot give as a text is a version
//! with a reason: an object that is missing, a link that leads nowhere, a folder that is another repository.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{Chapter, Version};
use crate::{
    Error,
    files::{self, SchemaFile},
};

mod links;
mod references;
mod repository;

use repository::{Blob, Repository};

/// A file's revision: the commit that made it, and what it holds.
#[derive(Clone, Debug)]
struct Revision {
    commit: String,
    blob: Blob,
}

/// Every schema file that git knows below the paths or that is one of the files, with its revisions, oldest first.
pub(super) fn chapters(
    reference: &str,
    paths: &[PathBuf],
    files: &[SchemaFile],
    all: bool,
) -> Result<Vec<Chapter>, Error> {
    let places: Vec<PathBuf> = files.iter().map(|file| place(&file.path)).collect();
    let repository = Repository::around(paths, &places)?;
    let commit = repository.commit(reference)?;
    if all && repository.text(&["rev-parse", "--is-shallow-repository"])?.trim() == "true" {
        return Err(Error::Shallow);
    }
    let present = repository.tree(&commit)?;
    let mut revisions = if all { repository.revisions(&commit)? } else { BTreeMap::new() };
    for (path, blob) in &present {
        let list = revisions.entry(path.clone()).or_default();
        // The newest is the last, even where it is an older one again, or a merge hides which commit brought it.
        let known = list.iter().position(|revision| revision.blob == *blob).map(|place| list.remove(place));
        list.push(known.unwrap_or_else(|| Revision { commit: reference.to_owned(), blob: blob.clone() }));
    }
    let mut chapters = read(&repository, &revisions, &present)?;
    links::follow(&repository, (&commit, reference), &places, all, &mut chapters)?;
    if all {
        references::complete_all(&repository, &commit, &mut chapters)?;
    } else {
        references::complete(&mut chapters);
    }
    Ok(chapters)
}

fn read(
    repository: &Repository,
    revisions: &BTreeMap<String, Vec<Revision>>,
    present: &BTreeMap<String, Blob>,
) -> Result<Vec<Chapter>, Error> {
    let asked: BTreeSet<String> = revisions
        .iter()
        .flat_map(|(path, list)| list.iter().map(|revision| revision.blob.request(&revision.commit, path)))
        .collect();
    let asked: Vec<String> = asked.into_iter().collect();
    let contents: BTreeMap<&String, Result<String, String>> = asked.iter().zip(repository.contents(&asked)?).collect();
    let content =
        |request: &String| contents.get(request).cloned().unwrap_or_else(|| Err("git did not give it".to_owned()));
    let chapter = |(path, list): (&String, &Vec<Revision>)| Chapter {
        key: repository.top.join(path),
        path: shown(&repository.top.join(path)),
        subject: files::subject_of(Path::new(path)),
        versions: list
            .iter()
            .map(|Revision { commit, blob }| Version {
                label: commit.clone(),
                content: content(&blob.request(commit, path)),
            })
            .collect(),
        present: present.contains_key(path),
    };
    Ok(revisions.iter().map(chapter).collect())
}

/// Where git has a file: its folder with links resolved, and its own name, for git keeps a link as a link.
pub(super) fn place(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    absolute(folder).map_or_else(|_| path.to_owned(), |folder| folder.join(path.file_name().unwrap_or_default()))
}

/// As git knows the path: absolute, links resolved as far as it is there.
fn absolute(path: &Path) -> Result<PathBuf, Error> {
    let failed = |source: std::io::Error| Error::NotFound { path: path.to_owned(), source };
    let whole = std::path::absolute(path).map_err(failed)?;
    let there = whole.ancestors().find(|part| part.exists()).unwrap_or(&whole);
    let real = there.canonicalize().map_err(failed)?;
    let rest = whole.strip_prefix(there).unwrap_or(Path::new(""));
    Ok(if rest.as_os_str().is_empty() { real } else { real.join(rest) })
}

/// Relative to where the command runs, as people write it.
fn shown(path: &Path) -> PathBuf {
    let here = std::env::current_dir().and_then(|here| here.canonicalize()).unwrap_or_default();
    path.strip_prefix(here).map_or_else(|_| path.to_owned(), Path::to_owned)
}
