//! Types that a file took from others at the same commit.

use std::collections::{BTreeMap, BTreeSet};

use pipeline_schema::{Fault, Library, Schema};

use super::{
    Chapter, Version,
    repository::{Blob, Repository},
};
use crate::Error;

/// Puts in what the newest versions take from each other.
pub(super) fn complete(chapters: &mut [Chapter]) {
    let newest = |chapter: &Chapter| chapter.versions.last().and_then(|version| version.content.clone().ok());
    let texts: Vec<String> = chapters.iter().filter(|chapter| chapter.present).filter_map(newest).collect();
    let library = Library::new(texts.iter().map(String::as_str));
    for chapter in chapters.iter_mut().filter(|chapter| chapter.present) {
        if let Some(Version { content: Ok(text), .. }) = chapter.versions.last_mut()
            && let Some(whole) = library.complete(text)
        {
            *text = whole.text;
        }
    }
}

/// As [`complete`], for every version of a file that takes types from others: it has a version for each commit that
/// changed any of them.
pub(super) fn complete_all(repository: &Repository, commit: &str, chapters: &mut [Chapter]) -> Result<(), Error> {
    if !chapters.iter().flat_map(|chapter| &chapter.versions).any(lacks_types) {
        return Ok(());
    }
    let mut states = States { repository, texts: BTreeMap::new() };
    let labels: BTreeSet<String> =
        chapters.iter().flat_map(|chapter| &chapter.versions).map(|version| version.label.clone()).collect();
    let commits = repository.commits(commit)?;
    let changed = commits.iter().filter(|commit| labels.iter().any(|label| commit.starts_with(label.as_str())));
    let mut wholes: BTreeMap<String, Vec<Version>> = BTreeMap::new();
    for commit in changed.chain([&commit.to_owned()]) {
        let texts = states.at(commit)?;
        let library = Library::new(texts.values().map(String::as_str));
        for (path, text) in &texts {
            let whole = library.complete(text).map_or_else(|| text.clone(), |whole| whole.text);
            let label = commit.get(..7).unwrap_or(commit).to_owned();
            push(wholes.entry(path.clone()).or_default(), Version { label, content: Ok(whole) });
        }
    }
    for chapter in chapters.iter_mut().filter(|chapter| chapter.versions.iter().any(lacks_types)) {
        let wholes = repository.inside(&chapter.key).ok().and_then(|path| wholes.remove(&path)).unwrap_or_default();
        // What no commit of these has, such as what lies behind a link, stays as it is.
        let other = |version: &Version| !wholes.iter().any(|whole| whole.content == version.content);
        let stays = |version: &Version| other(version) && (wholes.is_empty() || !lacks_types(version));
        let earlier = std::mem::take(&mut chapter.versions);
        chapter.versions = earlier.into_iter().filter(stays).chain(wholes.iter().cloned()).collect();
    }
    Ok(())
}

/// Whether a version would be a schema if it had the types that it names.
fn lacks_types(version: &Version) -> bool {
    let faults = version.content.as_ref().ok().and_then(|text| Schema::parse_lenient(text).err());
    faults.is_some_and(|faults| faults.0.iter().all(Fault::is_undefined_type))
}

fn push(versions: &mut Vec<Version>, version: Version) {
    let known = versions.iter().position(|known| known.content == version.content);
    let version = known.map_or(version, |place| versions.remove(place));
    versions.push(version);
}

/// The schema files at commits.
struct States<'a> {
    repository: &'a Repository,
    /// Texts by object.
    texts: BTreeMap<String, String>,
}

// === impl States ===

impl States<'_> {
    /// The texts at a commit, by path.
    fn at(&mut self, commit: &str) -> Result<BTreeMap<String, String>, Error> {
        let tree: BTreeMap<String, Blob> = self.repository.tree(commit)?;
        let requests: Vec<(String, String)> =
            tree.iter().map(|(path, blob)| (path.clone(), blob.request(commit, path))).collect();
        let fresh: Vec<String> =
            requests.iter().map(|(_, request)| request).filter(|r| !self.texts.contains_key(*r)).cloned().collect();
        let contents = self.repository.contents(&fresh)?;
        self.texts.extend(fresh.into_iter().zip(contents).filter_map(|(request, text)| Some((request, text.ok()?))));
        let text = |request: &String| self.texts.get(request).cloned();
        Ok(requests.into_iter().filter_map(|(path, request)| Some((path, text(&request)?))).collect())
    }
}
