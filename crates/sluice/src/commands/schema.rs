//! `sluice schema`: registering the schemas is a step of deployment; stages only look them up.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use pipeline_core::{
    contracts,
    registry::{Level, Registry},
};
use serde::{Deserialize, Serialize};

use crate::{
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs, Report},
    session::{self, Session},
};

/// The levels that each subject is to have.
const LEVELS: &str = include_str!("../../../../schemas/compatibility.toml");

/// What to do with schemas.
#[derive(Debug, Subcommand)]
pub enum SchemaVerb {
    /// Register the schemas of all topics, and set their compatibility levels
    Register(RegisterArgs),
    /// List the subjects with their registered versions and levels
    Ls(ListArgs),
}

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

/// `schemas/compatibility.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Levels {
    default: String,
    #[serde(default)]
    subjects: BTreeMap<String, String>,
}

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

/// Does what the verb says.
pub async fn run(session: &Session, verb: SchemaVerb) -> Result<Exit, Failure> {
    let registry = Registry::new(&session.settings()?.schema_registry);
    let registry = registry.map_err(|error| session::registry_failure(&error))?;
    let (subjects, format) = match verb {
        SchemaVerb::Register(args) if args.dry_run => (plan(&registry).await?, args.output.output),
        SchemaVerb::Register(args) => (register(&registry).await?, args.output.output),
        SchemaVerb::Ls(args) => (list(&registry).await?, args.output.output),
    };
    output::answer(&subjects, format)?;
    Ok(subjects.exit())
}

/// Registers what is missing and sets the levels; gives what became of each subject.
pub async fn register(registry: &Registry) -> Result<Subjects, Failure> {
    let levels = Levels::parse(LEVELS)?;
    let mut subjects = Vec::new();
    for (topic, schema) in contracts::ALL {
        let subject = contracts::subject(topic);
        let level = levels.of(&subject)?;
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

async fn plan(registry: &Registry) -> Result<Subjects, Failure> {
    let levels = Levels::parse(LEVELS)?;
    let mut subjects = look(registry).await?;
    for subject in &mut subjects.0 {
        subject.level = levels.of(&subject.subject)?.as_str().to_owned();
        if subject.state == "missing" {
            subject.state = "to register";
        }
    }
    Ok(subjects)
}

async fn list(registry: &Registry) -> Result<Subjects, Failure> {
    let mut subjects = look(registry).await?;
    for subject in &mut subjects.0 {
        // Listing answers; only registering and its rehearsal judge.
        if subject.state == "incompatible" {
            subject.state = "missing";
        }
    }
    Ok(subjects)
}

async fn look(registry: &Registry) -> Result<Subjects, Failure> {
    let failure = |error| session::registry_failure(&error);
    let mut subjects = Vec::new();
    for (topic, schema) in contracts::ALL {
        let subject = contracts::subject(topic);
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

// === impl Levels ===

impl Levels {
    fn parse(text: &str) -> Result<Self, Failure> {
        toml::from_str(text)
            .map_err(|error| Failure::caused(Exit::Failed, "cannot read `schemas/compatibility.toml`", &error))
    }

    fn of(&self, subject: &str) -> Result<Level, Failure> {
        let level = self.subjects.get(subject).unwrap_or(&self.default);
        level.parse().map_err(|_| {
            let what = format!("`schemas/compatibility.toml` gives `{subject}` the unknown level `{level}`");
            Failure::new(Exit::Failed, what)
        })
    }
}

// === impl Subjects ===

impl Subjects {
    fn exit(&self) -> Exit {
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
        let levels = Levels::parse(LEVELS).unwrap();
        for (topic, _) in contracts::ALL {
            let subject = contracts::subject(topic);
            assert!(levels.subjects.contains_key(&subject), "{subject}");
            assert_eq!(levels.of(&subject).unwrap().as_str(), "FULL_TRANSITIVE");
        }
        assert_eq!(levels.subjects.len(), contracts::ALL.len(), "no level for a subject that is not there");
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
