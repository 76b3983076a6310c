//! `sluice run start`: ask the stages for a new generation of the copy.

use std::time::Duration;

use clap::Args;
use pipeline_model::{contracts::RunRequested, ids::RunId};
use pipeline_operations::{Installation, Operation as _, start::Start};
use pipeline_settings::{
    redaction::redact_url,
    settings::{MAX_BATCH_SIZE, Settings},
};
use serde::Serialize;

use super::wait;
use crate::{
    exit::Exit,
    failure::Failure,
    follow,
    outlook::Sent,
    output::{self, OutputArgs, Report},
    request::{self, Switch, Tolerate},
    session::{self, Session},
    skew::Skew,
    text,
};

/// What to ask for.
#[derive(Debug, Args)]
#[command(
    after_help = "Prints the run's id. With --wait, follows the run and answers like `sluice run wait`. While no root stage
takes the request, it says so, and what will become of it; the exit code is 75 when --timeout is over before one does.

Examples:
  sluice run start --wait --timeout 30m
  sluice run start --service payments --service identity --tolerate 1%
  RUN=$(sluice run start) && sluice run watch \"$RUN\""
)]
pub struct StartArgs {
    /// Only this service; may be repeated. Without it, all services
    #[arg(long, value_name = "ID", alias = "scope")]
    pub service: Vec<String>,
    /// When readers are switched
    #[arg(long, alias = "mode", value_enum, default_value_t = Switch::PerService)]
    pub activation: Switch,
    /// Providers in one batch [default: `stage.batch_size`]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_BATCH_SIZE)))]
    pub batch_size: Option<u32>,
    /// Activate although so many providers were rejected: none, a number, or a share such as 1%
    #[arg(long, value_name = "N|N%", default_value = "none")]
    pub tolerate: Tolerate,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT", default_value = "started by command")]
    pub reason: String,
    /// Follow the run until it ends; the exit code says how
    #[arg(long)]
    pub wait: bool,
    /// With --wait: stop waiting after so long, such as 90s or 30m; the run goes on
    #[arg(long, value_name = "DURATION", value_parser = text::parse_duration, requires = "wait")]
    pub timeout: Option<Duration>,
    /// Check and show what would be asked for, and ask for nothing
    #[arg(long, conflicts_with = "wait")]
    pub dry_run: bool,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Serialize)]
struct StartReport {
    run_id: String,
    dry_run: bool,
    requested_by: String,
    requested_at_ms: i64,
    activation: Switch,
    scope: Vec<String>,
    batch_size: i32,
    max_rejected_providers: Option<i64>,
    max_rejected_percent: Option<f64>,
    bootstrap_servers: String,
    target: String,
}

/// Starts a run.
pub async fn run(session: &Session, args: StartArgs) -> Result<Exit, Failure> {
    let settings = session.settings()?;
    let store = session.migrated_store(&settings).await?;
    let at = Installation::new(&store, &settings);
    let start = Start {
        requested_by: request::requested_by("sluice run start"),
        activation: args.activation.into(),
        services: args.service,
        batch_size: args.batch_size.unwrap_or(settings.stage.batch_size),
        tolerance: args.tolerate.into(),
    };
    let mut started = start.preview(&at).await?;
    if !args.dry_run {
        started = start.carry_out(&at, Some(&started), &request::by(&args.reason)).await?;
    }
    let sent = started.position.map(|place| Sent::new(&settings, place));
    let report = StartReport::of(started.request, args.activation, args.dry_run, &settings);
    if !args.wait {
        output::answer(&report, args.output)?;
        return Ok(Exit::Ok);
    }
    session::note(format_args!("run {}", report.run_id));
    let run_id = RunId::parse(&report.run_id).map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
    let skew = Skew::watch(&settings.kafka);
    let watched = follow::Watched { run_id, sent: sent.as_ref(), timeout: args.timeout, skew: Some(&skew) };
    let followed = wait::shown(&store, watched).await?;
    wait::finish(&store, followed, args.output).await
}

// === impl StartReport ===

impl StartReport {
    fn of(message: RunRequested, activation: Switch, dry_run: bool, settings: &Settings) -> Self {
        Self {
            run_id: message.run_id,
            dry_run,
            requested_by: message.requested_by,
            requested_at_ms: message.requested_at_ms,
            activation,
            scope: message.scope,
            batch_size: message.batch_size,
            max_rejected_providers: message.max_rejected_providers,
            max_rejected_percent: message.max_rejected_percent,
            bootstrap_servers: settings.kafka.bootstrap_servers.clone(),
            target: redact_url(&settings.target.url),
        }
    }
}

impl Report for StartReport {
    /// The id alone, so that a shell can keep it; a rehearsal says what would happen.
    fn text(&self) -> String {
        if !self.dry_run {
            return self.run_id.clone();
        }
        let scope = if self.scope.is_empty() { "all services".to_owned() } else { self.scope.join(", ") };
        format!(
            "would ask for a run of {scope}, batches of {}, over `{}`, into `{}`",
            self.batch_size, self.bootstrap_servers, self.target
        )
    }
}
