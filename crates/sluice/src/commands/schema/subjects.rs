//! Registering and listing: what this program's records are in the registry, and at which level.

use clap::Args;
use pipeline_core::registry::Registry;
use pipeline_model::contracts;
use pipeline_settings::settings::Names;
use serde::Serialize;

use super::{
    check::rule_ids,
    policy::{Policy, STRICTEST},
};
use crate::{
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs, Report},
    session,
};

/// The levels that each subject is to have.
const LEVELS: &str = include_str!("../../../../../schemas/compatibility.toml");

/// How to register.
#[derive(Debug, Args)]
#[command(
    after_help = "Registering again changes nothing. Exit code 100: the registry holds a version that the new one does not
go with.

Examples:
  sluice schema register --dry-run
  sluice schema register -X schema_registry.url=http://registry:8081"
)]
pub struct RegisterArgs {
    /// Say what would be registered, and whether the registry would take it
    #[arg(long)]
    pub dry_run: bool,
    /// How to answer.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// How to list.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sluice schema ls
  sluice schema ls -o json | jq -r '.[] | select(.id == null) | .subject'")]
pub struct ListArgs {
    /// How to answer.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// The subjects of this program, in the order of the flow.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Subjects(Vec<Subject>);

/// One subject, as it was found or left.
#[derive(Debug, Serialize)]
pub struct Subject {
    subject: String,
    /// Registered, already there, missing, incompatible.
    state: &'static str,
    /// Id of this program's schema in the registry.
    id: Option<u32>,
    /// Its version within the subject.
    version: Option<u32>,
    /// The level in the registry, or to be set.
    level: String,
    /// Why the registry refuses, in its own words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    messages: Vec<String>,
}

/// Registers what is missing and sets the levels; gives what became of each subject.
pub async fn register(registry: &Registry, names: &Names) -> Result<Subjects, Failure> {
    let levels = levels()?;
    let mut subjects = Vec::new();
    for (topic, schema) in contracts::ALL {
        let subject = names.subject(topic);
        let level = levels.level(&contracts::subject(topic)).unwrap_or(STRICTEST);
        // The level first, so that a first version is not followed by one that was judged by the registry's default.
        registry.set_level(&subject, level).await.map_err(|error| session::registry_failure(&error))?;
        let registered =
            registry.register(&subject, schema).await.map_err(|error| session::registry_failure(&error))?;
        subjects.push(Subject {
            subject,
            state: if registered.already { "present" } else { "registered" },
            id: Some(registered.id.0),
            version: Some(registered.version),
            level: level.as_str().to_owned(),
            messages: Vec::new(),
        });
    }
    Ok(Subjects(subjects))
}

/// What registering would do, and whether the registry would take it.
pub async fn plan(registry: &Registry, names: &Names) -> Result<Subjects, Failure> {
    let levels = levels()?;
    let mut subjects = look(registry, names).await?;
    for ((topic, _), subject) in contracts::ALL.iter().zip(&mut subjects.0) {
        subject.level = levels.level(&contracts::subject(topic)).unwrap_or(STRICTEST).as_str().to_owned();
        if subject.state == "missing" {
            subject.state = "to register";
        }
    }
    Ok(subjects)
}

/// What the registry has.
pub async fn list(registry: &Registry, names: &Names) -> Result<Subjects, Failure> {
    let mut subjects = look(registry, names).await?;
    for subject in &mut subjects.0 {
        // Listing answers; only registering and its rehearsal judge.
        if subject.state == "incompatible" {
            subject.state = "missing";
        }
    }
    Ok(subjects)
}

async fn look(registry: &Registry, names: &Names) -> Result<Subjects, Failure> {
    let failure = |error| session::registry_failure(&error);
    let mut subjects = Vec::new();
    for (topic, schema) in contracts::ALL {
        let subject = names.subject(topic);
        let level = registry.level(&subject).await.map_err(failure)?.as_str().to_owned();
        let id = registry.lookup(&subject, schema).await.map_err(failure)?;
        let (state, messages) = if id.is_some() {
            ("present", Vec::new())
        } else {
            let compatibility = registry.check_compatible(&subject, schema).await.map_err(failure)?;
            (if compatibility.compatible { "missing" } else { "incompatible" }, compatibility.messages)
        };
        let versions = registry.versions(&subject).await.map_err(failure)?;
        subjects.push(Subject {
            subject,
            state,
            id: id.map(|id| id.0),
            version: versions.last().copied(),
            level,
            messages,
        });
    }
    Ok(Subjects(subjects))
}

fn levels() -> Result<Policy, Failure> {
    Policy::parse(LEVELS, None, &rule_ids())
}

// === impl Subjects ===

impl Subjects {
    /// Incompatible when one of them is.
    pub fn exit(&self) -> Exit {
        let incompatible = self.0.iter().any(|subject| subject.state == "incompatible");
        if incompatible { Exit::IncompatibleSchema } else { Exit::Ok }
    }
}

impl Report for Subjects {
    fn text(&self) -> String {
        let mut table = output::table(&["SUBJECT", "STATE", "ID", "VERSION", "LEVEL"]);
        let number = |number: Option<u32>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        for subject in &self.0 {
            table.add_row([
                subject.subject.clone(),
                subject.state.to_owned(),
                number(subject.id),
                number(subject.version),
                subject.level.clone(),
            ]);
        }
        let mut lines = vec![output::table_text(&table)];
        for subject in self.0.iter().filter(|subject| !subject.messages.is_empty()) {
            lines.push(format!("{}: {}", subject.subject, subject.messages.join("; ")));
        }
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subject_has_a_level() {
        let levels = super::levels().unwrap();
        for (topic, _) in contracts::ALL {
            let subject = contracts::subject(topic);
            assert!(levels.subjects().any(|listed| listed == subject), "{subject}");
            assert_eq!(levels.level(&subject).unwrap().as_str(), "FULL_TRANSITIVE");
        }
        assert_eq!(levels.subjects().count(), contracts::ALL.len(), "no level for a subject that is not there");
    }

    #[test]
    fn an_incompatible_schema_has_an_exit_code_of_its_own() {
        let subject = |state| Subject {
            subject: "a-value".to_owned(),
            state,
            id: None,
            version: Some(1),
            level: "FULL_TRANSITIVE".to_owned(),
            messages: vec!["field `b` has no default".to_owned()],
        };
        assert_eq!(Subjects(vec![subject("present")]).exit(), Exit::Ok);
        assert_eq!(Subjects(vec![subject("present"), subject("incompatible")]).exit(), Exit::IncompatibleSchema);
        insta::assert_snapshot!(Subjects(vec![subject("incompatible")]).text(), @"
        SUBJECT  STATE         ID  VERSION  LEVEL
        a-value  incompatible  -   1        FULL_TRANSITIVE
        a-value: field `b` has no default
        ");
    }
}
