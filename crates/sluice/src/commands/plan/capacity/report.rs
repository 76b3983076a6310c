//! The answer: what to set, why, and what is the limit. Names and units are an interface; the text is for people.

use std::{fmt::Write as _, time::Duration};

use serde::Serialize;

use crate::{
    output::{self, Report},
    text,
};

use super::{
    Question, advice,
    costs::{Constant, Costs, ROWS_OF_M},
    model::{Deployment, Limit, Run},
    sizing::{self, DEFAULT_IN_FLIGHT},
    space::{self, Disk, Memory},
};

/// Processors of the machine that everything was measured on, and rows beyond those measured that make no difference.
const MEASURED_CORES: f64 = 2.0;
const SLIGHTLY: f64 = 2.0;
/// Providers that the numbers of a run's contents reach for.
const MOST_PROVIDERS: f64 = 4_294_967_296.0;
/// Bytes that a file of a folder may have.
const MOST_BYTES_OF_A_FILE: f64 = 512.0 * 1024.0 * 1024.0 * 1024.0;
/// Requests that one process makes of Couchbase in a second, by default.
const DEFAULT_REQUESTS: f64 = 1_000.0;

/// The answer.
#[derive(Clone, Debug, Serialize)]
pub struct CapacityReport {
    /// Rows per level.
    data: Counts,
    /// The times are kept and nothing is impossible.
    pub fits: bool,
    /// There are more processors or rows than were ever measured.
    extrapolated: bool,
    /// Why it does not fit.
    pub problems: Vec<String>,
    /// The first run, which writes everything.
    pub full: Run,
    /// The next run, which writes what changed.
    pub next: Run,
    /// What to set and to provide.
    pub recommendations: Vec<Recommendation>,
    /// What decides how long the full run takes.
    limit: LimitReport,
    /// What the answer is made from.
    pub constants: Vec<Constant>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Counts {
    services: u64,
    providers: u64,
    bundles: u64,
    subscription_fields: u64,
    rows: u64,
    largest_service: u64,
    document_bytes: u64,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct LimitReport {
    name: Limit,
    why: &'static str,
    change: &'static str,
}

/// A number, and why it is that one.
#[derive(Clone, Debug, Serialize)]
pub struct Recommendation {
    /// A setting, or what is counted; stable.
    pub name: &'static str,
    /// How many.
    pub value: u64,
    /// Of what.
    pub unit: &'static str,
    /// Why.
    pub reason: String,
}

/// Puts the answer together.
pub(super) fn of(costs: &Costs, question: &Question, deployment: &Deployment, full: Run, next: Run) -> CapacityReport {
    let data = &question.data;
    let problems = problems(question, &full, &next);
    let limit = advice::about(full.limited_by);
    CapacityReport {
        data: Counts {
            services: whole(data.services),
            providers: whole(data.providers),
            bundles: whole(data.bundles()),
            subscription_fields: whole(data.fields()),
            rows: whole(data.rows()),
            largest_service: whole(data.largest_service),
            document_bytes: whole(data.document_bytes),
        },
        fits: problems.is_empty(),
        extrapolated: question.around.database_cores > MEASURED_CORES || data.rows() > ROWS_OF_M * SLIGHTLY,
        problems,
        recommendations: recommendations(costs, question, deployment, &full),
        limit: LimitReport { name: full.limited_by, why: limit.why, change: limit.change },
        full,
        next,
        constants: costs.table(),
    }
}

fn problems(question: &Question, full: &Run, next: &Run) -> Vec<String> {
    let mut problems = Vec::new();
    for (what, run, within) in
        [("a full run", full, question.bounds.within), ("the next run", next, question.bounds.changed_within)]
    {
        if within > 0.0 && run.seconds > within {
            let (takes, limit) = (time(run.seconds), advice::about(run.limited_by).name);
            let more = more_processors(question, run, within);
            problems.push(format!("{what} takes {takes}, longer than {}; the limit is {limit}{more}", time(within)));
        }
    }
    if question.data.providers > MOST_PROVIDERS {
        problems.push("a run has at most 4,294,967,296 providers: use several installations".to_owned());
    }
    if !question.around.couchbase && question.data.bundles() * question.data.document_bytes > MOST_BYTES_OF_A_FILE {
        problems.push("a folder's file has at most 512 GiB: use several folders and installations".to_owned());
    }
    problems
}

/// How many processors would do, where they are what is missing.
fn more_processors(question: &Question, run: &Run, within: f64) -> String {
    let factor = run.seconds / within;
    match run.limited_by {
        Limit::SharedProcessors | Limit::DatabaseProcessors => {
            format!(" (about {} would do)", grouped(whole(question.around.database_cores * factor)))
        }
        Limit::StageProcessors => format!(" (about {factor:.1} times as many would do)"),
        _ => String::new(),
    }
}

fn recommendations(costs: &Costs, question: &Question, deployment: &Deployment, full: &Run) -> Vec<Recommendation> {
    let Question { data, around, kept, .. } = question;
    let Deployment { batch_size, providers, bundles, activators, in_flight, max_writers, max_connections, .. } =
        *deployment;
    let batches = whole(data.batches(f64::from(batch_size)));
    let processes = sizing::processes(deployment);
    let connections = if around.inserts {
        format!("{processes} processes with so many each")
    } else {
        format!("{processes} processes with so many each, and those that load")
    };
    let mut all = vec![
        count("partitions", sizing::partitions(deployment), "three for each worker, so that they divide evenly"),
        count("workers.stage-root", 1_u32, "one message for each run"),
        count("workers.stage-providers", providers, "each plans eight services at once"),
        count("workers.stage-bundles", bundles, &reason_for_workers(full)),
        count("workers.stage-activator", activators, "one small row for each service"),
        count("stage.batch_size", batch_size, &format!("{} batches, about 6,000 rows in each", grouped(batches))),
        count("stage.in_flight", in_flight, &reason_for_in_flight(in_flight)),
        count("target.max_writers", max_writers, "of each worker; more help where the database is far"),
        count("target.max_connections", max_connections, "of each process; those that load come on top"),
        count("connections", sizing::connections(deployment, around), &connections),
    ];
    if around.couchbase {
        let rate = full.source_calls / full.seconds / f64::from(bundles) * 1.2;
        all.extend([
            count("source.couchbase.concurrent_reads", deployment.concurrent_reads, "of each process that reads"),
            count(
                "source.couchbase.requests_per_second",
                whole(rate.max(DEFAULT_REQUESTS)),
                "of each process that reads",
            ),
        ]);
    }
    if !around.couchbase {
        let readers = f64::from(bundles) + 1.0;
        let read = data.bundles() * data.document_bytes * readers;
        all.push(bytes("source.read", read, &format!("{readers} processes read the folder once for each run")));
    }
    all.extend(memories(&space::memory(costs, data, around, deployment), around.couchbase));
    all.extend(disks(&space::disk(costs, data, kept, f64::from(batch_size)), question));
    all
}

fn reason_for_workers(full: &Run) -> String {
    let reason = match full.limited_by {
        Limit::SharedProcessors | Limit::DatabaseProcessors | Limit::DatabaseDisk => "the database is busy",
        Limit::StageProcessors => "as many as have processors",
        Limit::Source | Limit::RoundTrips => "as many as can be busy",
        Limit::LargestService | Limit::Unreachable => "others only wait",
    };
    format!("{reason}; one more to survive one")
}

fn reason_for_in_flight(in_flight: u32) -> String {
    if in_flight == DEFAULT_IN_FLIGHT {
        "the default; nothing waits for more".to_owned()
    } else {
        "of the bundles stage only; the others keep 8".to_owned()
    }
}

fn memories(memory: &Memory, couchbase: bool) -> [Recommendation; 4] {
    let index = if couchbase { "the same for any data" } else { "the index of the folder" };
    let with_index =
        |what: &str| if couchbase { what.trim_start_matches("and ").to_owned() } else { format!("the index, {what}") };
    [
        bytes("memory.stage-root", memory.root, index),
        bytes("memory.stage-providers", memory.providers, &with_index("and the ids of services in plans")),
        bytes("memory.stage-bundles", memory.bundles, &with_index("and the documents in hand")),
        bytes("memory.stage-activator", memory.activator, "the same for any data"),
    ]
}

fn disks(disk: &Disk, question: &Question) -> [Recommendation; 5] {
    let kept = &question.kept;
    let (changed, keep) = (kept.changed * 100.0, kept.generations);
    let broker = format!("{} runs, {} replicas, not compressed", kept.runs_on_topics, kept.replicas);
    [
        bytes("disk.copy", disk.copy, "one generation with its indexes"),
        bytes("disk.generation", disk.generation, &format!("each further one, {changed} % changed")),
        bytes("disk.ledger", disk.ledger, "each run, for good: `prune` leaves it"),
        bytes("disk.database", disk.database, &format!("{keep} generations, 365 runs; no logs, no backups")),
        bytes("disk.broker", disk.broker, &broker),
    ]
}

fn count(name: &'static str, value: impl Into<u64>, reason: &str) -> Recommendation {
    Recommendation { name, value: value.into(), unit: "", reason: reason.to_owned() }
}

fn bytes(name: &'static str, value: f64, reason: &str) -> Recommendation {
    Recommendation { name, value: whole(value), unit: "bytes", reason: reason.to_owned() }
}

// === text ===

impl Report for CapacityReport {
    fn text(&self) -> String {
        let Counts { services, providers, bundles, subscription_fields, rows, .. } = self.data;
        let mut text = format!(
            "{} services, {} providers, {} bundles, {} subscription fields\n{} rows\n\n",
            grouped(services),
            grouped(providers),
            grouped(bundles),
            grouped(subscription_fields),
            grouped(rows)
        );
        push(&mut text, &output::table_text(&self.runs()));
        push(&mut text, "");
        let mut table = output::table(&["WHAT", "HOW MANY", "WHY"]);
        for each in &self.recommendations {
            table.add_row([each.name.to_owned(), each.amount(), each.reason.clone()]);
        }
        push(&mut text, &output::table_text(&table));
        let LimitReport { name, why, change } = self.limit;
        push(&mut text, &format!("\nThe limit of a full run: {}.", advice::about(name).name));
        push(&mut text, &format!("{why}\n{change}"));
        if self.extrapolated {
            push(&mut text, "\nExtrapolated: nothing was measured beyond two processors and 1.2 million rows.");
        }
        for problem in &self.problems {
            push(&mut text, &format!("\nIt does not fit: {}.", problem.replace("; ", ";\n")));
        }
        text
    }
}

impl CapacityReport {
    /// Rows of the copy.
    #[cfg(test)]
    pub(super) fn rows(&self) -> u64 {
        self.data.rows
    }

    fn runs(&self) -> output::Table {
        let mut table = output::table(&["RUN", "TIME", "ROWS/S", "SOURCE CALLS", "STATEMENTS", "LIMIT"]);
        for (name, run) in [("full".to_owned(), &self.full), (format!("{} %", self.next.changed * 100.0), &self.next)] {
            let limit = advice::about(run.limited_by).name.to_owned();
            let cells = [run.rows_per_second, run.source_calls, run.statements].map(|number| grouped(whole(number)));
            let [rows, calls, statements] = cells;
            table.add_row([name, time(run.seconds), rows, calls, statements, limit]);
        }
        table
    }
}

impl Recommendation {
    fn amount(&self) -> String {
        if self.unit == "bytes" { size(self.value) } else { grouped(self.value) }
    }
}

fn push(text: &mut String, line: &str) {
    // Writing to a `String` cannot fail.
    if writeln!(text, "{line}").is_err() {
        text.push('\n');
    }
}

/// A size with the digits that matter: `640 KiB`, `1.4 GiB`.
pub fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let mut number = float(bytes) / 1024.0;
    let mut unit = 0;
    while number >= 1_000.0 && unit + 1 < units.len() {
        number /= 1024.0;
        unit += 1;
    }
    let unit = units.get(unit).copied().unwrap_or_default();
    if number < 10.0 { format!("{number:.1} {unit}") } else { format!("{number:.0} {unit}") }
}

fn time(seconds: f64) -> String {
    text::duration(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

fn grouped(number: u64) -> String {
    text::count(i64::try_from(number).unwrap_or(i64::MAX))
}

#[expect(clippy::cast_precision_loss, reason = "sizes are shown with two digits")]
fn float(number: u64) -> f64 {
    number as f64
}

/// A number that is not negative, rounded up.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast saturates, at 0 below")]
fn whole(number: f64) -> u64 {
    // So that 0.1 × 10 is 1 and not 2.
    (number - 1e-6).ceil() as u64
}
