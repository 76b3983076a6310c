//! `sluice schema history`: the versions of a schema, what each changed, and which way it can be read.

use std::path::PathBuf;

use clap::Args;
use schema_gate::{
    changes::{self, Revision},
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
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Lists.
pub async fn run(session: &Session, args: HistoryArgs) -> Result<Exit, Failure> {
    let settings = settings_for(session, &args.past)?;
    let files = files::find(&args.paths)?;
    let history = History::of(settings.as_ref(), &args.past, &args.paths, &files, true).await?;
    let revisions = changes::revisions(&files, &history)?;
    output::answer(&revisions, args.output)
}

impl Report for Vec<Revision> {
    fn text(&self) -> String {
        let mut table = output::table(&["SUBJECT", "VERSION", "READABLE", "CHANGES"]);
        for Revision { subject, version, readable, changes } in self {
            let changes = if changes.is_empty() { "-".to_owned() } else { changes.join("; ") };
            table.add_row([subject.as_str(), version, readable.unwrap_or("-"), &changes]);
        }
        output::table_text(&table)
    }
}
