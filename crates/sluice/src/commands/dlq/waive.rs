//! `sluice dlq waive`: go on without what was given up.

use clap::Args;
use pipeline_operations::{Installation, Operation as _, discard::Discard};
use pipeline_store::{DeadLetter, Waived};
use serde::Serialize;

use super::{SelectArgs, none_found, part};
use crate::{
    confirm::ConfirmArgs,
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs, Report},
    request,
    session::{self, Session},
};

/// What to give up, and why.
#[derive(Debug, Args)]
#[command(
    after_help = "Readers keep what they had: the providers of a waived batch keep their content, a waived service keeps all
of its own. The run can then end, with rejects (exit code 20); waived providers do not count against its
tolerance. Ends with 1 when a letter could not be waived.

Examples:
  sluice dlq waive 17 --reason 'deleted at the source'
  sluice dlq waive --run @latest --dry-run --reason 'not needed'"
)]
pub struct WaiveArgs {
    #[command(flatten)]
    pub select: SelectArgs,
    /// Why, for the audit and for the run's list of rejects
    #[arg(long, value_name = "TEXT", required = true)]
    pub reason: String,
    #[command(flatten)]
    pub confirm: ConfirmArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// What became of the letters.
#[derive(Debug, Serialize)]
struct WaiveReport {
    /// Nothing was done.
    dry_run: bool,
    /// Each letter.
    letters: Vec<WaivedLetter>,
}

/// What became of one letter.
#[derive(Debug, Serialize)]
struct WaivedLetter {
    /// The letter.
    id: i64,
    /// What it is about.
    part: String,
    /// What came of it, or would.
    outcome: Waived,
}

/// Waives letters.
pub async fn run(session: &Session, args: WaiveArgs) -> Result<Exit, Failure> {
    let failed = |error| session::operation_failure(&error);
    let settings = session.settings()?;
    let store = session.migrated_store(&settings).await?;
    let at = Installation::new(&store, &settings);
    let discard = Discard { letters: args.select.filter(&store).await? };
    let mut discarding = discard.preview(&at).await.map_err(failed)?;
    if discarding.letters.is_empty() {
        none_found(&store);
    }
    let dry_run = args.confirm.dry_run;
    if !dry_run {
        let count = discarding.letters.len();
        if count > 1 {
            args.confirm.confirm(&format!("Waive {count} dead letters?"))?;
        }
        discarding = discard.carry_out(&at, Some(&discarding), &request::by(&args.reason)).await.map_err(failed)?;
    }
    let line = |(letter, outcome): (DeadLetter, Waived)| WaivedLetter { id: letter.id, part: part(&letter), outcome };
    let report = WaiveReport { dry_run, letters: discarding.letters.into_iter().map(line).collect() };
    output::answer(&report, args.output.output)?;
    Ok(report.exit())
}

// === impl WaiveReport ===

impl WaiveReport {
    /// How the command ends.
    fn exit(&self) -> Exit {
        let refused = |letter: &WaivedLetter| matches!(letter.outcome, Waived::NotOpen | Waived::Undiscovered);
        if self.letters.iter().any(refused) { Exit::Failed } else { Exit::Ok }
    }
}

impl Report for WaiveReport {
    fn text(&self) -> String {
        let would = if self.dry_run { "would be " } else { "" };
        let line = |WaivedLetter { id, part, outcome }: &WaivedLetter| match outcome {
            Waived::Undiscovered => {
                format!("{id}  {part}  not waived: {outcome}; replay it, or: sluice run abort")
            }
            Waived::NotOpen => format!("{id}  {part}  not waived: {outcome}"),
            waived => format!("{id}  {part}  {would}waived: {waived}"),
        };
        self.letters.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}
