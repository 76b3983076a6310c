//! One file against its past.

use pipeline_schema::{Fault, Lenient, Level, Past, Place, Rule, Schema, Severity, check};

use crate::{
    files::{SchemaFile, same_schema},
    past::{Lineage, Version},
    verdict::{Entry, Subject},
};

/// What is said of a file that is there.
pub(super) fn file(file: &SchemaFile, level: Level, lineage: &Lineage) -> (Subject, Vec<Entry>) {
    let mut subject = Subject::new(&file.subject, &file.path, level, lineage.versions.len());
    let new = match parse(file) {
        Ok(schema) => schema,
        Err(faults) => {
            subject.state = "invalid";
            return (subject, faults.into_iter().map(|fault| Entry::invalid(file, fault)).collect());
        }
    };
    let text = file.whole().unwrap_or_default();
    let is_same = |version: &Version| version.content.as_ref().is_ok_and(|known| same_schema(known, text));
    let heads = last(&lineage.versions, lineage.heads);
    if !heads.is_empty() && heads.iter().all(is_same) {
        subject.state = "unchanged";
        return (subject, Vec::new());
    }
    subject.state = if lineage.versions.is_empty() { "new" } else { "changed" };
    let relevant = match level {
        Level::None => &[],
        _ if level.is_transitive() => lineage.versions.as_slice(),
        _ => heads,
    };
    let read: Vec<(&Version, Result<Lenient, String>)> =
        relevant.iter().map(|version| (version, read(version))).collect();
    let mut entries = past_entries(file, level, &read);
    let past: Vec<Past<'_>> = read
        .iter()
        .filter_map(|(version, read)| Some(Past { label: &version.label, schema: &read.as_ref().ok()?.schema }))
        .collect();
    let findings = check(&new, &past, level.of_every_version());
    entries.extend(findings.into_iter().map(|finding| Entry::of(file, level, finding)));
    if entries.iter().any(|entry| entry.severity == Severity::Error) {
        subject.state = "incompatible";
    }
    (subject, entries)
}

fn parse(file: &SchemaFile) -> Result<Schema, Vec<Fault>> {
    if let Some(problem) = &file.fault {
        return Err(vec![Fault { place: Place { line: 1, column: 1, length: 1 }, problem: problem.clone() }]);
    }
    Schema::parse(file.whole().unwrap_or_default()).map_err(|faults| faults.0)
}

fn last(versions: &[Version], count: usize) -> &[Version] {
    versions.get(versions.len().saturating_sub(count.max(1))..).unwrap_or_default()
}

fn read(version: &Version) -> Result<Lenient, String> {
    let text = version.content.as_ref().map_err(Clone::clone)?;
    Schema::parse_lenient(text).map_err(|faults| faults.to_string())
}

/// What is to be said of the earlier versions themselves: each reason once, with the versions that it holds for.
fn past_entries(file: &SchemaFile, level: Level, read: &[(&Version, Result<Lenient, String>)]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for (version, read) in read {
        for (rule, message) in oddities(read) {
            match entries.iter_mut().find(|entry| entry.rule == rule.id() && entry.message == message) {
                Some(entry) => entry.versions.push(version.label.clone()),
                None => entries.push(Entry::past(file, level, rule, message, &version.label)),
            }
        }
    }
    entries
}

fn oddities(read: &Result<Lenient, String>) -> Vec<(Rule, String)> {
    let listed = |faults: &[Fault]| faults.iter().map(|fault| fault.problem.as_str()).collect::<Vec<_>>().join("; ");
    match read {
        Err(reason) => {
            vec![(Rule::AvroPastInvalid, format!("an earlier version was not compared, it cannot be read: {reason}"))]
        }
        Ok(Lenient { harmless, invalid, .. }) => {
            let mut found = Vec::new();
            if !invalid.is_empty() {
                let message = format!(
                    "an earlier version is no valid schema, and was compared as far as it is: {}",
                    listed(invalid)
                );
                found.push((Rule::AvroPastInvalid, message));
            }
            if !harmless.is_empty() {
                let message =
                    format!("an earlier version was compared without what is no JSON in it: {}", listed(harmless));
                found.push((Rule::AvroPastOdd, message));
            }
            found
        }
    }
}
