//! `sluice run abort`: close an open run and undo what it has not activated.

use clap::Args;
use pipeline_operations::{
    Installation,
    abort::{Abort, Aborting},
};

use super::{RunRef, report::RunReport};
use crate::{
    confirm::{ConfirmArgs, carried_out},
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs},
    session::{self, Session},
    text,
};

/// Which run, and why.
#[derive(Debug, Args)]
#[command(
    after_help = "Services that the run has activated keep the new generation; everything else goes back to what readers
see now. Stages that still hold messages of the run find it closed and write nothing.

Examples:
  sluice run abort @latest --dry-run
  sluice run abort @latest --yes --reason 'wrong source'"
)]
pub struct AbortArgs {
    /// The run's id
    pub run: RunRef,
    /// Why, for the ledger
    #[arg(long, value_name = "TEXT", default_value = "aborted by command")]
    pub reason: String,
    #[command(flatten)]
    pub confirm: ConfirmArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Aborts a run.
pub async fn run(session: &Session, args: AbortArgs) -> Result<Exit, Failure> {
    let settings = session.settings()?;
    let store = session.migrated_store(&settings).await?;
    let (at, abort) = (Installation::new(&store, &settings), Abort { run: args.run.id(&store).await? });
    let question = |shown: &Aborting| {
        let before = &shown.progress;
        session::note(format_args!(
            "run {}: {} of {} activated and kept; batches stored: {}, to be undone where not activated",
            before.run.run_id,
            text::count(before.services.activated),
            text::plural(before.services.discovered, "service"),
            text::count(before.batches.stored),
        ));
        Some("Abort this run?".to_owned())
    };
    let aborting = carried_out(&abort, &at, &args.confirm, &args.reason, question).await?;
    output::answer(&RunReport::read(&store, aborting.answer.progress).await?, args.output)
}
