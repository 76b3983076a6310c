//! The activator's steps: a look without a lock, the switch, which asks the same again, and the end of the run.
//!
//! Between the look and the switch anything may happen: a retry sets batches or a plan back, a person tolerates less.
//! So what a look has seen only says that a switch is worth trying. It decides by the store's own functions.

use pipeline_store::{Waiting, guard, proof};

use crate::{
    calls::{Next, Outcome},
    ledger::{BOUND, Ledger, Pointer, Run, RunState, Service, ServiceState, Set},
    real::service_id,
    rules::Rule,
    source::SERVICES,
};

impl Ledger {
    /// The next step of an activation, or what it came to.
    pub fn activate(&mut self, run: usize, service: usize, next: Next) -> Result<Next, Outcome> {
        let whole_run = self.runs[run].request.whole_run;
        match next {
            Next::Look => self.runs[run].verdict(service, None),
            Next::Switch => {
                let won = if whole_run { self.switch_run(run, service)? } else { self.switch_service(run, service)? };
                Ok(Next::Finish(won))
            }
            Next::Finish(won) => {
                let entry = &mut self.runs[run];
                if entry.is_open() && entry.discovered && entry.left().next().is_none() {
                    entry.state = RunState::Activated;
                }
                Err(if won == 0 { Outcome::Done } else { Outcome::Activated(won) })
            }
        }
    }

    /// Gives the services that this call switched: one or none.
    fn switch_service(&mut self, run: usize, service: usize) -> Result<Set, Outcome> {
        match self.runs[run].state {
            RunState::Running => {}
            // Another activator was faster; whoever sees this looks whether the run is to be ended.
            RunState::Activated => return Ok(0),
            _ => return Err(Outcome::Closed),
        }
        match self.runs[run].verdict(service, self.without)? {
            Next::Switch => self.switch(run, service),
            _ => return Ok(0),
        }
        Ok(1 << service)
    }

    /// Switches what is left of the run and ends it.
    fn switch_run(&mut self, run: usize, service: usize) -> Result<Set, Outcome> {
        self.runs[run].verdict(service, self.without)?;
        let mut won = 0;
        for service in 0..SERVICES {
            if self.runs[run].services[service].state == ServiceState::Planned {
                self.switch(run, service);
                won |= 1 << service;
            }
        }
        self.runs[run].state = RunState::Activated;
        Err(Outcome::Activated(won))
    }

    fn switch(&mut self, run: usize, service: usize) {
        let pointer = &mut self.pointers[service];
        *pointer =
            Pointer { generation: self.runs[run].generation, previous: pointer.generation, epoch: pointer.epoch + 1 };
        let entry = &mut self.runs[run].services[service];
        entry.state = ServiceState::Activated;
        entry.epoch = pointer.epoch;
        entry.unannounced = true;
    }
}

impl Run {
    /// Whether a service, or the whole run by any of its services, is to be switched now; all but what is left out is
    /// asked.
    fn verdict(&self, service: usize, without: Option<Rule>) -> Result<Next, Outcome> {
        match self.state {
            RunState::Running if self.request.whole_run => self.verdict_of_run(service, without),
            RunState::Running => self.verdict_of_service(service, without),
            RunState::Activated => Err(Outcome::Done),
            _ => Err(Outcome::Closed),
        }
    }

    fn verdict_of_service(&self, service: usize, without: Option<Rule>) -> Result<Next, Outcome> {
        let entry = &self.services[service];
        match entry.state {
            ServiceState::Absent | ServiceState::Rejected => return Err(Outcome::Closed),
            ServiceState::Activated => return Ok(Next::Finish(0)),
            ServiceState::Discovered | ServiceState::Planned => {}
        }
        match without {
            // The row is moved from *planned*, if nothing else.
            Some(Rule::SwitchAsksAgain) if entry.state == ServiceState::Planned => {}
            Some(Rule::SwitchAsksAgain) => return Ok(Next::Finish(0)),
            Some(Rule::SwitchAsksTolerance) => proof::complete(&entry.facts()).map_err(Outcome::NotYet)?,
            _ => {
                nothing_unstored(entry.unstored())?;
                let proof = proof::service_closes(&entry.facts(), &self.rejects(), &self.request.tolerance());
                proof.map_err(Outcome::NotYet)?;
            }
        }
        self.guard_allows(service, without)?;
        Ok(Next::Switch)
    }

    fn guard_allows(&self, service: usize, without: Option<Rule>) -> Result<(), Outcome> {
        let facts = self.services[service].facts();
        if !self.request.guarded || facts.unaccepted().is_zero() || without == Some(Rule::SwitchAsksGuard) {
            return Ok(());
        }
        let removals = |exceeded| Outcome::NotYet(Waiting::Removals(exceeded));
        if let Some(exceeded) = guard::service(&BOUND, &service_id(service), &facts) {
            return Err(removals(exceeded));
        }
        if !self.discovered || self.moves() {
            return Err(Outcome::NotYet(Waiting::Rest));
        }
        self.removed_in_all().map_or(Ok(()), |exceeded| Err(removals(exceeded)))
    }

    pub fn removed_in_all(&self) -> Option<pipeline_store::Exceeded> {
        let facts: Vec<proof::ServiceFacts> = self.services.iter().map(Service::facts).collect();
        self.request.max_removed().and_then(|bounds| guard::in_all(&bounds, &facts))
    }

    /// Whether a part of it is still to be planned or stored, and waits for nobody.
    fn moves(&self) -> bool {
        self.services.iter().any(|service| {
            let unstored = service.batches().iter().enumerate().filter(|(_, batch)| !batch.stored);
            (service.state == ServiceState::Discovered && !service.plan_is_given_up())
                || unstored.into_iter().any(|(number, _)| service.letters & (1 << number) == 0)
        })
    }

    fn verdict_of_run(&self, service: usize, without: Option<Rule>) -> Result<Next, Outcome> {
        if without == Some(Rule::SwitchAsksAgain) {
            return Ok(Next::Switch);
        }
        if !self.discovered {
            return Err(Outcome::NotYet(Waiting::Discovery));
        }
        nothing_unstored(self.services.iter().map(Service::unstored).sum())?;
        if self.services[service].state == ServiceState::Absent {
            return Err(Outcome::Closed);
        }
        let left: Vec<proof::ServiceFacts> = self.left().map(Service::facts).collect();
        let rejects = match without {
            Some(Rule::SwitchAsksTolerance) => proof::RejectFacts::default(),
            _ => self.rejects(),
        };
        let proof = proof::run_closes(self.discovered, &left, &rejects, &self.request.tolerance());
        proof.map_err(Outcome::NotYet)?;
        let exceeded = self.own_removals().or_else(|| self.removed_in_all());
        match exceeded.filter(|_| without != Some(Rule::SwitchAsksGuard)) {
            Some(exceeded) => Err(Outcome::NotYet(Waiting::Removals(exceeded))),
            None => Ok(Next::Switch),
        }
    }

    fn own_removals(&self) -> Option<pipeline_store::Exceeded> {
        let bounds = self.request.max_removed()?;
        let own = |(place, service): (usize, &Service)| guard::service(&bounds, &service_id(place), &service.facts());
        self.services.iter().enumerate().find_map(own)
    }
}

fn nothing_unstored(batches: i64) -> Result<(), Outcome> {
    if batches == 0 { Ok(()) } else { Err(Outcome::NotYet(Waiting::Batches { batches })) }
}
