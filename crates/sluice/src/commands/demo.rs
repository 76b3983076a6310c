//! `sluice demo`: the whole pipeline once, in this process, with no server.

use std::time::{Duration, Instant};

use clap::Args;
use pipeline_operations::{open, start::Start};
use pipeline_store::{Run, Store, Tolerance};

use crate::{
    commands::run::report::rejects,
    exit::Exit,
    failure::Failure,
    follow::{Followed, Watched, follow},
    local::{self, Local, Place},
    output::{self, OutputArgs},
    progress::{display::Display, shown_state},
    request::{self, Switch},
    session::{self, Session},
    text,
};

mod report;

use report::{DemoReport, StageDurations};

/// How demos sign their requests; only what is signed so is swept away by the next demo.
const SIGNATURE: &str = "sluice demo";

/// What to run on.
#[derive(Debug, Args)]
#[command(
    after_help = "Starts a broker, a schema registry and the four stages in this process, synchronises the source into the
target, and compares the two. Run it again: nothing changed, so nothing is written. Source and target come
from the flags only, so that no demo ever writes to what a configuration file or the environment names.

Exit codes: 0 the copy equals the source, 20 there were rejects or the run is held, 1 anything else.

Examples:
  sluice demo
  sluice demo -o json | jq .unchanged_providers
  sluice demo --source ./export --target mysql://root@localhost:3306/copy
  sluice demo --source 'generator:?services=40&providers=10000&bundles=20&fields=5&seed=1' --target generated.db"
)]
pub struct DemoArgs {
    /// Folder of JSON lines, or a source URL [default: a catalogue that ships with Sluice]
    #[arg(long, value_name = "URL")]
    pub source: Option<String>,
    /// File or target URL [default: sluice-demo.db in the current folder]
    #[arg(long, value_name = "URL")]
    pub target: Option<String>,
    /// Providers in one batch [default: `stage.batch_size`]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub batch_size: Option<u32>,
    /// When readers are switched
    #[arg(long, alias = "mode", value_enum, default_value_t = Switch::PerService)]
    pub activation: Switch,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Runs the demo.
pub async fn run(session: &Session, args: DemoArgs) -> Result<Exit, Failure> {
    let given = flags(&[("--source", &args.source), ("--target", &args.target)]);
    let place = Place::find(session, args.source, args.target, "sluice-demo.db", session::quiet)?;
    let telemetry = session::init_telemetry(&place.settings)?;
    let source = place.open_source()?;
    let in_source = source.counts().await?;
    let target = local::migrated(session, &place.settings).await?;
    session::note(format_args!("source  {}: {in_source}", place.source_name));
    session::note(format_args!("target  {}", target.describe()));
    sweep(&target).await?;

    let batch_size = args.batch_size.unwrap_or(place.settings.stage.batch_size);
    let mut local = Local::start(place.settings, source, &target).await?;
    let start = Start {
        requested_by: request::requested_by(SIGNATURE),
        activation: args.activation.into(),
        services: Vec::new(),
        batch_size,
        // A newcomer should see the sound part of broken data; the rejects are shown and in the exit code.
        tolerance: Tolerance { max_providers: None, max_percent: Some(100.0) },
    };
    let outcome = synchronise(&mut local, &target, &start).await;
    local.stop().await;
    let (followed, took) = outcome?;

    let counts = target.counts().await?;
    let (rejects, more_rejects) = rejects(&target, &followed.progress.run).await?;
    let run = &followed.progress.run;
    let demo = DemoReport {
        run_id: run.run_id.to_string(),
        state: shown_state(&followed.progress),
        counts,
        source_counts: in_source,
        equal: counts == in_source,
        generation: run.generation.map(|generation| generation.0),
        unchanged_providers: followed.progress.providers.unchanged,
        removed: followed.progress.removed,
        bundles_written: followed.progress.bundles_written,
        subscription_fields_written: followed.progress.fields_written,
        source: place.source_name,
        target: target.describe(),
        rejects,
        more_rejects,
        reason: run.reason.clone().or_else(|| followed.progress.held.clone()),
        duration_ms: millis(took),
        stage_durations_ms: StageDurations::from(followed.durations),
        program: session::program(),
        place: given,
    };
    target.close().await;
    output::answer(&demo, args.output)?;
    drop(telemetry);
    Ok(demo.exit())
}

/// Aborts what an earlier demo left open when it was killed. Anybody else's run is left alone.
async fn sweep(target: &Store) -> Result<(), Failure> {
    match open::run(target).await? {
        None => Ok(()),
        Some(run) if is_demo(&run) => {
            let reason = "left open by a demo that ended early; the next demo aborted it";
            target.abort_run(run.run_id, reason).await?;
            session::note(format_args!("an earlier demo left run {} open on this target: aborted it", run.run_id));
            Ok(())
        }
        Some(_) => Ok(open::refuse(target).await?),
    }
}

fn is_demo(run: &Run) -> bool {
    run.requested_by.ends_with(&format!("({SIGNATURE})"))
}

/// Asks for the run and shows it until it ends. A stage that stops ends the wait.
async fn synchronise(local: &mut Local, target: &Store, start: &Start) -> Result<(Followed, Duration), Failure> {
    let begun = Instant::now();
    let run_id = local.request(target, start).await?;
    let mut display = Display::to_stderr();
    let watched = Watched { run_id, sent: None, timeout: None, skew: None };
    let followed = tokio::select! {
        followed = follow(target, watched, |at, view| display.show(at, view)) => followed,
        failure = local.failed() => Err(failure),
    };
    display.finish();
    Ok((followed?, begun.elapsed()))
}

/// The flags that were given, as they can be typed again behind a verb.
fn flags(given: &[(&str, &Option<String>)]) -> String {
    let given = given.iter().filter_map(|(flag, value)| Some((flag, value.as_ref()?)));
    given.map(|(flag, value)| format!(" {flag} {}", text::quoted(value))).collect()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

// === the report's parts ===

impl From<[Option<Duration>; 4]> for StageDurations {
    fn from(durations: [Option<Duration>; 4]) -> Self {
        let [root, providers, bundles, activator] = durations.map(|duration| duration.map(millis));
        Self { root, providers, bundles, activator }
    }
}
