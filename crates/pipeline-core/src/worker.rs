//! The `main` of a stage's or sink's binary: arguments, configuration, signals, admin endpoint, exit code.
//!
//! A dependency that is away at the start is waited for, with `/readyz` saying so, because under an orchestrator the
//! order in which things come up is nobody's business. What ends the process at once is what waiting cannot mend:
//! bad arguments, bad configuration, a missing or incompatible schema.
//!
//! **Told to stop, the process ends, whatever blocks.** What listens to signals, keeps the deadline and answers `/livez`
//! has a thread of its own, [`control`]: when the drain time and a little more is over, it ends the process. So the
//! process ends without threads that never come back from a dead mount, without handlers that compute and never pause,
//! and while the stage is still being built.

use std::{future::Future, path::PathBuf, process::ExitCode, time::Duration};

use clap::{CommandFactory, FromArgMatches, Parser};
use pipeline_model::{
    chain::chain,
    disposition::{Classify, Disposition},
};
use pipeline_settings::{
    configuration::{self, Loaded, Options},
    settings::Settings,
};
use pipeline_telemetry as telemetry;
use pipeline_telemetry::crash;
use tokio_util::sync::CancellationToken;

use crate::{
    admin::{self, Health},
    registry::Registry,
    runtime::{self, Context, Driven, Handling, Writing},
    sink::Sink,
    stage::Stage,
};

mod control;

use control::Control;

/// Exit codes of every program of Sluice.
pub mod exit {
    /// Done, or stopped by request.
    pub const OK: u8 = 0;
    /// Failed.
    pub const FAILED: u8 = 1;
    /// Wrong arguments.
    pub const USAGE: u8 = 2;
    /// Unhealthy or not ready.
    pub const NOT_READY: u8 = 10;
    /// Finished, with dead letters or rejects.
    pub const WITH_REJECTS: u8 = 20;
    /// A dependency cannot be reached; trying again later may help.
    pub const UNREACHABLE: u8 = 75;
    /// Bad configuration.
    pub const CONFIGURATION: u8 = 78;
    /// A schema is absent or incompatible.
    pub const SCHEMA: u8 = 100;
}

/// Boxes an error that says whether waiting may help.
pub fn build_error(error: impl Classify) -> BuildError {
    Box::new(error)
}

/// How often a dependency that is away at the start is tried.
const START_RETRY: Duration = Duration::from_secs(1);

/// What an end in order may take beyond `stage.drain_timeout_ms`: committing, leaving the group, sending the last spans.
pub const WINDING_UP: Duration = Duration::from_secs(4);

/// What a stage is built from beside its settings: a classified error says whether waiting may help.
pub type BuildError = Box<dyn Classify>;

#[derive(Parser)]
#[command(disable_help_subcommand = true)]
struct Arguments {
    /// Configuration file, YAML.
    #[arg(long, value_name = "FILE", env = "SLUICE_CONFIG")]
    config: Option<PathBuf>,
    /// Sets one key over file and environment, such as `-X stage.in_flight=4`.
    #[arg(short = 'X', value_name = "KEY=VALUE", value_parser = key_value)]
    overrides: Vec<(String, String)>,
}

/// Runs one stage as a process of its own. `name` is the program's.
pub fn main<S, B, F>(name: &'static str, about: &'static str, build: B) -> ExitCode
where
    S: Stage,
    B: Fn(Settings) -> F + Send + Sync + 'static,
    F: Future<Output = Result<S, BuildError>> + Send + 'static,
{
    start(name, about, move |settings| mapped(build(settings), Handling))
}

/// The same for a sink.
pub fn main_sink<K, B, F>(name: &'static str, about: &'static str, build: B) -> ExitCode
where
    K: Sink,
    B: Fn(Settings) -> F + Send + Sync + 'static,
    F: Future<Output = Result<K, BuildError>> + Send + 'static,
{
    start(name, about, move |settings| mapped(build(settings), Writing))
}

fn start<W, B, F>(name: &'static str, about: &'static str, build: B) -> ExitCode
where
    W: Driven,
    B: Fn(Settings) -> F + Send + Sync + 'static,
    F: Future<Output = Result<W, BuildError>> + Send + 'static,
{
    let _armed = crash::arm();
    let command = Arguments::command().name(name).about(about).version(env!("CARGO_PKG_VERSION"));
    let parsed = command.try_get_matches().and_then(|mut matches| Arguments::from_arg_matches_mut(&mut matches));
    let arguments = match parsed {
        Ok(arguments) => arguments,
        // Prints help, version or the fault, and ends with 0 or 2.
        Err(error) => error.exit(),
    };
    let options =
        Options { file: arguments.config, environment: configuration::environment(), overrides: arguments.overrides };
    let loaded = match configuration::load(options) {
        Ok(loaded) => loaded,
        Err(error) => {
            eprintln!("{name}: bad configuration\n{error}");
            return ExitCode::from(exit::CONFIGURATION);
        }
    };
    ExitCode::from(end_of_main(name, loaded, build))
}

/// Runs one stage with what was loaded; gives the process's exit code. Belongs at the end of a `main`, for work that never
/// comes back is left to the end of the process.
pub fn run<S, B, F>(name: &'static str, loaded: Loaded, build: B) -> u8
where
    S: Stage,
    B: Fn(Settings) -> F + Send + Sync + 'static,
    F: Future<Output = Result<S, BuildError>> + Send + 'static,
{
    end_of_main(name, loaded, move |settings| mapped(build(settings), Handling))
}

fn end_of_main<W, B, F>(name: &'static str, loaded: Loaded, build: B) -> u8
where
    W: Driven,
    B: Fn(Settings) -> F + Send + Sync + 'static,
    F: Future<Output = Result<W, BuildError>> + Send + 'static,
{
    let shutdown = CancellationToken::new();
    let drain = Duration::from_millis(loaded.settings.stage.drain_timeout_ms.into());
    let control = match Control::start(shutdown.clone(), drain + WINDING_UP) {
        Ok(control) => control,
        Err(error) => {
            eprintln!("{name}: cannot listen to signals: {error}");
            return exit::FAILED;
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("{name}: cannot start the Tokio runtime: {error}");
            return exit::FAILED;
        }
    };
    let served = runtime.block_on(runtime.spawn(serve(name, loaded, build, shutdown, control)));
    // Without waiting for threads that wait for a disk themselves, or that compute without a pause.
    runtime.shutdown_background();
    served.unwrap_or_else(|error| {
        eprintln!("{name} ended without an answer: {error}");
        exit::FAILED
    })
}

/// The answer of a build, made what the loop drives.
async fn mapped<T, W>(build: impl Future<Output = Result<T, BuildError>>, driven: fn(T) -> W) -> Result<W, BuildError> {
    build.await.map(driven)
}

async fn serve<W, B, F>(
    name: &'static str,
    loaded: Loaded,
    build: B,
    shutdown: CancellationToken,
    control: Control,
) -> u8
where
    W: Driven,
    B: Fn(Settings) -> F + Send + Sync + 'static,
    F: Future<Output = Result<W, BuildError>> + Send + 'static,
{
    let Loaded { settings, warnings, .. } = loaded;
    let telemetry = match telemetry::init(&settings.telemetry, name) {
        Ok(guard) => guard,
        Err(error) => {
            eprintln!("{name}: {error}");
            return exit::CONFIGURATION;
        }
    };
    for warning in warnings {
        tracing::warn!("configuration: {warning}");
    }
    let metrics = telemetry::metrics::install();
    let health = Health::named(name);
    let admin_stop = CancellationToken::new();
    let (at, about, stop) = (settings.admin.clone(), health.clone(), admin_stop.clone());
    // Where it answers however busy the stage is.
    let started = control.spawn(async move { admin::start(&at, about, metrics, stop).await }).await;
    let admin = match started {
        Ok(Ok(admin)) => admin,
        Ok(Err(error)) => {
            tracing::error!("{error}");
            return exit::CONFIGURATION;
        }
        Err(error) => {
            tracing::error!("the admin endpoint ended before it listened: {error}");
            return exit::FAILED;
        }
    };
    let code = work(name, settings, build, health, shutdown).await;
    admin_stop.cancel();
    admin.closed().await;
    drop(telemetry);
    code
}

async fn work<W, B, F>(name: &str, settings: Settings, build: B, health: Health, shutdown: CancellationToken) -> u8
where
    W: Driven,
    B: Fn(Settings) -> F + Send + Sync + 'static,
    F: Future<Output = Result<W, BuildError>> + Send + 'static,
{
    let registry = match Registry::new(&settings.schema_registry) {
        Ok(registry) => registry,
        Err(error) => {
            tracing::error!(code = error.code(), "{error}");
            return exit::CONFIGURATION;
        }
    };
    let stage = match until_built(&settings, build, &health, &shutdown).await {
        Ok(Some(stage)) => stage,
        Ok(None) => return exit::OK,
        Err(error) => {
            tracing::error!(code = error.code(), "{name} cannot start: {}", chain(error.as_ref()));
            return exit::CONFIGURATION;
        }
    };
    let context = Context { settings, registry, health, shutdown, local_budget: None };
    match runtime::drive(stage, context).await {
        Ok(()) => exit::OK,
        Err(error) => {
            tracing::error!("{}", chain(&error));
            match error {
                runtime::Error::Schemas { .. } => exit::SCHEMA,
                // A wrong password or authority stays wrong, however often it is tried.
                runtime::Error::Kafka { source, .. } if source.is_of_configuration() => exit::CONFIGURATION,
                runtime::Error::Kafka { .. } | runtime::Error::Halted { .. } => exit::FAILED,
            }
        }
    }
}

/// Builds the stage, waiting for what is away. `None` when told to stop meanwhile.
async fn until_built<W, B, F>(
    settings: &Settings,
    build: B,
    health: &Health,
    shutdown: &CancellationToken,
) -> Result<Option<W>, BuildError>
where
    B: Fn(Settings) -> F,
    F: Future<Output = Result<W, BuildError>>,
{
    let component = health.component("start");
    component.down("connecting to source and target");
    loop {
        let built = tokio::select! {
            built = build(settings.clone()) => built,
            () = shutdown.cancelled() => return Ok(None),
        };
        let error = match built {
            Ok(stage) => {
                component.up();
                return Ok(Some(stage));
            }
            Err(error) => error,
        };
        if !matches!(error.disposition(), Disposition::Unavailable | Disposition::Retry) {
            return Err(error);
        }
        let cause = chain(error.as_ref());
        component.down(&cause);
        tracing::warn!(code = error.code(), "waiting to start: {cause}");
        tokio::select! {
            () = shutdown.cancelled() => return Ok(None),
            () = tokio::time::sleep(START_RETRY) => {}
        }
    }
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
        None => Err(format!("`{text}` is not KEY=VALUE")),
    }
}
