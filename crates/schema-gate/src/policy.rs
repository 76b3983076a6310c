//! `compatibility.toml`: the level of each subject, and what has been waived, until when and why.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use pipeline_schema::Level;
use pipeline_settings::files;
use serde::Deserialize;
use toml::{Spanned, value::Datetime};

use crate::Error;

/// The file's name, in the folder of the schemas.
pub const FILE: &str = "compatibility.toml";

/// What holds where no file says otherwise: old and new programs run side by side in every deployment.
pub const STRICTEST: Level = Level::FullTransitive;

/// Levels and waivers.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Where they were read; `None` when there is no file.
    pub path: Option<PathBuf>,
    default: Option<Level>,
    subjects: BTreeMap<String, Level>,
    /// What has been waived.
    pub waivers: Vec<Waiver>,
}

/// Leave to break a rule at one place, for some time.
#[derive(Clone, Debug)]
pub struct Waiver {
    /// The id of the rule.
    pub rule: String,
    /// The subject.
    pub subject: String,
    /// The path of the finding; every path when absent.
    pub path: Option<String>,
    /// Why.
    pub reason: String,
    /// The last day on which it counts, `YYYY-MM-DD`.
    pub expires: String,
    /// Its line in the file.
    pub line: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    default: Option<Spanned<String>>,
    #[serde(default)]
    subjects: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    waiver: Vec<WaiverEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WaiverEntry {
    rule: Spanned<String>,
    subject: String,
    path: Option<String>,
    reason: Spanned<String>,
    expires: Spanned<Datetime>,
}

// === impl Policy ===

impl Policy {
    /// The policy of a folder of schemas; an empty one when the folder has none.
    pub fn of_folder(folder: &Path, known_rules: &[&str]) -> Result<Self, Error> {
        let path = folder.join(FILE);
        match files::read_text(&path, files::WRITTEN_BY_HAND) {
            Ok(text) => Self::parse(&text, Some(&path), known_rules),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(unreadable(&path, error)),
        }
    }

    /// The policy in a file that has to be there.
    pub fn of_file(path: &Path, known_rules: &[&str]) -> Result<Self, Error> {
        let text = files::read_text(path, files::WRITTEN_BY_HAND).map_err(|error| unreadable(path, error))?;
        Self::parse(&text, Some(path), known_rules)
    }

    /// Reads a policy; `path` is for messages.
    pub fn parse(text: &str, path: Option<&Path>, known_rules: &[&str]) -> Result<Self, Error> {
        let shown = path.map_or_else(|| FILE.to_owned(), |path| path.display().to_string());
        let wrong =
            |at: usize, problem: String| Error::Written { place: format!("{shown}:{}", line_of(text, at)), problem };
        let file: File = toml::from_str(text)
            .map_err(|error| wrong(error.span().map_or(0, |span| span.start), error.message().to_owned()))?;
        let level = |written: &Spanned<String>| {
            let level: Result<Level, _> = written.get_ref().parse();
            level.map_err(|error| wrong(written.span().start, error.to_string()))
        };
        let default = file.default.as_ref().map(level).transpose()?;
        let subjects = file.subjects.iter().map(|(subject, written)| Ok((subject.clone(), level(written)?)));
        let subjects = subjects.collect::<Result<_, Error>>()?;
        let mut waivers = Vec::with_capacity(file.waiver.len());
        for entry in file.waiver {
            let (rule, at) = (entry.rule.get_ref(), entry.rule.span().start);
            if !known_rules.contains(&rule.as_str()) {
                let problem = format!("`{rule}` is not a rule; the rules are {}", known_rules.join(", "));
                return Err(wrong(at, problem));
            }
            if entry.reason.get_ref().trim().is_empty() {
                return Err(wrong(entry.reason.span().start, "a waiver needs a reason".to_owned()));
            }
            let Some(date) = entry.expires.get_ref().date else {
                return Err(wrong(entry.expires.span().start, "`expires` is a date, such as 2027-01-31".to_owned()));
            };
            waivers.push(Waiver {
                rule: rule.clone(),
                subject: entry.subject,
                path: entry.path,
                reason: entry.reason.into_inner(),
                expires: date.to_string(),
                line: line_of(text, at),
            });
        }
        Ok(Self { path: path.map(Path::to_owned), default, subjects, waivers })
    }

    /// The level of a subject, when this policy says one.
    pub fn level(&self, subject: &str) -> Option<Level> {
        self.subjects.get(subject).copied().or(self.default)
    }

    /// The subjects that have a line of their own.
    pub fn subjects(&self) -> impl Iterator<Item = &str> {
        self.subjects.keys().map(String::as_str)
    }
}

// === impl Waiver ===

impl Waiver {
    /// Whether it is about this finding, expired or not.
    pub fn covers(&self, rule: &str, subject: &str, path: &str) -> bool {
        self.rule == rule && self.subject == subject && self.path.as_ref().is_none_or(|waived| waived == path)
    }

    /// Whether its last day has passed; `today` as `YYYY-MM-DD`.
    pub fn has_expired(&self, today: &str) -> bool {
        self.expires.as_str() < today
    }
}

/// The line, from 1, of a byte of a text.
pub fn line_of(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or(text).matches('\n').count() + 1
}

fn unreadable(path: &Path, source: io::Error) -> Error {
    Error::Unreadable { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: [&str; 1] = ["AVRO_TYPE_CHANGED"];

    fn refused(text: &str) -> String {
        let error = Policy::parse(text, None, &RULES).unwrap_err();
        assert!(matches!(error, Error::Written { .. }), "{error:?}");
        error.to_string()
    }

    #[test]
    fn a_subjects_own_level_wins_over_the_default() {
        let policy = Policy::parse("default = \"FULL\"\n[subjects]\na = \"NONE\"", None, &RULES).unwrap();
        assert_eq!((policy.level("a"), policy.level("b")), (Some(Level::None), Some(Level::Full)));
        assert_eq!(Policy::default().level("a"), None);
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        assert!(refused("default = \"full\"").starts_with("compatibility.toml:1: `full` is not a compatibility level"));
        let waiver = "[[waiver]]\nrule = \"R\"\nsubject = \"s\"\nreason = \"r\"\nexpires = 2027-01-31\n";
        assert!(refused(waiver).starts_with("compatibility.toml:2: `R` is not a rule"));
        let waiver = waiver.replace("\"R\"", "\"AVRO_TYPE_CHANGED\"");
        assert_eq!(refused(&waiver.replace("\"r\"", "\" \"")), "compatibility.toml:4: a waiver needs a reason");
        assert!(refused(&waiver.replace("2027-01-31", "\"soon\"")).starts_with("compatibility.toml:5: "));
        assert!(refused(&waiver.replace("expires", "until")).contains("unknown field `until`"));
    }

    #[test]
    fn a_waiver_counts_on_its_last_day() {
        let text = "[[waiver]]\nrule = \"AVRO_TYPE_CHANGED\"\nsubject = \"s\"\nreason = \"r\"\nexpires = 2027-01-31\n";
        let policy = Policy::parse(text, None, &RULES).unwrap();
        let waiver = &policy.waivers[0];
        assert!(!waiver.has_expired("2027-01-31") && waiver.has_expired("2027-02-01"));
        assert!(waiver.covers("AVRO_TYPE_CHANGED", "s", "any") && !waiver.covers("AVRO_TYPE_CHANGED", "t", "any"));
    }
}
