use super::*;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
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
    let view = Model::default().observe(seconds(0), &Snapshot { state: "running".to_owned(), ..Snapshot::default() });
    insta::assert_snapshot!(view.lines().join("\n"), @"
    root       0/? services discovered
    providers  0/? services planned
    bundles    0/? batches stored
    activator  0/? services activated
    ETA unknown
    ");
}

#[test]
fn the_eta_is_unknown_until_every_service_is_planned() {
    let mut model = Model::default();
    for at in 0..8 {
        let view = model.observe(seconds(at), &snapshot(1, i64::try_from(at).unwrap() * 5));
        assert_eq!(view.eta, Eta::Unknown, "after {at} s");
    }
    let view = model.observe(seconds(8), &snapshot(2, 40));
    assert_eq!(view.eta, Eta::Seconds(13), "60 providers at 5 per second");
    insta::assert_snapshot!(view.lines().join("\n"), @"
    root       2/2 services discovered
    providers  2/2 services planned
    bundles    0/2 batches stored
    activator  0/2 services activated
    5 providers/s | ETA 13 s
    ");
    insta::assert_snapshot!(view.line(), @"root 2/2 | providers 2/2 | bundles 0/2 | activator 0/2 | 5 providers/s | ETA 13 s");
}

#[test]
fn the_eta_is_unknown_until_the_rate_has_been_seen_for_seconds() {
    let mut model = Model::default();
    assert_eq!(model.observe(seconds(0), &snapshot(2, 0)).eta, Eta::Unknown);
    let early = model.observe(seconds(2), &snapshot(2, 20));
    assert_eq!((early.eta, early.providers_per_second), (Eta::Unknown, Some(10.0)));
    assert_eq!(model.observe(seconds(3), &snapshot(2, 30)).eta, Eta::Seconds(8));
}

#[test]
fn waiting_for_the_first_batch_does_not_slow_the_rate() {
    let mut model = Model::default();
    for at in 0..=20 {
        model.observe(seconds(at), &snapshot(2, 0));
    }
    let view = model.observe(seconds(24), &snapshot(2, 40));
    assert_eq!((view.providers_per_second, view.eta), (Some(10.0), Eta::Seconds(7)));
}

#[test]
fn the_eta_is_unknown_again_when_nothing_moves() {
    let mut model = Model::default();
    model.observe(seconds(0), &snapshot(2, 0));
    model.observe(seconds(5), &snapshot(2, 50));
    for at in 6..30 {
        model.observe(seconds(at), &snapshot(2, 50));
    }
    let view = model.observe(seconds(30), &snapshot(2, 50));
    assert_eq!((view.eta, view.providers_per_second), (Eta::Unknown, None));
}

#[test]
fn a_run_whose_providers_are_all_settled_has_no_eta() {
    let view = Model::default().observe(seconds(0), &snapshot(2, 100));
    assert_eq!(view.eta, Eta::Done);
}

#[test]
fn a_held_run_says_why_instead_of_when() {
    let mut held = snapshot(2, 97);
    held.providers.rejected = 3;
    held.held = Some("3 rejected, 0 tolerated".to_owned());
    let view = Model::default().observe(seconds(0), &held);
    assert_eq!(view.summary(), "3 providers rejected | held: 3 rejected, 0 tolerated");
}

#[test]
fn a_run_that_has_ended_says_how() {
    let aborted = Snapshot { state: "aborted".to_owned(), ..snapshot(2, 40) };
    let view = Model::default().observe(seconds(0), &aborted);
    assert_eq!((view.summary().as_str(), view.eta), ("aborted", Eta::Unknown));
}

#[test]
fn a_stage_lasts_from_its_first_work_to_its_last() {
    let mut model = Model::default();
    model.observe(seconds(0), &Snapshot::default());
    model.observe(seconds(1), &snapshot(1, 0));
    model.observe(seconds(2), &snapshot(2, 50));
    model.observe(seconds(4), &snapshot(2, 100));
    model.observe(seconds(9), &snapshot(2, 100));
    assert_eq!(model.durations(), [Some(seconds(0)), Some(seconds(1)), Some(seconds(3)), None]);
}
