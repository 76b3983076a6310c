//! `sluice run rollback`: readers see again what they saw before the last switch.

use clap::Args;
use pipeline_core::ids::ServiceId;
use pipeline_store::{BEFORE_THE_FIRST, Move, RolledBack, Store};
use serde::Serialize;

use crate::{
    confirm::ConfirmArgs,
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs, Report},
    request,
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

Examples:
  sluice run rollback --dry-run
  sluice run rollback --service payments --yes --reason 'bad prices'"
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
    services: Vec<Move>,
}

/// Rolls back.
pub async fn run(session: &Session, args: RollbackArgs) -> Result<Exit, Failure> {
    let store = session.migrated_store(&session.settings()?).await?;
    let services: Vec<ServiceId> = args.service.iter().map(|id| ServiceId(id.clone())).collect();
    let plan = store.plan_rollback(&services).await.map_err(|error| session::store_failure(&error))?;
    check_named(&services, &plan)?;
    request::refuse_if_open(&store).await?;
    if plan.is_empty() {
        return Err(Failure::new(Exit::Failed, format!("nothing was ever activated in `{}`", store.describe())));
    }
    announce(&plan);
    let report = RollbackReport { dry_run: args.confirm.dry_run, services: plan };
    if !args.confirm.dry_run {
        args.confirm.confirm("Roll back?")?;
        apply(&store, &report.services, &args.reason).await?;
    }
    output::answer(&report, args.output.output)?;
    Ok(Exit::Ok)
}

async fn apply(store: &Store, plan: &[Move], reason: &str) -> Result<(), Failure> {
    let done = store.roll_back(plan, &request::who(), reason).await.map_err(|error| session::store_failure(&error))?;
    match done {
        RolledBack::Done => Ok(()),
        RolledBack::RunOpen(run) => Err(Failure::new(Exit::Failed, format!("run {run} is open: nothing was moved"))
            .hint(format!("wait for it: sluice run wait {run}; or end it: sluice run abort {run}"))),
        RolledBack::Moved(service) => {
            Err(Failure::new(Exit::Failed, format!("service `{service}` was switched meanwhile: nothing was moved"))
                .hint("look again: sluice run rollback --dry-run"))
        }
    }
}

/// Every service that was named has a pointer.
fn check_named(services: &[ServiceId], plan: &[Move]) -> Result<(), Failure> {
    match services.iter().find(|id| !plan.iter().any(|each| each.service_id == **id)) {
        None => Ok(()),
        Some(id) => Err(Failure::new(Exit::Failed, format!("service `{id}` was never activated"))
            .hint("see what is there: sluice run rollback --dry-run")),
    }
}

/// What a person should notice, on standard error.
fn announce(plan: &[Move]) {
    let vanishing = plan.iter().filter(|each| each.visible && !each.visible_after).count();
    if vanishing > 0 {
        session::note(format_args!(
            "{} will not be seen any more after the rollback",
            text::plural(i64::try_from(vanishing).unwrap_or(i64::MAX), "service")
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
        let count = text::plural(i64::try_from(self.services.len()).unwrap_or(i64::MAX), "service");
        let verdict = if self.dry_run { "would be rolled back" } else { "rolled back" };
        let more = if self.services.len() > SHOWN { ", the first of them above" } else { "" };
        format!("{}\n{count} {verdict}{more}", output::table_text(&table))
    }
}
