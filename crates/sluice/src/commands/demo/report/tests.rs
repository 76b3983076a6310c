use super::*;
use crate::output::{Format, render};

fn report() -> DemoReport {
    let counts = Counts { services: 20, providers: 284, bundles: 4_552, subscription_fields: 51_549 };
    DemoReport {
        run_id: "01980f6e-3c5a-7cc1-9b1e-0d2c5e8a4f10".to_owned(),
        state: "activated".to_owned(),
        counts,
        source_counts: counts,
        equal: true,
        generation: Some(1),
        unchanged_providers: 0,
        removed: Counts::default(),
        bundles_written: 4_552,
        subscription_fields_written: 51_549,
        source: "the sample catalogue".to_owned(),
        target: "sqlite:///home/me/sluice-demo.db".to_owned(),
        rejects: Vec::new(),
        more_rejects: false,
        reason: None,
        duration_ms: 6_420,
        stage_durations_ms: StageDurations { root: Some(12), bundles: Some(1_300), ..StageDurations::default() },
        program: "sluice".to_owned(),
        place: String::new(),
    }
}

fn with_rejects(number: usize) -> DemoReport {
    let reject = |line: usize| Reject {
        run_id: pipeline_model::ids::RunId::parse("01980f6e-3c5a-7cc1-9b1e-0d2c5e8a4f10").unwrap(),
        service_id: None,
        provider_id: None,
        place: format!("providers.jsonl:{line}"),
        level: "provider".to_owned(),
        document_id: None,
        code: "SLUICE-DOCUMENT-003".to_owned(),
        reason: "`id` is missing".to_owned(),
    };
    let counts = Counts { providers: 280, ..report().counts };
    DemoReport { rejects: (1..=number).map(reject).collect(), counts, equal: false, ..report() }
}

#[test]
fn the_text_shows_both_counts_and_how_to_look() {
    insta::assert_snapshot!(render(&report(), Format::Table).unwrap(), @"
                         SOURCE    COPY
    provider services        20      20  equal
    providers               284     284  equal
    bundles               4,552   4,552  equal
    subscription fields  51,549  51,549  equal

    run         01980f6e-3c5a-7cc1-9b1e-0d2c5e8a4f10
    state       activated
    generation  1
    unchanged   0 of 284 providers
    written     4,552 bundles, 51,549 subscription fields
    removed     0 providers, 0 bundles, 0 subscription fields
    took        6.4 s (root 12 ms, bundles 1.3 s)
    source      the sample catalogue
    target      sqlite:///home/me/sluice-demo.db

    Look at it:
      sqlite3 -header -column /home/me/sluice-demo.db 'select service_id, provider_id, bundle_id, name from bundles limit 5'

    Try next:
      sluice demo    again: nothing changed, so nothing is written
      sluice dev     keep it running, and start runs from another shell
      sluice demo --source 'generator:?services=40&providers=10000&bundles=20&fields=5&seed=1' --target generated.db
    ");
}

#[test]
fn the_json_has_the_names_that_scripts_rely_on() {
    insta::assert_snapshot!(render(&report(), Format::Json).unwrap(), @r#"
    {
      "run_id": "01980f6e-3c5a-7cc1-9b1e-0d2c5e8a4f10",
      "state": "activated",
      "services": 20,
      "providers": 284,
      "bundles": 4552,
      "subscription_fields": 51549,
      "source_counts": {
        "services": 20,
        "providers": 284,
        "bundles": 4552,
        "subscription_fields": 51549
      },
      "equal": true,
      "generation": 1,
      "unchanged_providers": 0,
      "removed": {
        "services": 0,
        "providers": 0,
        "bundles": 0,
        "subscription_fields": 0
      },
      "bundles_written": 4552,
      "subscription_fields_written": 51549,
      "source": "the sample catalogue",
      "target": "sqlite:///home/me/sluice-demo.db",
      "rejects": [],
      "more_rejects": false,
      "duration_ms": 6420,
      "stage_durations_ms": {
        "root": 12,
        "providers": null,
        "bundles": 1300,
        "activator": null
      }
    }
    "#);
}

#[test]
fn rejects_are_shown_up_to_a_bound() {
    insta::assert_snapshot!(with_rejects(12).rejects_text().trim(), @"
    These documents were rejected; the rest of the copy is complete:
      providers.jsonl:1: `id` is missing (SLUICE-DOCUMENT-003)
      providers.jsonl:2: `id` is missing (SLUICE-DOCUMENT-003)
      providers.jsonl:3: `id` is missing (SLUICE-DOCUMENT-003)
      providers.jsonl:4: `id` is missing (SLUICE-DOCUMENT-003)
      providers.jsonl:5: `id` is missing (SLUICE-DOCUMENT-003)
      providers.jsonl:6: `id` is missing (SLUICE-DOCUMENT-003)
      providers.jsonl:7: `id` is missing (SLUICE-DOCUMENT-003)
      providers.jsonl:8: `id` is missing (SLUICE-DOCUMENT-003)
      providers.jsonl:9: `id` is missing (SLUICE-DOCUMENT-003)
      providers.jsonl:10: `id` is missing (SLUICE-DOCUMENT-003)
      and 2 more: see `-o json`
    ");
}

#[test]
fn a_difference_without_rejects_is_a_failure() {
    assert_eq!(report().exit(), Exit::Ok);
    assert_eq!(with_rejects(1).exit(), Exit::Rejects);
    assert_eq!(DemoReport { equal: false, ..report() }.exit(), Exit::Failed);
    assert_eq!(DemoReport { state: "failed".to_owned(), ..report() }.exit(), Exit::Failed);
}

#[test]
fn the_path_is_one_word_for_the_shell() {
    assert_eq!(sqlite_path("sqlite:///a/b.db?mode=rwc").as_deref(), Some("/a/b.db"));
    assert_eq!(sqlite_path("sqlite:///pct%2541.db").as_deref(), Some("/pct%41.db"));
    assert_eq!(sqlite_path("mysql://u@h/db"), None);
}
