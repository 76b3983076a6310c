//! How every history of the pipeline ends: what is owed is done, the run ends, and the next run is right.
//!
//! Here nobody dies any more and nothing is lost any more, so that a run which stays open stays open for ever.

use pipeline_store::Waiting;

use crate::{
    calls::{Call, Next, Outcome},
    invariants::Violation,
    ledger::{Request, RunState},
    message::Message,
    rows::RUNS,
    source::{Document, PROVIDERS, Read, SERVICES},
    system::{System, WORKERS},
};

/// The run that [`System::settle`] keeps for itself.
pub const LAST_RUN: usize = RUNS - 1;

impl System {
    /// Runs that were over before anything else happened, with changes of the source after each.
    pub fn begin_after(&mut self, runs: usize, changes: u64) -> Result<(), Violation> {
        for run in 0..runs {
            self.emit(Message::Requested { run });
            self.quiet()?;
            self.end(run, RunState::Aborted)?;
            let [_, _, place, what, second, third, ..] = changes.rotate_left(run as u32 * 16).to_le_bytes();
            self.source.change(place, what);
            self.source.change(second, third);
        }
        self.emit(Message::Requested { run: runs });
        Ok(())
    }

    /// Everything that is owed is done at last: then the run has ended, or waits for a person because of its rejects or removals.
    /// And a run after that, without faults, brings exactly what the source has.
    pub fn settle(&mut self) -> Result<(), Violation> {
        self.quiet()?;
        if let Some(run) = self.ledger.open_run() {
            self.end(run, RunState::Aborted)?;
        }
        let tolerant = Request { max_providers: Some(u8::MAX), max_percent: None, guarded: false, ..Request::PLAIN };
        let Request { whole_run, scope, batch_size, .. } = self.requests[LAST_RUN];
        self.requests[LAST_RUN] = Request { whole_run, scope, batch_size, ..tolerant };
        self.emit(Message::Requested { run: LAST_RUN });
        self.quiet()?;
        match self.ledger.runs[LAST_RUN].state {
            RunState::Activated => self.shows_the_source(),
            RunState::Failed => Ok(()),
            state => Err(Violation(format!("the last run is {state:?}"))),
        }
    }

    /// Delivers what is owed and lets the timer look, until nothing changes any more. A person who died after a retry
    /// has announced nothing: somebody does it for them.
    fn quiet(&mut self) -> Result<(), Violation> {
        for place in 0..WORKERS {
            self.finish_worker(place)?;
        }
        if let Some(run) = self.ledger.open_run() {
            self.announce_again(run);
        }
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
        if run.is_in_work() {
            return Err(Violation(format!("run {open} stays open, and parts of it were never done")));
        }
        let mut ledger = self.ledger;
        for service in (0..SERVICES).filter(|service| run.services[*service].is_left()) {
            let outcome = ledger.call(Call::Activate { run: open, service, next: Next::Look });
            if !matches!(outcome, Outcome::NotYet(Waiting::Rejects { .. } | Waiting::Removals(_))) {
                return Err(Violation(format!("run {open} stays open: its service {service} is {outcome:?}")));
            }
        }
        if !run.is_held() {
            return Err(Violation(format!("run {open} stays open and is not called held")));
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
}
