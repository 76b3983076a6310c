//! `sluice run activate`: what would change for readers, or the switch right now.

use std::collections::BTreeMap;

use clap::Args;
use pipeline_compare::{
    CopiedService,
    changes::{Changes, Preview},
};
use pipeline_model::ids::{Generation, RunId, ServiceId};
use pipeline_store::{BEFORE_THE_FIRST, Counts, Deed, Outcome, Progress, RunState, Store};
use serde::Serialize;

use super::{RunRef, tolerate};
use crate::{
    compare::preview,
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs, Report},
    request,
    session::{self, Session},
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

#[derive(Debug, Serialize)]
struct ActivateReport {
    run_id: RunId,
    dry_run: bool,
    /// Everything is planned and stored: the numbers will not change any more.
    complete: bool,
    /// Why only people can help the run on, when that is so.
    blocked: Option<String>,
    /// Rows that the run takes out of the views, as far as it is planned and stored.
    removed: Counts,
    /// What would change; only in a dry run.
    changes: Option<Preview>,
    /// Services that this call switched.
    activated: Vec<ServiceId>,
}

/// Activates, or says what that would change.
pub async fn run(session: &Session, args: ActivateArgs) -> Result<Exit, Failure> {
    let failed = |error: pipeline_store::Error| session::store_failure(&error);
    let store = session.migrated_store(&session.settings()?).await?;
    let run = args.run.find(&store).await?;
    let Some(generation) = run.generation.filter(|_| run.state == RunState::Running) else {
        return Err(tolerate::closed(&run));
    };
    let mut activated = Vec::new();
    let mut changes = None;
    if args.dry_run {
        changes = Some(self::changes(&store, run.run_id, generation).await?);
    } else {
        for (run, service) in store.activatable().await.map_err(failed)?.due() {
            if let Outcome::Activated(services) = store.activate(run, &service).await.map_err(failed)? {
                activated.extend(services.into_iter().map(|each| each.service_id));
            }
        }
        let (who, subject) = (request::who(), run.run_id.to_string());
        let result = format!("{} services were switched", activated.len());
        let deed = Deed { who: &who, what: "run activate", subject: &subject, why: &args.reason, result: &result };
        store.audit(&deed).await.map_err(failed)?;
    }
    let progress = store.progress(run.run_id).await.map_err(failed)?;
    let complete = progress.as_ref().is_some_and(is_complete);
    let (blocked, removed) = progress.map(|progress| (progress.blocked, progress.removed)).unwrap_or_default();
    let report =
        ActivateReport { run_id: run.run_id, dry_run: args.dry_run, complete, blocked, removed, changes, activated };
    output::answer(&report, args.output.output)?;
    Ok(match (&report.blocked, report.dry_run || report.complete) {
        (Some(_), _) => Exit::Rejects,
        (None, true) => Exit::Ok,
        (None, false) => Exit::NotReady,
    })
}

fn is_complete(progress: &Progress) -> bool {
    progress.planning_complete && progress.batches.planned == progress.batches.stored
}

/// What the services that are planned and not activated would change.
async fn changes(store: &Store, run: RunId, generation: Generation) -> Result<Preview, Failure> {
    let failed = |error: pipeline_store::Error| session::store_failure(&error);
    let by_id = |services: Vec<CopiedService>| -> BTreeMap<ServiceId, CopiedService> {
        services.into_iter().map(|service| (service.service_id.clone(), service)).collect()
    };
    let now = by_id(store.copied_services(None).await.map_err(failed)?);
    let then = by_id(store.copied_services(Some(generation)).await.map_err(failed)?);
    let mut preview = Preview::default();
    for id in store.unfinished_services(run).await.map_err(failed)? {
        let before = now.get(&id);
        let older = before.map_or(BEFORE_THE_FIRST, |service| service.generation);
        preview::add_service(&mut preview, store, &id, (before, then.get(&id)), (older, generation)).await?;
    }
    Ok(preview)
}

impl Report for ActivateReport {
    fn text(&self) -> String {
        let mut lines = Vec::new();
        if let Some(changes) = &self.changes {
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
            let count = i64::try_from(self.activated.len()).unwrap_or(i64::MAX);
            lines.push(format!("run {}: {} switched", self.run_id, text::plural(count, "service")));
        }
        if !self.complete {
            lines.push("the run is still loading: only what is stored is counted".to_owned());
        }
        lines.extend(self.blocked.iter().map(|reason| format!("held: {reason}")));
        lines.join("\n")
    }
}
