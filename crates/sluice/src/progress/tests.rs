use super::*;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn observe(model: &mut Model, at: u64, snapshot: &Snapshot) -> View {
    model.observe(seconds(at), snapshot, &Estimate::default())
}

/// A run of 2 services and 100 providers, with so many services planned and providers settled.
fn snapshot(planned: i64, settled: i64) -> Snapshot {
    Snapshot {
        state: "running".to_owned(),
        services: ServiceProgress { expected: Some(2), discovered: 2, planned, ..ServiceProgress::default() },
        planning_complete: planned == 2,
        batches: BatchProgress { planned, stored: settled / 50 },
        providers: ProviderProgress { planned: planned * 50, stored: settled, ..ProviderProgress::default() },
        ..Snapshot::default()
    }
}

#[test]
fn before_the_root_stage_nothing_is_known() {
    let view = observe(&mut Model::default(), 0, &Snapshot { state: "running".to_owned(), ..Snapshot::default() });
    insta::assert_snapshot!(view.lines().join("\n"), @"
    root       0/? services discovered
    providers  0/? services planned
    bundles    0/? batches stored
    activator  0/? services activated
    ETA unknown
    ");
}

#[test]
fn the_eta_of_run_and_stages_is_the_ledgers() {
    let span = |ms| Span { earliest_ms: ms / 2, expected_ms: ms, latest_ms: ms * 2 };
    let estimate = Estimate { bundles: Some(span(12_000)), activator: Some(span(12_400)), ..Estimate::default() };
    let view = Model::default().observe(seconds(8), &snapshot(2, 40), &estimate);
    assert_eq!(view.eta, Eta::Seconds { seconds: 13, earliest: 7, latest: 25 });
    let bundles = Eta::Seconds { seconds: 12, earliest: 6, latest: 24 };
    assert_eq!(view.stages.each_ref().map(|stage| stage.eta), [Eta::Done, Eta::Done, bundles, view.eta]);
    insta::assert_snapshot!(view.line(), @"root 2/2 | providers 2/2 | bundles 0/2 | activator 0/2 | ETA 13 s (7 s to 25 s)");
    let view = Model::default().observe(seconds(8), &snapshot(1, 40), &Estimate::default());
    assert_eq!(view.eta, Eta::Unknown, "the ledger does not know");
    let aborted = Snapshot { state: "aborted".to_owned(), ..snapshot(2, 40) };
    assert_eq!(Model::default().observe(seconds(8), &aborted, &estimate).eta, Eta::Unknown);
}

#[test]
fn the_rate_is_shown_when_it_has_been_seen_for_a_second_and_not_slowed_by_waiting_for_the_first_batch() {
    let mut model = Model::default();
    for at in 0..=20 {
        assert_eq!(observe(&mut model, at, &snapshot(2, 0)).providers_per_second, None);
    }
    assert_eq!(observe(&mut model, 24, &snapshot(2, 40)).providers_per_second, Some(10.0));
    for at in 25..50 {
        observe(&mut model, at, &snapshot(2, 40));
    }
    assert_eq!(observe(&mut model, 50, &snapshot(2, 40)).providers_per_second, None, "nothing moves");
}

#[test]
fn a_run_whose_providers_are_all_settled_has_no_eta() {
    assert_eq!(observe(&mut Model::default(), 0, &snapshot(2, 100)).eta, Eta::Done);
}

#[test]
fn a_held_run_says_why_instead_of_when() {
    let mut held = snapshot(2, 97);
    held.providers.rejected = 3;
    held.held = Some("3 rejected, 0 tolerated".to_owned());
    let view = observe(&mut Model::default(), 0, &held);
    assert_eq!(view.summary(), "3 providers rejected | held: 3 rejected, 0 tolerated");
}

#[test]
fn a_run_that_has_ended_says_how() {
    let aborted = Snapshot { state: "aborted".to_owned(), ..snapshot(2, 40) };
    let view = observe(&mut Model::default(), 0, &aborted);
    assert_eq!((view.summary().as_str(), view.eta), ("aborted", Eta::Unknown));
}

#[test]
fn a_stage_lasts_from_its_first_work_to_its_last() {
    let mut model = Model::default();
    observe(&mut model, 0, &Snapshot::default());
    observe(&mut model, 1, &snapshot(1, 0));
    observe(&mut model, 2, &snapshot(2, 50));
    observe(&mut model, 4, &snapshot(2, 100));
    observe(&mut model, 9, &snapshot(2, 100));
    assert_eq!(model.durations(), [Some(seconds(0)), Some(seconds(1)), Some(seconds(3)), None]);
}
