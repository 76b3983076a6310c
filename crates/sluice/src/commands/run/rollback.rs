//! `sluice run rollback`: readers see again what they saw before the last switch.

use std::time::Duration;

use clap::Args;
use pipeline_core::registry::Registry;
use pipeline_model::{
    contracts::{Activated, Message as _},
    ids::ServiceId,
};
use pipeline_settings::settings::Settings;
use pipeline_store::{BEFORE_THE_FIRST, Move, RolledBack, Store};
use serde::Serialize;

use crate::{
    confirm::ConfirmArgs,
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs, Report},
    request::{self, Outbox},
    session::{self, Session},
    text,
};

/// How long a broker or registry may keep a rollback from ending.
const ANNOUNCE_TIMEOUT: Duration = Duration::from_secs(10);

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
    /// Why the moves were not announced, when they were not.
    unannounced: Option<String>,
    services: Vec<Move>,
}

/// Rolls back.
pub async fn run(session: &Session, args: RollbackArgs) -> Result<Exit, Failure> {
    let settings = session.settings()?;
    let store = session.migrated_store(&settings).await?;
    let services: Vec<ServiceId> = args.service.iter().map(|id| ServiceId(id.clone())).collect();
    let plan = store.plan_rollback(&services).await.map_err(|error| session::store_failure(&error))?;
    check_named(&services, &plan)?;
    request::refuse_if_open(&store).await?;
    if plan.is_empty() {
        return Err(Failure::new(Exit::Failed, format!("nothing was ever activated in `{}`", store.describe())));
    }
    warn(&plan);
    let mut report = RollbackReport { dry_run: args.confirm.dry_run, unannounced: None, services: plan };
    if !args.confirm.dry_run {
        args.confirm.confirm("Roll back?")?;
        apply(&store, &report.services, &args.reason).await?;
        report.unannounced = announce(&settings, &store, &report.services).await.err();
        if let Some(why) = &report.unannounced {
            session::note(format_args!("readers were moved, but nobody was told on `{}`: {why}", Activated::TOPIC));
        }
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

/// Tells others as the activator does. Readers have been moved by then, so whatever fails here is only said.
async fn announce(settings: &Settings, store: &Store, plan: &[Move]) -> Result<(), String> {
    let telling = async {
        let moved = store.rolled_back(plan).await.map_err(|error| session::store_failure(&error))?;
        let registry = Registry::new(&settings.schema_registry).map_err(|error| session::registry_failure(&error))?;
        let writes = [(Activated::TOPIC, Activated::SCHEMA)];
        let outbox = Outbox::prepare_for(settings, &registry, None, &writes).await?;
        let messages = moved.into_iter().map(|each| outbox.outbound(&Activated::from(each)));
        outbox.send(messages.collect::<Result<Vec<_>, Failure>>()?).await
    };
    match tokio::time::timeout(ANNOUNCE_TIMEOUT, telling).await {
        Ok(told) => told.map(drop).map_err(|failure: Failure| failure.one_line()),
        Err(_) => Err(format!("no acknowledgement within {} s", ANNOUNCE_TIMEOUT.as_secs())),
    }
}

/// What a person should notice, on standard error.
fn warn(plan: &[Move]) {
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
