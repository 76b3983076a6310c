//! `sluice generation prune`: forget old generations.

use clap::Args;
use pipeline_model::ids::Generation;
use pipeline_operations::{Installation, prune::Prune};
use pipeline_store::Pruned;

use crate::{
    confirm::{ConfirmArgs, Outcome, carried_out},
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs, Report},
    session::{self, Session},
    text,
};

/// What to keep, and why.
#[derive(Debug, Args)]
#[command(
    after_help = "Kept are the newest K activated generations and everything that readers see or that a rollback would
show. Deletes in small transactions; readers are not disturbed. Refused while a run is open. Interrupted, it
is safe to call again. The ledger of old runs stays.

Examples:
  sluice generation prune --keep 5 --dry-run
  sluice generation prune --keep 5 --yes"
)]
pub struct PruneArgs {
    /// Activated generations to keep
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    pub keep: u32,
    /// Why, for the ledger
    #[arg(long, value_name = "TEXT", default_value = "pruned by command")]
    pub reason: String,
    #[command(flatten)]
    pub confirm: ConfirmArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Prunes.
pub async fn run(session: &Session, args: PruneArgs) -> Result<Exit, Failure> {
    let settings = session.settings()?;
    let store = session.migrated_store(&settings).await?;
    let (at, prune) = (Installation::new(&store, &settings), Prune { keep: args.keep });
    let dry_run = args.confirm.dry_run;
    let question = |shown: &Pruned| {
        if !dry_run {
            session::note(format_args!("to be deleted: {}", rows(shown)));
        }
        Some("Delete these rows?".to_owned())
    };
    let outcome = carried_out(&prune, &at, &args.confirm, &args.reason, question).await?;
    output::answer(&outcome, args.output)?;
    Ok(if outcome.answer.stopped_by.is_some() { Exit::Failed } else { Exit::Ok })
}

impl Report for Outcome<Pruned> {
    fn text(&self) -> String {
        let kept: Vec<String> = self.answer.kept.iter().map(Generation::to_string).collect();
        let verb = if self.dry_run { "would delete" } else { "deleted" };
        let stopped = self.answer.stopped_by.map_or_else(String::new, |run| {
            format!("\nstopped before the end: run {run} was opened; call again when it has ended")
        });
        format!("{verb} {}\nkept generations: {}{stopped}", rows(&self.answer), kept.join(", "))
    }
}

fn rows(pruned: &Pruned) -> String {
    format!(
        "{} of services, {} of providers, {} of contents, with {} and {}",
        text::plural(pruned.services, "version"),
        text::plural(pruned.providers, "version"),
        text::plural(pruned.contents, "version"),
        text::plural(pruned.bundles, "bundle"),
        text::plural(pruned.subscription_fields, "subscription field"),
    )
}
