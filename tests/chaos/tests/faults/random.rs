//! The random tier: a seeded storm of faults on everything at once, and the checker after each run.
//!
//! `cargo xtask chaos --seeds N --seed S --jobs J` runs it; the short tier does not. A seed chooses the faults, their
//! victims and their lengths; how they fall together with the work is up to the machine, so a seed that failed is repeated
//! several times. Seeds side by side share the registry and nothing else.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use storm::{Prepared, Storm};

mod faults;
mod source;
mod storm;

/// How often each kind of fault was made.
type Made = BTreeMap<&'static str, u32>;

/// The seeds that are still to come, and what was made of those that are over.
struct Tier {
    begun: Instant,
    first: u64,
    next: AtomicU64,
    /// So many seeds, or as many as begin within a time.
    seeds: Option<u64>,
    length: Duration,
    failed: AtomicBool,
    whole: AtomicU64,
    made: Mutex<Made>,
}

#[test]
#[ignore = "the random tier: `cargo xtask chaos --seeds N --seed S --jobs J`"]
fn a_seeded_storm_of_faults_leaves_every_run_whole() {
    let tier = Tier::of_environment();
    thread::scope(|scope| {
        for _ in 0..variable("SLUICE_CHAOS_JOBS").unwrap_or(1) {
            scope.spawn(|| tier.run());
        }
    });
    tier.sum_up();
}

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|error| panic!("{name}=`{text}` is no number: {error}")))
}

// === impl Tier ===

impl Tier {
    fn of_environment() -> Self {
        let first = variable("SLUICE_CHAOS_SEED").unwrap_or(1);
        Self {
            begun: Instant::now(),
            first,
            next: AtomicU64::new(first),
            seeds: variable("SLUICE_CHAOS_SEEDS"),
            length: Duration::from_secs(60 * variable("SLUICE_CHAOS_MINUTES").unwrap_or(1)),
            failed: AtomicBool::new(false),
            whole: AtomicU64::new(0),
            made: Mutex::default(),
        }
    }

    /// Seed after seed, until there is none any more.
    fn run(&self) {
        /// Tells the others when this one panics: they begin nothing new.
        struct Failing<'a>(&'a AtomicBool);
        impl Drop for Failing<'_> {
            fn drop(&mut self) {
                if thread::panicking() {
                    self.0.store(true, Ordering::SeqCst);
                }
            }
        }
        let _failing = Failing(&self.failed);
        let mut next = self.prepare_next();
        while let Some((seed, prepared)) = next {
            let prepared = prepared.join().expect("the servers start");
            // Servers take long to start and a storm is mostly waiting, so the next seed's start meanwhile.
            next = self.prepare_next();
            println!("seed {seed}; to repeat it: cargo xtask chaos --seeds 1 --seed {seed}");
            let made = Storm::start(seed, prepared).run();
            self.whole.fetch_add(1, Ordering::SeqCst);
            let mut sum = self.made.lock().unwrap_or_else(PoisonError::into_inner);
            made.into_iter().for_each(|(kind, count)| *sum.entry(kind).or_default() += count);
        }
    }

    fn prepare_next(&self) -> Option<(u64, JoinHandle<Prepared>)> {
        let seed = self.next.fetch_add(1, Ordering::SeqCst);
        let begins = match self.seeds {
            Some(seeds) => seed < self.first + seeds,
            // At least one.
            None => seed == self.first || self.begun.elapsed() < self.length,
        };
        let begins = begins && !self.failed.load(Ordering::SeqCst);
        begins.then(|| (seed, thread::spawn(move || Prepared::of(seed))))
    }

    fn sum_up(&self) {
        let whole = self.whole.load(Ordering::SeqCst);
        println!("{whole} seeds from {}, all whole, in {} s", self.first, self.begun.elapsed().as_secs());
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.iter().for_each(|(kind, count)| println!("  {count:3} times: {kind}"));
    }
}
