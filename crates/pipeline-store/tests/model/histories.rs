//! The histories that are searched on every way: activators, aborts and rollbacks that race, and what people decide.

use crate::{
    exhaust::{History, People, TRIED_RUNS, TRIED_SERVICES},
    ledger::Request,
    source::{Document, PROVIDERS, Read, Source},
};

pub const PER_SERVICE: Request = Request::PLAIN;
pub const WHOLE_RUN: Request = Request { whole_run: true, ..Request::PLAIN };

pub const MODES: [[Request; TRIED_RUNS]; 4] =
    [[PER_SERVICE, PER_SERVICE], [PER_SERVICE, WHOLE_RUN], [WHOLE_RUN, PER_SERVICE], [WHOLE_RUN, WHOLE_RUN]];

#[test]
fn racing_activators_and_aborts_keep_every_invariant_on_every_way() {
    for modes in MODES {
        History { ends: true, old_reads: true, ..History::plain(modes) }.explore_all().went_far(1_000_000);
    }
}

#[test]
fn rejects_and_their_tolerance_keep_every_invariant_on_every_way() {
    for modes in MODES {
        let modes = modes.map(|request| Request { max_providers: Some(1), ..request });
        History { broken_batches: true, ..History::plain(modes) }.explore_all().went_far(1_000_000);
    }
}

#[test]
fn a_broken_service_keeps_nobody_from_ending_the_run_on_any_way() {
    for modes in MODES {
        let modes = modes.map(|request| Request { max_providers: Some(1), ..request });
        let mut history = History { ends: true, ..History::plain(modes) };
        history.sources.iter_mut().for_each(|source| source.services[0] = Document::Broken);
        history.explore_all().went_far(100);
    }
}

#[test]
fn rollbacks_while_a_run_is_under_way_keep_every_invariant_on_every_way() {
    for modes in MODES {
        let history = History { begun: true, ends: true, rollbacks: true, ..History::plain(modes) };
        history.explore_all().went_far(100_000);
    }
}

/// Batches that are found broken and tried again, beside activators and people who tolerate more or less.
pub fn retried(modes: [Request; TRIED_RUNS]) -> History {
    let modes = modes.map(|request| Request { max_providers: Some(1), ..request });
    let people = People { retries: 2, tolerances: 1, ..People::default() };
    History { broken_batches: true, runs: 1, people, ..History::plain(modes) }
}

/// A provider whose own document is broken, and mended before its service is planned again: the batches of the new plan
/// are others than those of the old one.
pub fn planned_again(modes: [Request; TRIED_RUNS]) -> History {
    let modes = modes.map(|request| Request { max_providers: Some(1), ..request });
    let people = People { retries: 2, ..People::default() };
    let plain = History::plain(modes);
    let mut broken = plain.sources[0];
    broken.providers[0][0] = Document::Broken;
    let mended = Some(plain.sources[0]);
    History { sources: [broken, plain.sources[1]], mended, runs: 1, people, ..plain }
}

/// Batches and plans that are given up, and tried again.
pub fn given_up(modes: [Request; TRIED_RUNS]) -> History {
    let people = People { retries: 1, discard: true, ..People::default() };
    History { runs: 1, people, ..History::plain(modes) }
}

/// The same over a copy that has something to lose.
pub fn given_up_later(modes: [Request; TRIED_RUNS]) -> History {
    History { begun: true, runs: TRIED_RUNS, ..given_up(modes) }
}

/// A second run that takes something from each service, little enough by itself and too much in all; what is found
/// broken in it is tried again, and people accept what they see.
pub fn shrinking(modes: [Request; TRIED_RUNS]) -> History {
    let modes = modes.map(|request| Request { max_providers: Some(1), guarded: true, ..request });
    let people = People { retries: 1, acceptances: 2, ..People::default() };
    let mut old = Source::sound(TRIED_SERVICES, 2);
    old.contents = old.contents.map(|reads| reads.map(|_| Read::Complete(2)));
    let mut new = old;
    new.providers[0][1] = Document::Absent;
    new.contents[1] = [Read::Complete(1); PROVIDERS];
    History { begun: true, broken_batches: true, people, sources: [old, new], ..History::plain(modes) }
}

/// A batch of two providers of which each is found broken once: what the other has lost by then stays lost.
pub fn lost_at_the_first_try(modes: [Request; TRIED_RUNS]) -> History {
    let mut history = shrinking(modes);
    history.requests = history.requests.map(|request| Request { batch_size: 2, ..request });
    let mut second = history.sources[0];
    second.contents[1] = [Read::Rejected, Read::Complete(1), Read::Vanished];
    history.sources[1] = history.sources[0];
    history.sources[1].contents[1] = [Read::Complete(0), Read::Rejected, Read::Vanished];
    History { mended: Some(second), broken_batches: false, ..history }
}

#[test]
fn retries_beside_activators_keep_every_invariant_on_every_way() {
    for modes in MODES {
        retried(modes).explore_all().went_far(100_000);
    }
}

#[test]
fn plans_that_are_taken_back_keep_every_invariant_on_every_way() {
    for modes in MODES {
        planned_again(modes).explore_all().went_far(100_000);
    }
}

#[test]
fn discards_keep_every_invariant_on_every_way() {
    for modes in MODES {
        given_up(modes).explore_all().went_far(1_000_000);
        given_up_later(modes).explore_all().went_far(1_000);
    }
}

#[test]
fn removals_and_their_acceptance_keep_every_invariant_on_every_way() {
    for modes in MODES {
        shrinking(modes).explore_all().went_far(10_000);
        lost_at_the_first_try(modes).explore_all().went_far(1_000);
    }
}
