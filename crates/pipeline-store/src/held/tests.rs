use pipeline_model::ids::Generation;

use super::*;
use crate::{Counts, Tolerance, facts::Sums, proof::ServiceFacts};

fn reason(run: &Run, services: &[Service], letters: &Letters) -> Option<String> {
    hold(run, services, letters).map(|hold| hold.reason)
}

fn run(mode: ActivationMode) -> Run {
    Run {
        run_id: RunId::new(),
        generation: Some(Generation(1)),
        state: RunState::Running,
        mode,
        tolerance: Tolerance::default(),
        scope: Vec::new(),
        batch_size: 1,
        requested_by: String::new(),
        requested_at_ms: 0,
        started_at_ms: 0,
        finished_at_ms: None,
        reason: None,
        discovered: true,
        max_removed: None,
        unreachable: 0,
        held_at_ms: None,
    }
}

fn service(id: &str, state: State, facts: ServiceFacts) -> Service {
    Service { service_id: id.into(), state, removed: false, facts, sums: Sums::default() }
}

/// Three batches of one provider each, so many of them stored, so many of those rejected.
fn planned(id: &str, stored: i64, rejected: i64) -> Service {
    let facts = ServiceFacts {
        planned: true,
        expected_batches: 3,
        expected_providers: 3,
        batches: 3,
        batches_stored: stored,
        stored: stored - rejected,
        rejected,
        ..ServiceFacts::default()
    };
    service(id, State::Planned, facts)
}

fn letters(batches: &[(&str, i64)]) -> Letters {
    let batches = batches.iter().map(|(id, count)| (ServiceId::from(*id), Batches { count: *count, example: 7 }));
    Letters { batches: batches.collect(), ..Letters::default() }
}

#[test]
fn a_run_is_held_only_when_everything_left_waits_for_people() {
    let run = run(ActivationMode::PerService);
    let held = |services: &[Service], letters: &Letters| reason(&run, services, letters);
    let by_two = Some("2 dead letters hold what is left (see: sluice dlq show 7)".to_owned());
    assert_eq!(held(&[planned("a", 1, 0)], &letters(&[("a", 2)])), by_two);
    assert_eq!(held(&[planned("a", 1, 0)], &letters(&[("a", 1)])), None, "one batch still moves");
    assert_eq!(held(&[planned("a", 1, 0)], &Letters::default()), None);
    assert_eq!(held(&[planned("a", 1, 0), planned("b", 3, 0)], &letters(&[("a", 2)])), None, "`b` will be switched");
    let done = service("b", State::Activated, planned("b", 3, 0).facts);
    assert_eq!(held(&[planned("a", 1, 0), done], &letters(&[("a", 2)])), by_two);
    let both = held(&[planned("a", 1, 0), planned("b", 3, 1)], &letters(&[("a", 2)])).unwrap();
    assert!(both.contains("2 dead letters") && both.contains("1 of 6 providers are rejected"), "{both}");
}

#[test]
fn a_service_that_was_never_planned_waits_for_its_letter() {
    let run = run(ActivationMode::PerService);
    let services = [service("a", State::Discovered, ServiceFacts::default())];
    assert_eq!(reason(&run, &services, &Letters::default()), None);
    let letters = Letters { plans: [("a".into(), 3)].into(), ..Letters::default() };
    assert!(reason(&run, &services, &letters).unwrap().contains("dlq show 3"));
}

#[test]
fn a_run_without_services_waits_for_the_letter_of_its_request() {
    let run = Run { discovered: false, ..run(ActivationMode::WholeRun) };
    assert_eq!(reason(&run, &[], &Letters::default()), None);
    let letters = Letters { request: Some(9), ..Letters::default() };
    assert!(reason(&run, &[], &letters).unwrap().contains("dlq show 9"));
    let ended = Run { state: RunState::Aborted, ..run };
    assert_eq!(reason(&ended, &[], &letters), None);
}

#[test]
fn what_nobody_takes_holds_a_run_when_nothing_else_moves() {
    let run = run(ActivationMode::PerService);
    let announced = |parts: &[Part]| Letters { in_vain: InVain::of_parts(parts, 4, 960_000), ..Letters::default() };
    let batches = announced(&[Part::Batches]);
    let held = hold(&run, &[planned("a", 1, 0), planned("b", 0, 0)], &batches).unwrap();
    assert!(held.unanswered && !held.letters, "{held:?}");
    assert!(held.reason.starts_with("5 batches were announced 4 times"), "{}", held.reason);
    for part in ["16 min", "stage `bundles`", "sluice.sync.batch-planned.v1"] {
        assert!(held.reason.contains(part), "{part}: {}", held.reason);
    }
    let new = service("c", State::Discovered, ServiceFacts::default());
    assert_eq!(reason(&run, &[planned("a", 1, 0), new.clone()], &batches), None, "`c` moves");
    let both = reason(&run, &[planned("a", 1, 0), new.clone()], &announced(&[Part::Services, Part::Batches]));
    assert!(both.unwrap().contains("1 service was announced"));
    let with_letters = Letters { in_vain: batches.in_vain, ..letters(&[("a", 1)]) };
    let held = hold(&run, &[planned("a", 1, 0)], &with_letters).unwrap();
    assert!(held.reason.starts_with("1 batch was announced 4 times"), "{}", held.reason);
    let undiscovered = Run { discovered: false, ..run };
    let held = hold(&undiscovered, &[], &announced(&[Part::Services])).unwrap();
    assert!(held.unanswered && held.reason.contains("stage `root`"), "{}", held.reason);
}

#[test]
fn complete_services_of_a_whole_run_wait_with_the_others() {
    let run = run(ActivationMode::WholeRun);
    let services = [planned("a", 1, 0), planned("b", 3, 0)];
    assert!(reason(&run, &services, &letters(&[("a", 2)])).unwrap().contains("2 dead letters"));
    assert_eq!(reason(&run, &[planned("b", 3, 0)], &Letters::default()), None, "it will be switched");
    let rejected = reason(&run, &[planned("a", 3, 1), planned("b", 3, 0)], &Letters::default());
    assert!(rejected.unwrap().contains("1 of 6 providers are rejected"));
}

/// A complete service of which so many of a hundred providers would go.
fn shrinking(id: &str, removed: i64) -> Service {
    let mut service = planned(id, 3, 0);
    service.facts.visible = Counts { services: 1, providers: 100, ..Counts::default() };
    service.facts.removed = Counts { providers: removed, ..Counts::default() };
    service
}

#[test]
fn the_guard_holds_what_takes_too_much_away_and_nothing_else() {
    let per_service = Run { max_removed: Some(MaxRemoved::default()), ..run(ActivationMode::PerService) };
    let held = |services: &[Service]| hold(&per_service, services, &Letters::default());
    assert_eq!(held(&[shrinking("a", 20)]), None, "it will be switched");
    let hold_of_a = held(&[shrinking("a", 95)]).unwrap();
    assert!(hold_of_a.reason.contains("95 of 100 providers"), "{}", hold_of_a.reason);
    assert!(hold_of_a.reason.contains("accept-removals"), "{}", hold_of_a.reason);
    assert_eq!(held(&[shrinking("a", 95), shrinking("b", 0)]), None, "`b` will be switched");
    assert_eq!(held(&[shrinking("a", 95), planned("b", 2, 0)]), None, "`b` moves");
    let done = Service { state: State::Activated, ..shrinking("b", 0) };
    assert_eq!(held(&[shrinking("a", 95), done]).unwrap().exceeded.unwrap().removed, 95);
    let whole = Run { mode: ActivationMode::WholeRun, ..per_service.clone() };
    let held_whole = hold(&whole, &[shrinking("a", 95), shrinking("b", 0)], &Letters::default());
    assert!(held_whole.unwrap().exceeded.is_some());
    let without = Run { max_removed: None, ..per_service.clone() };
    assert_eq!(hold(&without, &[shrinking("a", 95)], &Letters::default()), None);
}
