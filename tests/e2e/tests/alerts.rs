//! Dashboards and alerts, asked of real Prometheus: every query has an answer, every alert fires and clears.
//!
//! `cargo xtask observe` runs these tests: it installs Prometheus.
#![expect(clippy::expect_used, reason = "test code outside of test functions")]

use std::{collections::BTreeSet, fs, process::Command};

use e2e::pipeline::Pipeline;
use serde_json::{Value, json};
use testkit::{
    process::Launch,
    prometheus::Prometheus,
    wait::{self, PATIENCE},
};

fn generated(arguments: &[&str]) -> String {
    Launch::binary("sluice").args(["generate"]).args(arguments.iter().copied()).run().expect_code(0).stdout
}

fn promtool(arguments: &[&str]) {
    let output = Command::new("promtool").args(arguments).output().expect("promtool is there: cargo xtask observe");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

fn names(rules: &str) -> BTreeSet<String> {
    rules
        .lines()
        .filter_map(|line| Some(line.trim().trim_start_matches("- ").strip_prefix("alert: ")?.to_owned()))
        .collect()
}

/// Minutes 0–4 are healthy, 5–34 are not, 35–64 are again.
fn gauge(series: &str, healthy: &str, broken: &str) -> Value {
    json!({"series": series, "values": format!("{healthy}x4 {broken}x29 {healthy}x29")})
}

fn gone(series: &str) -> Value {
    json!({"series": series, "values": "1x4 _x30 1x29"})
}

fn counter(series: &str) -> Value {
    json!({"series": series, "values": "0x4 0+3x29 90x29"})
}

fn steady(series: &str, value: &str) -> Value {
    json!({"series": series, "values": format!("{value}x64")})
}

/// For each alert, what is seen of its fault.
fn faults() -> Vec<(&'static str, Vec<Value>)> {
    let not_held = || steady("sluice_run_held{by=\"rejects\"}", "0");
    let stage = |name: &str| format!("sluice_assigned_partitions{{stage=\"{name}\"}}");
    let others = ["providers", "bundles", "activator"].map(|name| steady(&stage(name), "3"));
    vec![
        ("SluiceRunStandsStill", vec![gauge("sluice_run_stands_still_seconds", "0", "700"), not_held()]),
        ("SluiceRunHeld", vec![gauge("sluice_run_held{by=\"rejects\"}", "0", "1")]),
        ("SluiceRunOverdue", vec![gauge("sluice_run_age_seconds", "0", "7200")]),
        (
            "SluiceFanInOverdue",
            vec![
                gauge("sluice_run_pending{part=\"activations\"}", "0", "3"),
                steady("sluice_run_pending{part=\"batches\"}", "0"),
                steady("sluice_run_pending{part=\"services\"}", "0"),
                not_held(),
            ],
        ),
        (
            "SluiceLagGrows",
            vec![gauge("kafka_consumergroup_lag{consumergroup=\"g\",topic=\"t\",partition=\"0\"}", "0", "0+10")],
        ),
        (
            "SluiceLagNearsRetention",
            vec![gauge(
                "kafka_consumergroup_lag_seconds{consumergroup=\"g\",topic=\"t\",partition=\"0\"}",
                "0",
                "500000",
            )],
        ),
        ("SluiceDeadLetters", vec![gauge("sluice_dead_letters_open", "0", "2")]),
        ("SluiceDependencyAway", vec![gauge("sluice_stage_paused{stage=\"root\"}", "0", "1")]),
        ("SluiceStageDown", [&[gone(&stage("root"))], others.as_slice()].concat()),
        ("SluiceStageUnassigned", vec![gauge(&stage("root"), "3", "0")]),
        ("SluiceStale", vec![gauge("sluice_freshness_seconds", "10", "100000")]),
        ("SluiceSchemaRefused", vec![counter("sluice_dead_letters_total{stage=\"root\",code=\"SLUICE-MESSAGE-003\"}")]),
        ("SluiceCommitsFail", vec![counter("sluice_commit_failures_total{stage=\"root\"}")]),
        ("SluiceTimerFails", vec![counter("sluice_tick_failures_total{stage=\"root\"}")]),
        ("SluiceNobodyTellsOfRuns", vec![gone("sluice_run_open")]),
        ("SluiceSpansDropped", vec![counter("sluice_trace_spans_dropped_total{reason=\"not_taken\"}")]),
    ]
}

#[test]
#[ignore = "needs Prometheus: cargo xtask observe"]
fn each_alert_fires_at_its_fault_and_clears_when_it_is_mended() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = generated(&["alerts"]);
    let file = folder.path().join("rules.yml");
    fs::write(&file, &rules).expect("a file can be written");
    promtool(&["check", "rules", &file.to_string_lossy()]);

    let faults = faults();
    assert_eq!(faults.iter().map(|(name, _)| (*name).to_owned()).collect::<BTreeSet<_>>(), names(&rules));
    let looks = |alert: &str| {
        let expr = format!("count by (alertname) (ALERTS{{alertname=\"{alert}\",alertstate=\"firing\"}})");
        let firing = json!([{"labels": format!("{{alertname=\"{alert}\"}}"), "value": 1}]);
        [("4m", json!([])), ("34m", firing), ("58m", json!([]))]
            .map(|(at, samples)| json!({"expr": expr, "eval_time": at, "exp_samples": samples}))
    };
    let tests: Vec<_> = faults
        .iter()
        .map(|(alert, series)| json!({"interval": "1m", "input_series": series, "promql_expr_test": looks(alert)}))
        .collect();
    let document = json!({"rule_files": [file], "evaluation_interval": "1m", "tests": tests});
    let tests = folder.path().join("tests.yml");
    fs::write(&tests, document.to_string()).expect("a file can be written");
    promtool(&["test", "rules", &tests.to_string_lossy()]);
}

#[test]
#[ignore = "needs Prometheus: cargo xtask observe"]
fn every_panel_and_every_rule_has_an_answer_and_a_real_fault_fires_and_clears() {
    let source = "generator:?services=3&providers=60&bundles=2&fields=2&seed=41";
    let pipeline = Pipeline::start(source);
    let workers = &pipeline.workers;
    let all = [&workers.root, &workers.providers].into_iter().chain(&workers.bundles).chain(&workers.activators);
    let targets: Vec<_> = all.map(|worker| worker.admin().to_owned()).collect();
    // The times after which people are told are the rule test's matter.
    let rules = generated(&["alerts"]);
    let at_once: String = rules
        .lines()
        .map(|line| if line.trim().starts_with("for:") { "    for: 0s\n".to_owned() } else { format!("{line}\n") })
        .collect();
    let prometheus = Prometheus::start(&targets, &at_once);
    pipeline.run(&["--batch-size", "5"]);

    let folder = tempfile::tempdir().expect("a folder");
    generated(&["dashboards", "--dir", &folder.path().to_string_lossy()]);
    let mut panels = 0;
    for file in fs::read_dir(folder.path()).expect("a folder of dashboards") {
        let text = fs::read_to_string(file.expect("a file").path()).expect("a dashboard");
        let dashboard: Value = serde_json::from_str(&text).expect("JSON");
        for panel in dashboard["panels"].as_array().expect("panels") {
            for target in panel["targets"].as_array().expect("queries") {
                let query = target["expr"].as_str().expect("a query").replace("$stage", "bundles");
                prometheus.wait_for(&query);
                panels += 1;
            }
        }
    }
    assert!(panels > 25, "{panels} queries");

    // Healthy: nothing fires that a person would be woken by.
    let is_quiet = || {
        let firing = prometheus.firing();
        firing.is_empty().then_some(()).ok_or(firing)
    };
    wait::until_blocking("nothing fires", PATIENCE, || is_quiet().ok());

    pipeline.database.session().run(
        "CREATE TRIGGER hurt BEFORE UPDATE ON sluice_run_batch FOR EACH ROW \
         SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'a planted fault'",
    );
    let run = pipeline.start_run(&["--batch-size", "20"]);
    for alert in ["SluiceDeadLetters", "SluiceRunHeld"] {
        let fires = || prometheus.firing().iter().any(|name| name == alert).then_some(());
        wait::until_blocking(&format!("{alert} fires"), PATIENCE, fires);
    }
    pipeline.database.session().run("DROP TRIGGER hurt");
    pipeline.ask(&["dlq", "replay", "--all", "--yes", "--reason", "mended"], 0);
    pipeline.wait(&run, 0);
    wait::until_blocking("nothing fires any more", PATIENCE, || is_quiet().ok());
    assert_eq!(prometheus.values("max(sluice_dead_letters_open)"), [0.0]);
    pipeline.stop();
}
