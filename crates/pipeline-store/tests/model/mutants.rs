//! Without each of its rules the fan-in is broken, and the search finds it.
//!
//! This is what makes the other tests worth something: a rule that can be left out without anybody noticing is either
//! no rule, or one that the search is blind to. Each is tried in the histories that need it, in both modes where both
//! have it, and the broken invariant must be the one that the rule is there for.

use crate::{
    exhaust::{Counterexample, History, TRIED_RUNS},
    histories::{
        PER_SERVICE, WHOLE_RUN, given_up, given_up_later, lost_at_the_first_try, planned_again, retried, shrinking,
    },
    ledger::Request,
    rules::Rule,
};

type Histories = fn([Request; TRIED_RUNS]) -> History;

/// What the search finds without a rule.
fn found_without(rule: Rule, history: History) -> Counterexample {
    let found = History { without: Some(rule), ..history }.explore();
    found.err().unwrap_or_else(|| {
        panic!("{:?} without {rule:?}: every invariant holds: the search is blind to it", history.requests[0])
    })
}

/// In each mode the search finds a broken invariant that says this.
fn finds(rule: Rule, history: Histories, modes: &[Request], says: &str) {
    for mode in modes {
        let found = found_without(rule, history([*mode; TRIED_RUNS]));
        assert!(found.violation.0.contains(says), "without {rule:?}: {found:#?}");
    }
}

const BOTH: [Request; 2] = [PER_SERVICE, WHOLE_RUN];

#[test]
fn a_switch_that_does_not_ask_again_is_found() {
    finds(Rule::SwitchAsksAgain, given_up, &BOTH, "is switched by run 0 and not complete");
}

#[test]
fn a_switch_that_goes_by_an_older_tolerance_is_found() {
    finds(Rule::SwitchAsksTolerance, retried, &BOTH, "its rejects are not tolerated");
}

#[test]
fn a_switch_that_does_not_ask_the_guard_again_is_found() {
    finds(Rule::SwitchAsksGuard, shrinking, &BOTH, "unseen");
}

#[test]
fn a_retry_without_a_lock_is_found() {
    finds(Rule::RetryLocks, retried, &BOTH, "changed");
    finds(Rule::RetryLocks, planned_again, &BOTH, "");
}

#[test]
fn a_retry_that_leaves_a_discard_behind_is_found() {
    finds(Rule::RetryTakesDiscardBack, given_up, &BOTH, "is discarded than is rejected");
}

#[test]
fn a_retry_that_takes_a_plan_from_its_workers_is_found() {
    finds(Rule::RetryWaitsForBatches, planned_again, &BOTH, "changed by Retry");
}

#[test]
fn a_worker_that_stores_what_it_read_for_an_older_plan_is_found() {
    finds(Rule::StoreKnowsItsPlan, planned_again, &BOTH, "");
}

#[test]
fn a_worker_that_passes_no_fence_is_found() {
    finds(Rule::Fence, planned_again, &BOTH, "wrote under run");
}

#[test]
fn a_batch_that_is_stored_twice_is_found() {
    finds(Rule::StoredOnce, retried, &BOTH, "stays open for ever");
}

#[test]
fn a_discard_that_is_not_accounted_is_found() {
    finds(Rule::DiscardIsAccounted, given_up, &BOTH, "accounts for 0 of 1 providers");
}

#[test]
fn a_discarded_plan_that_removes_is_found() {
    finds(Rule::DiscardKeepsProviders, given_up_later, &BOTH, "");
}

#[test]
fn an_acceptance_without_a_lock_is_found() {
    finds(Rule::AcceptanceLocks, shrinking, &[PER_SERVICE], "changed");
}

#[test]
fn an_acceptance_of_what_comes_later_is_found() {
    finds(Rule::AcceptanceCounts, shrinking, &BOTH, "unseen");
}

#[test]
fn a_loss_that_an_earlier_try_has_written_and_nobody_counts_is_found() {
    finds(Rule::KeptAreCompared, lost_at_the_first_try, &BOTH, "unseen");
}
