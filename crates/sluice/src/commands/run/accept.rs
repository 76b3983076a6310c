//! `sluice run accept-removals`: let a held run take away what it would take away.

use clap::Args;
use pipeline_operations::{
    Installation,
    removals::{AcceptRemovals, Removals},
};
use pipeline_store::Loss;

use super::{RunRef, report::removed};
use crate::{
    confirm::{ConfirmArgs, Outcome, carried_out},
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs, Report},
    session::Session,
    text,
};

/// Services that the text names.
const SHOWN: usize = 20;

/// Which run, and why.
#[derive(Debug, Args)]
#[command(
    after_help = "A run that would take more out of the views than `run.max_removed` is held: the source may be cut, emptied
or half mounted. Look first, with --dry-run and `sluice run activate --dry-run`. When what is gone should be
gone, accept it: the run goes on within seconds. Only what is counted now is accepted. When it should not be
gone, mend the source and end the run: sluice run abort.

Examples:
  sluice run accept-removals @latest --dry-run
  sluice run accept-removals @latest --yes --reason 'chat was shut down' && sluice run wait"
)]
pub struct AcceptArgs {
    /// The run's id
    pub run: RunRef,
    /// Why, for the ledger
    #[arg(long, value_name = "TEXT", default_value = "accepted by command")]
    pub reason: String,
    #[command(flatten)]
    pub confirm: ConfirmArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Accepts.
pub async fn run(session: &Session, args: AcceptArgs) -> Result<Exit, Failure> {
    let settings = session.settings()?;
    let store = session.migrated_store(&settings).await?;
    let (at, accept) = (Installation::new(&store, &settings), AcceptRemovals { run: args.run.id(&store).await? });
    let question = |shown: &Removals| Some(format!("Let run {} take away {}?", shown.run_id, removed(&shown.accepted)));
    output::answer(&carried_out(&accept, &at, &args.confirm, &args.reason, question).await?, args.output)
}

impl Report for Outcome<Removals> {
    fn text(&self) -> String {
        let Removals { run_id, accepted, services } = &self.answer;
        let mut lines = Vec::new();
        if !services.is_empty() {
            let mut table = output::table(&["SERVICE", "PROVIDERS", "BUNDLES", "SUBSCRIPTION FIELDS", ""]);
            let of = |removed: i64, visible: i64| format!("{} of {}", text::count(removed), text::count(visible));
            for Loss { service_id, removed, visible } in services.iter().take(SHOWN) {
                table.add_row([
                    output::printable(service_id.as_str()),
                    of(removed.providers, visible.providers),
                    of(removed.bundles, visible.bundles),
                    of(removed.subscription_fields, visible.subscription_fields),
                    if removed.services > 0 { "gone".to_owned() } else { String::new() },
                ]);
            }
            lines.push(output::table_text(&table));
            let hidden = services.len().saturating_sub(SHOWN);
            if hidden > 0 {
                lines.push(format!("and {hidden} more services: see `-o json`"));
            }
        }
        let verb = if self.dry_run { "would let go" } else { "accepted" };
        lines.push(if accepted.is_zero() {
            format!("run {run_id} takes nothing away that is not accepted")
        } else {
            format!("run {run_id}: {verb} {}", removed(accepted))
        });
        lines.join("\n")
    }
}
