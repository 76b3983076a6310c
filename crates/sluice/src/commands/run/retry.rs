//! `sluice run retry`: another try for the failed parts of an open run.

use clap::Args;
use pipeline_core::registry::Registry;
use pipeline_model::{
    contracts::{BatchPlanned, Message, RunRequested, ServiceDiscovered},
    ids::{BatchNo, Generation, RunId, ServiceId},
};
use pipeline_store::{DeadLetter, LetterFilter, LetterState, Retried, Run, RunState, Store};
use serde::Serialize;

use super::{RunRef, tolerate};
use crate::{
    confirm::ConfirmArgs,
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs, Report},
    request,
    session::{self, Session},
    text,
};

/// Which run, and why.
#[derive(Debug, Args)]
#[command(
    after_help = "Use it after the documents are mended, or when messages of the run were lost. Batches with rejected
documents are read and stored again, services with rejected providers are planned again; what was stored
well stays. Then every part of the run that is not done is announced to the stages once more, which is
harmless for parts that are under way. A run that has ended is not retried: start a new one, which writes only
what changed.

Exit codes: 0 everything was set going, 20 some rejects only a new run can mend, 1 the run is not open.

Examples:
  sluice run retry @latest --dry-run
  sluice run retry @latest --yes --reason 'documents mended' && sluice run wait"
)]
pub struct RetryArgs {
    /// The run's id
    pub run: RunRef,
    /// Why, for the ledger
    #[arg(long, value_name = "TEXT", default_value = "retried by command")]
    pub reason: String,
    #[command(flatten)]
    pub confirm: ConfirmArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Serialize)]
struct RetryReport {
    run_id: RunId,
    dry_run: bool,
    /// Rejected providers before.
    rejected_providers: i64,
    /// What was set back; absent in a dry run.
    #[serde(flatten)]
    retried: Option<Retried>,
    /// Services announced to be planned.
    services_announced: usize,
    /// Batches announced to be stored.
    batches_announced: usize,
}

/// What is to be announced.
#[derive(Debug, Default)]
struct Undone {
    /// The run's own request, when its services are not discovered.
    request: Option<RunRequested>,
    services: Vec<ServiceDiscovered>,
    batches: Vec<BatchPlanned>,
}

/// Retries.
pub async fn run(session: &Session, args: RetryArgs) -> Result<Exit, Failure> {
    let settings = session.settings()?;
    let store = session.migrated_store(&settings).await?;
    let run = args.run.find(&store).await?;
    let Some(generation) = run.generation.filter(|_| run.state == RunState::Running) else {
        return Err(tolerate::closed(&run));
    };
    let progress = store.progress(run.run_id).await.map_err(|error| session::store_failure(&error))?;
    let rejected_providers = progress.map_or(0, |progress| progress.providers.rejected);
    let mut report = RetryReport {
        run_id: run.run_id,
        dry_run: args.confirm.dry_run,
        rejected_providers,
        retried: None,
        services_announced: 0,
        batches_announced: 0,
    };
    let mut undone = Undone::default();
    if !args.confirm.dry_run {
        args.confirm.confirm("Retry the failed parts of this run?")?;
        // Before anything is set back: a registry that is away must not leave parts without a message.
        let registry = Registry::new(&settings.schema_registry).map_err(|error| session::registry_failure(&error))?;
        let outbox = request::Outbox::prepare(&settings, &registry, None).await?;
        let by = request::who();
        // Before anything is announced: a letter that is written afterwards may be about what is announced here.
        let open = LetterFilter { run_id: Some(run.run_id), state: Some(LetterState::Open), ..LetterFilter::default() };
        let letters = store.dead_letters(&open, u32::MAX).await.map_err(|error| session::store_failure(&error))?;
        let retried = store.retry_run(run.run_id, (&by, &args.reason)).await;
        report.retried = retried.map_err(|error| session::store_failure(&error))?;
        if report.retried.is_none() {
            return Err(Failure::new(Exit::Failed, format!("run {} has ended meanwhile", run.run_id)));
        }
        undone = Undone::read(&store, &run, generation).await?;
        let mut messages = Vec::new();
        for request in undone.request.iter() {
            messages.push(outbox.outbound(request)?);
        }
        for service in &undone.services {
            messages.push(outbox.outbound(service)?);
        }
        for batch in &undone.batches {
            messages.push(outbox.outbound(batch)?);
        }
        outbox.send(messages).await?;
        let sent: Vec<i64> = letters.iter().filter(|letter| undone.announces(letter)).map(|letter| letter.id).collect();
        let marked = store.announced_again(run.run_id, &sent).await;
        marked.map_err(|error| session::store_failure(&error))?;
    } else {
        undone.read_into(&store, &run, generation).await?;
    }
    report.services_announced = undone.services.len();
    report.batches_announced = undone.batches.len();
    output::answer(&report, args.output.output)?;
    let left = |retried: &Retried| !retried.left.is_empty() || retried.unreachable > 0;
    let left = report.retried.as_ref().is_some_and(left);
    Ok(if left { Exit::Rejects } else { Exit::Ok })
}

// === impl Undone ===

impl Undone {
    /// From the ledger, like the stages' own messages.
    async fn read(store: &Store, run: &Run, generation: Generation) -> Result<Self, Failure> {
        let mut undone = Self::default();
        undone.read_into(store, run, generation).await?;
        Ok(undone)
    }

    async fn read_into(&mut self, store: &Store, run: &Run, generation: Generation) -> Result<(), Failure> {
        let failed = |error: pipeline_store::Error| session::store_failure(&error);
        if !run.discovered {
            self.request = Some(run.request(&request::identity(store).await?));
        }
        let discovered = |service_id: ServiceId| ServiceDiscovered {
            run_id: run.run_id.to_string(),
            generation: generation.0,
            service_id: service_id.0,
        };
        self.services.extend(store.unplanned_services(run.run_id).await.map_err(failed)?.into_iter().map(discovered));
        for service_id in store.unfinished_services(run.run_id).await.map_err(failed)? {
            let batches = store.unstored_batches(run.run_id, &service_id).await.map_err(failed)?;
            self.batches.extend(batches.into_iter().map(|batch| BatchPlanned {
                run_id: run.run_id.to_string(),
                generation: generation.0,
                service_id: service_id.0.clone(),
                batch_no: batch.batch_no.0,
                provider_ids: batch.provider_ids.into_iter().map(|id| id.0).collect(),
            }));
        }
        Ok(())
    }

    /// Whether the message of a letter is among them.
    fn announces(&self, letter: &DeadLetter) -> bool {
        let (topic, service, batch) = (letter.source.topic.as_str(), &letter.service_id, letter.batch_no);
        let is_of = |id: &str| service.as_ref().is_some_and(|service| service.as_str() == id);
        match topic {
            RunRequested::TOPIC => self.request.is_some(),
            ServiceDiscovered::TOPIC => self.services.iter().any(|message| is_of(&message.service_id)),
            BatchPlanned::TOPIC => self
                .batches
                .iter()
                .any(|message| is_of(&message.service_id) && batch == Some(BatchNo(message.batch_no))),
            _ => false,
        }
    }
}

impl Report for RetryReport {
    fn text(&self) -> String {
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let services = text::plural(count(self.services_announced), "service");
        let announced = count(self.batches_announced);
        let Some(retried) = &self.retried else {
            return format!(
                "would try again: {} with the rest of their batches or services; would announce again, besides these: \
                 {services} and {} that are not done",
                text::plural(self.rejected_providers, "rejected provider"),
                batches(announced),
            );
        };
        let mut text = format!(
            "run {}: {} and {} set back; {services} and {} announced again",
            self.run_id,
            batches(retried.batches),
            text::plural(count(retried.services.len()), "service"),
            batches(announced),
        );
        if retried.unreachable > 0 {
            text.push_str(&format!(
                "\nonly a new run can read again what has no place in the hierarchy: {}",
                text::plural(retried.unreachable, "document or owner")
            ));
        }
        if !retried.left.is_empty() {
            let left: Vec<&str> = retried.left.iter().map(ServiceId::as_str).take(20).collect();
            text.push_str(&format!(
                "\nonly a new run can mend the rejects of {}: {}",
                text::plural(count(retried.left.len()), "service"),
                left.join(", ")
            ));
        }
        text
    }
}

fn batches(count: i64) -> String {
    format!("{} {}", text::count(count), if count == 1 { "batch" } else { "batches" })
}
