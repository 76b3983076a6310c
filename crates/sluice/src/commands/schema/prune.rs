//! `sluice schema prune`: forget old versions, so that transitive levels no longer look at them.
//!
//! A version goes only when nothing needs it: it is not among the newest, it is not this program's, and no message that
//! is retained, in its topic or among the dead letters, was written with it.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use pipeline_core::registry::{Registry, SchemaId};
use pipeline_model::contracts;
use pipeline_settings::settings;
use serde::Serialize;

use super::retained;
use crate::{
    confirm::ConfirmArgs,
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs, Report},
    session::{self, Session},
    text,
};

/// What to keep.
#[derive(Debug, Args)]
#[command(after_help = "\
Reads every retained message of the topics, dead letters too, for the schema it was written with. Deletes softly: a
registry that knows soft deletion still answers for the id.

Examples:
  sluice schema prune --keep 3 --dry-run
  sluice schema prune --keep 3 --yes")]
pub struct PruneArgs {
    /// Newest versions of each subject to keep, whoever uses them
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    pub keep: u32,
    #[command(flatten)]
    pub confirm: ConfirmArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Versions(Vec<Version>);

/// A version beyond the newest, and what becomes of it.
#[derive(Debug, Serialize)]
struct Version {
    subject: String,
    version: u32,
    id: u32,
    /// Unused, deleted, or why it is kept.
    state: &'static str,
}

const UNUSED: &str = "unused";

/// Prunes.
pub async fn run(session: &Session, args: PruneArgs) -> Result<Exit, Failure> {
    let settings = session.settings()?;
    let registry = Registry::new(&settings.schema_registry).map_err(|error| session::registry_failure(&error))?;
    let mut versions = plan(&registry, &settings.kafka, args.keep).await?;
    let unused = versions.0.iter().filter(|version| version.state == UNUSED).count();
    if !args.confirm.dry_run && unused > 0 {
        session::note(format_args!("{}", versions.text()));
        let count = text::plural(i64::try_from(unused).unwrap_or(i64::MAX), "version");
        args.confirm.confirm(&format!("Delete {count}?"))?;
        for version in versions.0.iter_mut().filter(|version| version.state == UNUSED) {
            let deleted = registry.delete_version(&version.subject, version.version).await;
            deleted.map_err(|error| session::registry_failure(&error))?;
            version.state = "deleted";
        }
    }
    output::answer(&versions, args.output.output)?;
    Ok(Exit::Ok)
}

async fn plan(registry: &Registry, kafka: &settings::Kafka, keep: u32) -> Result<Versions, Failure> {
    let failure = |error| session::registry_failure(&error);
    let mut old: BTreeMap<String, Vec<Version>> = BTreeMap::new();
    for (topic, schema) in contracts::ALL {
        let subject = kafka.names().subject(topic);
        let ours = registry.lookup(&subject, schema).await.map_err(failure)?;
        let mut numbers = registry.versions(&subject).await.map_err(failure)?;
        numbers.truncate(numbers.len().saturating_sub(usize::try_from(keep).unwrap_or(usize::MAX)));
        for number in numbers {
            let Some(found) = registry.version(&subject, Some(number)).await.map_err(failure)? else { continue };
            let state = if Some(found.id) == ours { "kept: this program's" } else { UNUSED };
            let version = Version { subject: subject.clone(), version: number, id: found.id.0, state };
            old.entry(topic.to_owned()).or_default().push(version);
        }
    }
    // Nothing to forget: no need to read the topics.
    if old.values().flatten().any(|version| version.state == UNUSED) {
        let mut used = BTreeSet::new();
        for topic in old.keys().map(String::as_str).chain([contracts::DEAD_LETTERS]) {
            retained::each(kafka, topic, None, async |delivery| {
                used.extend(delivery.payload.as_deref().and_then(SchemaId::of_message));
                Ok(())
            })
            .await?;
        }
        for version in old.values_mut().flatten() {
            if version.state == UNUSED && used.contains(&SchemaId(version.id)) {
                version.state = "kept: a message needs it";
            }
        }
    }
    Ok(Versions(old.into_values().flatten().collect()))
}

impl Report for Versions {
    fn text(&self) -> String {
        if self.0.is_empty() {
            return "no version is old enough".to_owned();
        }
        let mut table = output::table(&["SUBJECT", "VERSION", "ID", "STATE"]);
        for Version { subject, version, id, state } in &self.0 {
            table.add_row([subject.as_str(), &version.to_string(), &id.to_string(), state]);
        }
        output::table_text(&table)
    }
}
