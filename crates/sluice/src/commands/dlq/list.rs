//! `sluice dlq ls`: the dead letters of the target.

use clap::{Args, ValueEnum};
use pipeline_store::{DeadLetter, LetterState};

use super::{FilterArgs, part};
use crate::{
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs, Report},
    session::{self, Session},
    text,
};

/// Characters of the reason that a table shows.
const REASON: usize = 80;

/// Which letters.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sluice dlq ls
  sluice dlq ls --run @latest --stage bundles
  sluice dlq ls --state all --older-than 7d -o json | jq -r '.[].id'")]
pub struct ListArgs {
    #[command(flatten)]
    pub filter: FilterArgs,
    /// In this state
    #[arg(long, value_enum, default_value_t = StateArg::Open, value_name = "STATE")]
    pub state: StateArg,
    /// At most so many
    #[arg(long, default_value_t = 100, value_name = "N")]
    pub limit: u32,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Which states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StateArg {
    /// Nobody has decided about it
    Open,
    /// Produced again, or replaced by a repair run
    Replayed,
    /// Given up
    #[value(alias = "waived")]
    Discarded,
    /// Any
    All,
}

/// Lists dead letters.
pub async fn run(session: &Session, args: ListArgs) -> Result<Exit, Failure> {
    let store = session.migrated_store(&session.settings()?).await?;
    let mut filter = args.filter.filter(&store).await?;
    filter.state = match args.state {
        StateArg::Open => Some(LetterState::Open),
        StateArg::Replayed => Some(LetterState::Replayed),
        StateArg::Discarded => Some(LetterState::Discarded),
        StateArg::All => None,
    };
    let letters = store.dead_letters(&filter, args.limit).await?;
    if letters.is_empty() {
        session::note(format_args!("no dead letter of this kind in `{}`; see all: --state all", store.describe()));
    }
    output::answer(&letters, args.output)
}

impl Report for Vec<DeadLetter> {
    fn text(&self) -> String {
        let mut table = output::table(&["ID", "STATE", "STAGE", "RUN", "PART", "CODE", "SINCE", "REASON"]);
        for letter in self {
            table.add_row([
                letter.id.to_string(),
                letter.state.as_str().to_owned(),
                letter.stage.clone(),
                letter.run_id.map_or_else(|| "-".to_owned(), |id| id.to_string()),
                part(letter),
                letter.code.clone(),
                text::time(letter.first_failed_at_ms),
                output::printable(&letter.reason).chars().take(REASON).collect(),
            ]);
        }
        if self.is_empty() { String::new() } else { output::table_text(&table) }
    }
}
