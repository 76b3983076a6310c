//! `sluice schema history`: the versions of a schema, what each changed, and which way it can be read.

use std::path::PathBuf;

use clap::Args;
use pipeline_schema::{Schema, changes, mismatches};
use serde::Serialize;

use super::{
    diff::parse,
    files,
    past::{Against, History},
};
use crate::{
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs, Report},
    session::Session,
};

/// Whose history.
#[derive(Debug, Args)]
#[command(after_help = "\
READABLE says what holds between a version and the one before it: full, backward (the newer reads the older), forward
(the older reads the newer) or none.

Examples:
  sluice schema history                              as the registry has it
  sluice schema history --in git:HEAD -o json        every revision of every file")]
pub struct HistoryArgs {
    /// Folders or files of schemas
    #[arg(default_value = "schemas", value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Where to look: registry, or git:REF
    #[arg(long = "in", default_value = "registry", value_name = "PAST")]
    pub past: Against,
    /// How to answer.
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Revisions(Vec<Revision>);

#[derive(Debug, Serialize)]
struct Revision {
    subject: String,
    version: String,
    /// Absent for the first.
    readable: Option<&'static str>,
    changes: Vec<String>,
}

/// Lists.
pub async fn run(session: &Session, args: HistoryArgs) -> Result<Exit, Failure> {
    let files = files::find(&args.paths)?;
    let history = History::of(session, &args.past, &args.paths, &files, true).await?;
    let mut revisions = Vec::new();
    for file in &files {
        let mut before: Option<Schema> = None;
        for version in &history.of_file(file).versions {
            let schema = parse(&format!("{} {}", file.subject, version.label), version)?;
            revisions.push(Revision {
                subject: file.subject.clone(),
                version: version.label.clone(),
                readable: before.as_ref().map(|before| readable(before, &schema)),
                changes: before.iter().flat_map(|before| changes(before, &schema)).map(|it| it.to_string()).collect(),
            });
            before = Some(schema);
        }
    }
    output::answer(&Revisions(revisions), args.output.output)?;
    Ok(Exit::Ok)
}

fn readable(old: &Schema, new: &Schema) -> &'static str {
    match (mismatches(old, new).is_empty(), mismatches(new, old).is_empty()) {
        (true, true) => "full",
        (true, false) => "backward",
        (false, true) => "forward",
        (false, false) => "none",
    }
}

impl Report for Revisions {
    fn text(&self) -> String {
        let mut table = output::table(&["SUBJECT", "VERSION", "READABLE", "CHANGES"]);
        for Revision { subject, version, readable, changes } in &self.0 {
            let changes = if changes.is_empty() { "-".to_owned() } else { changes.join("; ") };
            table.add_row([subject.as_str(), version, readable.unwrap_or("-"), &changes]);
        }
        output::table_text(&table)
    }
}
