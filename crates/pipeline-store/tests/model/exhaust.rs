//! All interleavings of small histories.
//!
//! Here nothing limits who does what when: in every state that can be reached, every call that any worker could make
//! is tried, whether its message was ever sent, was sent twice, or belongs to a run that has ended. An activator that
//! has seen a proof close may switch at any later time, and as often as it likes; so may a person whose order of a
//! rollback is old, and a worker store what it read for a plan that a retry has taken back. Two services of two batches
//! each have few enough states to visit all of them, and so all ways through them.
//!
//! The search itself is the forty lines of `visit`, which also count the ways; a model checker as a library (stateright)
//! would replace these and nothing else: not the state, not the calls, and not what is asked after each.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasherDefault, Hash, Hasher},
};

use crate::{
    calls::{Back, Call, Discard, Next, SetBack, Step},
    invariants::{Violation, Witness},
    ledger::{Ledger, Levels, Request, RunState},
    rules::Rule,
    source::{Document, Read, SERVICES, Source},
};

pub const TRIED_SERVICES: usize = 2;
const BATCHES: usize = 2;
pub const TRIED_RUNS: usize = 2;

/// A history to try: what each run reads, and what may come in between.
#[derive(Clone, Copy)]
pub struct History {
    pub requests: [Request; TRIED_RUNS],
    pub sources: [Source; TRIED_RUNS],
    /// What is read as well, by whoever looks later.
    pub mended: Option<Source>,
    /// Every batch may also be found broken.
    pub broken_batches: bool,
    /// Every batch may also be stored by a worker that read it long ago.
    pub old_reads: bool,
    pub ends: bool,
    pub rollbacks: bool,
    /// The first run is over before anything is tried.
    pub begun: bool,
    /// Only the first so many runs are tried.
    pub runs: usize,
    pub people: People,
    /// The rule that is not kept.
    pub without: Option<Rule>,
}

/// What people may do, and how often where it could go on for ever.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct People {
    pub retries: u8,
    pub tolerances: u8,
    pub acceptances: u8,
    pub discard: bool,
}

/// A state, with what everybody has in hand.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Node {
    ledger: Ledger,
    witness: Witness,
    /// Activators that have seen the proof of a service close, and those that are to end a run.
    switches: u8,
    finishes: u8,
    /// What people may still do, and what they have seen where they hold no lock.
    people: People,
    retry: Option<(usize, SetBack)>,
    acceptance: Option<(usize, [Option<Levels>; SERVICES])>,
}

/// The way to a broken invariant, the last call first.
#[derive(Debug)]
pub struct Counterexample {
    pub violation: Violation,
    pub way: Vec<Call>,
}

/// What was visited: every state, with the number of ways that lead on from it.
#[derive(Default)]
pub struct Visited {
    pub states: HashMap<u64, u128, BuildHasherDefault<Quick>>,
    ways: u128,
    run_states: HashSet<RunState>,
}

/// A hash of small numbers that is fast without optimisation: the function of the compiler's own tables.
#[derive(Clone, Copy)]
pub struct Quick(u64);

// === impl Visited ===

impl Visited {
    /// An exploration that went nowhere proves nothing.
    pub fn went_far(&self, ways: u128) {
        assert!(self.ways >= ways, "only {} ways through {} states", self.ways, self.states.len());
        assert!(self.run_states.contains(&RunState::Activated), "no run came to its end");
    }
}

// === impl History ===

impl History {
    pub fn plain(requests: [Request; TRIED_RUNS]) -> Self {
        let old = Source::sound(TRIED_SERVICES, BATCHES);
        let mut new = old;
        new.services[0] = Document::Sound(1);
        new.contents[0][0] = Read::Complete(2);
        new.providers[1][1] = Document::Absent;
        Self {
            requests: requests.map(|request| Request { batch_size: 1, ..request }),
            sources: [old, new],
            mended: None,
            broken_batches: false,
            old_reads: false,
            ends: false,
            rollbacks: false,
            begun: false,
            runs: TRIED_RUNS,
            people: People::default(),
            without: None,
        }
    }

    fn first(&self) -> Result<Node, Violation> {
        let mut node = Node {
            ledger: Ledger::new(),
            witness: Witness::new(),
            switches: 0,
            finishes: 0,
            people: self.people,
            retry: None,
            acceptance: None,
        };
        if self.begun {
            for call in self.calls_of_run(0, 1, &self.sources[0]) {
                node.call(call)?;
            }
        }
        node.ledger.without = self.without;
        Ok(node)
    }

    /// Visits every state that can be reached.
    pub fn explore(&self) -> Result<Visited, Counterexample> {
        let mut visited = Visited::default();
        let first = self.first().map_err(|violation| Counterexample { violation, way: Vec::new() })?;
        visited.ways = self.visit(&first, &mut visited)?;
        Ok(visited)
    }

    pub fn explore_all(&self) -> Visited {
        self.explore().unwrap_or_else(|found| panic!("{found:#?}"))
    }

    /// The number of ways from a state to one in which nothing more can happen. No state comes twice on one way: what
    /// has happened stays, or people have one retry less.
    fn visit(&self, node: &Node, visited: &mut Visited) -> Result<u128, Counterexample> {
        let fingerprint = node.fingerprint();
        if let Some(ways) = visited.states.get(&fingerprint) {
            return Ok(*ways);
        }
        visited.run_states.extend(node.ledger.runs[..TRIED_RUNS].iter().map(|run| run.state));
        let ends = self.can_come_to_its_end(node);
        ends.map_err(|violation| Counterexample { violation, way: Vec::new() })?;
        let mut ways = 0_u128;
        for call in self.calls(node) {
            let after = node.after(call).map_err(|violation| Counterexample { violation, way: vec![call] })?;
            let Some(next) = after else { continue };
            let on = self.visit(&next, visited).map_err(|mut found| {
                found.way.push(call);
                found
            })?;
            ways = ways.saturating_add(on);
        }
        visited.states.insert(fingerprint, ways.max(1));
        Ok(ways.max(1))
    }

    /// Everything that anybody could try now.
    fn calls(&self, node: &Node) -> Vec<Call> {
        let mut calls = Vec::new();
        for run in 0..self.runs {
            let generation = node.ledger.runs[run].generation;
            for source in [Some(self.sources[run]), self.mended].into_iter().flatten() {
                let messages = self.calls_of_run(run, generation, &source);
                calls.extend(messages.into_iter().flat_map(|call| self.having_looked(node, call)));
            }
            // A worker with the right run and another generation.
            let (generation, documents) = (generation + 1, self.sources[run].providers[0]);
            let reads = self.sources[run].read(0);
            calls.push(Call::Plan { run, generation, service: 0, documents, reads });
            calls.push(Call::Store { run, generation, service: 0, batch: 0, reads, seen: Some(1) });
        }
        for place in (0..8).filter(|place| node.switches & (1 << place) != 0) {
            let (run, service) = (place / TRIED_SERVICES, place % TRIED_SERVICES);
            calls.push(Call::Activate { run, service, next: Next::Switch });
        }
        for run in (0..self.runs).filter(|run| node.finishes & (1 << run) != 0) {
            calls.push(Call::Activate { run, service: 0, next: Next::Finish(0) });
        }
        if self.ends {
            calls.extend((0..self.runs).map(|run| Call::End { run, state: RunState::Aborted }));
        }
        if self.rollbacks {
            // Orders for one service and for both, by epochs that were true once.
            for epochs in [[1, 0, 0], [2, 0, 0], [3, 0, 0], [0, 1, 0], [0, 2, 0], [1, 1, 0], [2, 2, 0]] {
                calls.push(Call::RollBack { epochs, next: Back::Move });
            }
        }
        calls.extend((0..self.runs).flat_map(|run| node.decisions(run)));
        calls
    }

    fn calls_of_run(&self, run: usize, generation: u8, source: &Source) -> Vec<Call> {
        let mut calls =
            vec![Call::Open { run, request: self.requests[run] }, Call::Discover { run, documents: source.services }];
        for service in 0..TRIED_SERVICES {
            let (documents, reads) = (source.providers[service], source.read(service));
            calls.push(Call::Plan { run, generation, service, documents, reads });
            for batch in 0..BATCHES {
                calls.extend(self.stores(run, generation, (service, batch), source));
            }
        }
        calls.extend((0..TRIED_SERVICES).map(|service| Call::Activate { run, service, next: Next::Look }));
        calls
    }

    fn stores(&self, run: usize, generation: u8, (service, batch): (usize, usize), source: &Source) -> Vec<Call> {
        let mut reads = vec![source.read(service)];
        if self.old_reads {
            reads.push(self.sources[0].read(service));
        }
        if self.broken_batches {
            reads.push(source.read(service).map(|_| Read::Rejected));
        }
        reads.into_iter().map(|reads| Call::Store { run, generation, service, batch, reads, seen: None }).collect()
    }

    /// Of a worker that has looked: at this plan, or at one that a retry has taken back since.
    fn having_looked(&self, node: &Node, call: Call) -> Vec<Call> {
        let Call::Store { run, generation, service, batch, reads, .. } = call else { return vec![call] };
        let by_now = node.ledger.runs[run].services[service].batches[batch].providers;
        let stale =
            (0..BATCHES).map(|provider| 1 << provider).filter(|stale| self.mended.is_some() && *stale != by_now);
        let plans = std::iter::once(by_now).chain(stale);
        let store = |seen| Call::Store { run, generation, service, batch, reads, seen: Some(seen) };
        plans.map(store).collect()
    }

    /// From wherever it is: when every message but the confirmations is handled once more, one after the other, the
    /// timer alone ends the open run; or rejects or removals hold what is left of it.
    fn can_come_to_its_end(&self, node: &Node) -> Result<(), Violation> {
        let mut ledger = node.ledger;
        let Some(run) = ledger.open_run() else { return Ok(()) };
        let source = self.mended.unwrap_or(self.sources[run]);
        let calls = self.calls_of_run(run, ledger.runs[run].generation, &source);
        for call in calls.into_iter().filter(|call| !matches!(call, Call::Activate { .. })) {
            ledger.call(call);
        }
        for (run, service) in ledger.activatable() {
            ledger.call(Call::Activate { run, service, next: Next::Look });
        }
        let run = &ledger.runs[run];
        let waits_for_people = run.is_held() && !run.is_in_work();
        if run.is_open() && !waits_for_people {
            return Err(Violation(format!("a run stays open for ever: {run:#?}")));
        }
        Ok(())
    }
}

// === impl Node ===

impl Node {
    /// What people could decide about a run.
    fn decisions(&self, run: usize) -> Vec<Call> {
        let mut calls = Vec::new();
        calls.extend(self.retry.map(|(run, seen)| Call::Retry { run, seen: Some(seen) }));
        calls.extend(self.acceptance.map(|(run, seen)| Call::Accept { run, seen: Some(seen) }));
        if !self.ledger.runs[run].is_open() {
            return calls;
        }
        let People { retries, tolerances, acceptances, discard } = self.people;
        if retries > 0 {
            calls.push(Call::Retry { run, seen: None });
        }
        if tolerances > 0 {
            calls.extend([None, Some(1)].map(|max_providers| Call::Tolerate { run, max_providers }));
        }
        if acceptances > 0 {
            calls.push(Call::Accept { run, seen: None });
        }
        if discard {
            let next = Discard::Close { generation: self.ledger.runs[run].generation };
            for service in 0..TRIED_SERVICES {
                let parts = [None, Some(0), Some(1)];
                calls.extend(parts.map(|batch| Call::Discard { run, service, batch, next }));
            }
        }
        calls
    }

    /// The state after one step of a call: none when nothing came of it.
    fn after(&self, call: Call) -> Result<Option<Self>, Violation> {
        let mut next = *self;
        let step = next.step(call)?;
        match step {
            Step::Goes(Call::Activate { run, service, next: Next::Switch }) => {
                next.switches |= 1 << (run * TRIED_SERVICES + service);
            }
            Step::Goes(Call::Activate { run, next: Next::Finish(_), .. }) => next.finishes |= 1 << run,
            Step::Goes(Call::Retry { run, seen: Some(seen) }) => next.retry = Some((run, seen)),
            Step::Goes(Call::Accept { run, seen: Some(seen) }) => next.acceptance = Some((run, seen)),
            Step::Ends(_) if matches!(call, Call::Retry { .. }) => next.retry = None,
            Step::Ends(_) if matches!(call, Call::Accept { .. }) => next.acceptance = None,
            _ => {}
        }
        if next == *self {
            return Ok(None);
        }
        match call {
            Call::Retry { .. } => next.people.retries = next.people.retries.saturating_sub(1),
            Call::Tolerate { .. } => next.people.tolerances -= 1,
            Call::Accept { .. } => next.people.acceptances = next.people.acceptances.saturating_sub(1),
            _ => {}
        }
        Ok(Some(next))
    }

    /// A call from its beginning to its end, alone.
    fn call(&mut self, mut call: Call) -> Result<(), Violation> {
        while let Step::Goes(next) = self.step(call)? {
            call = next;
        }
        Ok(())
    }

    fn step(&mut self, call: Call) -> Result<Step, Violation> {
        let before = self.ledger;
        let step = self.ledger.step(call);
        self.witness.see(&before, &call, &step, &self.ledger)?;
        Ok(step)
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
