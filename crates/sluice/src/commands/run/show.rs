//! `sluice run show`: one run as the ledger has it now.

use clap::Args;

use super::{RunRef, report::RunReport};
use crate::{
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs},
    session::Session,
};

/// Which run.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 shown, 20 the run is held: only people can help it on.

Examples:
  sluice run show
  sluice run show @latest -o json | jq '.rejects[].reason'")]
pub struct ShowArgs {
    /// The run's id
    #[arg(default_value = "@latest")]
    pub run: RunRef,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Shows a run.
pub async fn run(session: &Session, args: ShowArgs) -> Result<Exit, Failure> {
    let store = session.migrated_store(&session.settings()?).await?;
    let run = args.run.find(&store).await?;
    let progress = store.progress(run.run_id).await?;
    let Some(progress) = progress else {
        return Err(Failure::new(Exit::Failed, format!("run {} is gone from the ledger", run.run_id)));
    };
    let report = RunReport::read(&store, progress).await?;
    output::answer(&report, args.output)?;
    Ok(if report.held.is_some() { Exit::Rejects } else { Exit::Ok })
}
