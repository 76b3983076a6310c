//! The main job, done by separate processes over real servers, gives what the source holds: whatever happens meanwhile.
#![expect(clippy::panic, clippy::expect_used, reason = "test code outside of test functions")]

use std::path::Path;

use e2e::{
    folder::{Edition, Folder},
    pipeline::Pipeline,
    reader::{self, Reader},
    rows::Rows,
};
use serde_json::Value;
use testkit::process::Signal;

/// Two thousand providers below forty services.
const GENERATED: &str = "generator:?services=40&providers=2000&bundles=3&fields=3&seed=7";

/// Providers of one service of the small folder.
const WIDTH: usize = 12;

#[test]
fn the_catalogue_arrives_row_for_row_and_a_second_run_writes_nothing() {
    let catalogue = catalogue();
    let expected = Rows::of_source(&catalogue);
    let pipeline = Pipeline::start(&catalogue);

    let first = pipeline.run(&["--activation", "per-service"]);
    assert_eq!(number(&first, "/providers/stored"), expected.providers.len());
    Rows::of_views(&pipeline.database).assert_equals(&expected);

    let second = pipeline.run(&["--activation", "per-service"]);
    assert!(number(&second, "/generation") > number(&first, "/generation"));
    assert_eq!(number(&second, "/providers/unchanged"), expected.providers.len());
    assert_eq!(number(&second, "/bundles_written"), 0);
    assert_eq!(number(&second, "/subscription_fields_written"), 0);
    Rows::of_views(&pipeline.database).assert_equals(&expected);
    pipeline.stop();
}

#[test]
fn what_is_known_by_its_tag_is_not_read_and_what_an_operator_marks_is_written_anew() {
    let catalogue = catalogue();
    let expected = Rows::of_source(&catalogue);
    let pipeline = Pipeline::start(&catalogue);
    pipeline.run(&["--activation", "per-service"]);

    // Whoever parses a document now finds another digest than the stored one.
    let mut session = pipeline.database.session();
    session.run("UPDATE sluice_provider_content SET digest = REPEAT(CHAR(0), 32)");
    let second = pipeline.run(&["--activation", "per-service"]);
    assert_eq!(number(&second, "/providers/unchanged"), expected.providers.len());
    assert_eq!(number(&second, "/bundles_written"), 0);

    // Without their tags they are read, count as changed, and are written anew.
    session.run("UPDATE sluice_provider_content SET etag = NULL");
    let third = pipeline.run(&["--activation", "per-service"]);
    assert_eq!(number(&third, "/providers/stored"), expected.providers.len());
    Rows::of_views(&pipeline.database).assert_equals(&expected);
    pipeline.stop();
}

#[test]
fn two_thousand_providers_arrive_row_for_row_in_one_move() {
    let pipeline = Pipeline::start(GENERATED);
    let report = pipeline.run(&["--activation", "whole-run"]);
    assert_eq!(number(&report, "/providers/stored"), 2_000);
    Rows::of_views(&pipeline.database).assert_equals(&Rows::of_source(GENERATED));
    pipeline.stop();
}

#[test]
fn a_killed_worker_is_replaced_and_nothing_is_lost_or_doubled() {
    let mut pipeline = Pipeline::start(GENERATED);
    let run = pipeline.start_run(&["--batch-size", "10"]);

    pipeline.wait_for_stored_batches(&run, 10);
    let killed = pipeline.workers.bundles.pop().expect("two workers run");
    killed.kill();
    let stored = pipeline.stored_batches(&run);
    assert!(stored < 200, "the run was over before the worker could be killed");
    let replacement = pipeline.worker("stage-bundles");
    pipeline.workers.bundles.push(replacement);

    let report = pipeline.wait(&run, 0);
    assert_eq!(number(&report, "/batches/stored"), 200);
    Rows::of_views(&pipeline.database).assert_equals(&Rows::of_source(GENERATED));
    // The views could hide what the tables hold twice.
    let mut session = pipeline.database.session();
    assert_eq!(
        session.number("SELECT COUNT(*) FROM sluice_content_bundle"),
        session.number("SELECT COUNT(*) FROM bundles")
    );
    assert_eq!(
        session.number("SELECT COUNT(*) FROM sluice_content_field"),
        session.number("SELECT COUNT(*) FROM subscription_fields")
    );
    pipeline.stop();
}

#[test]
fn a_reader_sees_each_service_complete_and_old_or_complete_and_new() {
    let (pipeline, folder) = with_first_edition("per-service");
    let old = reader::look(&pipeline.database);
    folder.write(Edition::Second);

    let reader = Reader::start(&pipeline.database);
    pipeline.run(&["--activation", "per-service", "--batch-size", "2"]);
    reader.wait_for_another_look();
    let seen = reader.stop();

    let new = reader::look(&pipeline.database);
    Rows::of_views(&pipeline.database).assert_equals(&Rows::of_source(&folder.url()));
    seen.assert_whole_per_service(&old, &new);
    assert!(seen.looks.contains(&old) && seen.looks.contains(&new), "the reader missed the beginning or the end");
    println!("{} looks in {:?}, {} distinct", seen.count, seen.took, seen.looks.len());
    pipeline.stop();
}

#[test]
fn a_reader_sees_all_services_old_or_all_services_new_in_a_whole_run() {
    let (pipeline, folder) = with_first_edition("whole-run");
    let old = reader::look(&pipeline.database);
    folder.write(Edition::Second);

    let reader = Reader::start(&pipeline.database);
    pipeline.run(&["--activation", "whole-run", "--batch-size", "2"]);
    reader.wait_for_another_look();
    let seen = reader.stop();

    let new = reader::look(&pipeline.database);
    Rows::of_views(&pipeline.database).assert_equals(&Rows::of_source(&folder.url()));
    seen.assert_whole_at_once(&old, &new);
    assert!(seen.looks.contains(&old) && seen.looks.contains(&new), "the reader missed the beginning or the end");
    println!("{} looks in {:?}, {} distinct", seen.count, seen.took, seen.looks.len());
    pipeline.stop();
}

#[test]
fn an_aborted_run_leaves_the_views_alone_and_the_next_run_is_complete() {
    let (pipeline, folder) = with_first_edition("abort");
    let before = Rows::of_views(&pipeline.database);
    folder.write(Edition::Second);

    // With its activators stopped, the run is surely open when it is aborted; the other stages are busy with it.
    pipeline.workers.activators.iter().for_each(|activator| activator.signal(Signal::SIGSTOP));
    let run = pipeline.start_run(&["--activation", "whole-run", "--batch-size", "2"]);
    pipeline.wait_for_stored_batches(&run, 3);
    pipeline.sluice(&["run", "abort", &run.id, "--yes", "--reason", "as the test asks"]).run().expect_code(0);
    pipeline.workers.activators.iter().for_each(|activator| activator.signal(Signal::SIGCONT));
    let aborted = pipeline.wait(&run, 1);
    assert_eq!(aborted.pointer("/state").and_then(Value::as_str), Some("aborted"));
    Rows::of_views(&pipeline.database).assert_equals(&before);

    pipeline.run(&["--activation", "whole-run"]);
    Rows::of_views(&pipeline.database).assert_equals(&Rows::of_source(&folder.url()));
    let generation = number(&aborted, "/generation");
    let leftover = format!("SELECT COUNT(*) FROM sluice_provider_content WHERE valid_from = {generation}");
    assert_eq!(pipeline.database.session().number(&leftover), 0, "a worker wrote into the aborted run");
    pipeline.stop();
}

#[test]
fn broken_documents_are_reported_with_their_place_and_stop_nobody_else() {
    let (pipeline, folder) = with_first_edition("broken");
    let before = Rows::of_views(&pipeline.database);
    let mut places = vec![
        folder.append(
            "bundles.jsonl",
            r#"{"id":"b9","provider_id":"p-0","service_id":"moving","subscription_fields":7}"#,
        ),
        folder.append("bundles.jsonl", r#"{"id":"b9","provider_id":"nobody","service_id":"moving"}"#),
    ];
    places.sort();

    // Nothing is tolerated: the service with the broken bundles waits, the others are switched.
    let held = pipeline.start_run(&["--activation", "per-service"]);
    let report = pipeline.wait(&held, 20);
    let mut reported: Vec<&str> = rejects(&report).filter_map(|reject| text(reject, "place")).collect();
    reported.sort_unstable();
    assert_eq!(reported, places, "{report:#}");
    assert!(rejects(&report).all(|reject| text(reject, "reason").is_some_and(|reason| !reason.is_empty())));
    let generation = number(&report, "/generation");
    let switched = format!("SELECT COUNT(DISTINCT service_id) FROM provider_services WHERE generation = {generation}");
    assert_eq!(pipeline.database.session().number(&switched), 3, "`moving` is held, the three others are not");
    pipeline.sluice(&["run", "abort", &held.id, "--yes"]).run().expect_code(0);

    // A line that nobody can be found to own may be that of any service: it holds them all.
    folder.append("providers.jsonl", r#"{"id":"p-99","service_id":"#);
    let held = pipeline.start_run(&["--activation", "per-service"]);
    let report = pipeline.wait(&held, 20);
    assert_eq!((text(&report, "state"), number(&report, "/services/activated")), (Some("held"), 0), "{report:#}");
    assert_eq!(number(&report, "/unreachable"), 2);
    pipeline.sluice(&["run", "abort", &held.id, "--yes"]).run().expect_code(0);

    // Three are tolerated: everything is switched, the provider keeps its last good content, and the command says so.
    let tolerated = pipeline.start_run(&["--tolerate", "3"]);
    let report = pipeline.wait(&tolerated, 20);
    assert_eq!(report.pointer("/state").and_then(Value::as_str), Some("activated"));
    assert_eq!(number(&report, "/providers/rejected"), 1);
    Rows::of_views(&pipeline.database).assert_equals(&before);
    pipeline.stop();
}

/// A pipeline whose target holds the first edition of a folder.
fn with_first_edition(name: &str) -> (Pipeline, Folder) {
    let folder = Folder::new(name, WIDTH);
    // A third of all providers goes with the second edition, and these tests are about other things than the guard.
    let pipeline = Pipeline::start_with(&folder.url(), vec![("SLUICE__RUN__MAX_REMOVED__PERCENT", "100".to_owned())]);
    pipeline.run(&[]);
    Rows::of_views(&pipeline.database).assert_equals(&Rows::of_source(&folder.url()));
    (pipeline, folder)
}

/// URL of the catalogue that ships with the project.
fn catalogue() -> String {
    let folder =
        pipeline_source::sample::unpack(Path::new(env!("CARGO_TARGET_TMPDIR"))).expect("a folder to unpack to");
    format!("file://{}", folder.display())
}

/// A number in a report.
#[track_caller]
fn number(report: &Value, pointer: &str) -> usize {
    let found = report.pointer(pointer).and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok());
    found.unwrap_or_else(|| panic!("no number at {pointer} in {report:#}"))
}

/// The rejected documents in a report.
fn rejects(report: &Value) -> impl Iterator<Item = &Value> {
    report.get("rejects").and_then(Value::as_array).into_iter().flatten()
}

/// A text in a JSON object.
fn text<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get(key).and_then(Value::as_str)
}
