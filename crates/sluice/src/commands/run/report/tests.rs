use pipeline_model::ids::{Generation, RunId};
use pipeline_store::{ActivationMode, Tolerance};

use super::*;
use crate::output::{Format, render};

fn report(state: RunState, held: Option<&str>, rejects: usize) -> RunReport {
    let run_id = RunId::parse("01980f6e-3c5a-7cc1-9b1e-0d2c5e8a4f10").unwrap();
    let run = Run {
        run_id,
        generation: Some(Generation(3)),
        state,
        mode: ActivationMode::PerService,
        tolerance: Tolerance::default(),
        scope: vec!["payments".into()],
        batch_size: 50,
        requested_by: "me@here (sluice run start)".to_owned(),
        requested_at_ms: 0,
        started_at_ms: 500,
        finished_at_ms: held.is_none().then_some(2_500),
        reason: None,
        discovered: true,
        max_removed: None,
        unreachable: 0,
        held_at_ms: None,
    };
    let reject = Reject {
        run_id,
        service_id: Some("payments".into()),
        provider_id: None,
        level: "provider".to_owned(),
        document_id: None,
        place: "providers.jsonl:17".to_owned(),
        code: "SLUICE-DOCUMENT-003".to_owned(),
        reason: "`id` is missing".to_owned(),
    };
    let progress = Progress {
        run,
        services: ServiceProgress { expected: Some(1), discovered: 1, planned: 1, activated: 1, removed: 0 },
        batches: BatchProgress { planned: 2, stored: 2 },
        providers: ProviderProgress { planned: 60, stored: 10, unchanged: 50, rejected: 0, skipped: 0 },
        bundles_written: 1_200,
        fields_written: 6_000,
        bundles: 7_200,
        subscription_fields: 36_000,
        held: held.map(str::to_owned),
        exceeded: None,
        removed: Counts { services: 0, providers: 1, bundles: 20, subscription_fields: 100 },
        unreachable: 0,
        planning_complete: true,
    };
    RunReport::new(progress, vec![reject; rejects], false)
}

#[test]
fn the_exit_code_says_how_the_run_ended() {
    assert_eq!(report(RunState::Activated, None, 0).exit(), Exit::Ok);
    assert_eq!(report(RunState::Activated, None, 1).exit(), Exit::Rejects);
    assert_eq!(report(RunState::Running, Some("1 rejected, 0 tolerated"), 1).exit(), Exit::Rejects);
    for ended in [RunState::Aborted, RunState::Failed, RunState::Refused] {
        assert_eq!(report(ended, None, 0).exit(), Exit::Failed, "{ended:?}");
    }
}

#[test]
fn the_text_shows_state_counts_and_rejects() {
    insta::assert_snapshot!(render(&report(RunState::Running, Some("too many rejects"), 21), Format::Table).unwrap(), @"
    run         01980f6e-3c5a-7cc1-9b1e-0d2c5e8a4f10
    state       held: too many rejects
    generation  3
    activation  per-service
    requested   1970-01-01 00:00:00Z by me@here (sluice run start)
    scope       payments
    services    1 of 1 planned, 1 activated, 0 removed
    batches     2 of 2 stored
    providers   60 planned: 10 stored, 50 unchanged, 0 rejected, 0 skipped
    written     1,200 bundles, 6,000 subscription fields
    removed     0 services, 1 providers, 20 bundles, 100 subscription fields

    Rejects:
      providers.jsonl:17: `id` is missing (SLUICE-DOCUMENT-003)
      providers.jsonl:17: `id` is missing (SLUICE-DOCUMENT-003)
      providers.jsonl:17: `id` is missing (SLUICE-DOCUMENT-003)
      providers.jsonl:17: `id` is missing (SLUICE-DOCUMENT-003)
      providers.jsonl:17: `id` is missing (SLUICE-DOCUMENT-003)
      providers.jsonl:17: `id` is missing (SLUICE-DOCUMENT-003)
      providers.jsonl:17: `id` is missing (SLUICE-DOCUMENT-003)
      providers.jsonl:17: `id` is missing (SLUICE-DOCUMENT-003)
      providers.jsonl:17: `id` is missing (SLUICE-DOCUMENT-003)
      providers.jsonl:17: `id` is missing (SLUICE-DOCUMENT-003)
      providers.jsonl:17: `id` is missing (SLUICE-DOCUMENT-003)
      providers.jsonl:17: `id` is missing (SLUICE-DOCUMENT-003)
      providers.jsonl:17: `id` is missing (SLUICE-DOCUMENT-003)
      providers.jsonl:17: `id` is missing (SLUICE-DOCUMENT-003)
      providers.jsonl:17: `id` is missing (SLUICE-DOCUMENT-003)
      providers.jsonl:17: `id` is missing (SLUICE-DOCUMENT-003)
      providers.jsonl:17: `id` is missing (SLUICE-DOCUMENT-003)
      providers.jsonl:17: `id` is missing (SLUICE-DOCUMENT-003)
      providers.jsonl:17: `id` is missing (SLUICE-DOCUMENT-003)
      providers.jsonl:17: `id` is missing (SLUICE-DOCUMENT-003)
      and 1 more: see `-o json`
    ");
}

#[test]
fn the_json_has_the_names_that_scripts_rely_on() {
    insta::assert_snapshot!(render(&report(RunState::Activated, None, 1), Format::Json).unwrap(), @r#"
    {
      "run_id": "01980f6e-3c5a-7cc1-9b1e-0d2c5e8a4f10",
      "generation": 3,
      "state": "activated",
      "activation": "per-service",
      "tolerance": {
        "max_providers": null,
        "max_percent": null
      },
      "max_removed": null,
      "scope": [
        "payments"
      ],
      "batch_size": 50,
      "requested_by": "me@here (sluice run start)",
      "requested_at_ms": 0,
      "started_at_ms": 500,
      "finished_at_ms": 2500,
      "reason": null,
      "discovered": true,
      "held_at_ms": null,
      "services": {
        "expected": 1,
        "discovered": 1,
        "planned": 1,
        "activated": 1,
        "removed": 0
      },
      "batches": {
        "planned": 2,
        "stored": 2
      },
      "providers": {
        "planned": 60,
        "stored": 10,
        "unchanged": 50,
        "rejected": 0,
        "skipped": 0
      },
      "bundles": 7200,
      "subscription_fields": 36000,
      "removed": {
        "services": 0,
        "providers": 1,
        "bundles": 20,
        "subscription_fields": 100
      },
      "bundles_written": 1200,
      "subscription_fields_written": 6000,
      "planning_complete": true,
      "held": null,
      "exceeded": null,
      "unreachable": 0,
      "rejects": [
        {
          "run_id": "01980f6e-3c5a-7cc1-9b1e-0d2c5e8a4f10",
          "service_id": "payments",
          "provider_id": null,
          "level": "provider",
          "document_id": null,
          "place": "providers.jsonl:17",
          "code": "SLUICE-DOCUMENT-003",
          "reason": "`id` is missing"
        }
      ],
      "more_rejects": false,
      "dead_letters": 0,
      "eta": {
        "root": null,
        "providers": null,
        "bundles": null,
        "activator": null
      },
      "eta_error": {
        "at_10_percent": null,
        "at_50_percent": null,
        "at_90_percent": null
      }
    }
    "#);
}
