//! `sluice schema diff`: what changed, change by change.

use std::path::PathBuf;

use clap::Args;
use schema_gate::{
    changes::{self, Difference},
    files,
    past::{Against, History},
};

use super::settings_for;
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
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Compares.
pub async fn run(session: &Session, args: DiffArgs) -> Result<Exit, Failure> {
    let settings = settings_for(session, &args.against)?;
    let files = files::find(&args.paths)?;
    let history = History::of(settings.as_ref(), &args.against, &args.paths, &files, false).await?;
    let differences = changes::differences(&files, &history)?;
    output::answer(&differences, args.output)
}

impl Report for Vec<Difference> {
    fn text(&self) -> String {
        let mut lines = Vec::new();
        for Difference { subject, file, version, changes } in self {
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
