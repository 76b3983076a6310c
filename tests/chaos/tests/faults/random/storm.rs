//! A pipeline in a storm: from its servers' start, through its faults, to the checker.

use std::{
    thread,
    time::{Duration, Instant},
};

use chaos::{
    checker,
    world::{Plan, RUN_DEADLINE, World},
};
use fastrand::Rng;
use pipeline_model::contracts::DEAD_LETTERS;
use testkit::{
    clock::Clock,
    mariadb::Session,
    process::{Process, Signal},
    proxy::Fault,
    wait,
};

use super::{Made, faults, source::Source};

pub(super) const STAGES: [&str; 7] = [
    "stage-root",
    "stage-providers",
    "stage-providers",
    "stage-bundles",
    "stage-bundles",
    "stage-activator",
    "stage-activator",
];

/// Faults in one run; afterwards everything heals.
const FAULTS: u32 = 10;

/// Slows a run down, so that the faults fall into it.
pub(super) const SLOW: Fault = Fault::Latency(Duration::from_millis(15));

/// Half the default: faults that are longer than a session are half as long then, and so is every takeover.
const SESSION: &str = "3000";

/// Longest pause between two attempts, a fifth of the default: what has healed is noticed sooner.
const BACKOFF: &str = "2000";

/// One seed of so many has three brokers: starting them takes long.
const CLUSTERS: u64 = 10;

/// How long a run stands still, in milliseconds, before the stages announce again what may have been lost; a twentieth of
/// the default.
const ANNOUNCE_AFTER: &str = "3000";

/// Exit codes of a command that a person gives in the middle of a storm: done, too late, refused, try again.
const EXPECTED: [i32; 4] = [0, 1, 20, 75];

/// Exit code of a worker whose configuration is wrong.
const CONFIGURATION: i32 = 78;

/// Servers that are there, and what a storm will need.
pub(super) struct Prepared {
    world: World,
    source: Source,
}

/// A pipeline in a storm.
pub(super) struct Storm {
    seed: u64,
    pub(super) world: World,
    pub(super) source: Source,
    pub(super) workers: Vec<Process>,
    pub(super) rng: Rng,
    /// The clock of one worker, and which that is.
    pub(super) clock: (usize, Clock),
    /// A session with a lock in hand, and when it lets go.
    pub(super) hold: Option<(Session, Instant)>,
    /// What people do meanwhile.
    pub(super) commands: Vec<Process>,
    /// Whether batches were refused: what became a letter meanwhile is retried by a person.
    pub(super) refused: bool,
    /// What a dead letter may say, as a fault was made of which it may be one.
    pub(super) causes: Vec<&'static str>,
    made: Made,
}

// === impl Prepared ===

impl Prepared {
    pub(super) fn of(seed: u64) -> Self {
        let source = Source::of(seed);
        let three_brokers = seed.is_multiple_of(CLUSTERS);
        let mut world = World::start(Plan { own_database: true, three_brokers, ..Plan::of(&source.url()) });
        world.set("SLUICE__KAFKA__SESSION_TIMEOUT_MS", SESSION);
        world.set("SLUICE__STAGE__MAX_BACKOFF_MS", BACKOFF);
        world.set("SLUICE__RUN__ANNOUNCE_AFTER_MS", ANNOUNCE_AFTER);
        Self { world, source }
    }
}

// === impl Storm ===

impl Storm {
    pub(super) fn start(seed: u64, prepared: Prepared) -> Self {
        let Prepared { world, source } = prepared;
        let mut rng = Rng::with_seed(seed);
        let mut storm = Self {
            seed,
            world,
            source,
            workers: Vec::new(),
            clock: (rng.usize(0..STAGES.len()), Clock::new()),
            rng,
            hold: None,
            commands: Vec::new(),
            refused: false,
            causes: Vec::new(),
            made: Made::new(),
        };
        storm.workers = (0..STAGES.len()).map(|number| storm.worker(number)).collect();
        storm.workers.iter_mut().for_each(Process::wait_ready);
        storm
    }

    /// A new worker in this place; it may not be ready yet.
    pub(super) fn worker(&self, number: usize) -> Process {
        let stage = STAGES.get(number).expect("a stage for each worker");
        let (with_clock, clock) = &self.clock;
        if number == *with_clock { self.world.worker_with_clock(stage, clock) } else { self.world.worker(stage) }
    }

    /// Gives how often each kind of fault was made.
    pub(super) fn run(mut self) -> Made {
        let begun = Instant::now();
        self.world.database_link.set(SLOW);
        let run_id = self.world.messenger.request_run(2);
        for number in 0..FAULTS {
            self.pause(faults::BETWEEN);
            self.start_ended_again();
            if number == 0 && !self.world.other_brokers.is_empty() {
                // What three brokers are there for.
                faults::restart_broker(&mut self);
            } else {
                faults::one(&mut self);
            }
            self.let_go_in_time();
        }
        let stormed = begun.elapsed();
        self.heal(&run_id);
        self.world.wait_for_state(&run_id, "activated");
        let activated = begun.elapsed();
        self.workers.iter_mut().for_each(Process::wait_ready);
        let letters = self.letters();
        checker::assert_whole_with_dead_letters(&self.world, &run_id, letters);
        self.workers.iter().for_each(|worker| worker.signal(Signal::SIGTERM));
        self.workers.into_iter().for_each(|worker| drop(worker.wait(wait::PATIENCE).expect_code(0)));
        let [all, stormed, activated] = [begun.elapsed(), stormed, activated].map(|time| time.as_secs());
        let seed = self.seed;
        println!(
            "seed {seed}: whole after {all} s, of them {stormed} s of faults, {activated} s until it was activated"
        );
        self.made
    }

    /// Nothing is wrong any more, and nobody interferes.
    fn heal(&mut self, run_id: &str) {
        self.clock.1.set(0);
        if let Some((session, until)) = self.hold.take() {
            thread::sleep(until.saturating_duration_since(Instant::now()));
            drop(session);
        }
        self.world.database_link.set(Fault::None);
        self.start_ended_again();
        for command in self.commands.drain(..) {
            let ended = command.wait(RUN_DEADLINE);
            assert!(ended.code().is_some_and(|code| EXPECTED.contains(&code)), "{ended:?}");
        }
        if self.refused {
            self.workers.iter_mut().for_each(Process::wait_ready);
            let ended = self.world.command(&["run", "retry", run_id, "--yes"]);
            assert!(ended.code().is_some_and(|code| EXPECTED.contains(&code)), "{ended:?}");
        }
    }

    /// A worker that begins while its source is away takes the setting for wrong and ends; whoever runs it starts it again.
    fn start_ended_again(&mut self) {
        for number in 0..self.workers.len() {
            let worker = self.workers.get_mut(number).expect("a worker in each place");
            let Some(status) = worker.exited() else { continue };
            assert!(self.source.was_away() && status.code() == Some(CONFIGURATION), "{status}: {}", worker.stderr());
            let successor = self.worker(number);
            *self.workers.get_mut(number).expect("a worker in each place") = successor;
        }
    }

    /// Lets a lock go that was held for long enough.
    fn let_go_in_time(&mut self) {
        // Who holds a row lets it go with its session.
        self.hold.take_if(|(_, until)| *until <= Instant::now());
    }

    /// Number of dead letters; each must be one of a fault that was made.
    fn letters(&self) -> i64 {
        if self.causes.is_empty() {
            return 0;
        }
        let letters = self.world.messenger.read(DEAD_LETTERS);
        for letter in &letters {
            let parts = letter.headers.iter().filter_map(|(_, value)| value.as_deref()).chain(letter.key.as_deref());
            let text: Vec<_> = parts.map(String::from_utf8_lossy).collect();
            let text = text.join(" ");
            assert!(self.causes.iter().any(|cause| text.contains(cause)), "an unexpected dead letter: {text}");
        }
        i64::try_from(letters.len()).expect("a few letters")
    }

    /// How long something lasts, or nothing happens: part of the storm.
    pub(super) fn pause(&mut self, milliseconds: std::ops::Range<u64>) {
        thread::sleep(Duration::from_millis(self.rng.u64(milliseconds)));
    }

    pub(super) fn note(&mut self, kind: &'static str, what: &str) {
        println!("seed {}:   {kind}: {what}", self.seed);
        *self.made.entry(kind).or_default() += 1;
    }
}
