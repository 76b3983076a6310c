//! `sluice audit`: who changed what, when, why, and what came of it.

use clap::{Args, Subcommand};
use pipeline_store::Audit;

use crate::{
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs, Report},
    session::{self, Session},
    text,
};

/// What to do with the audit.
#[derive(Debug, Subcommand)]
pub enum AuditVerb {
    /// List what people did, newest first
    #[command(alias = "list")]
    Ls(ListArgs),
}

/// How many.
#[derive(Debug, Args)]
#[command(
    after_help = "Every verb that changes a run, a pointer, a dead letter or a generation leaves a row, in the transaction of
the change itself where the change is in the target.

Examples:
  sluice audit ls
  sluice audit ls --limit 1000 -o jsonl | grep 'generation rollback'"
)]
pub struct ListArgs {
    /// At most so many
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub limit: u32,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Does what the verb says.
pub async fn run(session: &Session, verb: AuditVerb) -> Result<Exit, Failure> {
    let AuditVerb::Ls(args) = verb;
    let store = session.migrated_store(&session.settings()?).await?;
    let audits = store.audits(args.limit).await?;
    if audits.is_empty() {
        session::note(format_args!("nobody has changed anything in `{}` yet", store.describe()));
    }
    output::answer(&audits, args.output)
}

impl Report for Vec<Audit> {
    fn text(&self) -> String {
        let mut table = output::table(&["WHEN", "WHO", "WHAT", "TO", "WHY", "RESULT"]);
        for Audit { at_ms, who, what, subject, why, result, .. } in self {
            let words = [who, what, subject, why, result].map(|word| output::printable(word));
            let [who, what, subject, why, result] = words;
            table.add_row([text::time(*at_ms), who, what, subject, why, result]);
        }
        if self.is_empty() { String::new() } else { output::table_text(&table) }
    }
}
