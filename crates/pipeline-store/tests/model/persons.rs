//! People beside the pipeline: they end runs, order rollbacks, and decide about a run that waits.

use crate::{
    calls::{Back, Call, Discard, Outcome, Step, WHOLE_PLAN},
    coverage::Situation,
    invariants::Violation,
    ledger::{RunState, ServiceState},
    message::Message,
    source::{PROVIDERS, SERVICES},
    system::{Job, System, Worker},
};

impl System {
    /// A person ends a run.
    pub fn end(&mut self, run: usize, state: RunState) -> Result<(), Violation> {
        let step = self.apply(Call::End { run, state })?;
        if matches!(step, Step::Ends(Outcome::Ended { kept: 1.., .. })) {
            self.coverage.note(Situation::EndedHalfActive);
        }
        Ok(())
    }

    /// A person asks for a rollback of one service or of what the newest generation switched. It is carried out some
    /// time later, by what was seen now.
    pub fn order_rollback(&mut self, place: usize) {
        let newest = self.ledger.pointers.iter().map(|pointer| pointer.generation).max().unwrap_or(0);
        let mut epochs = self.ledger.pointers.map(|pointer| pointer.epoch);
        for (service, epoch) in epochs.iter_mut().enumerate() {
            let one = place.is_multiple_of(2) && place / 2 % SERVICES != service;
            let all = place % 2 == 1 && self.ledger.pointers[service].generation != newest;
            if one || all {
                *epoch = 0;
            }
        }
        if epochs.iter().any(|epoch| *epoch != 0) {
            self.hire(Worker {
                job: Job::Call(Call::RollBack { epochs, next: Back::Look }),
                message: None,
                owed: false,
            });
        }
    }

    /// A person decides about the open run: tries again, tolerates, accepts removals, or gives a message up.
    pub fn decide(&mut self, kind: u8, place: usize) -> Result<(), Violation> {
        let Some(run) = self.ledger.open_run() else { return Ok(()) };
        let (service, batch) = (place % SERVICES, place / SERVICES % PROVIDERS);
        let call = match kind {
            ..168 => Call::Retry { run, seen: None },
            168..172 => Call::Tolerate { run, max_providers: [None, Some(1), Some(2)][place % 3] },
            172..174 => Call::Accept { run, seen: None },
            174.. => {
                let batch = (!place.is_multiple_of(4)).then_some(batch);
                Call::Discard { run, service, batch, next: Discard::Letter }
            }
        };
        if let Some(job) = self.carry_out(call)? {
            self.hire(Worker { job, message: None, owed: false });
        }
        Ok(())
    }

    /// Whatever is not done for a run is announced once more, and with it the messages that were given up.
    pub fn announce_again(&mut self, run: usize) {
        for service in 0..SERVICES {
            let entry = self.ledger.runs[run].services[service];
            if entry.state == ServiceState::Discovered {
                self.emit(Message::Discovered { run, service });
                self.ledger.runs[run].services[service].letters &= !WHOLE_PLAN;
            }
            for (batch, _) in entry.batches().iter().enumerate().filter(|(_, batch)| !batch.stored) {
                self.emit(Message::Planned { run, service, batch });
                self.ledger.runs[run].services[service].letters &= !(1 << batch);
            }
        }
    }
}
