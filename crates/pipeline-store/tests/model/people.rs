//! What people decide while a run is open: try again, tolerate, accept removals, give a dead letter up.
//!
//! The first three hold the run's row exclusively from the first look to the commit, so that each is one step.

use pipeline_store::Counts as Rows;

use crate::{
    calls::{Discard, Outcome, SetBack, WHOLE_PLAN},
    ledger::{Batch, Counts, Ledger, Levels, Run, Service, ServiceState},
    rules::Rule,
    source::{PROVIDERS, SERVICES, shape},
};

impl Ledger {
    /// Sets the failed parts of an open run back.
    pub fn retry(&mut self, run: usize, seen: Option<SetBack>) -> Result<SetBack, Outcome> {
        // Who holds no lock has looked at the run's state long ago too.
        if !self.runs[run].is_open() && seen.is_none() {
            return Err(Outcome::Closed);
        }
        let waits = self.keeps(Rule::RetryWaitsForBatches);
        let seen = match seen {
            Some(seen) => seen,
            None if self.keeps(Rule::RetryLocks) => self.runs[run].failed(waits).0,
            None => return Ok(self.runs[run].failed(waits).0),
        };
        let (_, left) = self.runs[run].failed(waits);
        let takes_discard_back = self.keeps(Rule::RetryTakesDiscardBack);
        let Run { generation, services, .. } = &mut self.runs[run];
        let (mut batches, mut planned_again) = (0, 0);
        for (place, (service, seen)) in services.iter_mut().zip(seen).enumerate() {
            if seen & WHOLE_PLAN != 0 {
                self.rows.take_back_providers(place, *generation);
                *service = service.unplanned();
                planned_again |= 1 << place;
            }
            for batch in (0..PROVIDERS).filter(|batch| seen & (1 << batch) != 0) {
                let Batch { providers, broken, discarded, .. } = service.batches[batch];
                let discarded = if takes_discard_back { 0 } else { discarded };
                service.batches[batch] = Batch { providers, broken, discarded, stored: false, counts: Counts::NONE };
                batches += 1;
            }
        }
        Err(Outcome::Retried { batches, services: planned_again, left })
    }

    /// What is active stays so, whatever is tolerated now.
    pub fn tolerate(&mut self, run: usize, max_providers: Option<u8>) -> Outcome {
        let entry = &mut self.runs[run];
        if !entry.is_open() {
            return Outcome::Closed;
        }
        (entry.request.max_providers, entry.request.max_percent) = (max_providers, None);
        Outcome::Tolerated
    }

    /// Accepts the counts of the services that are not switched, as they stand.
    pub fn accept(
        &mut self,
        run: usize,
        seen: Option<[Option<Levels>; SERVICES]>,
    ) -> Result<[Option<Levels>; SERVICES], Outcome> {
        if !self.runs[run].is_open() && seen.is_none() {
            return Err(Outcome::Closed);
        }
        let seen = match seen {
            Some(seen) => seen,
            None if self.keeps(Rule::AcceptanceLocks) => self.runs[run].removals(),
            None => return Ok(self.runs[run].removals()),
        };
        let only_these = self.keeps(Rule::AcceptanceCounts);
        let (mut services, mut rows) = (0, Rows::default());
        for (service, taken) in self.runs[run].services.iter_mut().zip(seen) {
            let Some(taken) = taken else { continue };
            services += 1;
            rows = rows.plus(taken.counts().without(service.accepted.counts()));
            service.accepted = if only_these { taken } else { Levels::ALL };
        }
        Err(Outcome::Accepted { services, rows })
    }

    /// The next step of the end of a dead letter, or what it came to.
    pub fn discard(
        &mut self,
        run: usize,
        service: usize,
        batch: Option<usize>,
        next: Discard,
    ) -> Result<Discard, Outcome> {
        let letter = batch.map_or(WHOLE_PLAN, |batch| 1 << batch);
        match next {
            Discard::Letter => {
                self.runs[run].services[service].letters |= letter;
                Ok(Discard::Look)
            }
            Discard::Look if self.runs[run].is_open() => Ok(Discard::Close { generation: self.runs[run].generation }),
            Discard::Look => Ok(Discard::Settle),
            Discard::Close { generation } => {
                let closed = match batch {
                    Some(batch) => self.discard_batch(run, generation, service, batch),
                    None => self.discard_plan(run, generation, service),
                };
                let Some(closed) = closed else { return Ok(Discard::Settle) };
                self.runs[run].services[service].letters &= !letter;
                Err(closed)
            }
            Discard::Settle => {
                self.runs[run].services[service].letters &= !letter;
                Err(Outcome::DiscardedNothing)
            }
        }
    }

    /// All providers of the batch keep what they had, and count as rejected.
    fn discard_batch(&mut self, run: usize, generation: u8, service: usize, batch: usize) -> Option<Outcome> {
        let is_accounted = self.keeps(Rule::DiscardIsAccounted);
        let (kept_are_compared, seen) = (self.keeps(Rule::KeptAreCompared), self.pointers[service].generation);
        if !self.passes(run, generation) {
            return None;
        }
        let contents = &self.rows.contents[service];
        let entry = &mut self.runs[run].services[service];
        let batch = entry.batches[..usize::from(entry.batch_count)].get_mut(batch).filter(|batch| !batch.stored)?;
        let Batch { providers, broken, stored, discarded, counts } = batch;
        *stored = true;
        for provider in (0..PROVIDERS).filter(|provider| *providers & (1 << provider) != 0) {
            counts.rows.add(contents[provider].open().map(shape).unwrap_or_default());
            if kept_are_compared {
                counts.lost.add(contents[provider].lost(seen));
            }
        }
        // Those of which the plan knows better are rejected anyhow.
        *discarded = (*providers & !*broken).count_ones() as u8;
        if is_accounted {
            counts.rejected = providers.count_ones() as u8;
        }
        Some(Outcome::DiscardedBatch(*discarded))
    }

    /// The plan is closed without a provider, and those that are there stay; but those of a service that is gone go.
    fn discard_plan(&mut self, run: usize, generation: u8, service: usize) -> Option<Outcome> {
        self.begin_plan(run, generation, service).ok()?;
        let keeps_providers = self.keeps(Rule::DiscardKeepsProviders);
        let entry = &mut self.runs[run].services[service];
        for provider in 0..PROVIDERS {
            let (rows, contents) =
                (&mut self.rows.providers[service][provider], &mut self.rows.contents[service][provider]);
            if entry.removed || !keeps_providers {
                rows.close(generation);
                contents.close(generation);
            } else {
                entry.kept.add(rows.open().and(contents.open()).map(shape).unwrap_or_default());
            }
        }
        self.count_removals(run, service);
        Some(Outcome::DiscardedPlan)
    }
}

impl Run {
    /// What a retry sets back of each service, and the services with rejects that it cannot mend.
    fn failed(&self, waits_for_batches: bool) -> (SetBack, u8) {
        let (mut failed, mut left) = ([0; SERVICES], 0);
        for (place, service) in self.services.iter().enumerate() {
            let has_rejects = service.state == ServiceState::Planned && service.facts().all_rejected() > 0;
            if service.state == ServiceState::Rejected {
                left |= 1 << place;
            } else if has_rejects && !service.is_broken_in_plan() {
                failed[place] = service.batches_with_rejects();
            } else if has_rejects && (service.unstored() == 0 || !waits_for_batches) {
                failed[place] = WHOLE_PLAN;
            } else if has_rejects {
                left |= 1 << place;
            }
        }
        (failed, left)
    }

    /// What the services that are not switched take away, where nobody has accepted it.
    fn removals(&self) -> [Option<Levels>; SERVICES] {
        let is_open = |service: &Service| service.state == ServiceState::Planned;
        let unaccepted = |service: &Service| !service.facts().unaccepted().is_zero();
        self.services.map(|service| (is_open(&service) && unaccepted(&service)).then(|| service.taken()))
    }
}

impl Service {
    fn batches_with_rejects(&self) -> u8 {
        let rejected = self.batches().iter().enumerate().filter(|(_, batch)| batch.stored && batch.counts.rejected > 0);
        rejected.fold(0, |set, (number, _)| set | 1 << number)
    }
}
