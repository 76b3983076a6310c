//! The arithmetic holds what it promises for any question, agrees with what was measured, and the page shows its answers.

use std::{path::Path, time::Duration};

use clap::Parser;
use pipeline_settings::settings::Settings;
use proptest::prelude::*;

use super::{
    CapacityArgs, SourceKind,
    costs::{CONSTANTS, Costs},
    model::{self, Limit, Run},
    report::{self, CapacityReport, about},
};
use crate::output::{Format, Report, render};

/// What the command line of the verb is made of.
#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: CapacityArgs,
}

fn parsed(line: &str) -> Result<CapacityArgs, clap::Error> {
    Line::try_parse_from(std::iter::once("capacity").chain(line.split_whitespace())).map(|line| line.args)
}

fn answered(args: &CapacityArgs) -> CapacityReport {
    report::of(serde_json::from_str(CONSTANTS).unwrap(), args)
}

fn ask(line: &str) -> CapacityReport {
    answered(&parsed(line).unwrap_or_else(|error| panic!("{line}: {error}")))
}

fn value(report: &CapacityReport, name: &str) -> u64 {
    let found = report.recommendations.iter().find(|each| each.name == name);
    found.unwrap_or_else(|| panic!("no `{name}`")).value
}

#[test]
fn what_is_no_number_or_out_of_range_is_refused() {
    for line in [
        "--services 0",
        "--providers -1",
        "--bundles x",
        "--fields NaN",
        "--changed 101",
        "--workers 1001",
        "--connections 4",
    ] {
        assert!(parsed(line).is_err(), "{line}");
    }
    assert_eq!(parsed("--changed 2%").unwrap().changed, 2.0);
}

// === against what was measured ===

/// The median of a published measurement.
fn measured(figure: &str, size: &str, quantity: &str) -> f64 {
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/benchmarks.json")).unwrap();
    let published: serde_json::Value = serde_json::from_str(&text).unwrap();
    let figures = published["figures"].as_array().unwrap();
    let figure = figures.iter().find(|one| one["name"] == figure && one["size"] == size).unwrap();
    let quantity = figure["quantities"].as_array().unwrap().iter().find(|one| one["what"] == quantity).unwrap();
    let mut values: Vec<f64> =
        quantity["values"].as_array().unwrap().iter().filter_map(|value| value.as_f64()).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The model's time over the measured one.
fn against(measured: f64, run: &Run, what: &str) {
    let factor = run.seconds / measured;
    assert!((1.0 / 1.5..=1.5).contains(&factor), "{what}: predicted {:.2} s, measured {measured:.2} s", run.seconds);
}

#[test]
fn what_was_measured_is_predicted_within_a_factor_of_one_and_a_half() {
    against(1_220_040.0 / measured("load", "M", "Sluice"), &ask("").full, "load M");
    against(measured("again", "M", "second run"), &ask("").next, "again M");
    against(122_040.0 / measured("load", "S", "Sluice"), &ask("--providers 1000").full, "load S");
    for workers in [1, 2, 4] {
        // With so much time, `stage.in_flight` and `target.max_writers` are their defaults, as they were measured.
        let scale = "--providers 6000 --bundles 1 --fields 1 --batch-size 5 --source-latency-ms 200 --within 100h";
        let run = ask(&format!("{scale} --workers {workers}")).full;
        assert_eq!(run.limited_by, Limit::Source);
        against(measured("scale", "", &format!("workers: {workers}")), &run, "scale");
    }
}

#[test]
fn memory_limits_are_above_what_was_measured() {
    for (line, size) in [("", "M"), ("--providers 1000", "S")] {
        for stage in ["stage-root", "stage-providers", "stage-bundles", "stage-activator"] {
            let peak = measured("memory", size, stage) * 1024.0 * 1024.0;
            let limit = value(&ask(line), &format!("memory.{stage}")) as f64;
            assert!(limit > peak && limit < 3.0 * peak, "{stage} at {size}: {limit} for {peak}");
        }
    }
}

#[test]
fn what_the_model_takes_from_the_store_and_the_settings_is_what_they_have() {
    let settings = Settings::default();
    assert_eq!(model::DEFAULT_IN_FLIGHT, f64::from(settings.stage.in_flight));
    assert_eq!(model::DEFAULT_CONNECTIONS, f64::from(settings.target.max_connections));
    assert_eq!(model::DEFAULT_WRITERS, f64::from(settings.target.max_writers));
    assert_eq!(model::DEFAULT_READS, f64::from(settings.source.couchbase.concurrent_reads));
    assert_eq!(model::DOCUMENTS_PER_PAGE, f64::from(settings.source.couchbase.page_size));
    assert_eq!(model::ROWS_PER_STATEMENT, pipeline_store::ROWS_PER_STATEMENT as f64);
    assert_eq!(model::BYTES_PER_LOAD, pipeline_store::BYTES_PER_LOAD as f64);
    assert_eq!(model::IDS_PER_QUERY, pipeline_store::IDS_PER_QUERY as f64);
}

// === for any question ===

prop_compose! {
    /// Surroundings and data of any size.
    fn questions()(
        services in 1_u32..5_000, per_service in 1_u32..5_000, bundles in 0_u32..60, fields in 0_u32..20,
        largest in 0_u32..=100, couchbase: bool, latency in 0_u32..300, calls in prop::option::of(1_u32..500),
        rtt in 0_u32..50, inserts: bool, cores in 1_u32..128, stage_cores in prop::option::of(1_u32..256),
        worker_cores in 1_u32..16, connections in 5_u32..400, changed in 0_u32..=100,
    ) -> CapacityArgs {
        let mut args = parsed("").unwrap();
        (args.services, args.providers) = (f64::from(services), f64::from(services) * f64::from(per_service));
        (args.bundles, args.fields) = (f64::from(bundles), f64::from(fields));
        args.largest_service = f64::from(largest);
        args.source = couchbase.then_some(SourceKind::Couchbase);
        args.source_latency_ms = f64::from(latency);
        args.source_calls = calls.filter(|_| couchbase).map(f64::from);
        args.database_rtt_ms = f64::from(rtt) / 10.0;
        args.inserts = inserts;
        (args.database_cores, args.stage_cores) = (f64::from(cores), stage_cores.map(f64::from));
        (args.worker_cores, args.connections) = (f64::from(worker_cores), f64::from(connections));
        args.changed = f64::from(changed);
        args
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_number_is_usable_and_the_connections_are_within_their_bound(args in questions()) {
        let report = answered(&args);
        prop_assert!(value(&report, "connections") <= args.connections as u64);
        let (writers, connections) = (value(&report, "target.max_writers"), value(&report, "target.max_connections"));
        prop_assert!(connections >= 1 && writers >= 1);
        prop_assert!(!args.inserts || writers <= connections, "writers that insert share the connections");
        for stage in ["stage-root", "stage-providers", "stage-bundles", "stage-activator"] {
            let workers = value(&report, &format!("workers.{stage}"));
            prop_assert!(workers >= 1 && value(&report, "partitions") >= workers, "{stage}");
        }
        prop_assert!((1..=5_000).contains(&value(&report, "stage.batch_size")));
        prop_assert!((1..=1_024).contains(&value(&report, "stage.in_flight")));
        prop_assert!(report.full.seconds.is_finite() && report.full.seconds > 0.0);
        prop_assert!(report.next.seconds <= report.full.seconds * 1.000_001 || args.changed > 0.0);
    }

    #[test]
    fn what_makes_it_harder_never_makes_it_faster(args in questions()) {
        let seconds = answered(&args).full.seconds;
        let harder = [
            // As many services: what streams over two is no harder than what does not over one.
            CapacityArgs { providers: args.providers * 2.0, ..args.clone() },
            CapacityArgs { source_latency_ms: args.source_latency_ms * 2.0, ..args.clone() },
            CapacityArgs { database_rtt_ms: args.database_rtt_ms * 2.0, ..args.clone() },
            CapacityArgs { database_cores: (args.database_cores / 2.0).ceil(), ..args.clone() },
        ];
        for harder in harder {
            prop_assert!(answered(&harder).full.seconds >= seconds * 0.999_999, "{harder:?}");
        }
    }

    #[test]
    fn a_time_that_can_be_kept_is_kept_and_more_data_needs_no_fewer_workers(args in questions()) {
        // Larger batches, which a larger service gets, would be a reason for fewer.
        let args = CapacityArgs { batch_size: Some(50.0), ..args };
        let time = answered(&args).full.seconds * 4.0 + 10.0;
        let relaxed = CapacityArgs { within: Some(Duration::from_secs_f64(time)), ..args };
        let (few, many) = (answered(&relaxed), answered(&CapacityArgs { providers: relaxed.providers * 3.0, ..relaxed.clone() }));
        prop_assert!(few.full.seconds <= time, "{:?}", few.problems);
        // Where the time cannot be kept, no number of workers is the right one.
        prop_assert!(!many.fits || value(&many, "workers.stage-bundles") >= value(&few, "workers.stage-bundles"));
    }

    #[test]
    fn more_workers_than_worked_out_are_no_faster(args in questions()) {
        let enough = CapacityArgs { connections: 100_000.0, ..args };
        let report = answered(&enough);
        let more = CapacityArgs { workers: Some(value(&report, "workers.stage-bundles") as f64 + 1.0), ..enough };
        prop_assert!(answered(&more).full.seconds >= report.full.seconds * 0.98);
    }
}

// === what is said ===

#[test]
fn each_limit_is_found_where_it_is() {
    for (line, limit) in [
        ("", Limit::SharedProcessors),
        ("--stage-cores 16", Limit::DatabaseProcessors),
        ("--stage-cores 16 --database-disk-mb 50", Limit::DatabaseDisk),
        ("--stage-cores 1 --database-cores 8", Limit::StageProcessors),
        ("--source-latency-ms 2000 --workers 1", Limit::Source),
        ("--database-rtt-ms 50 --connections 5", Limit::RoundTrips),
        ("--providers 1000000 --largest-service 100 --bundles 0 --database-rtt-ms 5", Limit::LargestService),
        ("--source couchbase --source-latency-ms 50 --providers 100000 --database-cores 64", Limit::Unreachable),
    ] {
        assert_eq!(ask(line).full.limited_by, limit, "{line}");
    }
}

#[test]
fn what_does_not_fit_says_why() {
    let report = ask("--providers 1000000 --within 1m");
    let said = report.problems.join(" ");
    assert!(!report.fits && said.contains("longer than 1m 00s") && said.contains("would do"), "{said}");
    assert!(ask("--providers 1000000 --within 1h").fits);
    assert!(!ask("--providers 5000000000").fits);
}

#[test]
fn the_table_fits_a_page_and_the_names_are_stable() {
    for line in EXAMPLES.iter().map(|(_, line)| *line).chain(["--source couchbase --source-calls 9", "--within 1s"]) {
        for row in ask(line).text().lines() {
            assert!(row.chars().count() <= 110, "{line}: {row}");
        }
    }
    let json: serde_json::Value = serde_json::from_str(&render(&ask(""), Format::Json).unwrap()).unwrap();
    for pointer in ["/data/rows", "/fits", "/full/seconds", "/full/limited_by", "/next/bounds/0/limit", "/limit/change"]
    {
        assert!(json.pointer(pointer).is_some(), "{pointer}");
    }
    insta::assert_snapshot!(ask("").recommendations.iter().map(|each| each.name).collect::<Vec<_>>().join(" "), @"partitions workers.stage-root workers.stage-providers workers.stage-bundles workers.stage-activator stage.batch_size stage.in_flight target.max_writers target.max_connections connections source.read memory.stage-root memory.stage-providers memory.stage-bundles memory.stage-activator disk.copy disk.generation disk.ledger disk.database disk.broker");
}

#[test]
fn a_batch_has_as_many_rows_as_were_measured() {
    assert_eq!(value(&ask(""), "stage.batch_size"), 50);
    assert_eq!(value(&ask("--bundles 0"), "stage.batch_size"), 2_000);
    assert_eq!(value(&ask("--bundles 20000"), "stage.batch_size"), 1);
}

// === the page ===

const PAGE: &str = "docs/capacity.md";

/// The sizes of the page's table, and how each is asked for.
const EXAMPLES: [(&str, &str); 5] = [
    ("the sample catalogue", "--services 20 --providers 284 --bundles 16.03 --fields 11.32 --document-bytes 1201"),
    ("M", ""),
    ("10 × M", "--services 400 --providers 100000 --database-cores 4 --stage-cores 4"),
    ("100 × M", "--services 4000 --providers 1000000 --database-cores 16 --stage-cores 16 --database-rtt-ms 0.5"),
    (
        "1000 × M",
        "--services 40000 --providers 10000000 --database-cores 64 --stage-cores 64 --database-rtt-ms 0.5 --connections 400",
    ),
];

#[test]
fn the_numbers_of_the_page_are_in_step() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(PAGE);
    let page = std::fs::read_to_string(&path).unwrap();
    let mut fresh = String::new();
    let mut found = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        fresh.push_str(&format!("{line}\n"));
        let made = match line {
            "<!-- sizes -->" => Some((sizes(), "<!-- end -->")),
            line => line.strip_prefix("$ sluice capacity").map(|flags| (example(flags), "```")),
        };
        if let Some((text, end)) = made {
            found.push(line);
            fresh.push_str(&format!("{text}{end}\n"));
            assert!(lines.any(|line| line == end), "`{line}` has no end");
        }
    }
    assert!(found.len() >= 4, "{found:?}");
    let constants: Costs = serde_json::from_str(CONSTANTS).unwrap();
    for name in serde_json::to_value(constants).unwrap().as_object().unwrap().keys() {
        assert!(page.contains(&format!("| `{name}` |")), "{PAGE} does not say where `{name}` was measured");
    }
    if std::env::var_os("SLUICE_BLESS").is_some() {
        std::fs::write(&path, &fresh).unwrap();
        return;
    }
    assert!(page == fresh, "{PAGE} is out of step with what the command says; `cargo xtask generate` rewrites it");
}

fn example(flags: &str) -> String {
    format!("{}\n", ask(flags).text().trim_end())
}

fn sizes() -> String {
    let mut text = String::from(
        "| | rows | database, stages | full run | next run, 1 % | workers | batch | connections | database disk | limit |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    for (name, line) in EXAMPLES {
        let (args, report) = (parsed(line).unwrap(), ask(line));
        let table = report.text();
        let cell = |name: &str| {
            let row = table.lines().find(|row| row.split_whitespace().next() == Some(name)).unwrap();
            row.split("  ").filter(|cell| !cell.is_empty()).nth(1).unwrap().trim().to_owned()
        };
        let stages = args.stage_cores.map_or_else(|| "shared".to_owned(), |cores| cores.to_string());
        text.push_str(&format!(
            "| {name} | {} | {}, {stages} | {} | {} | {} | {} | {} | {} | {} |\n",
            crate::text::count(i64::try_from(report.data["rows"]).unwrap()),
            args.database_cores,
            cell("run.full"),
            cell("run.next"),
            cell("workers.stage-bundles"),
            cell("stage.batch_size"),
            cell("connections"),
            cell("disk.database"),
            about(report.full.limited_by).0,
        ));
    }
    text
}
