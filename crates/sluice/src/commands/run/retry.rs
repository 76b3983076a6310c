//! `sluice run retry`: another try for the failed parts of an open run.

use clap::Args;
use pipeline_model::ids::ServiceId;
use pipeline_operations::{
    Installation,
    retry::{Retry, Retrying},
};
use pipeline_store::Retried;

use super::RunRef;
use crate::{
    confirm::{ConfirmArgs, Outcome, carried_out},
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs, Report},
    session::Session,
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

/// Retries.
pub async fn run(session: &Session, args: RetryArgs) -> Result<Exit, Failure> {
    let settings = session.settings()?;
    let store = session.migrated_store(&settings).await?;
    let (at, retry) = (Installation::new(&store, &settings), Retry { run: args.run.id(&store).await? });
    let question = |_: &Retrying| Some("Retry the failed parts of this run?".to_owned());
    let outcome = carried_out(&retry, &at, &args.confirm, &args.reason, question).await?;
    let left = |retried: &Retried| !retried.left.is_empty() || retried.unreachable > 0;
    let left = outcome.answer.retried.as_ref().is_some_and(left);
    output::answer(&outcome, args.output)?;
    Ok(if left { Exit::Rejects } else { Exit::Ok })
}

impl Report for Outcome<Retrying> {
    fn text(&self) -> String {
        let Retrying { run_id, rejected_providers, retried, services_announced, batches_announced } = &self.answer;
        let services = text::plural(*services_announced, "service");
        let announced = batches(*batches_announced);
        let Some(retried) = retried else {
            return format!(
                "would try again: {} with the rest of their batches or services; would announce again, besides these: \
                 {services} and {} that are not done",
                text::plural(*rejected_providers, "rejected provider"),
                announced,
            );
        };
        let mut text = format!(
            "run {run_id}: {} and {} set back; {services} and {} announced again",
            batches(retried.batches),
            text::plural(retried.services.len(), "service"),
            announced,
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
                text::plural(retried.left.len(), "service"),
                left.join(", ")
            ));
        }
        text
    }
}

fn batches(number: impl TryInto<i64>) -> String {
    let number = number.try_into().unwrap_or(i64::MAX);
    format!("{} {}", text::count(number), if number == 1 { "batch" } else { "batches" })
}
