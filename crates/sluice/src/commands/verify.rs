//! `sluice verify`: is the copy what the source says, and does the target keep its promises?

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use pipeline_core::ids::{Generation, ServiceId};
use pipeline_store::{Store, Violation};
use serde::Serialize;

use crate::{
    compare::{Comparison, Kind, Part, Tally},
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs, Report},
    session::{self, Session},
    text,
};

/// A pipe gets at most one line of progress in so much time.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// What to compare.
#[derive(Debug, Args)]
#[command(
    after_help = "Reads source and copy side by side and compares every provider by digest, recomputed from the rows;
where digests differ, each row that differs is named. Nothing is written. Rejected documents of the source
cannot be compared; they are listed and are no difference.

An interrupted comparison goes on where it was with --after; progress names the last service. A source that
changes meanwhile shows as differences.

Exit codes: 0 equal, 1 at least one difference or violation, 20 equal but for rejected documents.

Examples:
  sluice verify
  sluice verify --service payments -o jsonl
  sluice verify --generation 41 --limit 1000
  sluice verify --invariants"
)]
pub struct VerifyArgs {
    /// Only this service; may be repeated. Without it, all services
    #[arg(long, value_name = "ID")]
    pub service: Vec<String>,
    /// Go on behind this service, in byte order of ids
    #[arg(long, value_name = "ID")]
    pub after: Option<String>,
    /// The copy at this generation instead of what readers see
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    pub generation: Option<i64>,
    /// Differences, and rejected documents, listed at most; all are counted
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: usize,
    /// Check the target's own promises instead: the ledger adds up, no version overlaps, no content is lost
    #[arg(long, conflicts_with_all = ["service", "after", "generation"])]
    pub invariants: bool,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Serialize)]
struct VerifyReport {
    equal: bool,
    target: String,
    #[serde(flatten)]
    tally: Tally,
    /// There are more differences than those listed.
    more: bool,
    duration_ms: u64,
}

#[derive(Debug, Serialize)]
struct InvariantsReport {
    holds: bool,
    target: String,
    violations: Vec<Violation>,
}

/// Verifies.
pub async fn run(session: &Session, args: VerifyArgs) -> Result<Exit, Failure> {
    let settings = session.settings()?;
    let store = session.migrated_store(&settings).await?;
    if args.invariants {
        return invariants(&store, args.output).await;
    }
    let source = pipeline_source::open(&settings.source).map_err(|error| session::source_failure(&error))?;
    let part = Part {
        services: args.service.iter().map(|id| ServiceId(id.clone())).collect(),
        after: args.after.map(ServiceId),
        generation: args.generation.map(Generation),
    };
    let expected = store.counts().await.map_err(|error| session::store_failure(&error))?.providers;
    let start = Instant::now();
    let mut progress = Progress::new(start, expected);
    let comparison = Comparison::new(source.as_ref(), &store, part, args.limit);
    let result = comparison.run(|tally| progress.show(tally)).await;
    progress.finish();
    let tally = result?;

    let listed = tally.differences.len().saturating_add(tally.rejects.len());
    let listed = i64::try_from(listed).unwrap_or(i64::MAX);
    let report = VerifyReport {
        equal: tally.total() == 0,
        target: store.describe(),
        more: tally.total().saturating_add(tally.rejected) > listed,
        tally,
        duration_ms: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    output::answer(&report, args.output.output)?;
    Ok(match (report.equal, report.tally.rejected) {
        (false, _) => Exit::Failed,
        (true, 0) => Exit::Ok,
        (true, _) => Exit::Rejects,
    })
}

async fn invariants(store: &Store, output: OutputArgs) -> Result<Exit, Failure> {
    let violations = store.check_invariants().await.map_err(|error| session::store_failure(&error))?;
    let report = InvariantsReport { holds: violations.is_empty(), target: store.describe(), violations };
    output::answer(&report, output.output)?;
    Ok(if report.holds { Exit::Ok } else { Exit::Failed })
}

// === impl reports ===

impl Report for VerifyReport {
    fn text(&self) -> String {
        let tally = &self.tally;
        let mut lines = Vec::new();
        if !tally.differences.is_empty() || !tally.rejects.is_empty() {
            let mut table = output::table(&["KIND", "LEVEL", "WHERE", "WHAT"]);
            for difference in tally.differences.iter().chain(&tally.rejects) {
                let kind = match difference.kind {
                    Kind::Missing => "missing",
                    Kind::Extra => "extra",
                    Kind::Changed => "changed",
                    Kind::Damaged => "damaged",
                    Kind::Rejected => "rejected",
                };
                let what = difference.what.as_deref().unwrap_or("");
                table.add_row([kind, difference.level, &printable(&difference.path()), &printable(what)]);
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
            "source and copy are equal".to_owned()
        } else {
            format!(
                "source and copy differ: {} missing, {} extra, {} changed, {} damaged",
                text::count(tally.missing),
                text::count(tally.extra),
                text::count(tally.changed),
                text::count(tally.damaged)
            )
        });
        lines.join("\n")
    }
}

impl Report for InvariantsReport {
    fn text(&self) -> String {
        if self.holds {
            return format!("{}: every invariant holds", self.target);
        }
        let mut table = output::table(&["INVARIANT", "WHERE", "WHAT"]);
        for violation in &self.violations {
            table.add_row([violation.invariant, &printable(&violation.subject), &printable(&violation.detail)]);
        }
        let count = i64::try_from(self.violations.len()).unwrap_or(i64::MAX);
        format!("{}\n\n{}", output::table_text(&table), text::plural(count, "violation"))
    }
}

/// Ids and reasons come from documents: no control character of theirs reaches the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Progress on standard error: a line that is redrawn on a terminal, now and then a line elsewhere.
struct Progress {
    start: Instant,
    expected: i64,
    bar: Option<ProgressBar>,
    last_line: Instant,
}

// === impl Progress ===

impl Progress {
    fn new(start: Instant, expected: i64) -> Self {
        let plain = ProgressStyle::default_spinner;
        let style = plain().template("  {elapsed:>4}  {msg}").unwrap_or_else(|_| plain());
        let bar = std::io::stderr().is_terminal().then(|| ProgressBar::new_spinner().with_style(style));
        Self { start, expected, bar, last_line: start }
    }

    fn show(&mut self, tally: &Tally) {
        match &self.bar {
            Some(bar) => bar.set_message(self.line(tally)),
            None if self.last_line.elapsed() >= LINE_INTERVAL => {
                self.last_line = Instant::now();
                session::note(format_args!("{}", self.line(tally)));
            }
            None => {}
        }
    }

    fn line(&self, tally: &Tally) -> String {
        let done = tally.last_service.as_ref().map_or_else(String::new, |id| format!(", up to service `{id}`"));
        format!(
            "{} of {} providers, {}{}{}",
            text::count(tally.providers),
            text::count(self.expected.max(tally.providers)),
            text::plural(tally.total(), "difference"),
            printable(&done),
            self.left(tally.providers),
        )
    }

    /// As if the rest went as fast as what is done.
    fn left(&self, done: i64) -> String {
        let elapsed = self.start.elapsed();
        if done <= 0 || done >= self.expected || elapsed < Duration::from_secs(2) {
            return String::new();
        }
        let seconds = elapsed.as_secs_f64() * (self.expected - done) as f64 / done as f64;
        format!(", ETA {}", text::seconds(seconds as u64))
    }

    fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
