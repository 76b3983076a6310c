use super::{RejectFacts, ServiceFacts, Waiting, complete, run_closes, service_closes, tolerated};
use crate::Tolerance;

const NONE: Tolerance = Tolerance { max_providers: None, max_percent: None };

fn full() -> ServiceFacts {
    ServiceFacts {
        planned: true,
        expected_batches: 2,
        expected_providers: 10,
        plan_rejected: 1,
        batches: 2,
        batches_stored: 2,
        stored: 4,
        unchanged: 3,
        rejected: 1,
        skipped: 1,
        discarded: 0,
        ..ServiceFacts::default()
    }
}

#[test]
fn a_proof_closes_only_when_every_count_does() {
    assert_eq!(complete(&full()), Ok(()));
    assert_eq!(complete(&ServiceFacts { planned: false, ..full() }), Err(Waiting::Plans { services: 1 }));
    assert_eq!(complete(&ServiceFacts { batches_stored: 1, ..full() }), Err(Waiting::Batches { batches: 1 }));
    let short = [
        ServiceFacts { batches: 1, batches_stored: 1, ..full() },
        ServiceFacts { stored: 3, ..full() },
        ServiceFacts { unchanged: 4, ..full() },
        ServiceFacts { expected_providers: 11, ..full() },
        ServiceFacts { expected_batches: 3, ..full() },
    ];
    for facts in short {
        assert!(matches!(complete(&facts), Err(Waiting::Unaccounted { .. })), "{facts:?}");
    }
}

#[test]
fn a_service_without_providers_closes_once_planned() {
    let empty = ServiceFacts { planned: true, ..ServiceFacts::default() };
    assert_eq!(complete(&empty), Ok(()));
    assert!(complete(&ServiceFacts::default()).is_err());
}

#[test]
fn every_bound_that_is_set_must_hold() {
    let run = RejectFacts { rejected: 2, planned: 100, ..RejectFacts::default() };
    assert!(!tolerated(&NONE, &run));
    assert!(tolerated(&NONE, &RejectFacts { rejected: 0, planned: 0, ..RejectFacts::default() }));
    assert!(tolerated(&Tolerance { max_providers: Some(2), max_percent: None }, &run));
    assert!(!tolerated(&Tolerance { max_providers: Some(1), max_percent: None }, &run));
    assert!(tolerated(&Tolerance { max_providers: None, max_percent: Some(2.0) }, &run));
    assert!(!tolerated(&Tolerance { max_providers: Some(5), max_percent: Some(1.0) }, &run));
    assert!(!tolerated(&Tolerance { max_providers: Some(1), max_percent: Some(50.0) }, &run));
    let more_than_planned = RejectFacts { rejected: 2, planned: 1, ..RejectFacts::default() };
    assert!(tolerated(&Tolerance { max_providers: None, max_percent: Some(100.0) }, &more_than_planned));
    assert!(!tolerated(&Tolerance { max_providers: None, max_percent: Some(99.0) }, &more_than_planned));
}

#[test]
fn discarded_providers_are_accounted_for_and_hold_nothing() {
    let discarded = ServiceFacts { rejected: 3, discarded: 2, plan_rejected: 0, stored: 3, ..full() };
    assert_eq!(complete(&discarded), Ok(()));
    let run = RejectFacts { rejected: discarded.holding(), planned: 10, ..RejectFacts::default() };
    assert!(matches!(service_closes(&discarded, &run, &NONE), Err(Waiting::Rejects { rejected: 1, .. })));
    let all = ServiceFacts { discarded: 3, ..discarded };
    assert_eq!(
        service_closes(&all, &RejectFacts { rejected: all.holding(), planned: 10, ..RejectFacts::default() }, &NONE),
        Ok(())
    );
}

#[test]
fn rejects_of_others_do_not_hold_a_service_but_hold_a_whole_run() {
    let clean = ServiceFacts { plan_rejected: 0, rejected: 0, expected_providers: 8, ..full() };
    let run = RejectFacts { rejected: 2, planned: 18, ..RejectFacts::default() };
    assert_eq!(service_closes(&clean, &run, &NONE), Ok(()));
    assert_eq!(
        service_closes(&full(), &run, &NONE),
        Err(Waiting::Rejects { rejected: 2, planned: 18, unreachable: 0 })
    );
    assert!(matches!(run_closes(true, &[clean, full()], &run, &NONE), Err(Waiting::Rejects { .. })));
    assert_eq!(run_closes(false, &[clean], &RejectFacts::default(), &NONE), Err(Waiting::Discovery));
}

#[test]
fn a_document_that_could_be_any_services_holds_them_all_until_it_is_tolerated() {
    let clean = ServiceFacts { plan_rejected: 0, rejected: 0, expected_providers: 8, ..full() };
    let run = RejectFacts { planned: 8, unreachable: 1, unreachable_anywhere: 1, ..RejectFacts::default() };
    let held = service_closes(&clean, &run, &NONE);
    assert_eq!(held, Err(Waiting::Rejects { rejected: 0, planned: 8, unreachable: 1 }));
    let one = Tolerance { max_providers: Some(1), max_percent: None };
    assert_eq!(service_closes(&clean, &run, &one), Ok(()));
    assert_eq!(run_closes(true, &[clean], &run, &NONE), held);
    let elsewhere = RejectFacts { unreachable_anywhere: 0, ..run };
    assert_eq!(service_closes(&clean, &elsewhere, &NONE), Ok(()));
    let own = ServiceFacts { unreachable: 1, ..clean };
    assert_eq!(service_closes(&own, &elsewhere, &NONE), held);
}
