//! Rows with versions: what every generation sees of one id.
//!
//! A generation that changes a row ends the open one and begins another; taking the generation back ends what it began
//! and opens what it ended. Nothing else ever changes a row, so that what an older generation sees stays as it was.

use crate::source::{PROVIDERS, SERVICES, Sums, shape};

/// Runs that a history can have; as many generations, counted from 1.
pub const RUNS: usize = 4;
/// Generation numbers, with 0, at which nothing is visible.
pub const GENERATIONS: usize = RUNS + 1;

/// The end of a row that no generation has ended.
const OPEN: u8 = u8::MAX;

/// All versions of one id, each in the place of the generation that began it. Bytes side by side, so that comparing
/// is fast without optimisation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Versions {
    /// The generation that ended it, or [`OPEN`]; 0 where there is no version.
    to: [u8; GENERATIONS],
    says: [u8; GENERATIONS],
}

/// The three tables with versions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rows {
    pub services: [Versions; SERVICES],
    pub providers: [[Versions; PROVIDERS]; SERVICES],
    pub contents: [[Versions; PROVIDERS]; SERVICES],
}

/// What readers see of one service: its document, and the document and content of each provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct View {
    pub service: Option<u8>,
    pub providers: [Option<(u8, u8)>; PROVIDERS],
}

// === impl Versions ===

impl Versions {
    /// What the newest generation says, whether it is active or not.
    pub fn open(&self) -> Option<u8> {
        self.open_from().map(|from| self.says[from])
    }

    /// What the newest generation says, when readers at this generation see it already.
    pub fn open_and_seen(&self, generation: u8) -> Option<u8> {
        self.open_from().filter(|from| *from <= usize::from(generation)).map(|from| self.says[from])
    }

    /// Makes the open row say this; gives whether it said something else before.
    pub fn write(&mut self, generation: u8, says: u8) -> bool {
        if self.open() == Some(says) {
            return false;
        }
        self.close(generation);
        self.to[usize::from(generation)] = OPEN;
        self.says[usize::from(generation)] = says;
        true
    }

    /// Ends the open row; gives whether there was one.
    pub fn close(&mut self, generation: u8) -> bool {
        let Some(from) = self.open_from() else { return false };
        if from == usize::from(generation) {
            self.delete(from);
        } else {
            self.to[from] = generation;
        }
        true
    }

    /// Undoes what this generation did; gives the number of rows that were deleted or opened again.
    pub fn take_back(&mut self, generation: u8) -> u8 {
        let mut rows = 0;
        if self.to[usize::from(generation)] != 0 {
            self.delete(generation.into());
            rows += 1;
        }
        for to in self.to.iter_mut().filter(|to| **to == generation) {
            *to = OPEN;
            rows += 1;
        }
        rows
    }

    /// What this generation sees: of the versions that have begun, the one that has not ended. They never overlap.
    pub fn at(&self, generation: u8) -> Option<u8> {
        let mut from = usize::from(generation);
        while self.to[from] <= generation {
            from = from.checked_sub(1)?;
        }
        Some(self.says[from])
    }

    /// What readers at this generation see of a content and would not see of the open one: the rows of a content are the
    /// first of any other that has as many or more.
    pub fn lost(&self, seen: u8) -> Sums {
        let shown = self.at(seen).map(shape).unwrap_or_default();
        shown.without(self.open().map(shape).unwrap_or_default())
    }

    /// What this generation says, when it says something of its own.
    pub fn begun_by(&self, generation: u8) -> Option<u8> {
        (self.to[usize::from(generation)] != 0).then(|| self.says[usize::from(generation)])
    }

    /// Whether there is no version at all.
    pub fn is_unknown(&self) -> bool {
        self.to == [0; GENERATIONS]
    }

    /// Whether a row begins or ends at this generation.
    pub fn touched_by(&self, generation: u8) -> bool {
        self.to[usize::from(generation)] != 0 || self.to.contains(&generation)
    }

    fn open_from(&self) -> Option<usize> {
        self.to.iter().position(|to| *to == OPEN)
    }

    fn delete(&mut self, from: usize) {
        self.to[from] = 0;
        self.says[from] = 0;
    }
}

// === impl Rows ===

impl Rows {
    /// What the views show of a service whose pointer is at this generation.
    pub fn view(&self, service: usize, generation: u8) -> View {
        let Some(document) = self.services[service].at(generation) else { return View::default() };
        let mut view = View { service: Some(document), ..View::default() };
        for provider in 0..PROVIDERS {
            let document = self.providers[service][provider].at(generation);
            view.providers[provider] = document.zip(self.contents[service][provider].at(generation));
        }
        view
    }

    /// The rows that a generation wrote below the providers of a service.
    pub fn written(&self, service: usize, generation: u8) -> Sums {
        let mut written = Sums::default();
        for content in self.contents[service].iter().filter_map(|versions| versions.begun_by(generation)) {
            written.add(shape(content));
        }
        written
    }

    /// Undoes what a generation did to the providers of a service; gives the number of rows.
    pub fn take_back_providers(&mut self, service: usize, generation: u8) -> u8 {
        let mut rows = 0;
        for provider in 0..PROVIDERS {
            rows += self.providers[service][provider].take_back(generation);
            rows += self.contents[service][provider].take_back(generation);
        }
        rows
    }

    /// Undoes what a generation did to a service; gives the number of rows.
    pub fn take_back(&mut self, service: usize, generation: u8) -> u8 {
        self.services[service].take_back(generation) + self.take_back_providers(service, generation)
    }

    /// Whether a generation left a row in a service.
    pub fn touched_by(&self, service: usize, generation: u8) -> bool {
        self.services[service].touched_by(generation)
            || self.providers[service].iter().any(|versions| versions.touched_by(generation))
            || self.contents[service].iter().any(|versions| versions.touched_by(generation))
    }
}

// === impl View ===

impl View {
    pub fn sums(&self) -> Sums {
        let mut sums = Sums::default();
        for (_, content) in self.providers.iter().flatten() {
            sums.add(shape(*content));
        }
        sums
    }
}
