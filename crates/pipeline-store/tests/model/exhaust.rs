//! All interleavings of small histories.
//!
//! Here nothing limits who does what when: in every state that can be reached, every call that any worker could make
//! is tried, whether its message was ever sent, was sent twice, or belongs to a run that has ended. An activator that
//! has seen a proof close may switch at any later time, and as often as it likes; so may a person whose order of a
//! rollback is old. Two services of two batches each, and two runs that compete, have few enough states to visit all
//! of them, and so all ways through them.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasherDefault, Hash, Hasher},
};

use crate::{
    invariants::{Witness, looked_rightly},
    ledger::{Ledger, Request, RunState, ServiceState},
    source::{Document, Read, Reads, Source},
    transactions::{Back, Call, Next, Step},
};

const TRIED_SERVICES: usize = 2;
const BATCHES: usize = 2;
const TRIED_RUNS: usize = 2;

/// A history to try: what each run reads, and what may come in between.
struct History {
    requests: [Request; TRIED_RUNS],
    sources: [Source; TRIED_RUNS],
    /// Every batch may also be found broken.
    broken_batches: bool,
    /// Every batch may also be stored by a worker that read it long ago.
    old_reads: bool,
    ends: bool,
    rollbacks: bool,
    /// The first run is over before anything is tried.
    begun: bool,
}

/// A state, with what activators have in hand.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Node {
    ledger: Ledger,
    witness: Witness,
    /// Activators that have seen the proof of a service close, and those that are to end a run.
    switches: u8,
    finishes: u8,
}

/// What was visited: every state, with the number of ways that lead on from it.
#[derive(Default)]
struct Visited {
    states: HashMap<u64, u128, BuildHasherDefault<Quick>>,
    ways: u128,
    run_states: HashSet<RunState>,
}

/// A hash of small numbers that is fast without optimisation: the function of the compiler's own tables.
#[derive(Clone, Copy)]
struct Quick(u64);

// === impl Visited ===

impl Visited {
    /// An exploration that went nowhere proves nothing.
    fn went_far(&self, ways: u128) {
        assert!(self.ways >= ways, "only {} ways through {} states", self.ways, self.states.len());
        assert!(self.run_states.contains(&RunState::Activated), "no run came to its end");
    }
}

// === impl History ===

impl History {
    fn plain(requests: [Request; TRIED_RUNS]) -> Self {
        let old = Source::sound(TRIED_SERVICES, BATCHES);
        let mut new = old;
        new.services[0] = Document::Sound(1);
        new.contents[0][0] = Read::Complete(2);
        new.providers[1][1] = Document::Absent;
        Self {
            requests: requests.map(|request| Request { batch_size: 1, ..request }),
            sources: [old, new],
            broken_batches: false,
            old_reads: false,
            ends: false,
            rollbacks: false,
            begun: false,
        }
    }

    fn first(&self) -> Node {
        let mut node = Node { ledger: Ledger::new(), witness: Witness::new(), switches: 0, finishes: 0 };
        if self.begun {
            for call in self.calls_of_run(0, 1) {
                node.call(call);
            }
        }
        node
    }

    /// Visits every state that can be reached.
    fn explore(&self) -> Visited {
        let mut visited = Visited::default();
        visited.ways = self.visit(&self.first(), &mut visited);
        visited
    }

    /// The number of ways from a state to one in which nothing more can happen. No state comes twice on one way, for
    /// what has happened stays.
    fn visit(&self, node: &Node, visited: &mut Visited) -> u128 {
        let fingerprint = node.fingerprint();
        if let Some(ways) = visited.states.get(&fingerprint) {
            return *ways;
        }
        visited.run_states.extend(node.ledger.runs[..TRIED_RUNS].iter().map(|run| run.state));
        self.can_come_to_its_end(node);
        let mut ways = 0_u128;
        for call in self.calls(node) {
            if let Some(next) = node.after(call) {
                ways = ways.saturating_add(self.visit(&next, visited));
            }
        }
        visited.states.insert(fingerprint, ways.max(1));
        ways.max(1)
    }

    /// Everything that anybody could try now.
    fn calls(&self, node: &Node) -> Vec<Call> {
        let generation = |run: usize| node.ledger.runs[run].generation;
        let mut calls: Vec<Call> = (0..TRIED_RUNS).flat_map(|run| self.calls_of_run(run, generation(run))).collect();
        for run in 0..TRIED_RUNS {
            // A worker with the right run and another generation.
            let (generation, documents) = (generation(run) + 1, self.sources[run].providers[0]);
            let reads = self.sources[run].read(0);
            calls.push(Call::Plan { run, generation, service: 0, documents, reads });
            calls.push(Call::Store { run, generation, service: 0, batch: 0, reads });
        }
        for place in (0..8).filter(|place| node.switches & (1 << place) != 0) {
            let (run, service) = (place / TRIED_SERVICES, place % TRIED_SERVICES);
            calls.push(Call::Activate { run, service, next: Next::Switch });
        }
        for run in (0..TRIED_RUNS).filter(|run| node.finishes & (1 << run) != 0) {
            calls.push(Call::Activate { run, service: 0, next: Next::Finish(0) });
        }
        if self.ends {
            calls.extend((0..TRIED_RUNS).map(|run| Call::End { run, state: RunState::Aborted }));
        }
        if self.rollbacks {
            // Orders for one service and for both, by epochs that were true once.
            for epochs in [[1, 0, 0], [2, 0, 0], [3, 0, 0], [0, 1, 0], [0, 2, 0], [1, 1, 0], [2, 2, 0]] {
                calls.push(Call::RollBack { epochs, next: Back::Move });
            }
        }
        calls
    }

    fn calls_of_run(&self, run: usize, generation: u8) -> Vec<Call> {
        let source = &self.sources[run];
        let mut calls =
            vec![Call::Open { run, request: self.requests[run] }, Call::Discover { run, documents: source.services }];
        for service in 0..TRIED_SERVICES {
            let (documents, reads) = (source.providers[service], source.read(service));
            calls.push(Call::Plan { run, generation, service, documents, reads });
            for batch in 0..BATCHES {
                let store = |reads: Reads| Call::Store { run, generation, service, batch, reads };
                calls.push(store(source.read(service)));
                if self.old_reads {
                    calls.push(store(self.sources[0].read(service)));
                }
                if self.broken_batches {
                    calls.push(store(source.read(service).map(|_| Read::Rejected)));
                }
            }
        }
        calls.extend((0..TRIED_SERVICES).map(|service| Call::Activate { run, service, next: Next::Look }));
        calls
    }

    /// From wherever it is: when every message but the confirmations is handled once more, one after the other, the
    /// timer alone ends the open run; or rejects hold all that is left of it.
    fn can_come_to_its_end(&self, node: &Node) {
        let mut ledger = node.ledger;
        let Some(run) = ledger.open_run() else { return };
        let calls = self.calls_of_run(run, ledger.runs[run].generation);
        for call in calls.into_iter().filter(|call| !matches!(call, Call::Activate { .. })) {
            ledger.call(call);
        }
        for (run, service) in ledger.activatable() {
            ledger.call(Call::Activate { run, service, next: Next::Look });
        }
        let run = &ledger.runs[run];
        let left: Vec<ServiceState> = run.left().map(|service| service.state).collect();
        let held = !left.is_empty() && left.iter().all(|state| *state == ServiceState::Planned);
        assert!(!run.is_open() || (held && run.rejects().rejected > 0), "{run:#?}");
    }
}

// === impl Node ===

impl Node {
    /// The state after one step of a call: none when nothing came of it.
    fn after(&self, call: Call) -> Option<Self> {
        let mut next = *self;
        let step = next.step(call);
        match step {
            Step::Goes(Call::Activate { run, service, next: Next::Switch }) => {
                next.switches |= 1 << (run * TRIED_SERVICES + service);
            }
            Step::Goes(Call::Activate { run, next: Next::Finish(_), .. }) => next.finishes |= 1 << run,
            _ => {}
        }
        (next != *self).then_some(next)
    }

    /// A call from its beginning to its end, alone.
    fn call(&mut self, mut call: Call) {
        while let Step::Goes(next) = self.step(call) {
            call = next;
        }
    }

    fn step(&mut self, call: Call) -> Step {
        let before = self.ledger;
        let step = self.ledger.step(call);
        let checked = self.witness.see(&before, &call, &step, &self.ledger);
        if let Err(violation) = checked.and_then(|()| looked_rightly(&before, &call, &step)) {
            panic!("{}\nby {call:?}, {step:?}\nin {before:#?}", violation.0);
        }
        step
    }

    fn fingerprint(&self) -> u64 {
        let mut hasher = Quick::default();
        self.hash(&mut hasher);
        hasher.finish()
    }
}

// === impl Quick ===

impl Default for Quick {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Quick {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u8(*byte));
    }

    fn write_u8(&mut self, number: u8) {
        self.write_u64(number.into());
    }

    fn write_isize(&mut self, number: isize) {
        self.write_u64(number as u64);
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

const PER_SERVICE: Request = Request::PLAIN;
const WHOLE_RUN: Request = Request { whole_run: true, ..Request::PLAIN };

const MODES: [[Request; TRIED_RUNS]; 4] =
    [[PER_SERVICE, PER_SERVICE], [PER_SERVICE, WHOLE_RUN], [WHOLE_RUN, PER_SERVICE], [WHOLE_RUN, WHOLE_RUN]];

#[test]
fn racing_activators_and_aborts_keep_every_invariant_on_every_way() {
    for modes in MODES {
        History { ends: true, old_reads: true, ..History::plain(modes) }.explore().went_far(1_000_000);
    }
}

#[test]
fn rejects_and_their_tolerance_keep_every_invariant_on_every_way() {
    for modes in MODES {
        let modes = modes.map(|request| Request { max_providers: Some(1), ..request });
        History { broken_batches: true, ..History::plain(modes) }.explore().went_far(1_000_000);
    }
}

#[test]
fn a_broken_service_keeps_nobody_from_ending_the_run_on_any_way() {
    for modes in MODES {
        let modes = modes.map(|request| Request { max_providers: Some(1), ..request });
        let mut history = History { ends: true, ..History::plain(modes) };
        history.sources.iter_mut().for_each(|source| source.services[0] = Document::Broken);
        history.explore().went_far(100);
    }
}

#[test]
fn rollbacks_while_a_run_is_under_way_keep_every_invariant_on_every_way() {
    for modes in MODES {
        let history = History { begun: true, ends: true, rollbacks: true, ..History::plain(modes) };
        history.explore().went_far(100_000);
    }
}
