//! Registering and listing: what this program's records are in the registry, and at which level.

use pipeline_core::registry::Registry;
use pipeline_model::contracts;
use pipeline_settings::settings::{Names, Settings};
use serde::Serialize;

use crate::{
    Error,
    policy::{Policy, STRICTEST},
    rules::rule_ids,
};

/// The levels that each subject is to have.
const LEVELS: &str = include_str!("../../../schemas/compatibility.toml");

/// The subjects of this program, in the order of the flow.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Subjects(pub Vec<Subject>);

/// One subject, as it was found or left.
#[derive(Debug, Serialize)]
pub struct Subject {
    /// Its name in the registry.
    pub subject: String,
    /// Registered, already there, missing, incompatible.
    pub state: &'static str,
    /// Id of this program's schema in the registry.
    pub id: Option<u32>,
    /// Its version within the subject.
    pub version: Option<u32>,
    /// The level in the registry, or to be set.
    pub level: String,
    /// Why the registry refuses, in its own words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<String>,
}

/// The registry of an installation, and what subjects are called in it.
pub fn registry(settings: Option<&Settings>) -> Result<(Registry, Names), Error> {
    let settings = settings.ok_or(Error::NoSettings)?;
    Ok((Registry::new(&settings.schema_registry)?, settings.kafka.names()))
}

/// Registers what is missing and sets the levels; gives what became of each subject.
pub async fn register(registry: &Registry, names: &Names) -> Result<Subjects, Error> {
    let levels = levels()?;
    let mut subjects = Vec::new();
    for (topic, schema) in contracts::ALL {
        let subject = names.subject(topic);
        let level = levels.level(&contracts::subject(topic)).unwrap_or(STRICTEST);
        // The level first, so that a first version is not followed by one that was judged by the registry's default.
        registry.set_level(&subject, level).await?;
        let registered = registry.register(&subject, schema).await?;
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
pub async fn plan(registry: &Registry, names: &Names) -> Result<Subjects, Error> {
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
pub async fn list(registry: &Registry, names: &Names) -> Result<Subjects, Error> {
    let mut subjects = look(registry, names).await?;
    for subject in &mut subjects.0 {
        // Listing answers; only registering and its rehearsal judge.
        if subject.state == "incompatible" {
            subject.state = "missing";
        }
    }
    Ok(subjects)
}

async fn look(registry: &Registry, names: &Names) -> Result<Subjects, Error> {
    let mut subjects = Vec::new();
    for (topic, schema) in contracts::ALL {
        let subject = names.subject(topic);
        let level = registry.level(&subject).await?.as_str().to_owned();
        let id = registry.lookup(&subject, schema).await?;
        let (state, messages) = if id.is_some() {
            ("present", Vec::new())
        } else {
            let compatibility = registry.check_compatible(&subject, schema).await?;
            (if compatibility.compatible { "missing" } else { "incompatible" }, compatibility.messages)
        };
        let versions = registry.versions(&subject).await?;
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

fn levels() -> Result<Policy, Error> {
    Policy::parse(LEVELS, None, &rule_ids())
}

// === impl Subjects ===

impl Subjects {
    /// Whether the registry refuses one of them.
    pub fn is_incompatible(&self) -> bool {
        self.0.iter().any(|subject| subject.state == "incompatible")
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
}
