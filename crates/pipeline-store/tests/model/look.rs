//! What an activator sees when it looks: whether a proof closes, by the store's own functions.

use pipeline_store::{Waiting, proof};

use crate::{
    ledger::{Run, RunState, Service, ServiceState},
    transactions::{Next, Outcome},
};

impl Run {
    pub fn proof_of_service(&self, service: usize) -> Result<Next, Outcome> {
        self.is_to_be_activated()?;
        let entry = &self.services[service];
        nothing_unstored(entry.unstored())?;
        match entry.state {
            ServiceState::Absent | ServiceState::Rejected => Err(Outcome::Closed),
            ServiceState::Activated => Ok(Next::Finish(0)),
            ServiceState::Discovered | ServiceState::Planned => {
                let proof = proof::service_closes(&entry.facts(), &self.rejects(), &self.request.tolerance());
                proof.map(|()| Next::Switch).map_err(Outcome::NotYet)
            }
        }
    }

    pub fn proof_of_run(&self, service: usize) -> Result<Next, Outcome> {
        self.is_to_be_activated()?;
        if !self.discovered {
            return Err(Outcome::NotYet(Waiting::Discovery));
        }
        nothing_unstored(self.services.iter().map(Service::unstored).sum())?;
        if self.services[service].state == ServiceState::Absent {
            return Err(Outcome::Closed);
        }
        let left: Vec<proof::ServiceFacts> = self.left().map(Service::facts).collect();
        let proof = proof::run_closes(self.discovered, &left, &self.rejects(), &self.request.tolerance());
        proof.map(|()| Next::Switch).map_err(Outcome::NotYet)
    }

    fn is_to_be_activated(&self) -> Result<(), Outcome> {
        match self.state {
            RunState::Running => Ok(()),
            RunState::Activated => Err(Outcome::Done),
            _ => Err(Outcome::Closed),
        }
    }
}

fn nothing_unstored(batches: i64) -> Result<(), Outcome> {
    if batches == 0 { Ok(()) } else { Err(Outcome::NotYet(Waiting::Batches { batches })) }
}
