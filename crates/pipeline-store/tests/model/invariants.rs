//! What must hold after every step, whoever did it and whatever else was under way.
//!
//! | invariant | says |
//! |---|---|
//! | one open run | at most one run is open, and no generation is used twice |
//! | frozen | a run that is closed does not change, but for the acknowledgement of its announcements; a plan never changes; a stored batch stays as it is |
//! | exact fan-in | a service is switched once by a run, by a switch and not otherwise, and only when it is complete |
//! | accounted | of a switched service, planned = stored + unchanged + rejected + skipped |
//! | epochs grow | every move of a pointer counts its epoch by one, and nothing else does |
//! | newest wins | a switch moves a pointer forward only; only a rollback moves it back, to what it pointed at before |
//! | one generation | the services of a run in mode whole-run are switched in one step, which also ends the run |
//! | still views | what readers see of a service changes when its pointer moves, and not otherwise |
//! | the right view | what a switch shows is the last good copy with what this run read: checked against a second, simpler account that knows no versions |
//! | fencing | nothing is planned or stored unless the run is open under the worker's generation; a run that ended early left no row in a service that it had not switched |
//! | ended honestly | a run is activated when all its services are switched or rejected, and not before |
//!
//! The tolerance is no fact that stays true: a later batch may bring one more reject. So it is held against what the
//! activator saw when it looked, and completeness against the moment of the switch.

use pipeline_store::proof;

use crate::{
    ledger::{Ledger, Run, RunState, Service, ServiceState, Set},
    rows::{GENERATIONS, RUNS, View},
    source::{Document, PROVIDERS, Read, SERVICES},
    transactions::{Call, Next, Outcome, Step},
};

/// A broken invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation(pub String);

/// What has happened so far, as far as the ledger itself does not tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Witness {
    switches: [[u8; SERVICES]; RUNS],
    moves: [u8; SERVICES],
    /// What readers saw when a generation was switched to.
    seen: [[View; GENERATIONS]; SERVICES],
    /// The copy after the newest switch of each service, and what the open run makes of it.
    good: [Copied; SERVICES],
    next: [Copied; SERVICES],
    /// Providers of the open run's plans that no batch can store.
    unstorable: [Set; SERVICES],
}

/// The second account of a service: one state, no versions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Copied {
    service: Option<u8>,
    providers: [Option<u8>; PROVIDERS],
    contents: [Option<u8>; PROVIDERS],
}

macro_rules! hold {
    ($condition:expr, $($what:tt)+) => {
        if !$condition {
            return Err(Violation(format!($($what)+)));
        }
    };
}

// === impl Witness ===

impl Witness {
    /// Before anything happened to a new target.
    pub fn new() -> Self {
        Self {
            switches: [[0; SERVICES]; RUNS],
            moves: [0; SERVICES],
            seen: [[View::default(); GENERATIONS]; SERVICES],
            good: [Copied::default(); SERVICES],
            next: [Copied::default(); SERVICES],
            unstorable: [0; SERVICES],
        }
    }

    /// Looks at one step of a call.
    pub fn see(&mut self, before: &Ledger, call: &Call, step: &Step, after: &Ledger) -> Result<(), Violation> {
        self.follow(before, call, step, after);
        if before == after {
            return Ok(());
        }
        fenced(before, call)?;
        let rolls_back = matches!(call, Call::RollBack { .. });
        for service in 0..SERVICES {
            self.pointer(before, after, service, rolls_back)?;
        }
        runs(after)?;
        for run in 0..RUNS {
            self.run(&before.runs[run], &after.runs[run], run)?;
            self.ended(before, after, run)?;
        }
        Ok(())
    }

    /// Keeps the second account.
    fn follow(&mut self, before: &Ledger, call: &Call, step: &Step, after: &Ledger) {
        match (call, step) {
            (Call::Open { run, .. }, Step::Ends(Outcome::Opened(RunState::Running)))
                if before.runs[*run].state == RunState::Unknown =>
            {
                self.next = self.good;
                self.unstorable = [0; SERVICES];
            }
            (Call::Discover { run, documents }, Step::Ends(Outcome::Discovered { services, .. })) => {
                let request = before.runs[*run].request;
                for service in (0..SERVICES).filter(|service| request.covers(*service)) {
                    match documents[service] {
                        Document::Sound(says) => self.next[service].service = Some(says),
                        Document::Absent if *services > 0 || request.scope != 0 => self.next[service].service = None,
                        Document::Absent | Document::Broken | Document::Twice => {}
                    }
                }
            }
            (Call::Plan { run, service, documents, reads, .. }, Step::Ends(Outcome::Planned { .. })) => {
                if self.next[*service].service.is_none() {
                    self.next[*service] = Copied::default();
                    return;
                }
                for (provider, document) in documents.iter().enumerate() {
                    let next = &mut self.next[*service];
                    match document {
                        Document::Sound(says) => next.providers[provider] = Some(*says),
                        Document::Absent => (next.providers[provider], next.contents[provider]) = (None, None),
                        Document::Twice => self.unstorable[*service] |= 1 << provider,
                        Document::Broken => {}
                    }
                }
                // What was taken for unchanged must be what readers see, and what the source has.
                let stored = after.runs[*run].services[*service].batches().iter().filter(|batch| batch.stored);
                let stored = stored.fold(0, |set, batch| set | batch.providers);
                for (provider, read) in reads.iter().enumerate().filter(|(provider, _)| stored & (1 << provider) != 0) {
                    if let Read::Complete(content) = read {
                        self.next[*service].contents[provider] = Some(*content);
                    }
                }
            }
            (Call::Store { run, service, batch, reads, .. }, Step::Ends(Outcome::Stored(_))) => {
                let batch = before.runs[*run].services[*service].batches[*batch];
                let storable = batch.providers & !self.unstorable[*service];
                for (provider, read) in reads.iter().enumerate().filter(|(provider, _)| storable & (1 << provider) != 0)
                {
                    if let (Read::Complete(content), false) = (read, batch.stored) {
                        self.next[*service].contents[provider] = Some(*content);
                    }
                }
            }
            _ => {}
        }
    }

    fn pointer(&mut self, before: &Ledger, after: &Ledger, service: usize, rolls_back: bool) -> Result<(), Violation> {
        let (old, new) = (before.pointers[service], after.pointers[service]);
        if old != new {
            self.moves[service] += 1;
            hold!(new.previous == old.generation, "the pointer of service {service} forgot where it was");
            if rolls_back {
                hold!(new.generation == old.previous, "service {service} was not rolled back to what it showed before");
            } else {
                hold!(new.generation > old.generation, "service {service} went back to generation {}", new.generation);
                self.good[service] = self.next[service];
                self.seen[service][usize::from(new.generation)] = self.good[service].view();
            }
        }
        hold!(
            new.epoch == self.moves[service],
            "service {service} has epoch {} after {} moves",
            new.epoch,
            self.moves[service]
        );
        let (view, expected) = (after.view(service), self.seen[service][usize::from(new.generation)]);
        hold!(view == expected, "readers of service {service} see {view:?} instead of {expected:?}");
        Ok(())
    }

    fn run(&mut self, before: &Run, after: &Run, number: usize) -> Result<(), Violation> {
        if before.state != RunState::Running {
            let same = before.state == RunState::Unknown || same_but_announced(before, after);
            hold!(same, "run {number} changed after it was closed");
        }
        let mut won = 0_u8;
        for (service, (old, new)) in before.services.iter().zip(&after.services).enumerate() {
            if old.planned() {
                let same = same_plan(old, new);
                hold!(same, "the plan or a stored batch of service {service} in run {number} changed");
            }
            if old.state != new.state && new.state == ServiceState::Activated {
                won += 1;
                self.switches[number][service] += 1;
                let facts = new.facts();
                hold!(
                    proof::complete(&facts).is_ok(),
                    "service {service} was switched by run {number} too early: {facts:?}"
                );
                let (told, seen) = (new.rows(), self.good[service].view().sums());
                hold!(told == seen, "service {service} of run {number} tells of {told:?} and shows {seen:?}");
            }
            let switches = self.switches[number][service];
            let switched = new.state == ServiceState::Activated;
            hold!(switches == u8::from(switched), "run {number} switched service {service} {switches} times");
        }
        if before.request.whole_run && won > 0 {
            let all = after.left().next().is_none() && after.state == RunState::Activated;
            hold!(all, "run {number} was not switched in one step");
        }
        if after.state == RunState::Activated {
            let all = after.discovered && after.left().next().is_none();
            hold!(all, "run {number} is called activated before it is");
        }
        Ok(())
    }

    fn ended(&self, before: &Ledger, after: &Ledger, number: usize) -> Result<(), Violation> {
        let run = &after.runs[number];
        if !matches!(run.state, RunState::Aborted | RunState::Failed) || before.rows == after.rows {
            return Ok(());
        }
        for (service, entry) in run.services.iter().enumerate() {
            let clean = entry.state == ServiceState::Activated || !after.rows.touched_by(service, run.generation);
            hold!(clean, "run {number} ended early and left rows in service {service}");
        }
        Ok(())
    }
}

/// The activator's rule about rejects: it holds at the look.
pub fn looked_rightly(before: &Ledger, call: &Call, step: &Step) -> Result<(), Violation> {
    let (Call::Activate { run, service, next: Next::Look }, Step::Goes(Call::Activate { next: Next::Switch, .. })) =
        (call, step)
    else {
        return Ok(());
    };
    let run = &before.runs[*run];
    let own = run.services[*service].facts().all_rejected() > 0;
    let tolerated = proof::tolerated(&run.request.tolerance(), &run.rejects());
    hold!(tolerated || !(own || run.request.whole_run), "an activation passed although its rejects are not tolerated");
    Ok(())
}

/// Of a call that changed something.
fn fenced(before: &Ledger, call: &Call) -> Result<(), Violation> {
    if let Call::Plan { run, generation, .. } | Call::Store { run, generation, .. } = call {
        let found = &before.runs[*run];
        hold!(found.is_open() && found.generation == *generation, "{call:?} wrote under run {run}, {:?}", found.state);
    }
    Ok(())
}

fn runs(ledger: &Ledger) -> Result<(), Violation> {
    let open = ledger.runs.iter().filter(|run| run.is_open()).count();
    hold!(open <= 1, "{open} runs are open");
    let mut generations: Set = 0;
    for run in ledger.runs.iter().filter(|run| run.generation != 0) {
        hold!(generations & (1 << run.generation) == 0, "two runs have generation {}", run.generation);
        generations |= 1 << run.generation;
    }
    Ok(())
}

fn same_but_announced(before: &Run, after: &Run) -> bool {
    let mut after = *after;
    for (service, old) in after.services.iter_mut().zip(&before.services) {
        service.unannounced = old.unannounced;
    }
    after == *before
}

fn same_plan(old: &Service, new: &Service) -> bool {
    let plan = |service: &Service| (service.providers, service.plan_rejected, service.batch_count, service.kept);
    new.planned()
        && plan(old) == plan(new)
        && old.batches().iter().zip(new.batches()).all(|(old, new)| {
            if old.stored { old == new } else { old.providers == new.providers && old.broken == new.broken }
        })
}

// === impl Copied ===

impl Copied {
    fn view(&self) -> View {
        let Some(service) = self.service else { return View::default() };
        let mut view = View { service: Some(service), ..View::default() };
        for provider in 0..PROVIDERS {
            view.providers[provider] = self.providers[provider].zip(self.contents[provider]);
        }
        view
    }
}
