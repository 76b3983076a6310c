//! `sluice dlq replay`: what was given up is tried again.

use std::{
    num::NonZeroU32,
    sync::Mutex,
    time::{Duration, Instant},
};

use clap::Args;
use pipeline_operations::{
    Installation, Step,
    replay::{Replay, Replaying, Route},
};
use pipeline_store::DeadLetter;
use serde::Serialize;

use super::{SelectArgs, none_found, part};
use crate::{
    confirm::{ConfirmArgs, Outcome, carried_out},
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs, Report},
    request,
    session::{self, Session},
    text,
};

/// Progress gets a line so often.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// What to replay, and how.
#[derive(Debug, Args)]
#[command(
    after_help = "While its run is open, a letter's message is produced again where it came from. When its run has ended,
one repair run is started over the services of all such letters, so that an old letter never overwrites
newer data. Ends with 1 when a letter could not be replayed.

Examples:
  sluice dlq replay 17
  sluice dlq replay --run @latest --code SLUICE-TARGET-004 --dry-run
  sluice dlq replay --all --rate 50/s --yes"
)]
pub struct ReplayArgs {
    #[command(flatten)]
    pub select: SelectArgs,
    /// Also those that were replayed or discarded before
    #[arg(long)]
    pub again: bool,
    /// At most so many messages in a second
    #[arg(long, value_name = "N/s", value_parser = rate)]
    pub rate: Option<NonZeroU32>,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT", default_value = "replayed by command")]
    pub reason: String,
    #[command(flatten)]
    pub confirm: ConfirmArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// What became of the letters.
#[derive(Debug, Serialize)]
struct ReplayReport {
    /// Nothing was done.
    dry_run: bool,
    /// The run that repairs services of runs that have ended.
    repair_run: Option<String>,
    /// Each letter.
    letters: Vec<Replayed>,
}

/// What became of one letter.
#[derive(Debug, Serialize)]
struct Replayed {
    /// The letter.
    id: i64,
    /// What it is about.
    part: String,
    /// How it is replayed.
    #[serde(flatten)]
    route: Route,
}

/// Replays letters.
pub async fn run(session: &Session, args: ReplayArgs) -> Result<Exit, Failure> {
    let settings = session.settings()?;
    let store = session.migrated_store(&settings).await?;
    let lines = Lines::default();
    let told = |step: Step| lines.tell(step);
    let at = Installation::new(&store, &settings).telling(&told);
    let replay = Replay {
        letters: args.select.filter(&store).await?,
        again: args.again,
        rate: args.rate,
        requested_by: request::requested_by("sluice dlq replay"),
    };
    let question = |shown: &Replaying| {
        if shown.letters.is_empty() {
            none_found(&store);
        }
        let count = shown.letters.iter().filter(|(_, route)| !matches!(route, Route::Skip(_))).count();
        (count > 1).then(|| format!("Replay {count} dead letters?"))
    };
    let Outcome { dry_run, answer: replaying } =
        carried_out(&replay, &at, &args.confirm, &args.reason, question).await?;
    let report = ReplayReport::of(replaying, dry_run);
    output::answer(&report, args.output)?;
    Ok(report.exit())
}

/// Progress, a line now and then.
struct Lines {
    last: Mutex<Instant>,
}

fn rate(text: &str) -> Result<NonZeroU32, String> {
    let number = text.strip_suffix("/s").unwrap_or(text).trim();
    number.parse().map_err(|_| format!("`{text}` is not a rate: expected a number from 1, such as 50/s"))
}

// === impl Lines ===

impl Default for Lines {
    fn default() -> Self {
        Self { last: Mutex::new(Instant::now()) }
    }
}

impl Lines {
    fn tell(&self, Step { done, of }: Step) {
        let Ok(mut last) = self.last.lock() else { return };
        if last.elapsed() >= LINE_INTERVAL {
            *last = Instant::now();
            session::note(format_args!("{done} of {of} dead letters replayed"));
        }
    }
}

// === impl ReplayReport ===

impl ReplayReport {
    fn of(replaying: Replaying, dry_run: bool) -> Self {
        let replayed = |(letter, route): (DeadLetter, Route)| Replayed { id: letter.id, part: part(&letter), route };
        Self {
            dry_run,
            repair_run: replaying.repair_run,
            letters: replaying.letters.into_iter().map(replayed).collect(),
        }
    }

    fn exit(&self) -> Exit {
        let skipped = self.letters.iter().any(|letter| matches!(letter.route, Route::Skip(_)));
        if skipped { Exit::Failed } else { Exit::Ok }
    }
}

impl Report for ReplayReport {
    fn text(&self) -> String {
        let would = if self.dry_run { "would be " } else { "" };
        let line = |letter: &Replayed| match &letter.route {
            Route::Produce(topic) => format!("{}  {}  {would}produced again to {topic}", letter.id, letter.part),
            Route::Repair(_) => format!("{}  {}  {would}repaired by a run of its own", letter.id, letter.part),
            Route::Skip(reason) => format!("{}  {}  not replayed: {reason}", letter.id, letter.part),
        };
        let mut lines: Vec<String> = self.letters.iter().map(line).collect();
        lines.extend(
            self.repair_run.as_ref().map(|run| format!("repair run {run}; wait for it: sluice run wait {run}")),
        );
        let skipped = self.letters.iter().filter(|letter| matches!(letter.route, Route::Skip(_))).count();
        if self.letters.len() > 1 {
            let done = text::plural(self.letters.len() - skipped, "dead letter");
            lines.push(format!("{done} {would}replayed, {skipped} not"));
        }
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_per_second() {
        assert_eq!(rate("50/s").unwrap().get(), 50);
        assert_eq!(rate("1").unwrap().get(), 1);
        for wrong in ["0", "0/s", "5/m", "", "-1/s"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }
}
