//! `sluice dlq discard`: go on without what was given up.

use clap::Args;
use pipeline_operations::{
    Installation,
    discard::{Discard, Discarding},
};
use pipeline_store::{DeadLetter, Discarded};
use serde::Serialize;

use super::{SelectArgs, none_found, part};
use crate::{
    confirm::{ConfirmArgs, Outcome, carried_out},
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs, Report},
    session::Session,
};

/// What to give up, and why.
#[derive(Debug, Args)]
#[command(
    after_help = "Readers keep what they had: the providers of a discarded batch keep their content, a discarded service keeps all
of its own. The run can then end, with rejects (exit code 20); discarded providers do not count against its
tolerance. Ends with 1 when a letter could not be discarded.

Examples:
  sluice dlq discard 17 --reason 'deleted at the source'
  sluice dlq discard --run @latest --dry-run --reason 'not needed'"
)]
pub struct DiscardArgs {
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
struct DiscardReport {
    /// Nothing was done.
    dry_run: bool,
    /// Each letter.
    letters: Vec<DiscardedLetter>,
}

/// What became of one letter.
#[derive(Debug, Serialize)]
struct DiscardedLetter {
    /// The letter.
    id: i64,
    /// What it is about.
    part: String,
    /// What came of it, or would.
    outcome: Discarded,
}

/// Discards letters.
pub async fn run(session: &Session, args: DiscardArgs) -> Result<Exit, Failure> {
    let settings = session.settings()?;
    let store = session.migrated_store(&settings).await?;
    let at = Installation::new(&store, &settings);
    let discard = Discard { letters: args.select.filter(&store).await? };
    let question = |shown: &Discarding| {
        let count = shown.letters.len();
        if count == 0 {
            none_found(&store);
        }
        (count > 1).then(|| format!("Discard {count} dead letters?"))
    };
    let Outcome { dry_run, answer: discarding } =
        carried_out(&discard, &at, &args.confirm, &args.reason, question).await?;
    let line =
        |(letter, outcome): (DeadLetter, Discarded)| DiscardedLetter { id: letter.id, part: part(&letter), outcome };
    let report = DiscardReport { dry_run, letters: discarding.letters.into_iter().map(line).collect() };
    output::answer(&report, args.output)?;
    Ok(report.exit())
}

// === impl DiscardReport ===

impl DiscardReport {
    /// How the command ends.
    fn exit(&self) -> Exit {
        let refused = |letter: &DiscardedLetter| matches!(letter.outcome, Discarded::NotOpen | Discarded::Undiscovered);
        if self.letters.iter().any(refused) { Exit::Failed } else { Exit::Ok }
    }
}

impl Report for DiscardReport {
    fn text(&self) -> String {
        let would = if self.dry_run { "would be " } else { "" };
        let line = |DiscardedLetter { id, part, outcome }: &DiscardedLetter| match outcome {
            Discarded::Undiscovered => {
                format!("{id}  {part}  not discarded: {outcome}; replay it, or: sluice run abort")
            }
            Discarded::NotOpen => format!("{id}  {part}  not discarded: {outcome}"),
            discarded => format!("{id}  {part}  {would}discarded: {discarded}"),
        };
        self.letters.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}
