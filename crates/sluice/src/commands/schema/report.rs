//! The shapes in which the verdict of a check can be answered.

use std::{fs::OpenOptions, io::Write as _, path::Path};

use clap::ValueEnum;
use pipeline_settings::printable::is_printable;
use schema_gate::verdict::{Entry, Subject, Verdict};

use crate::{exit::Exit, failure::Failure, output};

mod github;
mod junit;
mod sarif;
mod terminal;
#[cfg(test)]
mod tests;

/// Shape of the verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON document.
    Json,
    /// JUnit XML: one test case for each schema.
    Junit,
    /// Annotations of a GitHub workflow.
    Github,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
}

/// The verdict in a format, with a newline at its end.
pub fn render(verdict: &Verdict, format: Format) -> Result<String, Failure> {
    let unwritable =
        |error: serde_json::Error| Failure::caused(Exit::Failed, "cannot write the answer in this format", &error);
    Ok(match format {
        Format::Text => terminal::render(&all_printable(verdict)),
        Format::Json => format!("{}\n", serde_json::to_string_pretty(verdict).map_err(unwritable)?),
        Format::Junit => junit::render(&all_printable(verdict)),
        Format::Github => github::annotations(&all_printable(verdict)),
        Format::Sarif => {
            format!("{}\n", serde_json::to_string_pretty(&sarif::log(verdict)).map_err(unwritable)?)
        }
    })
}

/// Adds the summary to the page of a GitHub workflow's step; elsewhere does nothing.
pub fn write_step_summary(verdict: &Verdict) -> Result<(), Failure> {
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) else {
        return Ok(());
    };
    let mut file = OpenOptions::new().create(true).append(true).open(&path);
    let written = file.as_mut().map_err(|error| std::io::Error::new(error.kind(), error.to_string()));
    written.and_then(|file| file.write_all(github::summary(&all_printable(verdict)).as_bytes())).map_err(|error| {
        let what = format!("could not write the step's summary to `{}`", Path::new(&path).display());
        Failure::caused(Exit::Failed, what, &error)
    })
}

/// The same for people and pipelines, which read the lines of what they are given: names, messages and source lines
/// are whatever somebody has pushed.
fn all_printable(verdict: &Verdict) -> Verdict {
    let subject = |subject: &Subject| Subject {
        subject: printable(&subject.subject),
        file: printable(&subject.file),
        ..subject.clone()
    };
    Verdict {
        against: printable(&verdict.against),
        subjects: verdict.subjects.iter().map(subject).collect(),
        entries: verdict.entries.iter().map(printable_entry).collect(),
    }
}

/// Printable, and without the sign that begins a command of a GitHub workflow in the middle of a line.
fn printable(text: &str) -> String {
    output::printable(text).replace("##[", r"#\u{23}[")
}

fn printable_entry(entry: &Entry) -> Entry {
    Entry {
        subject: printable(&entry.subject),
        file: printable(&entry.file),
        path: printable(&entry.path),
        message: printable(&entry.message),
        breakage: printable(&entry.breakage),
        versions: entry.versions.iter().map(|version| printable(version)).collect(),
        advice: printable(&entry.advice),
        waived: entry.waived.as_deref().map(printable),
        // As the terminal shows it: a character in the place of each, or the marks would not stand below theirs.
        source: entry.source.as_deref().map(|source| {
            let shown: String = source.chars().map(|c| if is_printable(c) { c } else { ' ' }).collect();
            shown.replace("##[", "# [")
        }),
        ..entry.clone()
    }
}
