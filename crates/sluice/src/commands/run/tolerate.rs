//! `sluice run tolerate`: change how many rejected providers an open run may have.

use clap::Args;
use pipeline_operations::{
    Installation, Operation as _,
    tolerate::{self, Tolerated},
};
use pipeline_store::Tolerance;

use super::RunRef;
use crate::{
    confirm::Outcome,
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs, Report},
    request::{self, Tolerate},
    session::Session,
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
    /// Activate although so many providers were rejected: none, a number, or a share such as 1%
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

/// Changes the tolerance.
pub async fn run(session: &Session, args: TolerateArgs) -> Result<Exit, Failure> {
    let settings = session.settings()?;
    let store = session.migrated_store(&settings).await?;
    let at = Installation::new(&store, &settings);
    let tolerate = tolerate::Tolerate { run: args.run.id(&store).await?, tolerance: args.tolerance.into() };
    let mut tolerated = tolerate.preview(&at).await?;
    if !args.dry_run {
        tolerated = tolerate.carry_out(&at, Some(&tolerated), &request::by(&args.reason)).await?;
    }
    output::answer(&Outcome { dry_run: args.dry_run, answer: tolerated }, args.output)
}

impl Report for Outcome<Tolerated> {
    fn text(&self) -> String {
        let verb = if self.dry_run { "would tolerate" } else { "tolerates" };
        let Tolerated { run_id, before, after } = &self.answer;
        format!("run {run_id} {verb} {} (before: {})", words(after), words(before))
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
