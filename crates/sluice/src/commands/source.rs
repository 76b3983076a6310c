//! `sluice source`: documents out of a source into a folder.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use pipeline_model::documents::DocumentFault;
use pipeline_source::{
    Counts,
    export::{self, Exported},
};
use serde::Serialize;

use crate::{
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs, Report},
    session::{self, Session},
};

/// What to do with a source.
#[derive(Debug, Subcommand)]
pub enum SourceVerb {
    /// Write all documents of the source into a folder of JSON lines
    Export(ExportArgs),
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

#[derive(Debug, Serialize)]
struct ExportReport {
    folder: String,
    /// Documents that were written.
    #[serde(flatten)]
    written: Counts,
    #[serde(flatten)]
    left_out: LeftOut,
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

/// Exports.
pub async fn run(session: &Session, SourceVerb::Export(args): SourceVerb) -> Result<Exit, Failure> {
    let settings = session.settings()?;
    let bar = bar();
    let exported = export::export(&settings.source, &args.folder, &|file, documents| show(&bar, file, documents)).await;
    bar.finish_and_clear();
    let exported = exported?;
    let exit = if exported.is_complete() { Exit::Ok } else { Exit::Rejects };
    let (folder, written, left_out) = (args.folder.display().to_string(), exported.written, LeftOut::from(exported));
    left_out.note();
    output::answer(&ExportReport { folder, written, left_out }, args.output)?;
    Ok(exit)
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

fn show(bar: &ProgressBar, file: &str, documents: i64) {
    if documents % 100 == 0 {
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

impl Report for ExportReport {
    fn text(&self) -> String {
        format!("wrote {}: {}", self.written, self.folder)
    }
}
