//! `sluice verify`: is the copy what the source says, and does the target keep its promises?

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use clap::Args;
use futures::TryStreamExt as _;
use pipeline_model::{
    documents::Found,
    ids::{Generation, ServiceId},
};
use pipeline_operations::comparison::{Comparison, Cursor, Part, Tally};
use pipeline_source::Source;
use pipeline_store::Store;
use serde::Serialize;

use crate::{
    exit::Exit,
    failure::Failure,
    local,
    output::{self, OutputArgs, Report},
    session::{self, Session},
    text,
};

mod invariants;
mod progress;

use progress::Progress;

/// What to compare.
#[derive(Debug, Args)]
#[command(
    after_help = "Reads source and copy side by side and compares every provider by digest, recomputed from the rows;
where digests differ, each row that differs is named. Nothing is written. Rejects of the source
cannot be compared; they are listed and are no difference.

Ctrl-C ends it with what was found so far, exit code 10, and prints the command that goes on from there. A
source that changes meanwhile shows as differences.

Exit codes: 0 equal, 1 at least one difference or violation, 10 interrupted without one, 20 equal but for
rejects.

Examples:
  sluice verify
  sluice verify --service payments -o jsonl
  sluice verify --source /exports/yesterday
  sluice verify --after payments/p-4711
  sluice verify --generation 41 --limit 1000
  sluice verify --invariants"
)]
pub struct VerifyArgs {
    /// Folder or source URL to compare with, instead of the configured one
    #[arg(long, value_name = "URL")]
    pub source: Option<String>,
    /// Only this service; may be repeated. Without it, all services
    #[arg(long, value_name = "ID")]
    pub service: Vec<String>,
    /// Resume after this service, or after this provider of it; ids are compared as bytes
    #[arg(long, value_name = "SERVICE[/PROVIDER]")]
    pub after: Option<Cursor>,
    /// The copy at this generation instead of what readers see
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    pub generation: Option<i64>,
    /// Differences, and rejects, listed at most; all are counted
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: usize,
    /// Check the target's own promises instead: the ledger adds up, no version overlaps, no content is lost
    #[arg(long, conflicts_with_all = ["source", "service", "after", "generation"])]
    pub invariants: bool,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Serialize)]
struct VerifyReport {
    /// No difference was found.
    equal: bool,
    /// Everything was compared.
    complete: bool,
    /// The command that goes on, when not everything was.
    resume: Option<String>,
    target: String,
    #[serde(flatten)]
    tally: Tally,
    /// There are more differences than those listed.
    more: bool,
    duration_ms: u64,
}

/// Verifies.
pub async fn run(session: &Session, args: VerifyArgs) -> Result<Exit, Failure> {
    let source_flag = args.source.map(|source| ("source.url".to_owned(), local::as_url(&source, "file")));
    let settings = session.settings_with(source_flag.into_iter().collect())?;
    let store = session.migrated_store(&settings).await?;
    if args.invariants {
        return invariants::run(&store, args.output).await;
    }
    let source = pipeline_source::open(&settings.source)?;
    let part = Part {
        services: args.service.iter().map(|id| ServiceId(id.clone())).collect(),
        after: args.after,
        generation: args.generation.map(Generation),
    };
    refuse_unknown(&store, source.as_ref(), &part).await?;
    let start = Instant::now();
    let mut progress = Progress::new(start, expected(&store, &part).await?);
    let mut comparison = Comparison::new(source.as_ref(), &store, part, args.limit);
    let ended = tokio::select! {
        ended = comparison.run(|tally| progress.show(tally)) => Some(ended),
        interrupted = tokio::signal::ctrl_c() => {
            interrupted.map_err(|error| Failure::caused(Exit::Failed, "cannot listen for Ctrl-C", &error))?;
            None
        }
    };
    progress.finish();
    let complete = ended.transpose()?.is_some();
    let report = VerifyReport::new(&store, comparison.tally().clone(), complete, start.elapsed());
    if let Some(resume) = &report.resume {
        session::note(format_args!("interrupted; to go on: {resume}"));
    }
    output::answer(&report, args.output)?;
    Ok(report.exit())
}

/// Refuses a service that neither the source nor the copy has: it would be found equal.
async fn refuse_unknown(store: &Store, source: &dyn Source, part: &Part) -> Result<(), Failure> {
    if part.services.is_empty() {
        return Ok(());
    }
    let copied = store.copied_services(part.generation).await?;
    let mut known: HashSet<ServiceId> = copied.into_iter().map(|service| service.service_id).collect();
    let mut services = source.services();
    while let Some(found) = services.try_next().await? {
        match found {
            Found::Document(service) => drop(known.insert(service.id)),
            Found::Fault(fault) => known.extend(fault.service_id),
        }
    }
    match part.services.iter().find(|id| !known.contains(*id)) {
        None => Ok(()),
        Some(unknown) => Err(Failure::new(
            Exit::Failed,
            format!("there is no service `{unknown}`, neither in the source nor in the copy"),
        )
        .hint("is it misspelt? ids are compared byte by byte")),
    }
}

/// Providers of the copy in the services to be compared.
async fn expected(store: &Store, part: &Part) -> Result<i64, Failure> {
    let counts = store.copied_provider_counts().await?;
    Ok(counts.iter().filter(|(id, _)| part.contains(id)).map(|(_, count)| count).sum())
}

/// This very call, going on behind what it has compared.
fn resumed(reached: Option<&Cursor>) -> String {
    let mut words = vec![session::program()];
    let mut given = std::env::args().skip(1);
    while let Some(word) = given.next() {
        if word == "--after" {
            // Its value goes with it.
            drop(given.next());
        } else if !word.starts_with("--after=") || reached.is_none() {
            words.push(word);
        }
    }
    words.extend(reached.map(|cursor| format!("--after={cursor}")));
    words.iter().map(|word| text::quoted(word)).collect::<Vec<_>>().join(" ")
}

// === impl VerifyReport ===

impl VerifyReport {
    fn new(store: &Store, tally: Tally, complete: bool, took: Duration) -> Self {
        let listed = tally.differences.len().saturating_add(tally.rejects.len());
        let listed = i64::try_from(listed).unwrap_or(i64::MAX);
        Self {
            equal: tally.total() == 0,
            complete,
            resume: (!complete).then(|| resumed(tally.reached.as_ref())),
            target: store.describe(),
            more: tally.total().saturating_add(tally.rejected) > listed,
            tally,
            duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        }
    }

    fn exit(&self) -> Exit {
        match (self.equal, self.complete, self.tally.rejected) {
            (false, _, _) => Exit::Failed,
            (true, false, _) => Exit::NotReady,
            (true, true, 0) => Exit::Ok,
            (true, true, _) => Exit::Rejects,
        }
    }
}

impl Report for VerifyReport {
    fn text(&self) -> String {
        let tally = &self.tally;
        let mut lines = Vec::new();
        if !tally.differences.is_empty() || !tally.rejects.is_empty() {
            let mut table = output::table(&["KIND", "LEVEL", "WHERE", "WHAT"]);
            for difference in tally.differences.iter().chain(&tally.rejects) {
                let what = difference.what.as_deref().unwrap_or("");
                table.add_row([
                    text::word(&difference.kind).as_str(),
                    difference.level,
                    &output::printable(&difference.path()),
                    &output::printable(what),
                ]);
            }
            lines.push(output::table_text(&table));
            if self.more {
                lines.push("and more: see --limit".to_owned());
            }
            lines.push(String::new());
        }
        lines.push(format!(
            "compared {}, {}, {}, {} in {}",
            text::plural(tally.services, "service"),
            text::plural(tally.providers, "provider"),
            text::plural(tally.bundles, "bundle"),
            text::plural(tally.subscription_fields, "subscription field"),
            text::duration(Duration::from_millis(self.duration_ms)),
        ));
        if tally.rejected > 0 {
            lines.push(format!("{} cannot be compared: rejected", text::plural(tally.rejected, "document")));
        }
        lines.push(if self.equal {
            let so_far = if self.complete { "" } else { " so far" };
            format!("source and copy are equal{so_far}")
        } else {
            format!(
                "source and copy differ: {} missing, {} extra, {} changed, {} damaged",
                text::count(tally.missing),
                text::count(tally.extra),
                text::count(tally.changed),
                text::count(tally.damaged)
            )
        });
        lines.extend(self.resume.as_ref().map(|resume| format!("not everything was compared; to go on: {resume}")));
        lines.join("\n")
    }
}
