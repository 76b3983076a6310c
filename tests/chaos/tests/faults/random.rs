//! The random tier: a seeded storm of faults on everything at once, and the checker after each run.
//!
//! `cargo xtask chaos --minutes N --seed S` runs it; the short tier does not. A seed chooses the faults, their victims
//! and their lengths; how they fall together with the work is up to the machine, so a seed that failed is repeated
//! several times.

use std::{
    collections::BTreeMap,
    ops::Range,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use chaos::{
    checker,
    world::{Plan, World},
};
use fastrand::Rng;
use testkit::{
    process::{Process, Signal},
    proxy::{Direction, Fault, Proxy},
};

const SOURCE: &str = "generator:?services=15&providers=600&bundles=2&fields=2&seed=17";
const STAGES: [&str; 7] = [
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

/// Milliseconds from one fault to the next.
const BETWEEN: Range<u64> = 50..500;

/// Slows a run down, so that the faults fall into it.
const SLOW: Fault = Fault::Latency(Duration::from_millis(15));

/// A pipeline in a storm.
struct Storm {
    world: World,
    workers: Vec<Process>,
    rng: Rng,
    /// How often each kind of fault was made.
    made: BTreeMap<&'static str, u32>,
}

/// A link from every worker to a server.
#[derive(Clone, Copy)]
enum Link {
    Broker,
    Database,
    Registry,
}

#[test]
#[ignore = "the random tier: `cargo xtask chaos --minutes N --seed S`"]
fn a_seeded_storm_of_faults_leaves_every_run_whole() {
    let begun = Instant::now();
    let length = Duration::from_secs(60 * variable("SLUICE_CHAOS_MINUTES").unwrap_or(1));
    let first = variable("SLUICE_CHAOS_SEED").unwrap_or(1);
    let mut made: BTreeMap<&'static str, u32> = BTreeMap::new();
    let mut next = prepared();
    for seed in first.. {
        let seed_begun = Instant::now();
        println!("seed {seed}; to repeat it: cargo xtask chaos --minutes 0 --seed {seed}");
        let world = next.join().expect("the servers start");
        // Servers take long to start and a storm is mostly waiting, so the next seed's start meanwhile.
        next = prepared();
        for (kind, count) in Storm::start(world, seed).run() {
            *made.entry(kind).or_default() += count;
        }
        println!("seed {seed}: whole after {} s", seed_begun.elapsed().as_secs());
        if begun.elapsed() >= length {
            let seeds = seed - first + 1;
            println!("{seeds} seeds from {first} to {seed}, all whole, in {} s", begun.elapsed().as_secs());
            made.iter().for_each(|(kind, count)| println!("  {count:3} times: {kind}"));
            break;
        }
    }
    drop(next.join());
}

fn prepared() -> JoinHandle<World> {
    thread::spawn(|| World::start(Plan { own_database: true, ..Plan::of(SOURCE) }))
}

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|error| panic!("{name}=`{text}` is no number: {error}")))
}

// === impl Storm ===

impl Storm {
    fn start(world: World, seed: u64) -> Self {
        let workers = world.one_each(&STAGES);
        Self { world, workers, rng: Rng::with_seed(seed), made: BTreeMap::new() }
    }

    /// Gives how often each kind of fault was made.
    fn run(mut self) -> BTreeMap<&'static str, u32> {
        self.world.database_link.set(SLOW);
        let run_id = self.world.messenger.request_run(2);
        for _ in 0..FAULTS {
            self.pause(BETWEEN);
            self.one_fault();
        }
        self.world.database_link.set(Fault::None);
        self.world.wait_for_state(&run_id, "activated");
        self.workers.iter_mut().for_each(Process::wait_ready);
        checker::assert_whole(&self.world, &run_id);
        self.workers.iter().for_each(|worker| worker.signal(Signal::SIGTERM));
        self.workers.into_iter().for_each(|worker| drop(worker.wait(testkit::wait::PATIENCE).expect_code(0)));
        self.made
    }

    /// One fault, from its beginning to its end.
    fn one_fault(&mut self) {
        match self.rng.u32(0..24) {
            0..=4 => self.replace("killed", |worker| drop(worker.kill())),
            5..=7 => self.replace("asked to stop", |worker| drop(worker.stop().expect_code(0))),
            8..=10 => self.stop_and_continue(),
            11..=14 => self.hurt(Link::Database),
            15..=18 => self.hurt(Link::Broker),
            19 | 20 => self.hurt(Link::Registry),
            21 => self.stop_and_continue_broker(),
            22 => self.restart_broker(),
            _ => self.restart_database(),
        }
    }

    fn replace(&mut self, how: &str, end: impl FnOnce(Process)) {
        let victim = self.rng.usize(0..self.workers.len());
        let stage = STAGES.get(victim).expect("a worker for each entry");
        self.note("worker ended and replaced", &format!("{stage} {victim} {how}"));
        end(self.workers.remove(victim));
        self.workers.insert(victim, self.world.worker(stage));
    }

    /// Sometimes for longer than its session.
    fn stop_and_continue(&mut self) {
        let victim = self.rng.usize(0..self.workers.len());
        self.note("worker stopped and continued", &format!("{} {victim}", STAGES.get(victim).unwrap_or(&"")));
        let worker = |storm: &Self, signal| storm.workers.get(victim).expect("a worker").signal(signal);
        worker(self, Signal::SIGSTOP);
        self.last();
        worker(self, Signal::SIGCONT);
    }

    fn stop_and_continue_broker(&mut self) {
        self.note("broker stopped and continued", "by signal");
        self.world.broker.signal(Signal::SIGSTOP);
        self.last();
        self.world.broker.signal(Signal::SIGCONT);
    }

    fn restart_broker(&mut self) {
        self.note("broker killed and restarted", "by signal");
        self.world.broker.kill();
        self.pause(0..2_000);
        self.world.broker.start();
    }

    fn restart_database(&mut self) {
        self.note("database killed and restarted", "by signal");
        self.world.own_database().kill();
        self.pause(0..4_000);
        self.world.own_database().start();
        self.world.wait_for_database();
    }

    fn hurt(&mut self, link: Link) {
        let fault = self.fault();
        self.note(link.kind(), &format!("{fault:?}"));
        link.of(&self.world).set(fault);
        if matches!(fault, Fault::Refuse | Fault::Answer(_)) {
            link.of(&self.world).cut();
        }
        self.last();
        // A registry keeps its connections; to the others, what was held back may never arrive.
        if !matches!(link, Link::Registry) {
            link.of(&self.world).cut();
        }
        link.of(&self.world).set(if matches!(link, Link::Database) { SLOW } else { Fault::None });
    }

    fn fault(&mut self) -> Fault {
        match self.rng.u32(0..7) {
            0 => Fault::Latency(Duration::from_millis(self.rng.u64(20..300))),
            1 => Fault::Bandwidth(self.rng.u32(5_000..100_000)),
            2 => Fault::Refuse,
            3 => Fault::HalfOpen,
            4 => Fault::OneWay(Direction::ToServer),
            5 => Fault::OneWay(Direction::ToClient),
            _ => Fault::Answer("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<html>Welcome</html>"),
        }
    }

    /// How long a fault lasts: mostly not long, and every fourth time perhaps for longer than a session.
    fn last(&mut self) {
        let longest = if self.rng.u32(0..4) == 0 { 9_000 } else { 2_000 };
        self.pause(300..longest);
    }

    /// How long something lasts, or nothing happens: part of the storm.
    fn pause(&mut self, milliseconds: Range<u64>) {
        thread::sleep(Duration::from_millis(self.rng.u64(milliseconds)));
    }

    fn note(&mut self, kind: &'static str, what: &str) {
        println!("  {kind}: {what}");
        *self.made.entry(kind).or_default() += 1;
    }
}

// === impl Link ===

impl Link {
    fn of(self, world: &World) -> &Proxy {
        match self {
            Self::Broker => world.broker_link(),
            Self::Database => &world.database_link,
            Self::Registry => &world.registry_link,
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Broker => "link to the broker hurt",
            Self::Database => "link to the database hurt",
            Self::Registry => "link to the registry hurt",
        }
    }
}
