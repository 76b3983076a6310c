//! What the ledger says about services and runs, as the store's proof wants it.

use pipeline_store::proof::{self, RejectFacts, ServiceFacts};

use crate::{
    calls::WHOLE_PLAN,
    ledger::{Ledger, Levels, Run, Service, ServiceState},
    source::{SERVICES, Sums},
};

impl Run {
    /// What the run's tolerance is held against.
    pub fn rejects(&self) -> RejectFacts {
        let mut rejects = RejectFacts::default();
        for service in &self.services {
            let facts = service.facts();
            rejects.planned += facts.expected_providers;
            rejects.rejected += facts.holding() + i64::from(service.state == ServiceState::Rejected);
        }
        rejects
    }
}

impl Service {
    pub fn unstored(&self) -> i64 {
        self.batches().iter().map(|batch| i64::from(!batch.stored)).sum()
    }

    /// The service as the store's proof wants it.
    pub fn facts(&self) -> ServiceFacts {
        let mut facts = ServiceFacts {
            planned: self.planned(),
            expected_batches: self.batch_count.into(),
            expected_providers: self.providers.into(),
            plan_rejected: self.plan_rejected.into(),
            batches: self.batch_count.into(),
            visible: self.visible.counts(),
            removed: self.taken().counts(),
            accepted: self.accepted.counts(),
            ..ServiceFacts::default()
        };
        for batch in self.batches() {
            facts.batches_stored += i64::from(batch.stored);
            facts.stored += i64::from(batch.counts.stored);
            facts.unchanged += i64::from(batch.counts.unchanged);
            facts.rejected += i64::from(batch.counts.rejected);
            facts.skipped += i64::from(batch.counts.skipped);
            facts.discarded += i64::from(batch.discarded);
        }
        facts
    }

    /// What it takes out of the views, as far as it is planned and stored.
    pub fn taken(&self) -> Levels {
        let mut taken = self.gone;
        self.batches().iter().for_each(|batch| taken.below.add(batch.counts.lost));
        taken
    }

    /// Its plan waits for a person to decide about a dead letter.
    pub fn plan_is_given_up(&self) -> bool {
        self.letters & WHOLE_PLAN != 0
    }

    /// Some provider of it broke its plan's rules: only another plan mends that.
    pub fn is_broken_in_plan(&self) -> bool {
        self.plan_rejected > 0 || self.batches().iter().any(|batch| batch.broken != 0)
    }

    /// Rows of the generation, as far as it is stored.
    pub fn rows(&self) -> Sums {
        let mut rows = self.kept;
        self.batches().iter().for_each(|batch| rows.add(batch.counts.rows));
        rows
    }

    pub fn written(&self) -> Sums {
        let mut written = Sums::default();
        self.batches().iter().for_each(|batch| written.add(batch.counts.written));
        written
    }
}

impl Ledger {
    /// What the timer should try: services of the open run that are complete; or the run itself, by any service that
    /// it has switched, when only its end is missing.
    pub fn activatable(&self) -> Vec<(usize, usize)> {
        let Some(open) = self.open_run() else { return Vec::new() };
        let run = &self.runs[open];
        let complete = |service: &Service| proof::complete(&service.facts()).is_ok();
        let ready = |service: &Service| service.is_left() && complete(service);
        let mut found: Vec<usize> = (0..SERVICES).filter(|service| ready(&run.services[*service])).collect();
        if run.request.whole_run {
            let all = run.discovered && run.left().all(complete);
            found.truncate(usize::from(all));
        }
        if run.discovered && run.left().next().is_none() {
            let switched = |service: &Service| service.state == ServiceState::Activated;
            found.extend(run.services.iter().position(switched));
        }
        found.into_iter().map(|service| (open, service)).collect()
    }
}
