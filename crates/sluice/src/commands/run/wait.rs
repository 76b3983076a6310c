//! `sluice run watch` and `sluice run wait`: the same wait, with and without something to look at.

use std::time::Duration;

use clap::Args;
use pipeline_store::Store;

use super::{RunRef, report::RunReport};
use crate::{
    exit::Exit,
    failure::Failure,
    follow::{self, Followed, Watched},
    output::{self, Format, OutputArgs},
    progress::display::Display,
    session::Session,
    skew::Skew,
    text,
};

/// Which run to watch.
#[derive(Debug, Args)]
#[command(
    after_help = "Progress goes to standard error, the answer at the end to standard output; with `-o jsonl` each
change is one line on standard output. The ETA is a range that narrows; it is unknown until the run, or one before
it, has shown how fast it goes. `sluice run show` tells afterwards how wrong it was.

Examples:
  sluice run watch
  sluice run watch 01980f6e-3c5a-7cc1-9b1e-0d2c5e8a4f10 -o jsonl"
)]
pub struct WatchArgs {
    /// The run's id
    #[arg(default_value = "@latest")]
    pub run: RunRef,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Which run to wait for.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 activated, 20 finished or held with rejects or dead letters, 1 aborted, failed or refused,
10 time is up, 75 the target is away.
A run that stands still because nobody takes its messages is held too; it goes on by itself when somebody does.

Examples:
  sluice run wait
  sluice run wait @latest --timeout 30m || echo 'see: sluice run show'"
)]
pub struct WaitArgs {
    /// The run's id
    #[arg(default_value = "@latest")]
    pub run: RunRef,
    /// Stop waiting after so long, such as 90s or 30m; the run goes on
    #[arg(long, value_name = "DURATION", value_parser = text::parse_duration)]
    pub timeout: Option<Duration>,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Follows a run with progress.
pub async fn watch(session: &Session, args: WatchArgs) -> Result<Exit, Failure> {
    let settings = session.settings()?;
    let store = session.migrated_store(&settings).await?;
    let run_id = args.run.id(&store).await?;
    let skew = Skew::watch(&settings.kafka);
    let watched = Watched { run_id, sent: None, timeout: None, skew: Some(&skew) };
    let followed = if args.output.output == Format::Jsonl {
        let mut last = String::new();
        follow::follow(&store, watched, |_, view| {
            let line = serde_json::to_string(view).unwrap_or_default();
            if line != last {
                // A reader that cannot be written to is found out by the answer at the end.
                output::write(&format!("{line}\n")).unwrap_or(Exit::Ok);
                last = line;
            }
        })
        .await?
    } else {
        shown(&store, watched).await?
    };
    finish(&store, followed, args.output).await
}

/// Waits for a run.
pub async fn wait(session: &Session, args: WaitArgs) -> Result<Exit, Failure> {
    let store = session.migrated_store(&session.settings()?).await?;
    let run_id = args.run.id(&store).await?;
    let watched = Watched { run_id, sent: None, timeout: args.timeout, skew: None };
    let followed = follow::follow(&store, watched, |_, _| {}).await?;
    finish(&store, followed, args.output).await
}

/// Follows a run with progress on standard error.
pub async fn shown(store: &Store, watched: Watched<'_>) -> Result<Followed, Failure> {
    let mut display = Display::to_stderr();
    let followed = follow::follow(store, watched, |at, view| display.show(at, view)).await;
    display.finish();
    followed
}

/// Answers with the run's last state; the exit code says how it ended.
pub async fn finish(store: &Store, followed: Followed, output: OutputArgs) -> Result<Exit, Failure> {
    let report = RunReport::read(store, followed.progress).await?;
    output::answer(&report, output)?;
    Ok(report.exit())
}
