//! `sluice run abort`: close an open run and undo what it has not activated.

use clap::Args;
use pipeline_store::RunState;

use super::{RunRef, report::RunReport};
use crate::{
    confirm::ConfirmArgs,
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs},
    request,
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
    let store = session.migrated_store(&session.settings()?).await?;
    let run = args.run.find(&store).await?;
    if run.state != RunState::Running {
        return Err(Failure::new(
            Exit::Failed,
            format!("run {} is not open: it is {}", run.run_id, text::word(&run.state)),
        ));
    }
    let before = store.progress(run.run_id).await.map_err(|error| session::store_failure(&error))?;
    if let Some(before) = &before {
        session::note(format_args!(
            "run {}: {} of {} activated and kept; batches stored: {}, to be undone where not activated",
            run.run_id,
            text::count(before.services.activated),
            text::plural(before.services.discovered, "service"),
            text::count(before.batches.stored),
        ));
    }
    if args.confirm.dry_run {
        if let Some(progress) = before {
            output::answer(&RunReport::read(&store, progress).await?, args.output.output)?;
        }
        return Ok(Exit::Ok);
    }
    args.confirm.confirm("Abort this run?")?;
    let aborted = store.abort_run_by(run.run_id, &request::who(), &args.reason).await;
    let aborted = aborted.map_err(|error| session::store_failure(&error))?;
    if aborted.is_none() {
        session::note(format_args!("run {} had ended meanwhile", run.run_id));
    }
    if let Some(after) = store.progress(run.run_id).await.map_err(|error| session::store_failure(&error))? {
        output::answer(&RunReport::read(&store, after).await?, args.output.output)?;
    }
    Ok(if aborted.is_some() { Exit::Ok } else { Exit::Failed })
}
