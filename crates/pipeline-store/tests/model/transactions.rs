//! What changes the ledger: each function here is one transaction, or one look, of the store; nothing is smaller.
//!
//! A call is a chain of them, and between two of them anything may happen: other workers' calls, and the worker's
//! death. What a call has looked at may be old by the time it writes:
//! - a **worker of a batch** looks which providers the batch has, reads them, and stores them;
//! - an **activation** looks, switches if it still may, and ends the run (`activation`);
//! - who **gives a dead letter up** looks whether its run is open, and closes what waits for it (`people`).
//!
//! All others are one transaction, and can only happen or not. A rule that is not kept (`rules`) splits some of them.

use crate::{
    calls::{Back, Call, Outcome, Step},
    ledger::{Batch, Ledger, Levels, Pointer, Request, Run, RunState, ServiceState, Set},
    rows::RUNS,
    rules::Rule,
    source::{Document, PROVIDERS, ProviderDocuments, Read, Reads, SERVICES, ServiceDocuments, Sums, is_tagged, shape},
};

impl Ledger {
    /// One step of a call.
    pub fn step(&mut self, call: Call) -> Step {
        Step::Ends(match call {
            Call::Open { run, request } => self.open(run, request),
            Call::Discover { run, documents } => self.discover(run, &documents),
            Call::Plan { run, generation, service, documents, reads } => {
                self.plan(run, generation, service, &documents, &reads)
            }
            Call::Store { run, generation, service, batch, reads, seen } => {
                match self.store((run, generation, service, batch), &reads, seen) {
                    Ok(seen) => {
                        return Step::Goes(Call::Store { run, generation, service, batch, reads, seen: Some(seen) });
                    }
                    Err(outcome) => outcome,
                }
            }
            Call::End { run, state } => self.end(run, state),
            Call::RollBack { next: Back::Look, .. } if self.open_run().is_some() => Outcome::RunOpen,
            Call::RollBack { epochs, next: Back::Look } => {
                return Step::Goes(Call::RollBack { epochs, next: Back::Move });
            }
            Call::RollBack { epochs, next: Back::Move } => self.roll_back(&epochs),
            Call::Activate { run, service, next } => match self.activate(run, service, next) {
                Ok(next) => return Step::Goes(Call::Activate { run, service, next }),
                Err(outcome) => outcome,
            },
            Call::Retry { run, seen } => match self.retry(run, seen) {
                Ok(seen) => return Step::Goes(Call::Retry { run, seen: Some(seen) }),
                Err(outcome) => outcome,
            },
            Call::Tolerate { run, max_providers } => self.tolerate(run, max_providers),
            Call::Accept { run, seen } => match self.accept(run, seen) {
                Ok(seen) => return Step::Goes(Call::Accept { run, seen: Some(seen) }),
                Err(outcome) => outcome,
            },
            Call::Discard { run, service, batch, next } => match self.discard(run, service, batch, next) {
                Ok(next) => return Step::Goes(Call::Discard { run, service, batch, next }),
                Err(outcome) => outcome,
            },
        })
    }

    /// A call from its beginning to its end, alone.
    pub fn call(&mut self, mut call: Call) -> Outcome {
        loop {
            match self.step(call) {
                Step::Goes(next) => call = next,
                Step::Ends(outcome) => return outcome,
            }
        }
    }

    /// One run is open at most; the same request again finds what became of the first.
    fn open(&mut self, run: usize, request: Request) -> Outcome {
        if self.runs[run].state == RunState::Unknown {
            let newest = self.runs.iter().map(|run| run.generation).max().unwrap_or(0);
            let refused = self.open_run().is_some();
            let entry = &mut self.runs[run];
            entry.request = request;
            entry.state = if refused { RunState::Refused } else { RunState::Running };
            entry.generation = if refused { 0 } else { newest + 1 };
        }
        Outcome::Opened(self.runs[run].state)
    }

    /// What is not seen is removed, unless nothing at all is seen of everything that there is. A name in the scope that
    /// nobody knows ends the run.
    fn discover(&mut self, run: usize, documents: &ServiceDocuments) -> Outcome {
        let Run { state, request, generation, discovered, .. } = self.runs[run];
        if state != RunState::Running {
            return Outcome::Closed;
        }
        if discovered {
            return Outcome::Done;
        }
        let covered = |service: &usize| request.covers(*service);
        let sound = (0..SERVICES).filter(covered).filter(|service| matches!(documents[*service], Document::Sound(_)));
        let sound = sound.count() as u8;
        let any = documents.iter().any(|document| matches!(document, Document::Sound(_) | Document::Twice));
        let trusted = sound > 0 || (request.scope != 0 && any);
        let unknown =
            |service: &usize| documents[*service] == Document::Absent && self.rows.services[*service].is_unknown();
        if request.scope != 0 && (0..SERVICES).filter(covered).any(|service| unknown(&service)) {
            for service in (0..SERVICES).filter(covered) {
                if matches!(documents[service], Document::Broken | Document::Twice) {
                    self.runs[run].services[service].state = ServiceState::Rejected;
                }
            }
            self.runs[run].state = RunState::Failed;
            return Outcome::Failed;
        }
        let shown = self.pointers.map(|pointer| pointer.generation);
        let mut removed = 0;
        for service in (0..SERVICES).filter(covered) {
            let rows = &mut self.rows.services[service];
            let entry = &mut self.runs[run].services[service];
            match documents[service] {
                Document::Sound(says) => {
                    rows.write(generation, says);
                    entry.state = ServiceState::Discovered;
                }
                Document::Broken | Document::Twice => entry.state = ServiceState::Rejected,
                // A rollback may show a service again that was gone already: it has no open row, and is removed anew.
                Document::Absent if trusted && (rows.close(generation) || rows.at(shown[service]).is_some()) => {
                    entry.state = ServiceState::Discovered;
                    entry.removed = true;
                    removed += 1;
                }
                Document::Absent => {}
            }
        }
        if sound == 0 && removed == 0 {
            self.runs[run].state = RunState::Failed;
            return Outcome::Failed;
        }
        self.runs[run].discovered = true;
        Outcome::Discovered { services: sound, removed }
    }

    /// A plan is made once, and changes only when a retry takes it back. Providers of which the source says that they have not changed are stored
    /// by it, in batches behind the others.
    fn plan(
        &mut self,
        run: usize,
        generation: u8,
        service: usize,
        documents: &ProviderDocuments,
        reads: &Reads,
    ) -> Outcome {
        if let Err(outcome) = self.begin_plan(run, generation, service) {
            return outcome;
        }
        let entry = &mut self.runs[run].services[service];
        let gone = [Document::Absent; PROVIDERS];
        let documents = if entry.removed { &gone } else { documents };
        let mut removed = 0;
        let (mut to_read, mut unchanged) = (Vec::new(), Vec::new());
        for (provider, document) in documents.iter().enumerate() {
            let rows = &mut self.rows.providers[service][provider];
            let contents = &mut self.rows.contents[service][provider];
            match document {
                Document::Sound(says) => {
                    rows.write(generation, *says);
                    // After a rollback readers see another content, and what they lose has to be counted: it is read.
                    let Pointer { generation: seen, epoch, .. } = self.pointers[service];
                    let open = if epoch == 0 { contents.open() } else { contents.open_and_seen(seen) };
                    let known = if is_tagged(provider) { open.map(Read::Complete) } else { None };
                    if known == Some(reads[provider]) {
                        unchanged.push(provider);
                        continue;
                    }
                }
                Document::Twice => {}
                Document::Broken => {
                    entry.plan_rejected += 1;
                    entry.kept.add(rows.open().and(contents.open()).map(shape).unwrap_or_default());
                    continue;
                }
                Document::Absent => {
                    removed += u8::from(rows.close(generation));
                    contents.close(generation);
                    continue;
                }
            }
            to_read.push(provider);
        }
        let size = usize::from(self.runs[run].request.batch_size);
        let planned = to_read.chunks(size).chain(unchanged.chunks(size));
        for (batch, providers) in entry.batches.iter_mut().zip(planned) {
            entry.batch_count += 1;
            for provider in providers {
                batch.providers |= 1 << provider;
                batch.broken |= u8::from(documents[*provider] == Document::Twice) << provider;
            }
            if unchanged.contains(&providers[0]) {
                batch.stored = true;
                batch.counts.unchanged = providers.len() as u8;
                for provider in providers {
                    let content = self.rows.contents[service][*provider].open();
                    batch.counts.rows.add(content.map(shape).unwrap_or_default());
                }
            }
        }
        entry.providers = (to_read.len() + unchanged.len()) as u8 + entry.plan_rejected;
        let (batches, providers) = (entry.batch_count, entry.providers);
        self.count_removals(run, service);
        Outcome::Planned { batches, providers, removed }
    }

    /// Passes the fence, and takes the service if it is still to be planned.
    pub fn begin_plan(&mut self, run: usize, generation: u8, service: usize) -> Result<(), Outcome> {
        if !self.passes(run, generation) {
            return Err(Outcome::Closed);
        }
        let entry = &mut self.runs[run].services[service];
        match entry.state {
            ServiceState::Absent => return Err(Outcome::NotInLedger),
            ServiceState::Rejected => return Err(Outcome::Closed),
            ServiceState::Planned | ServiceState::Activated => return Err(Outcome::Done),
            ServiceState::Discovered => entry.state = ServiceState::Planned,
        }
        Ok(())
    }

    /// By what readers see when the plan is complete: a provider without an open row is gone then.
    pub fn count_removals(&mut self, run: usize, service: usize) {
        let view = self.rows.view(service, self.pointers[service].generation);
        let mut gone = Levels::default();
        for (provider, shown) in view.providers.iter().enumerate() {
            if let (Some((_, content)), None) = (shown, self.rows.providers[service][provider].open()) {
                gone.providers += 1;
                gone.below.add(shape(*content));
            }
        }
        let entry = &mut self.runs[run].services[service];
        gone.services = u8::from(entry.removed && view.service.is_some());
        entry.visible = Levels::of(&view);
        entry.gone = gone;
    }

    /// A batch is stored once; a worker that comes later gets what was recorded, and one that has read for another plan
    /// does nothing.
    fn store(
        &mut self,
        (run, generation, service, batch): (usize, u8, usize, usize),
        reads: &Reads,
        seen: Option<Set>,
    ) -> Result<Set, Outcome> {
        if !self.passes(run, generation) {
            return Err(Outcome::Closed);
        }
        let entry = &self.runs[run].services[service];
        if batch >= usize::from(entry.batch_count) {
            // Of a plan that was taken back, perhaps.
            return Err(if entry.set_back { Outcome::Closed } else { Outcome::NotInLedger });
        }
        let Batch { providers, stored, counts, .. } = entry.batches[batch];
        if stored && self.keeps(Rule::StoredOnce) {
            return Err(Outcome::Stored(counts));
        }
        let Some(seen) = seen else { return Ok(providers) };
        if seen != providers && self.keeps(Rule::StoreKnowsItsPlan) {
            return Err(Outcome::Closed);
        }
        Err(self.store_providers((run, generation, service, batch), reads, seen))
    }

    fn store_providers(
        &mut self,
        (run, generation, service, batch): (usize, u8, usize, usize),
        reads: &Reads,
        providers: Set,
    ) -> Outcome {
        let (kept_are_compared, seen) = (self.keeps(Rule::KeptAreCompared), self.pointers[service].generation);
        let Batch { broken, stored, counts, .. } = &mut self.runs[run].services[service].batches[batch];
        for provider in (0..PROVIDERS).filter(|provider| providers & (1 << provider) != 0) {
            let rows = &mut self.rows.contents[service][provider];
            let read = if *broken & (1 << provider) != 0 { Read::Rejected } else { reads[provider] };
            match read {
                Read::Complete(content) if rows.write(generation, content) => {
                    counts.stored += 1;
                    counts.written.add(shape(content));
                }
                Read::Complete(_) => counts.unchanged += 1,
                Read::Rejected => counts.rejected += 1,
                Read::Vanished => counts.skipped += 1,
            }
            if kept_are_compared || matches!(read, Read::Complete(_)) {
                counts.lost.add(rows.lost(seen));
            }
            counts.rows.add(rows.open().map(shape).unwrap_or_default());
        }
        *stored = true;
        Outcome::Stored(*counts)
    }

    /// Undoes what readers do not see yet.
    fn end(&mut self, run: usize, state: RunState) -> Outcome {
        let entry = &mut self.runs[run];
        if !entry.is_open() {
            return Outcome::Closed;
        }
        entry.state = state;
        let mut undone = 0;
        let mut deleted = Sums::default();
        let mut kept = 0;
        for (number, service) in entry.services.iter().enumerate() {
            match service.state {
                ServiceState::Absent => {}
                ServiceState::Activated => kept += 1,
                ServiceState::Discovered | ServiceState::Planned | ServiceState::Rejected => {
                    // What the batches count is what they wrote last; a retry may have let them write twice.
                    deleted.add(self.rows.written(number, entry.generation));
                    undone += self.rows.take_back(number, entry.generation);
                }
            }
        }
        Outcome::Ended { kept, undone, deleted: deleted.bundles + deleted.fields }
    }

    /// All or nothing. Where nothing was visible before, nothing is visible again; and what was rolled back is the
    /// new `previous`, so that a rollback can be taken back like an activation. The epochs make a second delivery of
    /// the same order harmless.
    fn roll_back(&mut self, epochs: &[u8; SERVICES]) -> Outcome {
        let ordered = |service: &usize| epochs[*service] != 0;
        if (0..SERVICES).filter(ordered).any(|service| self.pointers[service].epoch != epochs[service]) {
            return Outcome::Moved;
        }
        let mut moved = 0;
        for service in (0..SERVICES).filter(ordered) {
            let Pointer { generation, previous, epoch } = self.pointers[service];
            self.pointers[service] = Pointer { generation: previous, previous: generation, epoch: epoch + 1 };
            moved |= 1 << service;
        }
        Outcome::RolledBack(moved)
    }

    /// The fence.
    pub fn passes(&self, run: usize, generation: u8) -> bool {
        let passes = run < RUNS && self.runs[run].is_open() && self.runs[run].generation == generation;
        passes || !self.keeps(Rule::Fence)
    }
}
