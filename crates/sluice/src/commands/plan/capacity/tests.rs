//! The arithmetic holds what it promises for any question, agrees with what was measured, and the page shows its answers.

use std::path::Path;

use clap::Parser;
use pipeline_settings::settings::Settings;
use proptest::prelude::*;

use super::{
    CapacityArgs, Question, answer,
    costs::{self, Costs, Published, ROWS_OF_M, ROWS_OF_S},
    model::{Limit, Run},
    report::{CapacityReport, size},
    sizing,
};
use crate::output::{Format, Report, render};

/// What the command line of the verb is made of.
#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: CapacityArgs,
}

fn ask(line: &str) -> CapacityReport {
    let words = std::iter::once("capacity").chain(line.split_whitespace());
    let args = Line::try_parse_from(words).unwrap_or_else(|error| panic!("{line}: {error}")).args;
    answer(&Costs::measured().unwrap(), &Question::from(&args))
}

fn value(report: &CapacityReport, name: &str) -> u64 {
    let found = report.recommendations.iter().find(|each| each.name == name);
    found.unwrap_or_else(|| panic!("no `{name}`")).value
}

// === against what was measured ===

#[test]
fn every_measurement_that_the_model_needs_is_published() {
    let costs = Costs::measured().unwrap();
    for constant in costs.table() {
        assert!(constant.value.is_finite() && constant.value >= 0.0, "{constant:?}");
        assert!(!constant.origin.is_empty(), "{constant:?}");
    }
}

/// The model's time over the measured one.
fn against(measured: f64, run: &Run, what: &str) {
    let factor = run.seconds / measured;
    assert!((1.0 / 1.5..=1.5).contains(&factor), "{what}: predicted {:.2} s, measured {measured:.2} s", run.seconds);
}

#[test]
fn what_was_measured_is_predicted_within_a_factor_of_one_and_a_half() {
    let published = Published::read().unwrap();
    let rate = published.median_of("load", "M", "Sluice").unwrap();
    against(ROWS_OF_M / rate, &ask("").full, "load M");
    against(published.median_of("again", "M", "second run").unwrap(), &ask("").next, "again M");
    let rate = published.median_of("load", "S", "Sluice").unwrap();
    against(ROWS_OF_S / rate, &ask("--providers 1000").full, "load S");
    for workers in [1, 2, 4] {
        let scale = "--providers 6000 --bundles 1 --fields 1 --batch-size 5 --source-latency-ms 200 --in-flight 8";
        let run = ask(&format!("{scale} --max-writers 3 --workers {workers}")).full;
        assert_eq!(run.limited_by, Limit::Source);
        against(published.median_of("scale", "", &format!("workers: {workers}")).unwrap(), &run, "scale");
    }
}

#[test]
fn memory_limits_are_above_what_was_measured() {
    let published = Published::read().unwrap();
    for (line, figure) in [("", "M"), ("--providers 1000", "S")] {
        let report = ask(line);
        for stage in ["stage-root", "stage-providers", "stage-bundles", "stage-activator"] {
            let peak = published.median_of("memory", figure, stage).unwrap() * 1024.0 * 1024.0;
            let limit = value(&report, &format!("memory.{stage}")) as f64;
            assert!(limit > peak && limit < 3.0 * peak, "{stage} at {figure}: {limit} for {peak}");
        }
    }
}

// === for any question ===

prop_compose! {
    /// Surroundings and data of any size.
    fn questions()(
        services in 1_u64..5_000, per_service in 1_u64..5_000, bundles in 0_u32..60, fields in 0_u32..20,
        largest in 0_u32..=100, couchbase: bool, latency in 0_u32..300, calls in prop::option::of(1_u32..500),
        rtt in 0_u32..50, inserts: bool, cores in 1_u32..128, stage_cores in prop::option::of(1_u32..256),
        worker_cores in 1_u32..16, connections in 5_u32..400, changed in 0_u32..=100,
    ) -> CapacityArgs {
        let mut args = Line::try_parse_from(["capacity"]).unwrap().args;
        (args.services, args.providers) = (services, services * per_service);
        (args.bundles, args.fields) = (f64::from(bundles), f64::from(fields));
        args.largest_service = Some(f64::from(largest));
        args.source = couchbase.then_some(super::SourceKind::Couchbase);
        args.source_latency_ms = f64::from(latency);
        args.source_calls = calls.filter(|_| couchbase);
        args.database_rtt_ms = f64::from(rtt) / 10.0;
        args.inserts = inserts;
        (args.database_cores, args.stage_cores, args.worker_cores) = (cores, stage_cores, worker_cores);
        (args.connections, args.changed) = (connections, f64::from(changed));
        args
    }
}

fn answered(args: &CapacityArgs) -> CapacityReport {
    answer(&Costs::measured().unwrap(), &Question::from(args))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_connections_never_exceed_the_bound(args in questions()) {
        let report = answered(&args);
        prop_assert!(value(&report, "connections") <= u64::from(args.connections));
        let (writers, connections) = (value(&report, "target.max_writers"), value(&report, "target.max_connections"));
        prop_assert!(!args.inserts || writers <= connections, "writers that insert share the connections");
    }

    #[test]
    fn every_worker_has_partitions_and_every_number_is_usable(args in questions()) {
        let report = answered(&args);
        for stage in ["stage-root", "stage-providers", "stage-bundles", "stage-activator"] {
            let workers = value(&report, &format!("workers.{stage}"));
            prop_assert!(workers >= 1 && value(&report, "partitions") >= workers, "{stage}");
        }
        prop_assert!((1..=5_000).contains(&value(&report, "stage.batch_size")));
        prop_assert!((1..=1_024).contains(&value(&report, "stage.in_flight")));
        prop_assert!(report.full.seconds.is_finite() && report.full.seconds > 0.0);
        let unchanged = answered(&CapacityArgs { changed: 0.0, ..args });
        prop_assert!(unchanged.next.seconds <= unchanged.full.seconds);
    }

    #[test]
    fn more_processors_of_the_database_never_make_it_slower(args in questions()) {
        let twice = CapacityArgs { database_cores: args.database_cores * 2, ..args.clone() };
        prop_assert!(answered(&twice).full.seconds <= answered(&args).full.seconds * 1.000_001);
    }

    #[test]
    fn what_makes_it_harder_never_makes_it_faster(args in questions()) {
        let seconds = answered(&args).full.seconds;
        let harder = [
            CapacityArgs { providers: args.providers * 2, services: args.services * 2, ..args.clone() },
            CapacityArgs { source_latency_ms: args.source_latency_ms * 2.0, ..args.clone() },
            CapacityArgs { database_rtt_ms: args.database_rtt_ms * 2.0, ..args.clone() },
        ];
        for harder in harder {
            prop_assert!(answered(&harder).full.seconds >= seconds * 0.999_999, "{harder:?}");
        }
    }

    #[test]
    fn more_data_in_the_same_time_never_needs_fewer_workers(args in questions(), minutes in 1_u64..600) {
        let within = Some(std::time::Duration::from_secs(minutes * 60));
        // Larger batches, which a larger service gets, would be a reason for fewer.
        let args = CapacityArgs { within, batch_size: Some(50), ..args };
        let more = CapacityArgs { providers: args.providers * 3, ..args.clone() };
        let (few, many) = (answered(&args), answered(&more));
        // Where the time cannot be kept, no number of workers is the right one.
        prop_assume!(many.fits);
        prop_assert!(value(&many, "workers.stage-bundles") >= value(&few, "workers.stage-bundles"));
    }

    #[test]
    fn a_time_that_can_be_kept_is_kept(args in questions()) {
        let best = answered(&args).full.seconds;
        let relaxed = std::time::Duration::from_secs_f64(best * 4.0 + 10.0);
        let kept = answered(&CapacityArgs { within: Some(relaxed), ..args });
        prop_assert!(kept.full.seconds <= relaxed.as_secs_f64());
    }

    #[test]
    fn more_workers_than_worked_out_are_no_faster(args in questions()) {
        let report = answered(&args);
        let one_more = u32::try_from(value(&report, "workers.stage-bundles") + 1).unwrap();
        let forced = CapacityArgs { workers: Some(one_more), connections: args.connections * 2, ..args.clone() };
        let same = CapacityArgs { connections: args.connections * 2, ..args };
        prop_assert!(answered(&forced).full.seconds >= answered(&same).full.seconds * 0.999_999);
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
    assert!(!report.fits);
    let said = report.problems.join(" ");
    assert!(said.contains("longer than 1m 00s") && said.contains("would do"), "{said}");
    assert!(ask("--providers 1000000 --within 1h").fits);
}

#[test]
fn the_table_fits_a_page_and_the_names_are_stable() {
    for line in EXAMPLES.iter().map(|(_, line)| *line).chain(["--source couchbase --source-calls 9", "--within 1s"]) {
        let report = ask(line);
        for row in report.text().lines() {
            assert!(row.chars().count() <= 100, "{line}: {row}");
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
fn sizes_show_the_digits_that_matter() {
    assert_eq!(
        [1_024, 33_554_432, 1_500_000_000, 5_000_000_000_000].map(size),
        ["1.0 KiB", "32 MiB", "1.4 GiB", "4.5 TiB"]
    );
}

#[test]
fn a_batch_has_as_many_rows_as_were_measured() {
    assert_eq!(value(&ask(""), "stage.batch_size"), 50);
    assert_eq!(value(&ask("--bundles 0"), "stage.batch_size"), 2_000);
    assert_eq!(value(&ask("--bundles 20000"), "stage.batch_size"), 1);
}

#[test]
fn what_the_model_takes_from_the_store_and_the_settings_is_what_they_have() {
    let settings = Settings::default();
    assert_eq!(sizing::DEFAULT_IN_FLIGHT, settings.stage.in_flight);
    assert_eq!(sizing::DEFAULT_CONNECTIONS, settings.target.max_connections);
    assert_eq!(sizing::DEFAULT_WRITERS, f64::from(settings.target.max_writers));
    assert_eq!(sizing::DEFAULT_READS, settings.source.couchbase.concurrent_reads);
    assert_eq!(costs::DOCUMENTS_PER_PAGE, f64::from(settings.source.couchbase.page_size));
    assert_eq!(costs::ROWS_PER_STATEMENT, pipeline_store::ROWS_PER_STATEMENT as f64);
    assert_eq!(costs::BYTES_PER_LOAD, pipeline_store::BYTES_PER_LOAD as f64);
    assert_eq!(costs::IDS_PER_QUERY, pipeline_store::IDS_PER_QUERY as f64);
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
            "<!-- constants -->" => Some((constants(), "<!-- end -->")),
            line => line.strip_prefix("$ sluice plan capacity").map(|flags| (example(flags), "```")),
        };
        if let Some((text, end)) = made {
            found.push(line);
            fresh.push_str(&format!("{text}{end}\n"));
            assert!(lines.any(|line| line == end), "`{line}` has no end");
        }
    }
    assert!(found.len() >= 5, "{found:?}");
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
        let report = ask(line);
        let table = report.text();
        let cell = |name: &str| {
            let row = table.lines().find(|row| row.split_whitespace().next() == Some(name)).unwrap();
            row.split("  ").filter(|cell| !cell.is_empty()).nth(1).unwrap().trim().to_owned()
        };
        let args = Line::try_parse_from(std::iter::once("capacity").chain(line.split_whitespace())).unwrap().args;
        let stages = args.stage_cores.map_or_else(|| "shared".to_owned(), |cores| cores.to_string());
        text.push_str(&format!(
            "| {name} | {} | {}, {stages} | {} | {} | {} | {} | {} | {} | {} |\n",
            crate::text::count(i64::try_from(report.rows()).unwrap()),
            args.database_cores,
            cell("full"),
            cell("1"),
            cell("workers.stage-bundles"),
            cell("stage.batch_size"),
            cell("connections"),
            cell("disk.database"),
            super::advice::about(report.full.limited_by).name,
        ));
    }
    text
}

fn constants() -> String {
    let mut text = String::from("| constant | value | measured |\n|---|---|---|\n");
    for each in Costs::measured().unwrap().table() {
        let value = if each.value >= 1_000.0 { each.value.round() } else { (each.value * 1_000.0).round() / 1_000.0 };
        text.push_str(&format!("| `{}` | {value} {} | {} |\n", each.name, each.unit, each.origin));
    }
    text
}
