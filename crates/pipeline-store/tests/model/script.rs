//! Interleavings as numbers, so that they can be drawn, repeated from a seed, and made smaller when one fails.

use std::fmt;

use proptest::{
    prelude::Rng,
    strategy::{NewTree, Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner},
};

use crate::{
    ledger::Request,
    rows::RUNS,
    source::{Document, PROVIDERS, Read, SERVICES, Source},
};

/// A source, three requests, and what happens then, one number for each thing that happens.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Script {
    pub world: u64,
    pub words: Vec<u16>,
}

/// Draws scripts of up to so many words.
#[derive(Clone, Copy, Debug)]
pub struct Scripts(pub usize);

/// A script that is made smaller by leaving words out: halves first, single words at last.
pub struct Shrinking {
    script: Script,
    /// What the last step left out, and from where.
    left_out: Vec<u16>,
    at: usize,
    length: usize,
}

/// Runs a test on so many drawn scripts; says how to repeat a failure. `SLUICE_MODEL_SEED` sets another seed, and
/// `SLUICE_MODEL_TIMES` does so many times more.
pub fn for_each(scripts: Scripts, seed: u64, cases: u32, test: impl Fn(Script) -> Result<(), String>) {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let seed = number("SLUICE_MODEL_SEED").unwrap_or(seed);
    let times = number("SLUICE_MODEL_TIMES").map_or(1, |times| u32::try_from(times).unwrap());
    let config = Config {
        cases: cases * times,
        failure_persistence: None,
        max_shrink_iters: cases.saturating_mul(20),
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::XorShift, &[seed.to_le_bytes(), (!seed).to_le_bytes()].concat());
    let outcome =
        TestRunner::new_with_rng(config, rng).run(&scripts, |script| test(script).map_err(TestCaseError::fail));
    if let Err(error) = outcome {
        panic!("repeat with SLUICE_MODEL_SEED={seed}\n{error}");
    }
}

// === impl Script ===

impl Script {
    pub fn source(&self) -> Source {
        let [services, providers, changes, first, second, third, ..] = self.world.to_le_bytes();
        let mut source = Source::sound(1 + usize::from(services) % SERVICES, usize::from(providers) % (PROVIDERS + 1));
        for change in [first, second, third].into_iter().take(usize::from(changes) % 4) {
            source.change(change, change.wrapping_mul(29));
        }
        // Something for people to decide about.
        match self.world >> 40 & 3 {
            0 => source.contents[0][1] = Read::Rejected,
            1 => source.providers[0][0] = Document::Broken,
            _ => {}
        }
        source
    }

    /// Runs that are over before the words begin; one is left for the words, at least.
    pub fn earlier_runs(&self) -> usize {
        [0, 0, 1, 2][(self.world >> 56) as usize % 4]
    }

    /// Mostly plain requests, so that most runs go on to their end.
    pub fn requests(&self) -> [Request; RUNS] {
        let mut dice = self.world | 1;
        let mut roll = |sides: u64| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (dice >> 33) % sides
        };
        [(); RUNS].map(|()| Request {
            whole_run: roll(2) == 0,
            scope: if roll(4) == 0 { 1 + roll(7) as u8 } else { 0 },
            batch_size: 1 + roll(3) as u8,
            max_providers: (roll(3) == 0).then_some(1),
            max_percent: (roll(4) == 0).then_some(50),
            guarded: roll(3) == 0,
        })
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Script {{ world: {}, words: vec!{:?} }}", self.world, self.words)
    }
}

// === impl Scripts ===

impl Strategy for Scripts {
    type Tree = Shrinking;
    type Value = Script;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        let world = runner.rng().next_u64();
        let words = (0..self.0).map(|_| runner.rng().next_u32() as u16).collect();
        let length = self.0.next_power_of_two();
        Ok(Shrinking { script: Script { world, words }, left_out: Vec::new(), at: 0, length })
    }
}

// === impl Shrinking ===

impl ValueTree for Shrinking {
    type Value = Script;

    fn current(&self) -> Script {
        self.script.clone()
    }

    fn simplify(&mut self) -> bool {
        if self.at >= self.script.words.len() {
            self.at = 0;
            self.length /= 2;
        }
        if self.length == 0 || self.script.words.is_empty() {
            return false;
        }
        let end = self.script.words.len().min(self.at + self.length);
        self.left_out = self.script.words.drain(self.at..end).collect();
        true
    }

    fn complicate(&mut self) -> bool {
        if self.left_out.is_empty() {
            return false;
        }
        let at = self.at;
        self.at += self.left_out.len();
        self.script.words.splice(at..at, self.left_out.drain(..));
        true
    }
}
