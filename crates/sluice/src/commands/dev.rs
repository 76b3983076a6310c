//! `sluice dev`: the whole pipeline in this process until Ctrl-C, for trying and developing.

use std::{
    io::{self, Write as _},
    path::PathBuf,
};

use clap::Args;
use pipeline_core::{admin, worker};
use pipeline_settings::settings::Settings;
use secrecy::ExposeSecret as _;
use serde::Serialize;
use serde_json::json;
use tempfile::NamedTempFile;
use tokio_util::sync::CancellationToken;

use crate::{
    exit::Exit,
    failure::Failure,
    local::{self, Local, Place},
    output::{self, OutputArgs, Report},
    session::{self, Session},
};

/// What to run on.
#[derive(Debug, Args)]
#[command(
    after_help = "Starts a broker, a schema registry and the four stages in this process, and prints how to reach them.
Other shells use them with the printed --config. Source and target come from the flags only.

Examples:
  sluice dev
  sluice dev --source ./export --target ./copy.db"
)]
pub struct DevArgs {
    /// Folder of JSON lines, or a source URL [default: a catalogue that ships with Sluice]
    #[arg(long, value_name = "URL")]
    pub source: Option<String>,
    /// File or target URL [default: sluice-dev.db in the current folder]
    #[arg(long, value_name = "URL")]
    pub target: Option<String>,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// How to reach what is running.
#[derive(Debug, Serialize)]
struct DevReport {
    bootstrap_servers: String,
    schema_registry: String,
    admin: String,
    source: String,
    target: String,
    config: PathBuf,
    /// How the command was called, for the hint.
    #[serde(skip)]
    program: String,
}

/// Runs until a signal.
pub async fn run(session: &Session, args: DevArgs) -> Result<Exit, Failure> {
    let place = Place::find(session, args.source, args.target, "sluice-dev.db", |_| {})?;
    let telemetry = session::init_telemetry(&place.settings)?;
    let metrics = pipeline_telemetry::metrics::install();
    let source = place.open_source()?;
    let target = local::migrated(session, &place.settings).await?;
    let mut local = Local::start(place.settings, source, &target).await?;
    let stop_admin = CancellationToken::new();
    let admin = admin::start(&local.settings.admin, local.health.clone(), metrics, stop_admin.clone()).await.map_err(
        |error| {
            Failure::caused(Exit::Failed, "could not open the health and metrics endpoint", &error)
                .hint("choose another address with `-X admin.bind=127.0.0.1:0`")
        },
    )?;
    let config = ConfigFile::write(&local.settings)
        .map_err(|error| Failure::caused(Exit::Failed, "could not write the configuration for other shells", &error))?;
    let report = DevReport {
        bootstrap_servers: local.settings.kafka.bootstrap_servers.clone(),
        schema_registry: local.settings.schema_registry.url.clone(),
        admin: format!("{}://{}", admin.scheme, admin.local_addr),
        source: place.source_name,
        target: target.describe(),
        config: config.0.path().to_owned(),
        program: session::program(),
    };
    output::answer(&report, args.output)?;
    let outcome = tokio::select! {
        stopped = stopped() => stopped,
        failure = local.failed() => Err(failure),
    };
    session::note(format_args!("stopping: finishing what is in hand; Ctrl-C again ends at once"));
    tokio::select! {
        () = local.stop() => {}
        again = stopped_again() => again?,
    }
    stop_admin.cancel();
    // A transaction that a stage did not end in time holds its connection.
    if tokio::time::timeout(worker::WINDING_UP, target.close()).await.is_err() {
        session::note(format_args!("the target was left with a transaction open; it will be rolled back"));
    }
    drop(telemetry);
    outcome.map(|()| Exit::Ok)
}

/// Waits for SIGINT or SIGTERM.
async fn stopped() -> Result<(), Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let cannot = |error: io::Error| Failure::caused(Exit::Failed, "cannot listen to signals", &error);
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(cannot),
    }
}

async fn stopped_again() -> Result<(), Failure> {
    stopped().await?;
    Err(Failure::new(Exit::Failed, "ended at once; what was in hand will be repeated"))
}

/// A configuration file with a name that nobody can guess, which only this user can read; gone when dropped. A process that
/// is killed leaves it behind, so it holds nothing that outlives the process: the registry's token ends with the registry,
/// and the target's password is the other shell's to have.
struct ConfigFile(NamedTempFile);

// === impl ConfigFile ===

impl ConfigFile {
    fn write(settings: &Settings) -> io::Result<Self> {
        let token = settings.schema_registry.token.as_ref().map(|token| token.expose_secret());
        let text = serde_saphyr::to_string(&json!({
            "kafka": { "bootstrap_servers": settings.kafka.bootstrap_servers },
            "schema_registry": { "url": settings.schema_registry.url, "token": token },
            "source": { "url": settings.source.url },
            "target": { "url": without_password(&settings.target.url) },
        }))
        .map_err(io::Error::other)?;
        let mut file = tempfile::Builder::new().prefix("sluice-dev-").suffix(".yaml").tempfile()?;
        file.write_all(text.as_bytes())?;
        Ok(Self(file))
    }
}

/// The URL as far as it is no secret. What is no URL of a server has none.
fn without_password(url: &str) -> String {
    match url.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?))) {
        Some((scheme @ ("mysql" | "mariadb"), (credentials, place))) => {
            let user = credentials.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}@{place}")
        }
        _ => url.to_owned(),
    }
}

impl Report for DevReport {
    fn text(&self) -> String {
        let config = self.config.display();
        format!(
            "\
broker    {}
registry  {}
admin     {}   (/livez /readyz /metrics)
source    {}
target    {}

Start a run from another shell:
  {} run start --wait --config {config}

Stop with Ctrl-C.",
            self.bootstrap_servers, self.schema_registry, self.admin, self.source, self.target, self.program
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::global::Global;

    #[test]
    fn other_shells_can_read_the_configuration_that_is_left_for_them() {
        let mut settings = Settings::default();
        settings.kafka.bootstrap_servers = "127.0.0.1:4711".to_owned();
        settings.target.url = "sqlite:///some folder/a: b.db".to_owned();
        let file = ConfigFile::write(&settings).unwrap();
        let session = Session::new(Global { config: Some(file.0.path().to_owned()), ..Global::default() });
        let read = session.load(Vec::new()).unwrap().settings;
        assert_eq!(read.kafka.bootstrap_servers, settings.kafka.bootstrap_servers);
        assert_eq!(read.target.url, settings.target.url);
        let path = file.0.path().to_owned();
        drop(file);
        assert!(!path.exists(), "the file is removed at the end");
    }

    #[test]
    fn what_a_kill_leaves_behind_nobody_else_can_read_and_has_no_password_of_a_server() {
        use std::os::unix::fs::PermissionsExt as _;
        let mut settings = Settings::default();
        settings.target.url = "mysql://loader:p/@ss@db:3306/copy".to_owned();
        settings.target.password = Some("s3cret".into());
        let file = ConfigFile::write(&settings).unwrap();
        let text = std::fs::read_to_string(file.0.path()).unwrap();
        assert!(!text.contains("p/@ss") && !text.contains("s3cret"), "{text}");
        assert!(text.contains("mysql://loader@db:3306/copy"), "{text}");
        assert_eq!(file.0.as_file().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}
