//! `sluice generation rollback`: readers see again what they saw before the last switch.

use clap::Args;
use pipeline_model::{
    contracts::{Activated, Message as _},
    ids::ServiceId,
};
use pipeline_operations::{
    Installation,
    rollback::{Moves, RollBack, Unannounced},
};
use pipeline_store::{BEFORE_THE_FIRST, Move};
use serde::Serialize;

use crate::{
    confirm::{ConfirmArgs, Outcome, carried_out},
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs, Report},
    session::{self, Session},
    text,
};

/// Services that the text lists.
const SHOWN: usize = 50;

/// Which services, and why.
#[derive(Debug, Args)]
#[command(
    after_help = "Moves the pointer of each service that the newest generation switched back to where it was before, all in
one short transaction; no data is touched. Rolling back again moves the pointers forward again. A service that
was switched only once leaves the views. Refused while a run is open. The next run is not affected: it moves
readers to a new generation.

Each move is announced like an activation, with a higher epoch and an older generation. Where Kafka cannot be
reached, readers are moved all the same, and the answer says so.

Examples:
  sluice generation rollback --dry-run
  sluice generation rollback --service payments --yes --reason 'bad prices'"
)]
pub struct RollbackArgs {
    /// Only this service; may be repeated. Without it, all that the newest generation switched
    #[arg(long, value_name = "ID")]
    pub service: Vec<String>,
    /// Why, for the ledger
    #[arg(long, value_name = "TEXT", default_value = "rolled back by command")]
    pub reason: String,
    #[command(flatten)]
    pub confirm: ConfirmArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Serialize)]
struct RollbackReport {
    dry_run: bool,
    /// Why the moves were not announced, when they were not.
    unannounced: Option<String>,
    services: Vec<Move>,
}

/// Rolls back.
pub async fn run(session: &Session, args: RollbackArgs) -> Result<Exit, Failure> {
    let settings = session.settings()?;
    let store = session.migrated_store(&settings).await?;
    let at = Installation::new(&store, &settings);
    let roll_back = RollBack { services: args.service.iter().map(|id| ServiceId(id.clone())).collect() };
    let question = |shown: &Moves| {
        warn(&shown.services);
        Some("Roll back?".to_owned())
    };
    let Outcome { dry_run, answer: moves } =
        carried_out(&roll_back, &at, &args.confirm, &args.reason, question).await?;
    let unannounced = moves.unannounced.as_ref().map(why);
    if let Some(why) = &unannounced {
        session::note(format_args!("readers were moved, but nobody was told on `{}`: {why}", Activated::TOPIC));
    }
    output::answer(&RollbackReport { dry_run, unannounced, services: moves.services }, args.output)
}

fn why(unannounced: &Unannounced) -> String {
    match unannounced {
        Unannounced::Failed(error) => session::operation_failure(error).one_line(),
        Unannounced::TimedOut(limit) => format!("no acknowledgement within {} s", limit.as_secs()),
    }
}

/// What a person should notice, on standard error.
fn warn(plan: &[Move]) {
    let vanishing = plan.iter().filter(|each| each.visible && !each.visible_after).count();
    if vanishing > 0 {
        session::note(format_args!(
            "{} will not be seen any more after the rollback",
            text::plural(vanishing, "service")
        ));
    }
}

impl Report for RollbackReport {
    fn text(&self) -> String {
        let mut table = output::table(&["SERVICE", "FROM", "TO", "READERS"]);
        for each in self.services.iter().take(SHOWN) {
            let to = if each.to == BEFORE_THE_FIRST { "-".to_owned() } else { each.to.to_string() };
            let readers = match (each.visible, each.visible_after) {
                (true, true) if each.to > each.from => "see the newer generation",
                (true, true) => "see the older generation",
                (true, false) => "see the service no more",
                (false, true) => "see the service again",
                (false, false) => "see nothing, as before",
            };
            table.add_row([each.service_id.to_string(), each.from.to_string(), to, readers.to_owned()]);
        }
        let count = text::plural(self.services.len(), "service");
        let verdict = if self.dry_run { "would be rolled back" } else { "rolled back" };
        let more = if self.services.len() > SHOWN { ", the first of them above" } else { "" };
        format!("{}\n{count} {verdict}{more}", output::table_text(&table))
    }
}
