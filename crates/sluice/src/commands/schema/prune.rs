//! `sluice schema prune`: forget old versions, so that transitive levels no longer look at them.
//!
//! A version goes only when nothing needs it: it is not among the newest, it is not this program's, and no message that
//! is retained, in its topic or among the dead letters, was written with it.

use clap::Args;
use schema_gate::{
    old_versions::{self, OldVersion},
    subjects,
};

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

/// Prunes.
pub async fn run(session: &Session, args: PruneArgs) -> Result<Exit, Failure> {
    let settings = session.settings()?;
    let (registry, _) = subjects::registry(Some(&settings))?;
    let mut versions = old_versions::plan(&registry, &settings.kafka, args.keep).await?;
    let unused = versions.iter().filter(|version| version.is_unused()).count();
    if !args.confirm.dry_run && unused > 0 {
        session::note(format_args!("{}", versions.text()));
        let count = text::plural(unused, "version");
        args.confirm.confirm(&format!("Delete {count}?"))?;
        old_versions::delete(&registry, &mut versions).await?;
    }
    output::answer(&versions, args.output)
}

impl Report for Vec<OldVersion> {
    fn text(&self) -> String {
        if self.is_empty() {
            return "no version is old enough".to_owned();
        }
        let mut table = output::table(&["SUBJECT", "VERSION", "ID", "STATE"]);
        for OldVersion { subject, version, id, state } in self {
            table.add_row([subject.as_str(), &version.to_string(), &id.to_string(), state]);
        }
        output::table_text(&table)
    }
}
