//! `sluice run history`: what happened to a run, step by step.

use clap::Args;
use pipeline_store::Step;

use super::RunRef;
use crate::{
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs, Report},
    session::Session,
    text,
};

/// Which run.
#[derive(Debug, Args)]
#[command(
    after_help = "Steps are what the ledger noted, and what people did, with their reasons. Batches are left out: see `sluice run
trace` for where their time went.

Examples:
  sluice run history
  sluice run history @latest -o jsonl | jq -r 'select(.what == \"message given up\") | .detail'"
)]
pub struct HistoryArgs {
    /// The run's id
    #[arg(default_value = "@latest")]
    pub run: RunRef,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Shows the steps.
pub async fn run(session: &Session, args: HistoryArgs) -> Result<Exit, Failure> {
    let store = session.migrated_store(&session.settings()?).await?;
    let run = args.run.find(&store).await?;
    let steps = store.history(run.run_id).await?;
    let Some(steps) = steps else {
        return Err(Failure::new(Exit::Failed, format!("run {} is gone from the ledger", run.run_id)));
    };
    output::answer(&steps, args.output)
}

impl Report for Vec<Step> {
    fn text(&self) -> String {
        let mut table = output::table(&["WHEN", "WHAT", "TO", "WHO", "DETAIL"]);
        for Step { at_ms, what, subject, who, detail } in self {
            table.add_row([text::time(*at_ms).as_str(), what, subject, who, detail]);
        }
        output::table_text(&table)
    }
}
