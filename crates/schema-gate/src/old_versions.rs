//! forget old versions, so that transitive levels no longer look at them.
//!
//! A version goes only when nothing needs it: it is not among the newest, it is not this program's, and no message that
//! is retained, in its topic or among the dead letters, was written with it.

use std::collections::{BTreeMap, BTreeSet};

use pipeline_core::registry::{Registry, SchemaId};
use pipeline_model::contracts;
use pipeline_settings::settings;
use serde::Serialize;

use crate::{Error, retained};

/// A version beyond the newest, and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OldVersion {
    /// The registry's subject.
    pub subject: String,
    /// Its number there.
    pub version: u32,
    /// Its id.
    pub id: u32,
    /// Unused, deleted, or why it is kept.
    pub state: &'static str,
}

const UNUSED: &str = "unused";

// === impl OldVersion ===

impl OldVersion {
    /// Whether no message and no program needs it.
    pub fn is_unused(&self) -> bool {
        self.state == UNUSED
    }
}

/// Deletes those that nobody needs, and notes it.
pub async fn delete(registry: &Registry, versions: &mut [OldVersion]) -> Result<(), Error> {
    for version in versions.iter_mut().filter(|version| version.is_unused()) {
        registry.delete_version(&version.subject, version.version).await?;
        version.state = "deleted";
    }
    Ok(())
}

/// The versions beyond the newest, so many of each subject, and why each is kept, when it is.
pub async fn plan(registry: &Registry, kafka: &settings::Kafka, keep: u32) -> Result<Vec<OldVersion>, Error> {
    let mut old: BTreeMap<String, Vec<OldVersion>> = BTreeMap::new();
    for (topic, schema) in contracts::ALL {
        let subject = kafka.names().subject(topic);
        let ours = registry.lookup(&subject, schema).await?;
        let mut numbers = registry.versions(&subject).await?;
        numbers.truncate(numbers.len().saturating_sub(usize::try_from(keep).unwrap_or(usize::MAX)));
        for number in numbers {
            let Some(found) = registry.version(&subject, Some(number)).await? else { continue };
            let state = if Some(found.id) == ours { "kept: this program's" } else { UNUSED };
            let version = OldVersion { subject: subject.clone(), version: number, id: found.id.0, state };
            old.entry(topic.to_owned()).or_default().push(version);
        }
    }
    // Nothing to forget: no need to read the topics.
    if old.values().flatten().any(|version| version.is_unused()) {
        let mut used = BTreeSet::new();
        for topic in old.keys().map(String::as_str).chain([contracts::DEAD_LETTERS]) {
            retained::each(kafka, topic, None, async |delivery| {
                used.extend(delivery.payload.as_deref().and_then(SchemaId::of_message));
                Ok(())
            })
            .await?;
        }
        for version in old.values_mut().flatten() {
            if version.is_unused() && used.contains(&SchemaId(version.id)) {
                version.state = "kept: a message needs it";
            }
        }
    }
    Ok(old.into_values().flatten().collect())
}
