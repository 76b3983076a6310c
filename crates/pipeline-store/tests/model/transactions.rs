//! What changes the ledger: each function here is one transaction, or one look, of the store; nothing is smaller.
//!
//! A worker's call is a chain of them (`Call`), and between two of them anything may happen: other workers' calls,
//! and the worker's death. All but the activation are one transaction and can only happen or not. An activation looks,
//! switches by what it has seen, and ends the run; what it has seen may be old by the time it switches.

use pipeline_store::Waiting;

use crate::{
    ledger::{Batch, Counts, Ledger, Pointer, Request, Run, RunState, ServiceState, Set},
    rows::RUNS,
    source::{Document, PROVIDERS, ProviderDocuments, Read, Reads, SERVICES, ServiceDocuments, Sums, is_tagged, shape},
};

/// What a worker asks of the ledger. It carries what the worker knows, which may be old: the generation from its
/// message, and the documents that it has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    Open {
        run: usize,
        request: Request,
    },
    Discover {
        run: usize,
        documents: ServiceDocuments,
    },
    Plan {
        run: usize,
        generation: u8,
        service: usize,
        documents: ProviderDocuments,
        reads: Reads,
    },
    Store {
        run: usize,
        generation: u8,
        service: usize,
        batch: usize,
        reads: Reads,
    },
    Activate {
        run: usize,
        service: usize,
        next: Next,
    },
    /// Ends a run as aborted or failed.
    End {
        run: usize,
        state: RunState,
    },
    /// Moves pointers back, unless one of them has moved since a person saw these epochs. Where the epoch is 0, the
    /// pointer stays.
    RollBack {
        epochs: [u8; SERVICES],
        next: Back,
    },
}

/// Where an activation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Next {
    Look,
    /// The proof was seen to close.
    Switch,
    /// The switch is done, by this call or another: end the run when nothing is left, and answer.
    Finish(Set),
}

/// Where a rollback stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Back {
    Look,
    /// No run was open. One may be by now.
    Move,
}

/// What a call came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Opened(RunState),
    Discovered {
        services: u8,
        removed: u8,
    },
    /// The discovery found nothing and ended the run.
    Failed,
    Planned {
        batches: u8,
        providers: u8,
        removed: u8,
    },
    Stored(Counts),
    /// It was done before.
    Done,
    /// The run is not open under this generation, or does not have the service.
    Closed,
    /// The run has no such service or batch.
    NotInLedger,
    /// This call switched these services.
    Activated(Set),
    NotYet(Waiting),
    Ended {
        kept: u8,
        undone: u8,
        deleted: u8,
    },
    RolledBack(Set),
    /// A run is open: no rollback.
    RunOpen,
    /// A pointer has moved since: no rollback.
    Moved,
}

/// A call after one step.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    Goes(Call),
    Ends(Outcome),
}

impl Ledger {
    /// One step of a call.
    pub fn step(&mut self, call: Call) -> Step {
        Step::Ends(match call {
            Call::Open { run, request } => self.open(run, request),
            Call::Discover { run, documents } => self.discover(run, &documents),
            Call::Plan { run, generation, service, documents, reads } => {
                self.plan(run, generation, service, &documents, &reads)
            }
            Call::Store { run, generation, service, batch, reads } => {
                self.store(run, generation, service, batch, &reads)
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

    /// A plan is made once and never changes. Providers of which the source says that they have not changed are stored
    /// by it, in batches behind the others.
    fn plan(
        &mut self,
        run: usize,
        generation: u8,
        service: usize,
        documents: &ProviderDocuments,
        reads: &Reads,
    ) -> Outcome {
        if !self.passes(run, generation) {
            return Outcome::Closed;
        }
        let entry = &mut self.runs[run].services[service];
        match entry.state {
            ServiceState::Absent => return Outcome::NotInLedger,
            ServiceState::Rejected => return Outcome::Closed,
            ServiceState::Planned | ServiceState::Activated => return Outcome::Done,
            ServiceState::Discovered => entry.state = ServiceState::Planned,
        }
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
        Outcome::Planned { batches: entry.batch_count, providers: entry.providers, removed }
    }

    /// A batch is stored once; a worker that comes later gets what was recorded.
    fn store(&mut self, run: usize, generation: u8, service: usize, batch: usize, reads: &Reads) -> Outcome {
        if !self.passes(run, generation) {
            return Outcome::Closed;
        }
        let entry = &mut self.runs[run].services[service];
        if batch >= usize::from(entry.batch_count) {
            return Outcome::NotInLedger;
        }
        let Batch { providers, broken, stored, counts } = &mut entry.batches[batch];
        if *stored {
            return Outcome::Stored(*counts);
        }
        for provider in (0..PROVIDERS).filter(|provider| *providers & (1 << provider) != 0) {
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
            counts.rows.add(rows.open().map(shape).unwrap_or_default());
        }
        *stored = true;
        Outcome::Stored(*counts)
    }

    /// The next step of an activation, or what it came to.
    fn activate(&mut self, run: usize, service: usize, next: Next) -> Result<Next, Outcome> {
        let whole_run = self.runs[run].request.whole_run;
        match next {
            Next::Look if whole_run => self.runs[run].proof_of_run(service),
            Next::Look => self.runs[run].proof_of_service(service),
            Next::Switch => {
                let won = if whole_run { self.switch_run(run)? } else { self.switch_service(run, service)? };
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
        let entry = &mut self.runs[run];
        match entry.state {
            RunState::Running if entry.services[service].state == ServiceState::Planned => {}
            // Another activator was faster; whoever sees this looks whether the run is to be ended.
            RunState::Running | RunState::Activated => return Ok(0),
            _ => return Err(Outcome::Closed),
        }
        self.switch(run, service);
        Ok(1 << service)
    }

    /// Switches what is left of the run and ends it.
    fn switch_run(&mut self, run: usize) -> Result<Set, Outcome> {
        match self.runs[run].state {
            RunState::Running => {}
            RunState::Activated => return Err(Outcome::Done),
            _ => return Err(Outcome::Closed),
        }
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
                    undone += self.rows.take_back(number, entry.generation);
                    deleted.add(service.written());
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
    fn passes(&self, run: usize, generation: u8) -> bool {
        run < RUNS && self.runs[run].is_open() && self.runs[run].generation == generation
    }
}
