//! `sluice run tolerate`: change how many rejected providers an open run may have.

use clap::Args;
use pipeline_model::ids::RunId;
use pipeline_store::{Run, RunState, Tolerance};
use serde::Serialize;

use super::{RunRef, report::word};
use crate::{
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs, Report},
    request::{self, Tolerate},
    session::{self, Session},
};

/// Which run, and how much.
#[derive(Debug, Args)]
#[command(
    after_help = "A run that only rejects hold goes on within seconds once it tolerates them: rejected providers keep
their last good content, everything else is switched. A smaller tolerance takes back nothing that is active.

Examples:
  sluice run tolerate @latest 5
  sluice run tolerate @latest 0.5% --reason 'known bad export'
  sluice run tolerate @latest none"
)]
pub struct TolerateArgs {
    /// The run's id
    pub run: RunRef,
    /// Rejected providers that do not hold the activation: none, a number, or a share such as 1%
    #[arg(value_name = "none|N|N%")]
    pub tolerance: Tolerate,
    /// Say what would be changed, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Why, for the ledger
    #[arg(long, value_name = "TEXT", default_value = "changed by command")]
    pub reason: String,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Serialize)]
struct TolerateReport {
    run_id: RunId,
    dry_run: bool,
    before: Tolerance,
    after: Tolerance,
}

/// Changes the tolerance.
pub async fn run(session: &Session, args: TolerateArgs) -> Result<Exit, Failure> {
    let store = session.migrated_store(&session.settings()?).await?;
    let run = args.run.find(&store).await?;
    if run.state != RunState::Running {
        return Err(closed(&run));
    }
    let after = match args.tolerance {
        Tolerate::None => Tolerance::default(),
        Tolerate::Providers(number) => Tolerance { max_providers: Some(number), max_percent: None },
        Tolerate::Percent(percent) => Tolerance { max_providers: None, max_percent: Some(percent) },
    };
    if !args.dry_run {
        let by = (request::who(), args.reason);
        let changed = store.set_tolerance(run.run_id, &after, (&by.0, &by.1)).await;
        if !changed.map_err(|error| session::store_failure(&error))? {
            return Err(Failure::new(Exit::Failed, format!("run {} has ended meanwhile", run.run_id)));
        }
    }
    let report = TolerateReport { run_id: run.run_id, dry_run: args.dry_run, before: run.tolerance, after };
    output::answer(&report, args.output.output)?;
    Ok(Exit::Ok)
}

/// What is closed stays as it is.
pub fn closed(run: &Run) -> Failure {
    Failure::new(Exit::Failed, format!("run {} is not open: it is {}", run.run_id, word(&run.state)))
        .hint("start a new run, which reads everything again and writes what changed: sluice run start")
}

impl Report for TolerateReport {
    fn text(&self) -> String {
        let verb = if self.dry_run { "would tolerate" } else { "tolerates" };
        format!("run {} {verb} {} (before: {})", self.run_id, words(&self.after), words(&self.before))
    }
}

fn words(tolerance: &Tolerance) -> String {
    match (tolerance.max_providers, tolerance.max_percent) {
        (None, None) => "no rejected provider".to_owned(),
        (Some(number), None) => format!("{number} rejected providers"),
        (None, Some(percent)) => format!("{percent} % rejected providers"),
        (Some(number), Some(percent)) => format!("{number} rejected providers and at most {percent} %"),
    }
}
