//! What must hold after every step, whoever did it and whatever else was under way.
//!
//! | invariant | says |
//! |---|---|
//! | one open run | at most one run is open, and no generation is used twice |
//! | frozen | a run that is closed does not change, but for the acknowledgement of its announcements and its dead letters; a switched service neither; a plan and a stored batch change only by a retry |
//! | exact fan-in | a service is switched once by a run, by a switch and not otherwise, and only when it is complete; a switched service has no batch that is still to be stored |
//! | accounted | of a stored batch, planned = stored + unchanged + rejected + skipped; no more of it is discarded than is rejected |
//! | tolerated | what a switch shows has no more rejects than the run tolerates at the switch |
//! | nothing goes unseen | what a switch takes from readers is within the bound, or was accepted by a person: checked against what readers saw, and not against the ledger's counts |
//! | epochs grow | every move of a pointer counts its epoch by one, and nothing else does |
//! | newest wins | a switch moves a pointer forward only; only a rollback moves it back, to what it pointed at before |
//! | one generation | the services of a run in mode whole-run are switched in one step, which also ends the run |
//! | still views | what readers see of a service changes when its pointer moves, and not otherwise |
//! | the right view | what a switch shows is the last good copy with what this run read: checked against a second, simpler account that knows no versions |
//! | fencing | nothing is planned or stored unless the run is open under the worker's generation; a run that ended early left no row in a service that it had not switched |
//! | ended honestly | a run is activated when all its services are switched or rejected, and not before |
//!
//! A rollback may move a pointer between a plan and its switch, or have shown older rows when the plan was made. Then
//! the plan has counted what other readers see, and *nothing goes unseen* is not asked.

use pipeline_store::{guard, proof};

use crate::{
    account::{Copied, lost},
    calls::{Call, Discard, Step},
    ledger::{BOUND, Ledger, Levels, Run, RunState, Service, ServiceState, Set},
    real::service_id,
    rows::{GENERATIONS, RUNS, View},
    source::SERVICES,
};

/// A broken invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation(pub String);

/// What has happened so far, as far as the ledger itself does not tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Witness {
    pub switches: [[u8; SERVICES]; RUNS],
    pub moves: [u8; SERVICES],
    /// What readers saw when a generation was switched to.
    pub seen: [[View; GENERATIONS]; SERVICES],
    /// The copy after the newest switch of each service, and what the open run makes of it.
    pub good: [Copied; SERVICES],
    pub next: [Copied; SERVICES],
    /// Providers of the open run's plans that no batch can store.
    pub unstorable: [Set; SERVICES],
    /// What readers saw when the open run planned a service, with the epoch; none where that was not the newest.
    pub planned_over: [Option<(View, u8)>; SERVICES],
    /// What people accepted of the open run, and what its switches have taken away.
    pub accepted: [Levels; SERVICES],
    pub taken: [Levels; SERVICES],
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
            planned_over: [None; SERVICES],
            accepted: [Levels::default(); SERVICES],
            taken: [Levels::default(); SERVICES],
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
            self.run(&before.runs[run], &after.runs[run], run, call)?;
            self.ended(before, after, run)?;
        }
        Ok(())
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
                let seen = self.planned_over[service].filter(|(_, epoch)| *epoch == old.epoch);
                self.taken[service] =
                    seen.map_or(Levels::default(), |(view, _)| lost(&view, &self.next[service].view()));
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

    fn run(&mut self, before: &Run, after: &Run, number: usize, call: &Call) -> Result<(), Violation> {
        if before.state != RunState::Running {
            let same = before.state == RunState::Unknown || same_but_announced(before, after);
            hold!(same, "run {number} changed after it was closed");
        }
        let mut won = 0_u8;
        for (service, (old, new)) in before.services.iter().zip(&after.services).enumerate() {
            if !same_but_by_a_retry(old, new, call) {
                let what = "the plan or a stored batch of service";
                return Err(Violation(format!("{what} {service} in run {number} changed by {call:?}")));
            }
            adds_up(new, service)?;
            if old.state != new.state && new.state == ServiceState::Activated {
                won += 1;
                self.switches[number][service] += 1;
                let (told, seen) = (new.rows(), self.good[service].view().sums());
                hold!(told == seen, "service {service} of run {number} tells of {told:?} and shows {seen:?}");
                self.allowed(after, service)?;
            }
            if new.state == ServiceState::Activated {
                let proof = proof::complete(&new.facts());
                hold!(proof.is_ok(), "service {service} is switched by run {number} and not complete: {proof:?}");
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
            if before.state != RunState::Activated {
                self.allowed_in_all(after)?;
            }
        }
        Ok(())
    }

    /// Of a service at its switch: its rejects are tolerated, and what it takes away may go.
    fn allowed(&self, run: &Run, service: usize) -> Result<(), Violation> {
        let holds = run.services[service].facts().holding() > 0 || run.request.whole_run;
        let tolerated = proof::tolerated(&run.request.tolerance(), &run.rejects());
        hold!(tolerated || !holds, "service {service} was switched although its rejects are not tolerated");
        let Some(bounds) = run.request.max_removed() else { return Ok(()) };
        let exceeded = guard::service(&bounds, &service_id(service), &self.facts(service));
        hold!(exceeded.is_none(), "it was switched unseen that {}", exceeded.unwrap());
        Ok(())
    }

    /// Of a run at its end.
    fn allowed_in_all(&self, run: &Run) -> Result<(), Violation> {
        if !run.request.guarded || (0..SERVICES).any(|place| run.services[place].planned() && !self.knows(place)) {
            return Ok(());
        }
        let facts: Vec<proof::ServiceFacts> = (0..SERVICES).map(|service| self.facts(service)).collect();
        let exceeded = guard::in_all(&BOUND, &facts);
        hold!(exceeded.is_none(), "it was ended unseen that {}", exceeded.unwrap());
        Ok(())
    }

    fn knows(&self, service: usize) -> bool {
        self.planned_over[service].is_some()
    }

    /// What the guard judges, by what readers saw and see.
    fn facts(&self, service: usize) -> proof::ServiceFacts {
        let Some((view, _)) = self.planned_over[service] else { return proof::ServiceFacts::default() };
        proof::ServiceFacts {
            visible: Levels::of(&view).counts(),
            removed: self.taken[service].counts(),
            accepted: self.accepted[service].counts(),
            ..proof::ServiceFacts::default()
        }
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

/// Of a call that changed something.
fn fenced(before: &Ledger, call: &Call) -> Result<(), Violation> {
    if let Call::Plan { run, generation, .. }
    | Call::Store { run, generation, .. }
    | Call::Discard { run, next: Discard::Close { generation }, .. } = call
    {
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
        (service.unannounced, service.letters) = (old.unannounced, old.letters);
    }
    after == *before
}

/// What is planned stays planned, and what is stored stays as it is; a retry sets both back, but nothing that is active.
fn same_but_by_a_retry(old: &Service, new: &Service, call: &Call) -> bool {
    if old.state == ServiceState::Activated {
        let told = Service { unannounced: old.unannounced, letters: old.letters, ..*new };
        return told == *old;
    }
    if let Call::Retry { .. } = call {
        let taken_back = new.state == ServiceState::Discovered && old.unstored() == 0;
        return old.state == new.state || (old.state == ServiceState::Planned && taken_back);
    }
    !old.planned() || same_plan(old, new)
}

fn same_plan(old: &Service, new: &Service) -> bool {
    let plan = |service: &Service| (service.providers, service.plan_rejected, service.batch_count, service.kept);
    new.planned()
        && plan(old) == plan(new)
        && old.batches().iter().zip(new.batches()).all(|(old, new)| {
            if old.stored { old == new } else { old.providers == new.providers && old.broken == new.broken }
        })
}

fn adds_up(service: &Service, number: usize) -> Result<(), Violation> {
    for batch in service.batches() {
        let planned = if batch.stored { batch.providers.count_ones() as u8 } else { 0 };
        let found = batch.counts.accounted();
        hold!(found == planned, "a batch of service {number} accounts for {found} of {planned} providers");
        hold!(
            batch.discarded <= batch.counts.rejected,
            "more of a batch of service {number} is discarded than is rejected"
        );
    }
    Ok(())
}
