//! `sluice run accept-removals`: let a held run take away what it would take away.

use clap::Args;
use pipeline_model::ids::{RunId, ServiceId};
use pipeline_store::{Counts, RunState};
use serde::Serialize;

use super::{RunRef, report::removed, tolerate};
use crate::{
    confirm::ConfirmArgs,
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs, Report},
    request,
    session::{self, Session},
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

#[derive(Debug, Serialize)]
struct AcceptReport {
    run_id: RunId,
    dry_run: bool,
    /// Rows that leave the views with it and that nobody had accepted.
    accepted: Counts,
    /// The services that lose them.
    services: Vec<Loss>,
}

/// What one service loses.
#[derive(Debug, Serialize)]
struct Loss {
    service_id: ServiceId,
    /// Rows that leave the views.
    removed: Counts,
    /// Rows that readers see now.
    visible: Counts,
}

/// Accepts.
pub async fn run(session: &Session, args: AcceptArgs) -> Result<Exit, Failure> {
    let failed = |error: pipeline_store::Error| session::store_failure(&error);
    let store = session.migrated_store(&session.settings()?).await?;
    let run = args.run.find(&store).await?;
    if run.state != RunState::Running {
        return Err(tolerate::closed(&run));
    }
    let removals = store.removals(run.run_id).await.map_err(failed)?;
    let services: Vec<Loss> =
        removals.into_iter().map(|(service_id, removed, visible)| Loss { service_id, removed, visible }).collect();
    let accepted = services.iter().fold(Counts::default(), |sum, loss| sum.plus(loss.removed));
    let mut report = AcceptReport { run_id: run.run_id, dry_run: args.confirm.dry_run, accepted, services };
    if !args.confirm.dry_run {
        args.confirm.confirm(&format!("Let run {} take away {}?", run.run_id, removed(&accepted)))?;
        let by = request::who();
        let done = store.accept_removals(run.run_id, (&by, &args.reason)).await.map_err(failed)?;
        let done = done.ok_or_else(|| Failure::new(Exit::Failed, format!("run {} has ended meanwhile", run.run_id)))?;
        report.accepted = done.rows;
    }
    output::answer(&report, args.output.output)?;
    Ok(Exit::Ok)
}

impl Report for AcceptReport {
    fn text(&self) -> String {
        let mut lines = Vec::new();
        if !self.services.is_empty() {
            let mut table = output::table(&["SERVICE", "PROVIDERS", "BUNDLES", "SUBSCRIPTION FIELDS", ""]);
            let of = |removed: i64, visible: i64| format!("{} of {}", text::count(removed), text::count(visible));
            for Loss { service_id, removed, visible } in self.services.iter().take(SHOWN) {
                table.add_row([
                    output::printable(service_id.as_str()),
                    of(removed.providers, visible.providers),
                    of(removed.bundles, visible.bundles),
                    of(removed.subscription_fields, visible.subscription_fields),
                    if removed.services > 0 { "gone".to_owned() } else { String::new() },
                ]);
            }
            lines.push(output::table_text(&table));
            let hidden = self.services.len().saturating_sub(SHOWN);
            if hidden > 0 {
                lines.push(format!("and {hidden} more services: see `-o json`"));
            }
        }
        let verb = if self.dry_run { "would let go" } else { "accepted" };
        lines.push(if self.accepted.is_zero() {
            format!("run {} takes nothing away that is not accepted", self.run_id)
        } else {
            format!("run {}: {verb} {}", self.run_id, removed(&self.accepted))
        });
        lines.join("\n")
    }
}
