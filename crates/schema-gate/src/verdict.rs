//! What a check found.

use std::path::Path;

use pipeline_schema::{Direction, Fault, Finding, Level, Rule, Severity};
use serde::Serialize;

use crate::files::SchemaFile;

/// What a check came to.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// What the schemas were held against.
    pub against: String,
    /// The schemas that were looked at.
    pub subjects: Vec<Subject>,
    /// What was found, waived or not.
    #[serde(rename = "findings")]
    pub entries: Vec<Entry>,
}

/// One schema.
#[derive(Clone, Debug, Serialize)]
pub struct Subject {
    /// The registry's subject.
    pub subject: String,
    /// Its file.
    pub file: String,
    /// The level that it is held to.
    pub level: Level,
    /// Earlier versions that were found.
    pub versions: usize,
    /// New, unchanged, changed, incompatible, invalid.
    pub state: &'static str,
}

/// One finding.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// The rule's id.
    pub rule: &'static str,
    /// How much it weighs.
    pub severity: Severity,
    /// The subject.
    pub subject: String,
    /// The file that it is in.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// Column behind its end.
    pub end_column: usize,
    /// The way from the root record.
    pub path: String,
    /// What was found.
    pub message: String,
    /// Which of old and new cannot read the other.
    pub breaks: Vec<Direction>,
    /// The same in a sentence.
    pub breakage: String,
    /// The level that forbids it.
    pub level: Option<Level>,
    /// Earlier versions that it does not go together with.
    pub versions: Vec<String>,
    /// How to make the change safely.
    pub advice: String,
    /// The reason of the waiver that lets it pass.
    pub waived: Option<String>,
    /// The line itself.
    #[serde(skip)]
    pub source: Option<String>,
}

// === impl Verdict ===

impl Verdict {
    /// A verdict on nothing yet.
    pub fn new(against: String) -> Self {
        Self { against, subjects: Vec::new(), entries: Vec::new() }
    }

    /// Whether the schemas may go in.
    pub fn passes(&self) -> bool {
        !self.entries.iter().any(Entry::is_fatal)
    }

    /// Numbers of errors, warnings and waived findings.
    pub fn counts(&self) -> (i64, i64, i64) {
        let count = |is: &dyn Fn(&&Entry) -> bool| i64::try_from(self.entries.iter().filter(is).count()).unwrap_or(0);
        (
            count(&|entry| entry.is_fatal()),
            count(&|entry| entry.waived.is_none() && entry.severity == Severity::Warning),
            count(&|entry| entry.waived.is_some()),
        )
    }
}

// === impl Subject ===

impl Subject {
    /// A schema of which nothing is known yet.
    pub fn new(subject: &str, file: &Path, level: Level, versions: usize) -> Self {
        Self { subject: subject.to_owned(), file: file.display().to_string(), level, versions, state: "new" }
    }
}

// === impl Entry ===

impl Entry {
    /// A finding without a place.
    pub fn plain(
        subject: &str,
        file: &Path,
        rule: &'static str,
        severity: Severity,
        message: String,
        advice: &str,
    ) -> Self {
        Self {
            rule,
            severity,
            subject: subject.to_owned(),
            file: file.display().to_string(),
            line: 1,
            column: 1,
            end_column: 1,
            path: String::new(),
            message,
            breaks: Vec::new(),
            breakage: String::new(),
            level: None,
            versions: Vec::new(),
            advice: advice.to_owned(),
            waived: None,
            source: None,
        }
    }

    /// A finding on a schema that is there.
    pub fn of(file: &SchemaFile, level: Level, finding: Finding) -> Self {
        let breakage = finding.breakage().to_owned();
        let Finding { rule, path, place, message, breaks, versions } = finding;
        Self {
            path,
            breaks,
            breakage,
            level: Some(level),
            versions,
            ..Self::plain(&file.subject, &file.path, rule.id(), rule.severity(), message, rule.advice()).at(file, place)
        }
    }

    /// What is wrong with an earlier version of a schema.
    pub fn past(file: &SchemaFile, level: Level, rule: Rule, message: String, version: &str) -> Self {
        let breakage = match rule.severity() {
            Severity::Error => "nobody knows whether its readers and writers go together with this one",
            Severity::Warning => "only some programs read it",
        };
        Self {
            breakage: breakage.to_owned(),
            level: Some(level),
            versions: vec![version.to_owned()],
            ..Self::plain(&file.subject, &file.path, rule.id(), rule.severity(), message, rule.advice())
        }
    }

    /// A fault that keeps a file from being a schema.
    pub fn invalid(file: &SchemaFile, fault: Fault) -> Self {
        let rule = Rule::AvroSchemaInvalid;
        Self::plain(&file.subject, &file.path, rule.id(), rule.severity(), fault.problem, rule.advice())
            .at(file, fault.place)
    }

    /// A schema that is not there any more.
    pub fn removed(subject: &str, file: &Path, level: Level, successor: Option<&str>) -> Self {
        let rule = Rule::AvroSchemaRemoved;
        let message = match successor {
            Some(path) => format!("the schema of `{subject}` is gone; it lies in `{path}`, which is another subject"),
            None => format!("the schema of `{subject}` is gone"),
        };
        Self {
            breaks: vec![Direction::Backward],
            breakage: "whoever still writes or reads the subject has no schema to keep to".to_owned(),
            level: Some(level),
            ..Self::plain(subject, file, rule.id(), rule.severity(), message, rule.advice())
        }
    }

    /// The same at a place of a schema. In a schema that takes types from other files, that is the place of the text
    /// with these types.
    pub fn at(self, file: &SchemaFile, place: pipeline_schema::Place) -> Self {
        let place = file.whole.as_ref().map_or(place, |whole| whole.original(place));
        let line = file.text.as_deref().and_then(|text| text.lines().nth(place.line - 1));
        Self {
            line: place.line,
            column: place.column,
            end_column: place.column + place.length,
            source: line.map(str::to_owned),
            ..self
        }
    }

    /// Whether it keeps the change out.
    pub fn is_fatal(&self) -> bool {
        self.severity == Severity::Error && self.waived.is_none()
    }

    /// Who breaks and against which versions, in one sentence; empty when nobody does.
    pub fn consequence(&self) -> String {
        match self.versions.as_slice() {
            [] => self.breakage.clone(),
            versions => format!("{} ({})", self.breakage, versions.join(", ")),
        }
    }
}
