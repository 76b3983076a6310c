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

/// All versions of one id, by the generation that began them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Versions([Version; GENERATIONS]);

/// Visible from its place in [`Versions`] until before `to`; 0 when there is no such row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Version {
    to: u8,
    says: u8,
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
        self.0.iter().find(|version| version.to == OPEN).map(|version| version.says)
    }

    /// Makes the open row say this; gives whether it said something else before.
    pub fn write(&mut self, generation: u8, says: u8) -> bool {
        if self.open() == Some(says) {
            return false;
        }
        self.close(generation);
        self.0[usize::from(generation)] = Version { to: OPEN, says };
        true
    }

    /// Ends the open row; gives whether there was one.
    pub fn close(&mut self, generation: u8) -> bool {
        for (from, version) in self.0.iter_mut().enumerate() {
            if version.to == OPEN {
                *version =
                    if from == usize::from(generation) { Version::default() } else { Version { to: generation, ..*version } };
                return true;
            }
        }
        false
    }

    /// Undoes what this generation did; gives the number of rows that were deleted or opened again.
    pub fn take_back(&mut self, generation: u8) -> u8 {
        let mut rows = 0;
        for (from, version) in self.0.iter_mut().enumerate() {
            if version.to != 0 && from == usize::from(generation) {
                *version = Version::default();
                rows += 1;
            } else if version.to == generation {
                version.to = OPEN;
                rows += 1;
            }
        }
        rows
    }

    /// What this generation sees.
    pub fn at(&self, generation: u8) -> Option<u8> {
        // From the newest that has begun: the versions of an id never overlap.
        let begun = &self.0[..=usize::from(generation)];
        begun.iter().rev().find(|version| version.to > generation).map(|version| version.says)
    }

    /// Whether a row begins or ends at this generation.
    pub fn touched_by(&self, generation: u8) -> bool {
        self.0[usize::from(generation)].to != 0 || self.0.iter().any(|version| version.to == generation)
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

    /// Undoes what a generation did to a service; gives the number of rows.
    pub fn take_back(&mut self, service: usize, generation: u8) -> u8 {
        let mut rows = self.services[service].take_back(generation);
        for provider in 0..PROVIDERS {
            rows += self.providers[service][provider].take_back(generation);
            rows += self.contents[service][provider].take_back(generation);
        }
        rows
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
