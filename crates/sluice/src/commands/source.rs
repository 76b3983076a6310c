//! `sluice source`: documents out of a source into a folder, and out of a folder into a Couchbase scope.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use pipeline_core::configuration::redact_url;
use pipeline_source::transfer::{self, Transferred};
use serde::Serialize;

use crate::{
    confirm::ConfirmArgs,
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs, Report},
    session::{self, Session},
    text,
};

/// What to do with a source.
#[derive(Debug, Subcommand)]
pub enum SourceVerb {
    /// Write all documents of the source into a folder of JSON lines
    Export(ExportArgs),
    /// Store a folder's documents in the Couchbase scope that `source.url` names
    Import(ImportArgs),
}

/// Where to.
#[derive(Debug, Args)]
#[command(
    after_help = "One file for each level, as `cbexport json -f lines` writes it; `file:///FOLDER` is a source then. Documents
of Couchbase are written as they are, numbers to the last digit; keys are not kept.

Examples:
  sluice source export ./catalogue --config sluice.yaml
  sluice source export ./made-up -X 'source.url=generator:?services=4&providers=100'"
)]
pub struct ExportArgs {
    /// The folder; files of an earlier export in it are replaced
    pub folder: PathBuf,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Where from.
#[derive(Debug, Args)]
#[command(
    after_help = "Documents are stored by key, made of the collection and the ids; one that is there under the same key is
replaced, so an import that was cut off is simply run again. Collections must exist, and the user must be
allowed to write; reading needs neither right. No more is under way than `source.couchbase.concurrent_reads`.

Examples:
  sluice source import ./catalogue --yes -X source.url=couchbase://localhost/catalogue.sluice
  sluice source import ./catalogue --dry-run --config sluice.yaml"
)]
pub struct ImportArgs {
    /// The folder, with `provider_services.jsonl`, `providers.jsonl`, `bundles.jsonl`
    pub folder: PathBuf,
    #[command(flatten)]
    pub confirm: ConfirmArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Serialize)]
struct TransferReport {
    verb: &'static str,
    place: String,
    #[serde(flatten)]
    documents: Transferred,
}

/// Exports or imports.
pub async fn run(session: &Session, verb: SourceVerb) -> Result<Exit, Failure> {
    match verb {
        SourceVerb::Export(args) => export(session, args).await,
        SourceVerb::Import(args) => import(session, args).await,
    }
}

async fn export(session: &Session, args: ExportArgs) -> Result<Exit, Failure> {
    let settings = session.settings()?;
    let bar = bar();
    let moved = transfer::export(&settings.source, &args.folder, &|file, documents| show(&bar, file, documents)).await;
    bar.finish_and_clear();
    let documents = moved.map_err(|error| session::source_failure(&error))?;
    let report = TransferReport { verb: "wrote", place: args.folder.display().to_string(), documents };
    output::answer(&report, args.output.output)?;
    Ok(Exit::Ok)
}

async fn import(session: &Session, args: ImportArgs) -> Result<Exit, Failure> {
    let settings = session.settings()?;
    let place = redact_url(&settings.source.url);
    if args.confirm.dry_run {
        let source = settings_of_folder(&args.folder)?;
        let counts = pipeline_source::open(&source).map_err(|error| session::source_failure(&error))?.counts().await;
        let counts = counts.map_err(|error| session::source_failure(&error))?;
        session::note(format_args!("would store what {} holds in {place}: {counts}", args.folder.display()));
        return Ok(Exit::Ok);
    }
    args.confirm.confirm(&format!("Store the documents of {} in {place}?", args.folder.display()))?;
    let bar = bar();
    let moved = transfer::import(&settings.source, &args.folder, &|file, documents| show(&bar, file, documents)).await;
    bar.finish_and_clear();
    let documents = moved.map_err(|error| session::source_failure(&error))?;
    output::answer(&TransferReport { verb: "stored", place, documents }, args.output.output)?;
    Ok(Exit::Ok)
}

fn settings_of_folder(folder: &std::path::Path) -> Result<pipeline_core::settings::Source, Failure> {
    let folder = std::path::absolute(folder)
        .map_err(|error| Failure::caused(Exit::Failed, format!("could not find `{}`", folder.display()), &error))?;
    Ok(pipeline_core::settings::Source { url: format!("file://{}", folder.display()), ..Default::default() })
}

/// On a terminal only; it draws a few times a second, however often it is told.
fn bar() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn show(bar: &ProgressBar, file: &str, documents: u64) {
    if documents.is_multiple_of(100) {
        bar.set_message(format!("{file}: {documents} documents"));
    }
}

impl Report for TransferReport {
    fn text(&self) -> String {
        let Self { verb, place, documents } = self;
        let plural = |count: u64, noun| text::plural(i64::try_from(count).unwrap_or(i64::MAX), noun);
        let mut line = format!(
            "{verb} {}, {}, {}",
            plural(documents.provider_services, "service"),
            plural(documents.providers, "provider"),
            plural(documents.bundles, "bundle"),
        );
        if documents.subscription_fields > 0 {
            line = format!("{line}, {}", plural(documents.subscription_fields, "subscription field"));
        }
        format!("{line}: {place}")
    }
}
