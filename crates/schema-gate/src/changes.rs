//! What changed between the versions of a schema, whether it may or not.

use pipeline_schema::{Change, Schema, changes, mismatches};
use serde::Serialize;

use crate::{
    Error,
    files::SchemaFile,
    past::{History, Version},
};

/// A schema against the newest version before it.
#[derive(Debug, Serialize)]
pub struct Difference {
    /// The registry's subject.
    pub subject: String,
    /// The file.
    pub file: String,
    /// The version that it is compared with; absent for a new schema.
    pub version: Option<String>,
    /// What changed.
    pub changes: Vec<Change>,
}

/// A version of a schema against the one before it.
#[derive(Debug, Serialize)]
pub struct Revision {
    /// The registry's subject.
    pub subject: String,
    /// What people call it.
    pub version: String,
    /// Which way the two can be read: full, backward, forward, none. Absent for the first.
    pub readable: Option<&'static str>,
    /// What changed.
    pub changes: Vec<String>,
}

/// What changed in each file that is there.
///
/// # Errors
/// [`Error::NotASchema`], for a file and for the version before it.
pub fn differences(files: &[SchemaFile], history: &History) -> Result<Vec<Difference>, Error> {
    let there = files.iter().filter_map(|file| Some((file, file.whole()?)));
    there.map(|(file, text)| difference(file, text, history)).collect()
}

/// Every version of each file.
///
/// # Errors
/// [`Error::NotASchema`].
pub fn revisions(files: &[SchemaFile], history: &History) -> Result<Vec<Revision>, Error> {
    let mut revisions = Vec::new();
    for file in files {
        let mut before: Option<Schema> = None;
        for version in &history.of_file(file).versions {
            let schema = parse(&format!("{} {}", file.subject, version.label), version)?;
            revisions.push(Revision {
                subject: file.subject.clone(),
                version: version.label.clone(),
                readable: before.as_ref().map(|before| readable(before, &schema)),
                changes: before.iter().flat_map(|before| changes(before, &schema)).map(|it| it.to_string()).collect(),
            });
            before = Some(schema);
        }
    }
    Ok(revisions)
}

fn difference(file: &SchemaFile, text: &str, history: &History) -> Result<Difference, Error> {
    let name = file.path.display().to_string();
    if let Some(fault) = &file.fault {
        return Err(unreadable(&name, fault));
    }
    let new = Schema::parse(text).map_err(|faults| unreadable(&name, &faults.to_string()))?;
    let lineage = history.of_file(file);
    let newest = lineage.versions.last();
    let changes = match newest {
        Some(version) => changes(&parse(&version.label, version)?, &new),
        None => Vec::new(),
    };
    Ok(Difference {
        subject: file.subject.clone(),
        file: name,
        version: newest.map(|version| version.label.clone()),
        changes,
    })
}

/// The schema of an earlier version, read as far as it can be.
fn parse(name: &str, version: &Version) -> Result<Schema, Error> {
    let text = version.content.as_ref().map_err(|reason| unreadable(name, reason))?;
    let read = Schema::parse_lenient(text).map_err(|faults| unreadable(name, &faults.to_string()))?;
    Ok(read.schema)
}

fn unreadable(name: &str, reason: &str) -> Error {
    Error::NotASchema { name: name.to_owned(), reason: reason.to_owned() }
}

fn readable(old: &Schema, new: &Schema) -> &'static str {
    match (mismatches(old, new).is_empty(), mismatches(new, old).is_empty()) {
        (true, true) => "full",
        (true, false) => "backward",
        (false, true) => "forward",
        (false, false) => "none",
    }
}
