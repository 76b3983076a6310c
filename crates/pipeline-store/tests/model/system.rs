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
    calls::{Call, Next, Outcome, Step},
    coverage::{Coverage, Situation},
    invariants::{Violation, Witness},
    ledger::{Ledger, Request, Run, RunState, Service, ServiceState, Set},
    message::Message,
    rows::RUNS,
    settle::LAST_RUN,
    source::{SERVICES, Source},
};

pub const WORKERS: usize = 3;

#[derive(Clone, Copy, Debug)]
pub struct Worker {
    pub job: Job,
    /// What it handles; the timer's work and a person's have no message.
    pub message: Option<Message>,
    /// The message comes again if the worker dies.
    pub owed: bool,
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
    /// A person has tried again: announce whatever is not done.
    AnnounceAgain(usize),
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
            0..82 => self.step_worker(place),
            82..97 => self.finish_worker(place),
            97..150 => self.deliver(self.pending, place),
            150..160 => self.deliver(self.emitted, place),
            160..178 => self.decide(kind, place),
            178..185 => {
                self.emit(Message::Requested { run: place % LAST_RUN });
                Ok(())
            }
            185..202 => {
                self.kill(place);
                Ok(())
            }
            202..220 => {
                self.timer(place);
                Ok(())
            }
            220..230 => {
                self.lose(place);
                Ok(())
            }
            230..240 => {
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
    pub fn deliver(&mut self, among: u64, place: usize) -> Result<(), Violation> {
        let Some(message) = nth_bit(among, place) else { return Ok(()) };
        let owed = self.pending & message.bit() != 0;
        if self.hire(Worker { job: Job::Begin, message: Some(message), owed }) {
            self.pending &= !message.bit();
        }
        Ok(())
    }

    pub fn hire(&mut self, worker: Worker) -> bool {
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
        if matches!(worker.job, Job::Emit | Job::Announce(_)) {
            self.coverage.note(Situation::DiedAfterEffect);
        }
        if let Some(message) = worker.message.filter(|_| worker.owed) {
            self.pending |= message.bit();
        }
    }

    /// A confirmation is lost for good, if one is on its way.
    fn lose(&mut self, place: usize) {
        let lost = nth_bit(self.pending & Message::CONFIRMATIONS, place);
        self.pending &= !lost.map_or(0, Message::bit);
    }

    /// One look of the timer: it tries one of those that it finds.
    pub fn timer(&mut self, place: usize) {
        let found = self.ledger.activatable();
        let Some(place) = place.checked_rem(found.len()) else { return };
        let (run, service) = found[place];
        let ends = self.ledger.runs[run].left().next().is_none();
        let job = Job::Call(Call::Activate { run, service, next: Next::Look });
        if self.hire(Worker { job, message: None, owed: false }) && ends {
            self.coverage.note(Situation::EndedByTimer);
        }
    }

    /// The timer's other half: what is not acknowledged is announced once more.
    pub fn announce_all(&mut self) {
        for run in &mut self.ledger.runs {
            run.services.iter_mut().for_each(|service| service.unannounced = false);
        }
    }

    pub fn finish_worker(&mut self, place: usize) -> Result<(), Violation> {
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
            Job::AnnounceAgain(run) => {
                self.announce_again(run);
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
                let (documents, reads) = (self.source.providers[service], self.source.read(service));
                self.carry_out(Call::Plan { run, generation, service, documents, reads })
            }
            Some(Message::Planned { run, service, batch }) => {
                let Run { generation, .. } = self.ledger.runs[run];
                let reads = self.source.read(service);
                self.carry_out(Call::Store { run, generation, service, batch, reads, seen: None })
            }
            Some(Message::Confirmed { run, service }) => {
                self.carry_out(Call::Activate { run, service, next: Next::Look })
            }
        }
    }

    /// One step of a call, under the eyes of the invariants; gives what the worker does next.
    pub fn carry_out(&mut self, call: Call) -> Result<Option<Job>, Violation> {
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
            Outcome::Retried { .. } => Ok(Some(Job::AnnounceAgain(call.run()))),
            Outcome::NotInLedger => Err(Violation(format!("{call:?} is about something that the ledger lacks"))),
            _ => Ok(None),
        }
    }

    pub fn apply(&mut self, call: Call) -> Result<Step, Violation> {
        let before = self.ledger;
        let step = self.ledger.step(call);
        if let Some(log) = &mut self.log {
            log.push(format!("{call:?}\n    → {step:?}"));
        }
        self.witness.see(&before, &call, &step, &self.ledger)?;
        Ok(step)
    }

    fn count(&mut self, call: &Call, outcome: &Outcome) {
        let situation = match (call, outcome) {
            (Call::Activate { run, .. }, Outcome::Activated(won)) => {
                let run = &self.ledger.runs[*run];
                let removal = |(place, service): (usize, &Service)| won & (1 << place) != 0 && service.removed;
                if run.request.whole_run {
                    self.coverage.note(Situation::ActivatedWholeRun);
                }
                if run.services.iter().enumerate().any(removal) {
                    self.coverage.note(Situation::ActivatedRemoval);
                }
                Situation::Activated
            }
            (Call::Activate { next: Next::Finish(0), .. }, Outcome::Done)
            | (Call::Activate { next: Next::Switch, .. }, Outcome::Done | Outcome::Closed) => Situation::LostRace,
            (Call::Activate { next: Next::Switch, .. }, Outcome::NotYet(_)) => Situation::SetBackBeforeSwitch,
            (_, Outcome::NotYet(Waiting::Rejects { .. })) => Situation::HeldByRejects,
            (_, Outcome::NotYet(Waiting::Removals(_))) => Situation::HeldByRemovals,
            (_, Outcome::NotYet(Waiting::Rest)) => Situation::HeldByTheRest,
            (_, Outcome::Retried { batches: 1.., .. }) => Situation::StoredAgain,
            (_, Outcome::Retried { services: 1.., .. }) => Situation::PlannedAgain,
            (_, Outcome::Accepted { services: 1.., .. }) => Situation::Accepted,
            (_, Outcome::DiscardedBatch(_)) => Situation::DiscardedBatch,
            (_, Outcome::DiscardedPlan) => Situation::DiscardedPlan,
            (Call::Store { run, .. }, Outcome::Closed) if self.ledger.runs[*run].is_open() => Situation::StalePlan,
            (Call::Store { seen: None, .. }, Outcome::Stored(_)) => Situation::Repeated,
            (_, Outcome::Moved | Outcome::RunOpen) => Situation::RolledBackLate,
            (_, Outcome::RolledBack(_)) => Situation::RolledBack,
            (_, Outcome::Opened(RunState::Refused)) => Situation::Refused,
            (Call::Plan { run, service, .. }, Outcome::Planned { .. })
                if self.ledger.runs[*run].services[*service].batches().iter().any(|batch| batch.stored) =>
            {
                Situation::StoredByPlan
            }
            (Call::Plan { .. } | Call::Store { .. }, Outcome::Closed) => Situation::Fenced,
            (_, Outcome::Done) => Situation::Repeated,
            _ => return,
        };
        self.coverage.note(situation);
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

    fn mix(&mut self, what: u64, place: usize) {
        let job = self.workers.iter().flatten().fold(what, |sum, worker| {
            let message = worker.message.map_or(0, |message| u64::from(message.bit().trailing_zeros()));
            sum.wrapping_mul(131).wrapping_add(message * 16 + worker.job.number())
        });
        self.path = (self.path ^ (job + place as u64)).wrapping_mul(0x0100_0000_01b3);
    }
}

/// One of these messages, chosen by a number.
fn nth_bit(among: u64, place: usize) -> Option<Message> {
    let mut bits = among;
    for _ in 0..place.checked_rem(among.count_ones() as usize)? {
        bits &= bits - 1;
    }
    Some(Message::lowest(bits))
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
            Self::AnnounceAgain(_) => 7,
        }
    }
}
