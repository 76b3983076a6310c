//! `sluice schema diff`: what changed, change by change.

use std::path::PathBuf;

use clap::Args;
use pipeline_schema::{Change, Schema, changes};
use serde::Serialize;

use super::{
    files::{self, SchemaFile},
    past::{Against, History, Version},
};
use crate::{
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs, Report},
    session::Session,
};

/// What to compare.
#[derive(Debug, Args)]
#[command(after_help = "\
Shows what changed; whether it may is what `sluice schema check` says. The exit code is 0 either way.

Examples:
  sluice schema diff                            the working tree against the last commit
  sluice schema diff --against registry         what registering would change
  sluice schema diff --against git:v1.4.0 schemas/sluice.sync.confirmed.v1.avsc")]
pub struct DiffArgs {
    /// Folders or files of schemas
    #[arg(default_value = "schemas", value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// What to compare them with: git:REF, registry, or a folder of earlier schemas
    #[arg(long, default_value = "git:HEAD", value_name = "PAST")]
    pub against: Against,
    /// How to answer.
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Differences(Vec<Difference>);

#[derive(Debug, Serialize)]
struct Difference {
    subject: String,
    file: String,
    /// The version that it is compared with; absent for a new schema.
    version: Option<String>,
    changes: Vec<Change>,
}

/// Compares.
pub async fn run(session: &Session, args: DiffArgs) -> Result<Exit, Failure> {
    let files = files::find(&args.paths)?;
    let history = History::of(session, &args.against, &args.paths, &files, false).await?;
    let there = files.iter().filter_map(|file| Some((file, file.whole()?)));
    let differences = there.map(|(file, text)| difference(file, text, &history)).collect::<Result<_, _>>()?;
    output::answer(&Differences(differences), args.output.output)?;
    Ok(Exit::Ok)
}

fn difference(file: &SchemaFile, text: &str, history: &History) -> Result<Difference, Failure> {
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
        file: file.path.display().to_string(),
        version: newest.map(|version| version.label.clone()),
        changes,
    })
}

/// The schema of an earlier version, read as far as it can be.
pub fn parse(name: &str, version: &Version) -> Result<Schema, Failure> {
    let text = version.content.as_ref().map_err(|reason| unreadable(name, reason))?;
    let read = Schema::parse_lenient(text).map_err(|faults| unreadable(name, &faults.to_string()))?;
    Ok(read.schema)
}

fn unreadable(name: &str, reason: &str) -> Failure {
    Failure::new(Exit::IncompatibleSchema, format!("{name}: {reason}"))
}

impl Report for Differences {
    fn text(&self) -> String {
        let mut lines = Vec::new();
        for Difference { subject, file, version, changes } in &self.0 {
            match version {
                None => lines.push(format!("{subject}: new, in {file}")),
                Some(_) if changes.is_empty() => {}
                Some(version) => {
                    lines.push(format!("{subject}: {file} against {version}"));
                    lines.extend(changes.iter().map(|change| format!("  {change}")));
                }
            }
        }
        if lines.is_empty() { "nothing changed".to_owned() } else { lines.join("\n") }
    }
}
