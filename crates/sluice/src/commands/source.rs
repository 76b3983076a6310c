//! `sluice source`: documents out of a source into a folder, and out of a folder into a Couchbase scope.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use pipeline_model::documents::DocumentFault;
use pipeline_settings::redaction::redact_url;
use pipeline_source::{
    Counts,
    export::Exported,
    transfer::{self, Moved, Transferred},
};
use serde::Serialize;

use crate::{
    confirm::ConfirmArgs,
    exit::Exit,
    failure::Failure,
    local,
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
of Couchbase are written as they are, numbers to the last digit; keys are not kept. Of another source, a
document that has a fault is left out and listed, and the others below the same provider are written. Fields
keep their names; where these are not the default ones, `sluice-mapping.json` in the folder says so, and whoever
reads the folder without a mapping of his own reads it by that.

Exit codes: 0 everything was written, 20 something was left out, 75 the source or the folder cannot be reached.

Examples:
  sluice source export ./catalogue --config sluice.yaml
  sluice source export ./made-up -X 'source.url=generator:?services=4&providers=100'"
)]
pub struct ExportArgs {
    /// The folder; files of an earlier export in it are replaced, or removed where this one has none
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
    /// What an export left out; nothing for an import.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    left_out: Option<LeftOut>,
}

/// What of the source is not in the folder.
#[derive(Debug, Serialize)]
struct LeftOut {
    /// Documents of each level that have their place in the source.
    left_out: Counts,
    /// Faults found; documents without a place in the source are among them.
    faults: u64,
    /// The first of them.
    faulty: Vec<Faulty>,
}

/// A document with a fault.
#[derive(Debug, Serialize)]
struct Faulty {
    place: String,
    level: &'static str,
    service_id: Option<String>,
    provider_id: Option<String>,
    document_id: Option<String>,
    code: &'static str,
    reason: String,
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
    let Moved { documents, exported } = moved.map_err(|error| session::source_failure(&error))?;
    let exit = if exported.is_complete() { Exit::Ok } else { Exit::Rejects };
    let left_out = LeftOut::from(exported);
    left_out.note();
    let (place, left_out) = (args.folder.display().to_string(), Some(left_out));
    output::answer(&TransferReport { verb: "wrote", place, documents, left_out }, args.output.output)?;
    Ok(exit)
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
    output::answer(&TransferReport { verb: "stored", place, documents, left_out: None }, args.output.output)?;
    Ok(Exit::Ok)
}

fn settings_of_folder(folder: &std::path::Path) -> Result<pipeline_settings::settings::Source, Failure> {
    let folder = std::path::absolute(folder)
        .map_err(|error| Failure::caused(Exit::Failed, format!("could not find `{}`", folder.display()), &error))?;
    Ok(pipeline_settings::settings::Source { url: local::file_url("file", &folder), ..Default::default() })
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
        bar.set_message(format!("{}: {documents} documents", output::printable(file)));
    }
}

// === the report's parts ===

/// Faults that are listed on standard error.
const LISTED: usize = 20;

impl LeftOut {
    /// Says on standard error what was left out, whatever the answer looks like.
    fn note(&self) {
        for Faulty { place, code, reason, .. } in self.faulty.iter().take(LISTED) {
            session::note(format_args!(
                "left out  {}: {} ({code})",
                output::printable(place),
                output::printable(reason)
            ));
        }
        let listed = u64::try_from(self.faulty.len().min(LISTED)).unwrap_or(u64::MAX);
        if self.faults > listed {
            session::note(format_args!("left out  and {} more with a fault", self.faults - listed));
        }
        if self.left_out != Counts::default() {
            session::note(format_args!("left out  in all, with what is below it: {}", self.left_out));
        }
    }
}

impl From<Exported> for LeftOut {
    fn from(exported: Exported) -> Self {
        let Exported { left_out, faults, listed, .. } = exported;
        Self { left_out, faults, faulty: listed.into_iter().map(Faulty::from).collect() }
    }
}

impl From<DocumentFault> for Faulty {
    fn from(fault: DocumentFault) -> Self {
        Self {
            place: fault.place,
            level: fault.level.as_str(),
            service_id: fault.service_id.map(|id| id.0),
            provider_id: fault.provider_id.map(|id| id.0),
            document_id: fault.document_id,
            code: fault.code.as_str(),
            reason: fault.reason,
        }
    }
}

impl Report for TransferReport {
    fn text(&self) -> String {
        let Self { verb, place, documents, .. } = self;
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
