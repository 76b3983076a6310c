//! The trace of a run, as real Jaeger gives it: one tree, whoever ended the run, and never too large to be opened.
//!
//! `cargo xtask observe` runs these tests: it builds Jaeger.
#![expect(clippy::expect_used, reason = "test code outside of test functions")]

use std::collections::{BTreeSet, HashSet};

use e2e::pipeline::{Pipeline, StartedRun};
use serde_json::Value;
use testkit::{
    jaeger::{Jaeger, Span, drawn},
    process::Signal,
    wait::{self, PATIENCE},
};

const REQUESTED: &str = "sluice.sync.run-requested.v1";
const DISCOVERED: &str = "sluice.sync.service-discovered.v1";
const PLANNED: &str = "sluice.sync.batch-planned.v1";
const CONFIRMED: &str = "sluice.sync.confirmed.v1";

fn traced(source: &str, endpoint: &str) -> Pipeline {
    let environment = vec![
        ("SLUICE__TELEMETRY__OTLP_ENDPOINT", endpoint.to_owned()),
        ("SLUICE__TELEMETRY__SLOW_BATCH_MS", "1500".to_owned()),
        ("OTEL_BSP_SCHEDULE_DELAY", "500".to_owned()),
    ];
    Pipeline::start_with(source, environment)
}

/// The root is there, and everything that another span names: exporters send at times of their own.
fn has_root(spans: &[Span]) -> bool {
    let ids: HashSet<&str> = spans.iter().map(|span| span.id.as_str()).collect();
    let is_there = |id: &String| ids.contains(id.as_str());
    spans.iter().any(|span| span.name == "run")
        && spans.iter().all(|span| span.parent.iter().all(is_there) && span.links.iter().all(is_there))
}

/// The spans of messages of a topic.
fn of<'a>(spans: &'a [Span], topic: &str) -> Vec<&'a Span> {
    let name = format!("process {topic}");
    spans.iter().filter(|span| span.name == name).collect()
}

fn below<'a>(spans: &'a [Span], above: &Span) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.parent.as_deref() == Some(&above.id)).collect()
}

/// The batches of a service that the trace has.
fn batches(spans: &[Span], service: &str) -> BTreeSet<i64> {
    let found = of(spans, PLANNED).into_iter().filter(|span| span.tag("sluice.service.id") == service);
    found.map(|span| span.tag("sluice.batch.no").parse().expect("a number")).collect()
}

/// Every span but the root has the one above it in the trace.
fn assert_one_tree(spans: &[Span], root: &str) {
    let ids: HashSet<&str> = spans.iter().map(|span| span.id.as_str()).collect();
    assert_eq!(ids.len(), spans.len(), "ids are given once");
    for span in spans {
        match &span.parent {
            None => assert_eq!(span.id, root, "{}", span.name),
            Some(parent) => assert!(ids.contains(parent.as_str()) || parent == root, "{} hangs in the air", span.name),
        }
        for link in &span.links {
            assert!(ids.contains(link.as_str()), "{} is linked to what is not there", span.name);
        }
    }
    assert!(spans.len() < 5_000, "{} spans", spans.len());
}

fn root_of(run: &str) -> String {
    run.replace('-', "")[16..].to_owned()
}

fn services(pipeline: &Pipeline) -> Vec<String> {
    pipeline.database.session().rows("SELECT service_id FROM provider_services ORDER BY service_id").concat()
}

/// From now on a batch takes two seconds, and another one cannot be stored.
fn hurt(pipeline: &Pipeline, slow: (&str, i64), broken: (&str, i64)) {
    let sql = format!(
        "DELIMITER //\nCREATE TRIGGER hurt BEFORE UPDATE ON sluice_run_batch FOR EACH ROW BEGIN \
         IF NEW.state = 'stored' AND NEW.service_id = '{}' AND NEW.batch_no = {} THEN DO SLEEP(2); END IF; \
         IF NEW.state = 'stored' AND NEW.service_id = '{}' AND NEW.batch_no = {} THEN \
         SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'a planted fault'; END IF; END//\nDELIMITER ;\nSELECT 1",
        slow.0, slow.1, broken.0, broken.1
    );
    pipeline.database.session().run(&sql);
}

fn wait_for_letter(pipeline: &Pipeline, run: &StartedRun) {
    let sql = format!("SELECT COUNT(*) FROM sluice_dead_letter WHERE run_id = '{}'", run.id);
    wait::until_blocking("a dead letter is noted", PATIENCE, || {
        (pipeline.database.session().number(&sql) > 0).then_some(())
    });
}

#[test]
#[ignore = "needs Jaeger: cargo xtask observe"]
fn a_run_is_one_tree_from_the_request_to_the_activations() {
    let jaeger = Jaeger::start();
    let source = "generator:?services=5&providers=600&bundles=2&fields=2&seed=7";
    let pipeline = traced(source, &jaeger.endpoint());
    pipeline.run(&["--batch-size", "10"]);
    let ids = services(&pipeline);
    hurt(&pipeline, (&ids[1], 7), (&ids[2], 11));

    let run = pipeline.start_run(&["--batch-size", "10"]);
    wait_for_letter(&pipeline, &run);
    pipeline.database.session().run("DROP TRIGGER hurt");
    pipeline.ask(&["dlq", "replay", "--all", "--yes", "--reason", "mended"], 0);
    pipeline.wait(&run, 0);

    let root = root_of(&run.id);
    let spans =
        jaeger.trace(&run.id, |spans| has_root(spans) && spans.iter().filter(|it| it.name == "activate").count() == 5);
    let tree = drawn(&spans);
    // For a person who wants to look: `-- --nocapture`.
    println!("{tree}{}", pipeline.sluice(&["run", "trace", &run.id]).run().expect_code(0).stdout);
    assert_one_tree(&spans, &root);
    let run_span = spans.iter().find(|span| span.name == "run").expect("a root");
    assert_eq!((run_span.id.as_str(), run_span.tag("sluice.run.state").as_str()), (root.as_str(), "activated"));
    assert_eq!(run_span.tag("sluice.run.providers"), "600");

    // The request, sent by the command, and the services below it.
    let sent =
        below(&spans, run_span).into_iter().find(|span| span.name == format!("send {REQUESTED}")).expect("a request");
    assert_eq!(sent.service, "sluice");
    let [requested] = below(&spans, sent)[..] else { panic!("{tree}") };
    assert_eq!(requested.name, format!("process {REQUESTED}"));
    let discovered = of(&spans, DISCOVERED);
    let found: BTreeSet<_> = discovered.iter().map(|span| span.tag("sluice.service.id")).collect();
    assert_eq!(found, ids.iter().cloned().collect(), "{tree}");
    assert!(discovered.iter().all(|span| span.parent.as_ref() == Some(&requested.id)));

    // The sample is there, and what was slow or failed, with what it did at the database and the source.
    for service in &ids {
        assert!(batches(&spans, service).is_superset(&[0, 1, 2, 4, 8].into()), "{tree}");
    }
    let batch = |service: &str, number: &str| {
        let all = of(&spans, PLANNED).into_iter();
        all.filter(|it| it.tag("sluice.service.id") == service && it.tag("sluice.batch.no") == number)
            .collect::<Vec<_>>()
    };
    let [slow] = batch(&ids[1], "7")[..] else { panic!("{tree}") };
    assert!(slow.duration > 1_500_000, "{tree}");
    let work = below(&spans, slow);
    let stored = work.iter().find(|span| span.name == "store batch").unwrap_or_else(|| panic!("{tree}"));
    assert_eq!(
        (stored.tag("db.system.name"), stored.tag("sluice.db.committed")),
        ("mysql".to_owned(), "true".to_owned())
    );
    assert_eq!(stored.tag("db.namespace"), pipeline.database.name);
    assert!(work.iter().any(|span| span.tag("db.system.name") == "generator"), "{tree}");

    // A letter and its replay stand where they belong.
    let failed: Vec<_> = batch(&ids[2], "11");
    let [first, again] = failed[..] else { panic!("{tree}") };
    let (first, again) = if first.has_failed() { (first, again) } else { (again, first) };
    assert!(first.has_failed() && first.tag("error.type").starts_with("SLUICE-"), "{tree}");
    assert!(!again.has_failed());
    let replay = spans.iter().find(|span| Some(&span.id) == again.parent.as_ref()).expect("what it is below");
    assert_eq!((replay.name.as_str(), replay.service.as_str()), (&*format!("send {PLANNED}"), "sluice"));

    // Each service is switched once, and says what for.
    for activation in spans.iter().filter(|span| span.name == "activate") {
        assert_eq!(activation.parent.as_ref(), Some(&root));
        assert!(activation.links.len() <= 128);
        let linked: Vec<_> = spans.iter().filter(|span| activation.links.contains(&span.id)).collect();
        assert!(linked.iter().all(|span| span.name == format!("process {CONFIRMED}")), "{tree}");
        assert!(
            below(&spans, activation).iter().any(|span| span.tag("db.operation.name") == "activate service"),
            "{tree}"
        );
    }
    assert!(spans.iter().any(|span| span.name == "activate" && !span.links.is_empty()), "{tree}");
    pipeline.stop();
}

#[test]
#[ignore = "needs Jaeger: cargo xtask observe"]
fn a_run_that_is_held_can_be_read_and_one_that_is_aborted_says_so() {
    let jaeger = Jaeger::start();
    let pipeline = traced("generator:?services=3&providers=60&bundles=2&fields=2&seed=8", &jaeger.endpoint());
    let first = pipeline.start_run(&["--batch-size", "5"]);
    pipeline.wait(&first, 0);
    let ids = services(&pipeline);
    hurt(&pipeline, (&ids[0], -1), (&ids[1], 3));

    let run = pipeline.start_run(&["--batch-size", "5", "--activation", "whole-run"]);
    wait_for_letter(&pipeline, &run);
    // Open: everything but the root is there, and has a place.
    let open = jaeger.trace(&run.id, |spans| of(spans, PLANNED).iter().any(|span| span.has_failed()));
    assert!(!open.iter().any(|span| span.name == "run"));
    assert_one_tree(&open, &root_of(&run.id));

    pipeline.ask(&["run", "abort", &run.id, "--yes", "--reason", "not today"], 0);
    let ended = jaeger.trace(&run.id, has_root);
    assert_one_tree(&ended, &root_of(&run.id));
    let root = ended.iter().find(|span| span.name == "run").expect("a root");
    assert_eq!(root.tag("sluice.run.state"), "aborted");
    assert!(root.has_failed(), "{}", drawn(&ended));

    // A request that makes no run has a trace that says so: another run is open.
    let root_stage = &pipeline.workers.root;
    root_stage.signal(Signal::SIGSTOP);
    let asked = [pipeline.start_run(&[]), pipeline.start_run(&[])];
    root_stage.signal(Signal::SIGCONT);
    let refused = wait::until_blocking("a request is refused", PATIENCE, || {
        pipeline.database.session().rows("SELECT run_id FROM sluice_run WHERE state = 'refused'").concat().pop()
    });
    assert!(asked.iter().any(|run| run.id == refused));
    let trace = jaeger.trace(&refused, has_root);
    assert_one_tree(&trace, &root_of(&refused));
    let state = |spans: &[Span]| spans.iter().find(|span| span.name == "run").map(|span| span.tag("sluice.run.state"));
    assert_eq!(state(&trace).as_deref(), Some("refused"));
    pipeline.stop();
}

#[test]
#[ignore = "needs Jaeger: cargo xtask observe"]
fn a_trace_of_ten_thousand_providers_is_small_enough_to_be_opened() {
    let jaeger = Jaeger::start();
    let source = "generator:?services=40&providers=10000&bundles=2&fields=2&seed=9";
    let pipeline = traced(source, &jaeger.endpoint());
    let run = pipeline.start_run(&["--batch-size", "10"]);
    pipeline.wait(&run, 0);
    let complete = |spans: &[Span]| has_root(spans) && spans.iter().filter(|it| it.name == "activate").count() == 40;
    let spans = jaeger.trace(&run.id, complete);
    assert_one_tree(&spans, &root_of(&run.id));
    assert_eq!(of(&spans, DISCOVERED).len(), 40);
    assert!(of(&spans, PLANNED).len() >= 40 * 6, "{} of 1,000 batches", of(&spans, PLANNED).len());
    pipeline.stop();
}

#[test]
#[ignore = "needs Jaeger: cargo xtask observe"]
fn a_collector_that_is_away_costs_spans_and_nothing_else() {
    let pipeline = traced("generator:?services=3&providers=60&bundles=2&fields=2&seed=10", "http://127.0.0.1:9");
    let report: Value = pipeline.run(&["--batch-size", "5"]);
    assert_eq!(report["state"], "activated");
    let root = &pipeline.workers.root;
    wait::until_blocking("lost spans are counted", PATIENCE, || {
        (root.metric("sluice_trace_spans_dropped_total") > 0.0).then_some(())
    });
    pipeline.stop();
}
