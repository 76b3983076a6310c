//! The whole pipeline around one ledger: messages that come late, twice or out of order, and workers that die.
//!
//! A message that was ever emitted may be handled at any time, any number of times, by any of the workers. What the
//! transport promises is only this: a message is handed out until one worker has handled it to the end, its own
//! emissions included. A confirmation is not even promised that: it may be lost, and the timer stands in for it.
//!
//! A worker takes one step at a time. Between two steps anything else may happen, and the worker may die: then its
//! effects stay, and its message comes again.

use pipeline_store::Waiting;

use crate::{
    invariants::{Violation, Witness, looked_rightly},
    ledger::{Ledger, Request, Run, RunState, ServiceState, Set},
    rows::RUNS,
    source::{Document, PROVIDERS, Read, SERVICES, Source},
    transactions::{Call, Next, Outcome, Step},
};

const WORKERS: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    Requested { run: usize },
    Discovered { run: usize, service: usize },
    Planned { run: usize, service: usize, batch: usize },
    Confirmed { run: usize, service: usize },
}

/// Messages of one run: one request, and for each service its discovery, its batches and its confirmation.
const MESSAGES: usize = 1 + SERVICES * (2 + PROVIDERS);

#[derive(Clone, Copy, Debug)]
pub struct Worker {
    job: Job,
    /// What it handles; the timer's work and a person's have no message.
    message: Option<Message>,
    /// The message comes again if the worker dies.
    owed: bool,
}

#[derive(Clone, Copy, Debug)]
pub enum Job {
    Begin,
    /// The run is open: read its services.
    Discover,
    /// A call with all that it needs; for a batch, content that was read some time ago.
    Call(Call),
    /// The effect is in the ledger: tell others.
    Emit,
    /// The same for an activation.
    Announce(Set),
}

/// How often a situation came up, to see that an exploration went where it is interesting.
#[derive(Clone, Copy, Debug, Default)]
pub struct Coverage {
    pub activations: u32,
    pub lost_races: u32,
    pub whole_runs: u32,
    pub half_active_aborts: u32,
    pub deaths_after_an_effect: u32,
    pub rollbacks: u32,
    pub late_rollbacks: u32,
    pub refused_runs: u32,
    pub fenced_writes: u32,
    pub repeated_work: u32,
    pub held_by_rejects: u32,
    pub removed_services: u32,
    pub ends_by_the_timer: u32,
}

#[derive(Clone, Debug)]
pub struct System {
    pub ledger: Ledger,
    pub source: Source,
    pub requests: [Request; RUNS],
    pub coverage: Coverage,
    /// Of everything that had an effect: two systems that differ in it took different ways.
    pub path: u64,
    /// What happened, when somebody wants to know.
    pub log: Option<Vec<String>>,
    pub witness: Witness,
    pub emitted: u64,
    pub pending: u64,
    pub workers: [Option<Worker>; WORKERS],
}

/// The run that [`System::settle`] keeps for itself.
pub const LAST_RUN: usize = RUNS - 1;

// === impl Message ===

impl Message {
    fn bit(self) -> u64 {
        let place = match self {
            Self::Requested { run } => run * MESSAGES,
            Self::Discovered { run, service } => run * MESSAGES + 1 + service,
            Self::Confirmed { run, service } => run * MESSAGES + 1 + SERVICES + service,
            Self::Planned { run, service, batch } => run * MESSAGES + 1 + SERVICES * 2 + service * PROVIDERS + batch,
        };
        1 << place
    }

    /// The message of the lowest bit.
    fn lowest(bits: u64) -> Self {
        let place = bits.trailing_zeros() as usize;
        let (run, place) = (place / MESSAGES, place % MESSAGES);
        match place.checked_sub(1) {
            None => Self::Requested { run },
            Some(service) if service < SERVICES => Self::Discovered { run, service },
            Some(place) if place < 2 * SERVICES => Self::Confirmed { run, service: place - SERVICES },
            Some(place) => {
                let place = place - 2 * SERVICES;
                Self::Planned { run, service: place / PROVIDERS, batch: place % PROVIDERS }
            }
        }
    }
}

// === impl System ===

impl System {
    pub fn new(source: Source, requests: [Request; RUNS]) -> Self {
        Self {
            ledger: Ledger::new(),
            source,
            requests,
            coverage: Coverage::default(),
            path: 0xcbf2_9ce4_8422_2325,
            log: None,
            witness: Witness::new(),
            emitted: 0,
            pending: 0,
            workers: [None; WORKERS],
        }
    }

    /// One thing that can happen, chosen by a number. One that cannot happen now does nothing.
    pub fn act(&mut self, word: u16) -> Result<(), Violation> {
        let [kind, pick] = word.to_le_bytes();
        let place = usize::from(pick);
        match kind {
            0..90 => self.step_worker(place),
            90..105 => self.finish_worker(place),
            105..165 => self.deliver(self.pending, place),
            165..175 => self.deliver(self.emitted, place),
            175..185 => {
                self.emit(Message::Requested { run: place % LAST_RUN });
                Ok(())
            }
            185..200 => {
                self.kill(place);
                Ok(())
            }
            200..215 => {
                self.timer(place);
                Ok(())
            }
            215..222 => {
                self.lose(place);
                Ok(())
            }
            222..240 => {
                self.source.change(pick, kind.wrapping_mul(41).wrapping_add(pick.wrapping_mul(7)));
                Ok(())
            }
            240..246 => self.end(place % RUNS, if place < 128 { RunState::Aborted } else { RunState::Failed }),
            246..252 => {
                self.order_rollback(place);
                Ok(())
            }
            252.. => {
                self.announce_all();
                Ok(())
            }
        }
    }

    /// Hands a message to a worker, if one is free.
    fn deliver(&mut self, among: u64, place: usize) -> Result<(), Violation> {
        if among == 0 {
            return Ok(());
        }
        let mut bits = among;
        for _ in 0..place % (among.count_ones() as usize) {
            bits &= bits - 1;
        }
        let message = Message::lowest(bits);
        let owed = self.pending & message.bit() != 0;
        if self.hire(Worker { job: Job::Begin, message: Some(message), owed }) {
            self.pending &= !message.bit();
        }
        Ok(())
    }

    fn hire(&mut self, worker: Worker) -> bool {
        match self.workers.iter_mut().find(|place| place.is_none()) {
            Some(place) => {
                *place = Some(worker);
                true
            }
            None => false,
        }
    }

    fn busy(&self, place: usize) -> Option<usize> {
        let busy = self.workers.iter().filter(|worker| worker.is_some()).count();
        let nth = place.checked_rem(busy)?;
        (0..WORKERS).filter(|place| self.workers[*place].is_some()).nth(nth)
    }

    /// The worker dies. What it did stays done, and its message comes again.
    fn kill(&mut self, place: usize) {
        let Some(worker) = self.busy(place).and_then(|place| self.workers[place].take()) else { return };
        self.mix(1, place);
        self.coverage.deaths_after_an_effect += u32::from(matches!(worker.job, Job::Emit | Job::Announce(_)));
        if let Some(message) = worker.message.filter(|_| worker.owed) {
            self.pending |= message.bit();
        }
    }

    /// A confirmation is lost for good.
    fn lose(&mut self, place: usize) {
        let message = Message::Confirmed { run: place % RUNS, service: place / RUNS % SERVICES };
        self.pending &= !message.bit();
    }

    /// One look of the timer: it tries one of those that it finds.
    fn timer(&mut self, place: usize) {
        let found = self.ledger.activatable();
        let Some(place) = place.checked_rem(found.len()) else { return };
        let (run, service) = found[place];
        let ends = self.ledger.runs[run].left().next().is_none();
        let job = Job::Call(Call::Activate { run, service, next: Next::Look });
        let hired = self.hire(Worker { job, message: None, owed: false });
        self.coverage.ends_by_the_timer += u32::from(ends && hired);
    }

    /// The timer's other half: what is not acknowledged is announced once more.
    fn announce_all(&mut self) {
        for run in &mut self.ledger.runs {
            run.services.iter_mut().for_each(|service| service.unannounced = false);
        }
    }

    /// A person ends a run.
    fn end(&mut self, run: usize, state: RunState) -> Result<(), Violation> {
        let step = self.apply(Call::End { run, state })?;
        let half = matches!(step, Step::Ends(Outcome::Ended { kept: 1.., .. }));
        self.coverage.half_active_aborts += u32::from(half);
        Ok(())
    }

    /// A person asks for a rollback of one service or of what the newest generation switched. It is carried out some
    /// time later, by what was seen now.
    fn order_rollback(&mut self, place: usize) {
        let newest = self.ledger.pointers.iter().map(|pointer| pointer.generation).max().unwrap_or(0);
        let mut epochs = self.ledger.pointers.map(|pointer| pointer.epoch);
        for (service, epoch) in epochs.iter_mut().enumerate() {
            let one = place % 2 == 0 && place / 2 % SERVICES != service;
            let all = place % 2 == 1 && self.ledger.pointers[service].generation != newest;
            if one || all {
                *epoch = 0;
            }
        }
        if epochs.iter().any(|epoch| *epoch != 0) {
            self.hire(Worker { job: Job::Call(Call::RollBack { epochs }), message: None, owed: false });
        }
    }

    fn finish_worker(&mut self, place: usize) -> Result<(), Violation> {
        let Some(place) = self.busy(place) else { return Ok(()) };
        while self.workers[place].is_some() {
            self.step(place)?;
        }
        Ok(())
    }

    fn step_worker(&mut self, place: usize) -> Result<(), Violation> {
        self.busy(place).map_or(Ok(()), |place| self.step(place))
    }

    fn step(&mut self, place: usize) -> Result<(), Violation> {
        let Some(worker) = self.workers[place] else { return Ok(()) };
        self.mix(2, place);
        let next = match worker.job {
            Job::Begin => self.begin(worker.message)?,
            Job::Discover => match worker.message {
                Some(Message::Requested { run }) => {
                    self.carry_out(Call::Discover { run, documents: self.source.services })?
                }
                _ => None,
            },
            Job::Call(call) => self.carry_out(call)?,
            Job::Emit => {
                self.emit_from_ledger(worker.message);
                None
            }
            Job::Announce(won) => {
                self.announce(worker, won);
                None
            }
        };
        self.workers[place] = next.map(|job| Worker { job, ..worker });
        Ok(())
    }

    /// The first step with a message.
    fn begin(&mut self, message: Option<Message>) -> Result<Option<Job>, Violation> {
        match message {
            None => Ok(None),
            Some(Message::Requested { run }) => self.carry_out(Call::Open { run, request: self.requests[run] }),
            Some(Message::Discovered { run, service }) => {
                let generation = self.ledger.runs[run].generation;
                let documents = self.source.providers[service];
                self.carry_out(Call::Plan { run, generation, service, documents })
            }
            Some(Message::Planned { run, service, batch }) => {
                let Run { generation, .. } = self.ledger.runs[run];
                if !self.ledger.runs[run].is_open() {
                    return Ok(None);
                }
                if self.ledger.runs[run].services[service].batches[batch].stored {
                    self.coverage.repeated_work += 1;
                    return Ok(Some(Job::Emit));
                }
                let reads = self.source.read(service);
                Ok(Some(Job::Call(Call::Store { run, generation, service, batch, reads })))
            }
            Some(Message::Confirmed { run, service }) => {
                self.carry_out(Call::Activate { run, service, next: Next::Look })
            }
        }
    }

    /// One step of a call, under the eyes of the invariants; gives what the worker does next.
    fn carry_out(&mut self, call: Call) -> Result<Option<Job>, Violation> {
        let outcome = match self.apply(call)? {
            Step::Goes(next) => return Ok(Some(Job::Call(next))),
            Step::Ends(outcome) => outcome,
        };
        self.count(&call, &outcome);
        match outcome {
            Outcome::Opened(RunState::Running) => Ok(Some(Job::Discover)),
            Outcome::Discovered { .. } | Outcome::Planned { .. } | Outcome::Stored(_) => Ok(Some(Job::Emit)),
            Outcome::Done if !matches!(call, Call::Activate { .. }) => Ok(Some(Job::Emit)),
            Outcome::Activated(won) => Ok(Some(Job::Announce(won))),
            Outcome::NotInLedger => Err(Violation(format!("{call:?} is about something that the ledger lacks"))),
            _ => Ok(None),
        }
    }

    fn apply(&mut self, call: Call) -> Result<Step, Violation> {
        let before = self.ledger;
        let step = self.ledger.step(call);
        if let Some(log) = &mut self.log {
            log.push(format!("{call:?}\n    → {step:?}"));
        }
        self.witness.see(&before, &call, &step, &self.ledger)?;
        looked_rightly(&before, &call, &step)?;
        Ok(step)
    }

    fn count(&mut self, call: &Call, outcome: &Outcome) {
        let coverage = &mut self.coverage;
        match (call, outcome) {
            (_, Outcome::Activated(won)) => {
                coverage.activations += won.count_ones();
                if let Call::Activate { run, .. } = call {
                    coverage.whole_runs += u32::from(self.ledger.runs[*run].request.whole_run);
                    let removed = |service: usize| self.ledger.runs[*run].services[service].removed;
                    coverage.removed_services +=
                        (0..SERVICES).filter(|service| won & (1 << service) != 0 && removed(*service)).count() as u32;
                }
            }
            (Call::Activate { next: Next::Finish(0), .. }, Outcome::Done)
            | (Call::Activate { next: Next::Switch, .. }, Outcome::Done | Outcome::Closed) => coverage.lost_races += 1,
            (Call::RollBack { .. }, Outcome::RolledBack(0)) => coverage.late_rollbacks += 1,
            (Call::RollBack { .. }, Outcome::RolledBack(_)) => coverage.rollbacks += 1,
            (_, Outcome::Opened(RunState::Refused)) => coverage.refused_runs += 1,
            (Call::Plan { .. } | Call::Store { .. }, Outcome::Closed) => coverage.fenced_writes += 1,
            (_, Outcome::Done) => coverage.repeated_work += 1,
            (_, Outcome::NotYet(Waiting::Rejects { .. })) => coverage.held_by_rejects += 1,
            _ => {}
        }
    }

    fn emit_from_ledger(&mut self, message: Option<Message>) {
        match message {
            Some(Message::Requested { run }) => {
                for service in 0..SERVICES {
                    let state = self.ledger.runs[run].services[service].state;
                    if !matches!(state, ServiceState::Absent | ServiceState::Rejected) {
                        self.emit(Message::Discovered { run, service });
                    }
                }
            }
            Some(Message::Discovered { run, service }) => {
                for batch in 0..usize::from(self.ledger.runs[run].services[service].batch_count) {
                    if !self.ledger.runs[run].services[service].batches[batch].stored {
                        self.emit(Message::Planned { run, service, batch });
                    }
                }
                self.emit(Message::Confirmed { run, service });
            }
            Some(Message::Planned { run, service, .. }) => self.emit(Message::Confirmed { run, service }),
            Some(Message::Confirmed { .. }) | None => {}
        }
    }

    pub fn emit(&mut self, message: Message) {
        self.emitted |= message.bit();
        self.pending |= message.bit();
    }

    /// The brokers have the announcements of what this worker switched.
    fn announce(&mut self, worker: Worker, won: Set) {
        let Some(Message::Confirmed { run, .. }) = worker.message else { return };
        for (service, entry) in self.ledger.runs[run].services.iter_mut().enumerate() {
            entry.unannounced &= won & (1 << service) == 0;
        }
    }

    /// Everything that is owed is done at last: then the run has ended, or waits for a person because of its rejects.
    /// And a run after that, without faults, brings exactly what the source has.
    pub fn settle(&mut self) -> Result<(), Violation> {
        self.quiet()?;
        if let Some(run) = self.ledger.open_run() {
            self.end(run, RunState::Aborted)?;
        }
        self.requests[LAST_RUN] = Request { max_providers: Some(u8::MAX), max_percent: None, ..self.requests[LAST_RUN] };
        self.emit(Message::Requested { run: LAST_RUN });
        self.quiet()?;
        match self.ledger.runs[LAST_RUN].state {
            RunState::Activated => self.shows_the_source(),
            RunState::Failed => Ok(()),
            state => Err(Violation(format!("the last run is {state:?}"))),
        }
    }

    /// Delivers what is owed and lets the timer look, until nothing changes any more.
    fn quiet(&mut self) -> Result<(), Violation> {
        for _ in 0..100 {
            for place in 0..WORKERS {
                self.finish_worker(place)?;
            }
            if self.pending != 0 {
                self.deliver(self.pending, 0)?;
                continue;
            }
            let before = self.ledger;
            for place in 0..before.activatable().len() {
                self.timer(place);
                self.finish_worker(0)?;
            }
            if self.ledger == before {
                break;
            }
        }
        self.is_quiet()
    }

    fn is_quiet(&self) -> Result<(), Violation> {
        if self.pending != 0 {
            return Err(Violation("messages do not come to an end".to_owned()));
        }
        let Some(open) = self.ledger.open_run() else { return Ok(()) };
        let run = &self.ledger.runs[open];
        let mut ledger = self.ledger;
        for service in (0..SERVICES).filter(|service| run.services[*service].is_left()) {
            let outcome = ledger.call(Call::Activate { run: open, service, next: Next::Look });
            if !matches!(outcome, Outcome::NotYet(Waiting::Rejects { .. })) {
                return Err(Violation(format!("run {open} stays open: its service {service} is {outcome:?}")));
            }
        }
        if run.left().next().is_none() {
            return Err(Violation(format!("run {open} stays open with nothing left to do")));
        }
        Ok(())
    }

    /// Sound documents are shown as they are, and what is gone is not shown.
    fn shows_the_source(&self) -> Result<(), Violation> {
        let request = self.requests[LAST_RUN];
        for service in (0..SERVICES).filter(|service| request.covers(*service)) {
            let view = self.ledger.view(service);
            let right = match self.source.services[service] {
                Document::Sound(says) => view.service == Some(says) && self.shows_providers(service),
                Document::Absent => view.service.is_none(),
                Document::Broken | Document::Twice => true,
            };
            if !right {
                return Err(Violation(format!("after a run without faults service {service} shows {view:?}")));
            }
        }
        Ok(())
    }

    fn shows_providers(&self, service: usize) -> bool {
        let shown = self.ledger.view(service).providers;
        let reads = self.source.read(service);
        (0..PROVIDERS).all(|provider| match (self.source.providers[service][provider], reads[provider]) {
            (Document::Absent, _) => shown[provider].is_none(),
            (Document::Sound(says), Read::Complete(content)) => shown[provider] == Some((says, content)),
            _ => true,
        })
    }

    fn mix(&mut self, what: u64, place: usize) {
        let job = self.workers.iter().flatten().fold(what, |sum, worker| {
            let message = worker.message.map_or(0, |message| u64::from(message.bit().trailing_zeros()));
            sum.wrapping_mul(131).wrapping_add(message * 8 + worker.job.number())
        });
        self.path = (self.path ^ (job + place as u64)).wrapping_mul(0x0100_0000_01b3);
    }
}

impl Job {
    fn number(&self) -> u64 {
        match self {
            Self::Begin => 0,
            Self::Discover => 1,
            Self::Call(Call::Activate { next: Next::Switch, .. }) => 2,
            Self::Call(Call::Activate { next: Next::Finish(_), .. }) => 3,
            Self::Call(_) => 4,
            Self::Emit => 5,
            Self::Announce(_) => 6,
        }
    }
}

// === impl Coverage ===

impl Coverage {
    pub fn add(&mut self, other: &Self) {
        self.activations += other.activations;
        self.lost_races += other.lost_races;
        self.whole_runs += other.whole_runs;
        self.half_active_aborts += other.half_active_aborts;
        self.deaths_after_an_effect += other.deaths_after_an_effect;
        self.rollbacks += other.rollbacks;
        self.late_rollbacks += other.late_rollbacks;
        self.refused_runs += other.refused_runs;
        self.fenced_writes += other.fenced_writes;
        self.repeated_work += other.repeated_work;
        self.held_by_rejects += other.held_by_rejects;
        self.removed_services += other.removed_services;
        self.ends_by_the_timer += other.ends_by_the_timer;
    }
}
