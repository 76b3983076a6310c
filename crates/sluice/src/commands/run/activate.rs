//! `sluice run activate`: what would change for readers, or the switch right now.

use clap::Args;
use pipeline_compare::changes::Changes;
use pipeline_operations::{
    Installation, Operation as _,
    activate::{Activate, Activating},
};

use super::RunRef;
use crate::{
    confirm::Outcome,
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs, Report},
    request,
    session::Session,
    text,
};

/// Which run.
#[derive(Debug, Args)]
#[command(
    after_help = "With --dry-run, compares what the open run has stored with what readers see, and counts rows that would
be added, changed and removed at each level. Without it, switches what is ready, as the activator does by
itself every few seconds; what is not ready is not switched.

Examples:
  sluice run activate @latest --dry-run
  sluice run activate @latest --dry-run -o json | jq .changes.bundles"
)]
pub struct ActivateArgs {
    /// The run's id
    pub run: RunRef,
    /// Say what would change, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Why, for the ledger
    #[arg(long, value_name = "TEXT", default_value = "activated by command")]
    pub reason: String,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Activates, or says what that would change.
pub async fn run(session: &Session, args: ActivateArgs) -> Result<Exit, Failure> {
    let settings = session.settings()?;
    let store = session.migrated_store(&settings).await?;
    let (at, activate) = (Installation::new(&store, &settings), Activate { run: args.run.id(&store).await? });
    let activating = if args.dry_run {
        activate.preview(&at).await
    } else {
        // What would change for readers takes long to count, and nobody asked.
        activate.carry_out(&at, None, &request::by(&args.reason)).await
    }?;
    let exit = match (&activating.held, args.dry_run || activating.complete) {
        (Some(_), _) => Exit::Rejects,
        (None, true) => Exit::Ok,
        (None, false) => Exit::NotReady,
    };
    output::answer(&Outcome { dry_run: args.dry_run, answer: activating }, args.output)?;
    Ok(exit)
}

impl Report for Outcome<Activating> {
    fn text(&self) -> String {
        let Activating { run_id, complete, held, changes, activated, .. } = &self.answer;
        let mut lines = Vec::new();
        if let Some(changes) = changes {
            let mut table = output::table(&["LEVEL", "ADDED", "CHANGED", "REMOVED"]);
            for (level, Changes { added, changed, removed }) in [
                ("services", changes.services),
                ("providers", changes.providers),
                ("bundles", changes.bundles),
                ("subscription fields", changes.subscription_fields),
            ] {
                table.add_row([level.to_owned(), text::count(added), text::count(changed), text::count(removed)]);
            }
            lines.push(output::table_text(&table));
        } else {
            lines.push(format!("run {run_id}: {} switched", text::plural(activated.len(), "service")));
        }
        if !complete {
            lines.push("the run is still loading: only what is stored is counted".to_owned());
        }
        lines.extend(held.iter().map(|reason| format!("held: {reason}")));
        lines.join("\n")
    }
}
