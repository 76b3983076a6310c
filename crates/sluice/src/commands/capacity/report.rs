//! The answer as it is told: what to set and to provide, why, and what is the limit. Names and units are an interface; the
//! text is for people.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use super::{
    CapacityArgs,
    costs::Costs,
    model::{self, DEFAULT_IN_FLIGHT, DEFAULT_READS, Data, Limit, Plan, Run, whole},
};
use crate::{
    output::{self, Report},
    text,
};

/// Processors and rows beyond which nothing was measured.
const MEASURED: (f64, f64) = (2.0, 2_440_080.0);
/// Providers that the numbers of a run's contents reach for.
const MOST_PROVIDERS: f64 = 4_294_967_296.0;
/// Bytes that a file of a folder may have.
const MOST_BYTES_OF_A_FILE: f64 = 512.0 * 1024.0 * 1024.0 * 1024.0;
/// Requests that one process makes of Couchbase in a second, by default.
const DEFAULT_REQUESTS: f64 = 1_000.0;
/// Limits of memory are so much above what was measured, in multiples of the step.
const HEADROOM: f64 = 1.5;
const STEP: f64 = 16.0 * 1024.0 * 1024.0;
/// Generations that are kept; runs of a week on the topics, and replicas of each.
const GENERATIONS: f64 = 5.0;
const MESSAGES: f64 = 7.0 * 3.0;

/// The answer.
#[derive(Clone, Debug, Serialize)]
pub(super) struct CapacityReport {
    /// How many there are of each.
    pub(super) data: BTreeMap<&'static str, u64>,
    /// The times are kept and nothing is impossible.
    pub(super) fits: bool,
    /// There are more processors or rows than were ever measured.
    extrapolated: bool,
    /// Why it does not fit.
    pub(super) problems: Vec<String>,
    pub(super) full: Run,
    pub(super) next: Run,
    pub(super) recommendations: Vec<Recommendation>,
    /// What decides how long the full run takes.
    limit: Advice,
    constants: Costs,
}

/// A number, and why it is that one.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Recommendation {
    /// A setting, or what is counted; stable.
    pub(super) name: &'static str,
    pub(super) value: u64,
    unit: &'static str,
    reason: String,
}

/// A limit, and what lifts it.
#[derive(Clone, Copy, Debug, Serialize)]
struct Advice {
    name: Limit,
    change: &'static str,
}

/// Answers a question.
pub(super) fn of(costs: Costs, args: &CapacityArgs) -> CapacityReport {
    let plan = model::plan(&costs, args);
    let problems = problems(args, &plan);
    CapacityReport {
        fits: problems.is_empty(),
        extrapolated: args.database_cores > MEASURED.0 || plan.data.rows > MEASURED.1,
        problems,
        recommendations: recommendations(&costs, args, &plan),
        limit: Advice { name: plan.full.limited_by, change: about(plan.full.limited_by).1 },
        data: counts(args, &plan.data),
        full: plan.full,
        next: plan.next,
        constants: costs,
    }
}

fn counts(args: &CapacityArgs, data: &Data) -> BTreeMap<&'static str, u64> {
    let counts = [
        ("services", args.services),
        ("providers", data.providers),
        ("bundles", data.bundles),
        ("subscription_fields", data.fields),
        ("rows", data.rows),
        ("largest_service", data.largest_service),
        ("document_bytes", data.document_bytes),
    ];
    counts.map(|(name, count)| (name, whole(count))).into()
}

fn problems(args: &CapacityArgs, plan: &Plan) -> Vec<String> {
    let mut problems = Vec::new();
    for (what, run, within) in
        [("a full run", &plan.full, args.within), ("the next run", &plan.next, args.changed_within)]
    {
        let Some(within) = within.filter(|within| run.seconds > within.as_secs_f64()) else { continue };
        let (takes, (limit, _)) = (time(run.seconds), about(run.limited_by));
        let processors = [Limit::SharedProcessors, Limit::DatabaseProcessors, Limit::StageProcessors];
        let factor = run.seconds / within.as_secs_f64();
        let more = if processors.contains(&run.limited_by) {
            format!(" ({factor:.1} times as many would do)")
        } else {
            String::new()
        };
        let within = text::duration(within);
        problems.push(format!("{what} takes {takes}, longer than {within}; the limit is {limit}{more}"));
    }
    if plan.data.providers > MOST_PROVIDERS {
        problems.push("a run has at most 4,294,967,296 providers: use several installations".to_owned());
    }
    if !args.is_couchbase() && plan.data.bundles * plan.data.document_bytes > MOST_BYTES_OF_A_FILE {
        problems.push("a folder's file has at most 512 GiB: use several folders and installations".to_owned());
    }
    problems
}

fn recommendations(costs: &Costs, args: &CapacityArgs, plan: &Plan) -> Vec<Recommendation> {
    let with = plan.deployment;
    let readers = with.workers + with.others + 1.0;
    let (batches, processes) = (format!("{} batches", grouped(plan.batches)), grouped(with.processes));
    let of_each = format!("{processes} processes with so many each, and those that load");
    let mut all = vec![
        count("partitions", (with.workers / 4.0).ceil() * 12.0, "three for each worker, so that they divide evenly"),
        count("workers.stage-root", 1.0, "one message for each run"),
        count("workers.stage-providers", with.others, "each plans eight services at once"),
        count("workers.stage-bundles", with.workers, "enough for the pace; run one more, so one may fail"),
        count("workers.stage-activator", with.others, "one small row for each service"),
        count("stage.batch_size", with.batch_size, &format!("{batches}, about 6,000 rows in each")),
        count("stage.in_flight", with.in_flight, "of the bundles stage; 8, the default, for the others"),
        count("target.max_writers", with.max_writers, "of each worker; more help where the database is far"),
        count("target.max_connections", with.max_connections, "of each process; those that load come on top"),
        count("connections", with.connections, &of_each),
    ];
    if args.is_couchbase() {
        let reads = args.source_calls.map_or(with.in_flight.max(DEFAULT_READS), |calls| (calls / readers).floor());
        let rate = plan.full.source_calls / plan.full.seconds / with.workers * 1.2;
        let each = "of each process that reads";
        all.push(count("source.couchbase.concurrent_reads", reads.max(1.0), each));
        all.push(count("source.couchbase.requests_per_second", rate.max(DEFAULT_REQUESTS), each));
    } else {
        let read = plan.data.bundles * plan.data.document_bytes * (with.workers + 1.0);
        all.push(bytes("source.read", read, "root and bundles stage read the folder once for each run"));
    }
    all.extend(memory(costs, args, plan));
    all.extend(disks(costs, args, plan));
    all
}

fn memory(costs: &Costs, args: &CapacityArgs, plan: &Plan) -> [Recommendation; 4] {
    let Plan { data, deployment, .. } = plan;
    // Couchbase is asked; a folder is indexed by each process that reads it.
    let index = if args.is_couchbase() { 0.0 } else { data.providers * costs.index_memory_per_provider };
    let plans = data.largest_service + data.other_service * (args.services - 1.0).min(DEFAULT_IN_FLIGHT - 1.0);
    let in_hand = deployment.in_flight * deployment.batch_size.min(data.providers);
    let documents = in_hand * data.bytes_of_a_provider() * costs.memory_per_document_byte;
    let limit = |name, more: f64, why| bytes(name, ((costs.stage_memory + more) * HEADROOM / STEP).ceil() * STEP, why);
    [
        limit("memory.stage-root", index, "the index of a folder"),
        limit(
            "memory.stage-providers",
            index + plans * costs.plan_memory_per_provider,
            "the index of a folder, and the ids of services in plans",
        ),
        limit("memory.stage-bundles", index + documents, "the index of a folder, and the documents in hand"),
        limit("memory.stage-activator", 0.0, "the same for any data"),
    ]
}

fn disks(costs: &Costs, args: &CapacityArgs, plan: &Plan) -> [Recommendation; 5] {
    let Data { providers, content_disk, .. } = plan.data;
    let copy = content_disk + providers * costs.provider_disk;
    let generation = args.changed / 100.0 * content_disk;
    let ledger = providers * costs.ledger_per_provider + args.services * costs.ledger_per_service;
    let database = copy + (GENERATIONS - 1.0) * generation + 365.0 * ledger;
    // A service is discovered, planned and activated; a batch is planned and confirmed.
    let messages = 3.0 * args.services * costs.other_message
        + plan.batches * (costs.batch_message + costs.other_message)
        + providers * costs.id_in_batch_message;
    [
        bytes("disk.copy", copy, "one generation with its indexes"),
        bytes("disk.generation", generation, &format!("each further one, {} % changed", args.changed)),
        bytes("disk.ledger", ledger, "each run, for good: `prune` leaves it"),
        bytes("disk.database", database, "5 generations, 365 runs; no logs, no backups"),
        bytes("disk.broker", messages * MESSAGES, "7 runs, 3 replicas, not compressed"),
    ]
}

fn count(name: &'static str, value: f64, reason: &str) -> Recommendation {
    Recommendation { name, value: whole(value), unit: "", reason: reason.to_owned() }
}

fn bytes(name: &'static str, value: f64, reason: &str) -> Recommendation {
    Recommendation { unit: "bytes", ..count(name, value, reason) }
}

/// What a limit is called, and what lifts it.
pub(super) fn about(limit: Limit) -> (&'static str, &'static str) {
    match limit {
        Limit::SharedProcessors => (
            "processors that database and stages share",
            "More workers add none. Give the stages a machine of their own (`--stage-cores`), then the database more.",
        ),
        Limit::DatabaseProcessors => (
            "processors of the database",
            "More workers add none. Give the database more processors; then use more than one database.",
        ),
        Limit::DatabaseDisk => (
            "the disk of the database",
            "All writers share it. Take a faster disk (`--database-disk-mb`); then use more than one database.",
        ),
        Limit::StageProcessors => (
            "processors of the stages",
            "Give the stages more processors (`--stage-cores`, `--worker-cores`), and so more workers.",
        ),
        Limit::Source => (
            "answers of the source",
            "Have more calls at once (workers × `stage.in_flight`), a nearer source, or fewer and larger batches.",
        ),
        Limit::RoundTrips => (
            "the way to the database and back",
            "Run the stages near the database; else have more writers (`target.max_writers`) and connections.",
        ),
        Limit::LargestService => (
            "the largest service",
            "Its plan is one transaction of one worker, which nothing helps. Split the service if that can be.",
        ),
        Limit::Unreachable => (
            "the search for unreachable documents",
            "Set `source.couchbase.find_unreachable: false` on the stages, and do one run with it now and then.",
        ),
    }
}

// === text ===

impl Report for CapacityReport {
    fn text(&self) -> String {
        let [services, providers, bundles, fields, rows] =
            ["services", "providers", "bundles", "subscription_fields", "rows"]
                .map(|name| text::count(self.data.get(name).copied().unwrap_or_default()));
        let mut table = output::table(&["WHAT", "HOW MANY", "WHY"]);
        let rate = format!("{} rows/s", grouped(self.full.rows_per_second));
        let changed = format!("{} % changed", self.next.changed * 100.0);
        for (name, run, what) in [("run.full", &self.full, rate), ("run.next", &self.next, changed)] {
            table.add_row([name.to_owned(), time(run.seconds), format!("{what}; {}", about(run.limited_by).0)]);
        }
        for Recommendation { name, value, unit, reason } in &self.recommendations {
            let amount = if unit.is_empty() { text::count(*value) } else { text::bytes(*value) };
            table.add_row([(*name).to_owned(), amount, reason.clone()]);
        }
        let (table, (limit, change)) = (output::table_text(&table), about(self.full.limited_by));
        let mut text = format!(
            "{services} services, {providers} providers, {bundles} bundles, {fields} subscription fields\n{rows} rows\n\n\
             {table}\n\nThe limit of a full run: {limit}.\n{change}\n"
        );
        if self.extrapolated {
            text.push_str("\nExtrapolated: nothing was measured beyond two processors and 1.2 million rows.\n");
        }
        for problem in &self.problems {
            text.push_str(&format!("\nIt does not fit: {}.\n", problem.replace("; ", ";\n")));
        }
        text
    }
}

fn time(seconds: f64) -> String {
    text::duration(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

fn grouped(number: f64) -> String {
    text::count(whole(number))
}
