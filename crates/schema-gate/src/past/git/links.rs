//! Files whose past git does not keep under their own path: behind symbolic links, and in submodules.

use std::path::{Path, PathBuf};

use super::{
    Chapter, Version, files,
    repository::{MISSING, Repository},
    shown,
};
use crate::Error;

/// Completes the chapters with those of files that are no plain file at the commit: what a link led to, at each commit,
/// and that a submodule's past is not here.
pub(super) fn follow(
    repository: &Repository,
    (commit, reference): (&str, &str),
    places: &[PathBuf],
    all: bool,
    chapters: &mut Vec<Chapter>,
) -> Result<(), Error> {
    let is_plain = |place: &PathBuf| chapters.iter().any(|chapter| chapter.present && chapter.key == *place);
    let missing: Vec<&PathBuf> = places.iter().filter(|place| !is_plain(place)).collect();
    let paths: Vec<String> = missing.iter().map(|place| repository.inside(place)).collect::<Result<_, _>>()?;
    // A link that is a file of the tree has its chapter already, of which the target's history is missing.
    let linked = linked(repository, commit, chapters, &paths)?;
    if !linked.is_empty() {
        let commits = if all { repository.commits(commit)? } else { Vec::new() };
        for path in linked {
            let versions = versions(repository, &commits, (commit, reference), &path)?;
            put(chapters, repository, &path, versions);
        }
    }
    for (path, submodule) in inside_submodules(repository, commit, &paths)? {
        let reason = format!("it lies in the submodule `{submodule}`, whose past is in a repository of its own");
        put(chapters, repository, &path, vec![Version { label: reference.to_owned(), content: Err(reason) }]);
    }
    Ok(())
}

/// The paths at which the commit has a link, or a file behind one.
fn linked(
    repository: &Repository,
    commit: &str,
    chapters: &[Chapter],
    missing: &[String],
) -> Result<Vec<String>, Error> {
    let mut links: Vec<String> = repository.links(commit)?;
    let asked: Vec<String> = missing.iter().map(|path| format!("{commit}:{path}")).collect();
    let found = repository.contents(&asked)?;
    let there = |content: &Result<String, String>| content.as_ref().err().is_none_or(|reason| reason != MISSING);
    let plain = |path: &String| chapters.iter().any(|c| c.present && c.key == repository.top.join(path));
    links.extend(
        missing.iter().zip(&found).filter(|(path, content)| there(content) && !plain(path)).map(|(p, _)| p.clone()),
    );
    links.dedup();
    Ok(links)
}

/// What was behind a path at each commit, oldest first, each once; the last is what is there at the end.
fn versions(
    repository: &Repository,
    commits: &[String],
    (commit, reference): (&str, &str),
    path: &str,
) -> Result<Vec<Version>, Error> {
    let asked: Vec<String> =
        commits.iter().map(String::as_str).chain([commit]).map(|c| format!("{c}:{path}")).collect();
    let labels = commits.iter().map(|commit| commit.get(..7).unwrap_or(commit)).chain([reference]);
    let mut versions: Vec<Version> = Vec::new();
    for (label, content) in labels.zip(repository.contents(&asked)?) {
        if content.as_ref().err().is_some_and(|reason| reason == MISSING) {
            continue;
        }
        let known = versions.iter().position(|version| version.content == content);
        let version = known.map(|place| versions.remove(place));
        versions.push(version.unwrap_or_else(|| Version { label: label.to_owned(), content }));
    }
    Ok(versions)
}

fn inside_submodules(repository: &Repository, commit: &str, paths: &[String]) -> Result<Vec<(String, String)>, Error> {
    let folders = |path: &str| -> Vec<String> {
        let above = Path::new(path).ancestors().skip(1).map(|folder| folder.to_string_lossy().into_owned());
        above.filter(|folder| !folder.is_empty()).collect()
    };
    let mut asked: Vec<String> = paths.iter().flat_map(|path| folders(path)).collect();
    asked.sort();
    asked.dedup();
    let submodules = repository.submodules(commit, &asked.iter().map(String::as_str).collect::<Vec<_>>())?;
    let around = |path: &String| submodules.iter().find(|submodule| folders(path).contains(submodule)).cloned();
    Ok(paths.iter().filter_map(|path| Some((path.clone(), around(path)?))).collect())
}

/// The chapter of a path, in place of the one that may be there.
fn put(chapters: &mut Vec<Chapter>, repository: &Repository, path: &str, versions: Vec<Version>) {
    let key = repository.top.join(path);
    match chapters.iter_mut().find(|chapter| chapter.key == key) {
        Some(chapter) => {
            // What was a plain file before comes first.
            let earlier = std::mem::take(&mut chapter.versions);
            let fresh = |version: &Version| !versions.iter().any(|known| known.content == version.content);
            chapter.versions = earlier.into_iter().filter(fresh).collect();
            chapter.versions.extend(versions);
            chapter.present = true;
        }
        None => {
            let (path, subject) = (shown(&key), files::subject_of(Path::new(path)));
            chapters.push(Chapter { key, path, subject, versions, present: true });
        }
    }
}
