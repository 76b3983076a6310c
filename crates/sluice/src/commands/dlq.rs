//! `sluice dlq`: look at dead letters, replay or discard them.

use std::time::Duration;

use clap::{Args, Subcommand};
use pipeline_store::{DeadLetter, LetterFilter, Store};

use super::run::RunRef;
use crate::{
    exit::Exit,
    failure::Failure,
    output,
    session::{self, Session},
    text,
};

pub mod discard;
pub mod list;
pub mod replay;
pub mod show;

/// What to do with dead letters.
#[derive(Debug, Subcommand)]
pub enum DlqVerb {
    /// List dead letters, oldest first
    #[command(alias = "list")]
    Ls(list::ListArgs),
    /// Show one dead letter: where, why, what to do, and the message itself
    #[command(alias = "view")]
    Show(show::ShowArgs),
    /// Produce messages again, or repair the services of runs that have ended
    Replay(replay::ReplayArgs),
    /// Give messages up, so that their runs can end without them
    #[command(alias = "waive")]
    Discard(discard::DiscardArgs),
}

/// Which dead letters; everything that is set must hold.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Which letters")]
pub struct FilterArgs {
    /// Of this run
    #[arg(long, value_name = "RUN")]
    pub run: Option<RunRef>,
    /// Given up by this stage
    #[arg(long, value_name = "STAGE", value_parser = ["root", "providers", "bundles", "activator"])]
    pub stage: Option<String>,
    /// With this code
    #[arg(long, value_name = "CODE")]
    pub code: Option<String>,
    /// Recorded longer ago than this, such as 90s, 30m or 2d
    #[arg(long, value_name = "DURATION", value_parser = text::parse_duration)]
    pub older_than: Option<Duration>,
}

/// Which dead letters to work on.
#[derive(Clone, Debug, Default, Args)]
pub struct SelectArgs {
    /// Numbers of dead letters
    #[arg(value_name = "ID", value_parser = clap::value_parser!(i64).range(1..))]
    pub ids: Vec<i64>,
    #[command(flatten)]
    pub filter: FilterArgs,
    /// All open ones
    #[arg(long, conflicts_with = "ids", help_heading = "Which letters")]
    pub all: bool,
}

/// Does what the verb says.
pub async fn run(session: &Session, verb: DlqVerb) -> Result<Exit, Failure> {
    match verb {
        DlqVerb::Ls(args) => list::run(session, args).await,
        DlqVerb::Show(args) => show::run(session, args).await,
        DlqVerb::Replay(args) => replay::run(session, args).await,
        DlqVerb::Discard(args) => discard::run(session, args).await,
    }
}

// === impl FilterArgs ===

impl FilterArgs {
    /// The filter; `@latest` is looked up.
    pub async fn filter(&self, store: &Store) -> Result<LetterFilter, Failure> {
        let run_id = match &self.run {
            Some(run) => Some(run.id(store).await?),
            None => None,
        };
        let age = self.older_than.map(|age| i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
        Ok(LetterFilter {
            ids: Vec::new(),
            run_id,
            stage: self.stage.clone(),
            code: self.code.clone(),
            recorded_before_ms: age.map(|age| text::now_ms().saturating_sub(age)),
            state: None,
        })
    }

    fn is_empty(&self) -> bool {
        self.run.is_none() && self.stage.is_none() && self.code.is_none() && self.older_than.is_none()
    }
}

// === impl SelectArgs ===

impl SelectArgs {
    /// The letters to work on; that all are meant has to be said, by `--all`.
    pub async fn filter(&self, store: &Store) -> Result<LetterFilter, Failure> {
        if self.ids.is_empty() && self.filter.is_empty() && !self.all {
            return Err(Failure::new(Exit::Usage, "no dead letter is named")
                .hint("name them by number, choose them such as `--run @latest`, or say `--all`"));
        }
        Ok(LetterFilter { ids: self.ids.clone(), ..self.filter.filter(store).await? })
    }
}

/// Nothing was found to work on.
fn none_found(store: &Store) {
    session::note(format_args!("no such open dead letter in `{}`", store.describe()));
}

/// What of a run the letter is about, in a few words.
fn part(letter: &DeadLetter) -> String {
    match (&letter.service_id, letter.batch_no) {
        (Some(service), Some(batch)) => format!("{}/{batch}", output::printable(service.as_str())),
        (Some(service), None) => output::printable(service.as_str()),
        (None, _) => "-".to_owned(),
    }
}
