//! `sluice dlq waive`: go on without what was given up.

use clap::Args;
use pipeline_store::{Deed, Store, Waived};
use serde::Serialize;

use super::{SelectArgs, part};
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
pub struct WaiveReport {
    /// Nothing was done.
    pub dry_run: bool,
    /// Each letter.
    pub letters: Vec<WaivedLetter>,
}

/// What became of one letter.
#[derive(Debug, Serialize)]
pub struct WaivedLetter {
    /// The letter.
    pub id: i64,
    /// What it is about.
    pub part: String,
    /// What came of it, or would.
    pub outcome: Waived,
}

/// Waives letters.
pub async fn run(session: &Session, args: WaiveArgs) -> Result<Exit, Failure> {
    let store = session.migrated_store(&session.settings()?).await?;
    let report = waive(&store, &args).await?;
    output::answer(&report, args.output.output)?;
    Ok(report.exit())
}

/// Asks when there is more than one letter, and waives them one after the other.
pub async fn waive(store: &Store, args: &WaiveArgs) -> Result<WaiveReport, Failure> {
    let letters = args.select.find(store, false).await?;
    if letters.is_empty() {
        session::note(format_args!("no such open dead letter in `{}`", store.describe()));
    }
    let dry_run = args.confirm.dry_run;
    if letters.len() > 1 && !dry_run {
        args.confirm.confirm(&format!("Waive {} dead letters?", letters.len()))?;
    }
    let who = request::who();
    let deed = Deed { who: &who, what: "dlq waive", subject: "", why: &args.reason, result: "" };
    let outcomes = if dry_run {
        store.rehearse_waive(&letters, &deed).await.map_err(|error| session::store_failure(&error))?
    } else {
        let mut outcomes = Vec::with_capacity(letters.len());
        for letter in &letters {
            let deed = Deed { subject: &letter.id.to_string(), ..deed };
            outcomes.push(store.waive(letter, &deed).await.map_err(|error| session::store_failure(&error))?);
        }
        outcomes
    };
    let waived = letters.iter().zip(outcomes);
    let waived = waived.map(|(letter, outcome)| WaivedLetter { id: letter.id, part: part(letter), outcome });
    Ok(WaiveReport { dry_run, letters: waived.collect() })
}

// === impl WaiveReport ===

impl WaiveReport {
    /// How the command ends.
    pub fn exit(&self) -> Exit {
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
