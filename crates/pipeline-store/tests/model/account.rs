//! The second account, which the ledger and its rows are held against: it knows no versions and no counts.
//!
//! It keeps what the newest switch of each service shows, what the open run makes of it, and what people accepted.

use crate::{
    calls::{Call, Outcome, Step},
    invariants::Witness,
    ledger::{Ledger, Levels, RunState, ServiceState, Set},
    rows::View,
    source::{Document, PROVIDERS, Read, SERVICES, shape},
};

/// The second account of a service: one state, no versions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Copied {
    pub service: Option<u8>,
    pub providers: [Option<u8>; PROVIDERS],
    pub contents: [Option<u8>; PROVIDERS],
}

// === impl Witness ===

impl Witness {
    /// Keeps the second account.
    pub fn follow(&mut self, before: &Ledger, call: &Call, step: &Step, after: &Ledger) {
        match (call, step) {
            (Call::Open { run, .. }, Step::Ends(Outcome::Opened(RunState::Running)))
                if before.runs[*run].state == RunState::Unknown =>
            {
                self.next = self.good;
                self.unstorable = [0; SERVICES];
                self.planned_over = [None; SERVICES];
                self.accepted = [Levels::default(); SERVICES];
                self.taken = [Levels::default(); SERVICES];
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
                self.follow_plan(before, *service, documents);
                // What was taken for unchanged must be what readers see, and what the source has.
                let stored = after.runs[*run].services[*service].batches().iter().filter(|batch| batch.stored);
                let stored = stored.fold(0, |set, batch| set | batch.providers);
                self.follow_contents(*service, stored, reads);
            }
            (Call::Discard { service, .. }, Step::Ends(Outcome::DiscardedPlan)) => {
                self.follow_plan(before, *service, &[Document::Broken; PROVIDERS]);
            }
            (Call::Store { run, service, batch, reads, seen, .. }, Step::Ends(Outcome::Stored(_))) => {
                let batch = before.runs[*run].services[*service].batches[*batch];
                if !batch.stored && *seen == Some(batch.providers) {
                    self.follow_contents(*service, batch.providers & !self.unstorable[*service], reads);
                }
            }
            (Call::Retry { .. }, Step::Ends(Outcome::Retried { services, .. })) => {
                for service in (0..SERVICES).filter(|service| services & (1 << service) != 0) {
                    self.next[service] = Copied { service: self.next[service].service, ..self.good[service] };
                    self.unstorable[service] = 0;
                }
            }
            (Call::Accept { run, .. }, Step::Ends(Outcome::Accepted { .. })) => self.follow_acceptance(before, *run),
            _ => {}
        }
    }

    fn follow_plan(&mut self, before: &Ledger, service: usize, documents: &[Document; PROVIDERS]) {
        let pointer = before.pointers[service];
        let newest = before.view(service) == self.good[service].view();
        self.planned_over[service] = newest.then_some((before.view(service), pointer.epoch));
        if self.next[service].service.is_none() {
            self.next[service] = Copied::default();
            return;
        }
        for (provider, document) in documents.iter().enumerate() {
            let next = &mut self.next[service];
            match document {
                Document::Sound(says) => next.providers[provider] = Some(*says),
                Document::Absent => (next.providers[provider], next.contents[provider]) = (None, None),
                Document::Twice => self.unstorable[service] |= 1 << provider,
                Document::Broken => {}
            }
        }
    }

    fn follow_contents(&mut self, service: usize, providers: Set, reads: &[Read; PROVIDERS]) {
        for (provider, read) in reads.iter().enumerate().filter(|(provider, _)| providers & (1 << provider) != 0) {
            if let Read::Complete(content) = read {
                self.next[service].contents[provider] = Some(*content);
            }
        }
    }

    /// A person accepts what would go by now.
    fn follow_acceptance(&mut self, before: &Ledger, run: usize) {
        for (service, entry) in before.runs[run].services.iter().enumerate() {
            if let (ServiceState::Planned, Some((view, _))) = (entry.state, self.planned_over[service]) {
                self.accepted[service] = self.accepted[service].most(&lost(&view, &self.next[service].view()));
            }
        }
    }
}

/// What one view shows and another does not.
pub fn lost(before: &View, after: &View) -> Levels {
    let mut lost =
        Levels { services: u8::from(before.service.is_some() && after.service.is_none()), ..Levels::default() };
    for (old, new) in before.providers.iter().zip(&after.providers) {
        let Some((_, old)) = old else { continue };
        lost.providers += u8::from(new.is_none());
        lost.below.add(shape(*old).without(new.map(|(_, content)| shape(content)).unwrap_or_default()));
    }
    lost
}

// === impl Copied ===

impl Copied {
    pub fn view(&self) -> View {
        let Some(service) = self.service else { return View::default() };
        let mut view = View { service: Some(service), ..View::default() };
        for provider in 0..PROVIDERS {
            view.providers[provider] = self.providers[provider].zip(self.contents[provider]);
        }
        view
    }
}
