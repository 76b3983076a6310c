//! `sluice run ls`: the runs of the target, newest first.

use clap::Args;
use pipeline_store::{Run, RunState};

use super::report::took;
use crate::{
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs, Report},
    session::{self, Session},
    text,
};

/// How many.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sluice run ls
  sluice run ls --limit 1 -o json | jq -r '.[0].state'")]
pub struct ListArgs {
    /// At most so many runs
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub limit: u32,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Lists runs.
pub async fn run(session: &Session, args: ListArgs) -> Result<Exit, Failure> {
    let store = session.migrated_store(&session.settings()?).await?;
    let mut runs = store.runs(args.limit).await?;
    for run in runs.iter_mut().filter(|run| run.state == RunState::Running) {
        let progress = store.progress(run.run_id).await?;
        if let Some(reason) = progress.and_then(|progress| progress.held) {
            (run.state, run.reason) = (RunState::Held, Some(reason));
        }
    }
    if runs.is_empty() {
        session::note(format_args!("no run yet in `{}`; start one: sluice run start", store.describe()));
    }
    output::answer(&runs, args.output)
}

impl Report for Vec<Run> {
    fn text(&self) -> String {
        let mut table =
            output::table(&["RUN", "STATE", "GENERATION", "ACTIVATION", "REQUESTED", "BY", "TOOK", "REASON"]);
        for run in self {
            table.add_row([
                run.run_id.to_string(),
                text::word(&run.state),
                run.generation.map_or_else(|| "-".to_owned(), |generation| generation.to_string()),
                text::word(&run.mode),
                text::time(run.requested_at_ms),
                run.requested_by.clone(),
                took(run).unwrap_or_else(|| "-".to_owned()),
                run.reason.clone().unwrap_or_default(),
            ]);
        }
        if self.is_empty() { String::new() } else { output::table_text(&table) }
    }
}
