//! Which earlier file is the past of which file of today.
//!
//! A file follows the one at its own place. What lay elsewhere and lies there no more is the past of the file with its
//! name, for files are moved; where several have the name, of those that define the same type. So two files of one name
//! in different folders never take each other's past, and a moved one keeps its own.

use std::path::{Path, PathBuf};

use crate::files::{SchemaFile, record_of};

/// An earlier version of a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// What people call it: a commit, `version 3`, a file.
    pub label: String,
    /// Its text, with what it takes from others; or why it cannot be read.
    pub content: Result<String, String>,
}

/// A file of the past.
#[derive(Clone, Debug)]
pub struct Chapter {
    /// What tells it apart; compared with the key of a file of today.
    pub key: PathBuf,
    /// As it is shown.
    pub path: PathBuf,
    /// The registry's subject.
    pub subject: String,
    /// Its versions, oldest first.
    pub versions: Vec<Version>,
    /// It is there at the end of the past.
    pub present: bool,
}

/// What came before one file.
#[derive(Clone, Debug, Default)]
pub struct Lineage {
    /// Oldest first.
    pub versions: Vec<Version>,
    /// How many of them, at the end, were there side by side.
    pub heads: usize,
}

/// The lineage of each file, in their order, and the chapters that are nobody's past. A file that is not there has none.
pub fn lineages<'a>(
    chapters: &'a [Chapter],
    files: &[SchemaFile],
    key: impl Fn(&SchemaFile) -> PathBuf,
) -> (Vec<Lineage>, Vec<&'a Chapter>) {
    let there: Vec<(usize, &SchemaFile, PathBuf)> = files
        .iter()
        .enumerate()
        .filter(|(_, file)| file.text.is_some())
        .map(|(n, file)| (n, file, key(file)))
        .collect();
    let mut taken: Vec<Vec<&Chapter>> = vec![Vec::new(); files.len()];
    let mut orphans = Vec::new();
    let at = |key: &Path| there.iter().find(|(_, _, own)| own == key).map(|(n, _, _)| *n);
    let (own, elsewhere): (Vec<&Chapter>, Vec<&Chapter>) =
        chapters.iter().partition(|chapter| at(&chapter.key).is_some());
    for chapter in own {
        if let Some(own) = at(&chapter.key).and_then(|n| taken.get_mut(n)) {
            own.push(chapter);
        }
    }
    let settled: Vec<bool> = taken.iter().map(|chapters| chapters.iter().any(|chapter| chapter.present)).collect();
    for chapter in elsewhere {
        // A file that has its own past at its place did not come from another one that was there beside it.
        let free = |n: usize| !chapter.present || !settled.get(n).copied().unwrap_or(false);
        let named: Vec<(usize, &SchemaFile)> = there
            .iter()
            .filter(|(n, file, _)| file.subject == chapter.subject && free(*n))
            .map(|(n, f, _)| (*n, *f))
            .collect();
        let heirs = heirs(chapter, &named);
        if heirs.is_empty() && chapter.present {
            orphans.push(chapter);
        }
        for heir in heirs {
            if let Some(chapters) = taken.get_mut(heir) {
                // Before its own.
                chapters.insert(0, chapter);
            }
        }
    }
    (taken.into_iter().map(lineage).collect(), orphans)
}

/// Those of the files with a chapter's name that carry it on.
fn heirs(chapter: &Chapter, named: &[(usize, &SchemaFile)]) -> Vec<usize> {
    let records: Vec<String> =
        chapter.versions.iter().filter_map(|version| record_of(version.content.as_deref().ok()?)).collect();
    let same = |(_, file): &&(usize, &SchemaFile)| {
        file.whole().and_then(record_of).is_some_and(|record| records.contains(&record))
    };
    let same: Vec<usize> = named.iter().filter(same).map(|(n, _)| *n).collect();
    if same.is_empty() || named.len() == 1 { named.iter().map(|(n, _)| *n).collect() } else { same }
}

fn lineage(mut chapters: Vec<&Chapter>) -> Lineage {
    // What was there last comes last.
    chapters.sort_by_key(|chapter| chapter.present);
    let heads = chapters.iter().filter(|chapter| chapter.present && !chapter.versions.is_empty()).count();
    let newest = |chapter: &&&Chapter| chapter.present;
    // The last of each that was there, behind everything that was before them.
    let last = chapters.iter().filter(newest).filter_map(|chapter| chapter.versions.last());
    let before = chapters.iter().flat_map(|chapter| {
        let cut = chapter.versions.len().saturating_sub(usize::from(chapter.present));
        chapter.versions.get(..cut).unwrap_or_default()
    });
    Lineage { versions: before.chain(last).cloned().collect(), heads }
}
