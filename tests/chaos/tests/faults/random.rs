//! The random tier: a seeded storm of faults on everything at once, and the checker after each run.
//!
//! `cargo xtask chaos --minutes N --seed S` runs it; the short tier does not. A seed chooses the faults, their victims
//! and their lengths; how they fall together with the work is up to the machine, so a seed that failed is repeated
//! several times.

use std::{
    thread,
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
    wait,
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

/// Slows a run down, so that the faults fall into it.
const SLOW: Fault = Fault::Latency(Duration::from_millis(15));

/// A pipeline in a storm.
struct Storm {
    world: World,
    workers: Vec<Process>,
    rng: Rng,
}

#[test]
#[ignore = "the random tier: `cargo xtask chaos --minutes N --seed S`"]
fn a_seeded_storm_of_faults_leaves_every_run_whole() {
    let begun = Instant::now();
    let length = Duration::from_secs(60 * variable("SLUICE_CHAOS_MINUTES").unwrap_or(1));
    let mut seed = variable("SLUICE_CHAOS_SEED").unwrap_or(1);
    loop {
        println!("seed {seed}; to repeat it: cargo xtask chaos --minutes 0 --seed {seed}");
        Storm::start(seed).run();
        println!("seed {seed}: whole, {} s since the beginning", begun.elapsed().as_secs());
        if begun.elapsed() >= length {
            return;
        }
        seed = seed.wrapping_add(1);
    }
}

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|error| panic!("{name}=`{text}` is no number: {error}")))
}

// === impl Storm ===

impl Storm {
    fn start(seed: u64) -> Self {
        let world = World::start(Plan { own_database: true, ..Plan::of(SOURCE) });
        let workers = world.one_each(&STAGES);
        Self { world, workers, rng: Rng::with_seed(seed) }
    }

    fn run(mut self) {
        self.world.database_link.set(SLOW);
        let run_id = self.world.messenger.request_run(2);
        for _ in 0..FAULTS {
            self.pause(100..1_500);
            self.one_fault();
        }
        self.world.database_link.set(Fault::None);
        self.world.wait_for_state(&run_id, "activated");
        self.workers.iter_mut().for_each(Process::wait_ready);
        checker::assert_whole(&self.world, &run_id);
        self.workers.into_iter().for_each(|worker| drop(worker.stop().expect_code(0)));
    }

    /// One fault, from its beginning to its end.
    fn one_fault(&mut self) {
        match self.rng.u32(0..20) {
            0..=4 => self.replace(|worker| drop(worker.kill())),
            5..=7 => self.replace(|worker| drop(worker.stop().expect_code(0))),
            8..=10 => self.stop_and_continue(),
            11..=14 => self.hurt_database_link(),
            15 | 16 => self.hurt_registry_link(),
            17 => self.stop_and_continue_broker(),
            18 => {
                println!("  broker killed");
                self.world.broker.kill();
                self.pause(0..2_000);
                self.world.broker.start();
            }
            _ => self.restart_database(),
        }
    }

    fn replace(&mut self, end: impl FnOnce(Process)) {
        let victim = self.rng.usize(0..self.workers.len());
        let stage = STAGES.get(victim).expect("a worker for each entry");
        println!("  {stage} {victim} ended and replaced");
        end(self.workers.remove(victim));
        self.workers.insert(victim, self.world.worker(stage));
    }

    /// Sometimes for longer than its session.
    fn stop_and_continue(&mut self) {
        let victim = self.rng.usize(0..self.workers.len());
        println!("  worker {victim} stopped and continued");
        let worker = |storm: &Self, signal| storm.workers.get(victim).expect("a worker").signal(signal);
        worker(self, Signal::SIGSTOP);
        self.pause(500..9_000);
        worker(self, Signal::SIGCONT);
    }

    fn stop_and_continue_broker(&mut self) {
        println!("  broker stopped and continued");
        self.world.broker.signal(Signal::SIGSTOP);
        self.pause(500..5_000);
        self.world.broker.signal(Signal::SIGCONT);
    }

    fn hurt_database_link(&mut self) {
        let fault = self.fault();
        println!("  link to the database: {fault:?}");
        hurt(&self.world.database_link, fault);
        self.pause(500..5_000);
        self.world.database_link.cut();
        self.world.database_link.set(SLOW);
    }

    fn hurt_registry_link(&mut self) {
        let fault = self.fault();
        println!("  link to the registry: {fault:?}");
        hurt(&self.world.registry_link, fault);
        self.pause(500..5_000);
        self.world.registry_link.set(Fault::None);
    }

    fn restart_database(&mut self) {
        println!("  database killed");
        let pause = Duration::from_millis(self.rng.u64(0..4_000));
        let server = self.world.database_server.as_mut().expect("a server of our own");
        server.kill();
        thread::sleep(pause);
        server.start();
        let url = self.world.database.url();
        let address = url.rsplit('@').next().and_then(|rest| rest.split('/').next()).expect("a URL with an address");
        wait::until_blocking("the database is back", wait::PATIENCE, || std::net::TcpStream::connect(address).ok());
    }

    fn fault(&mut self) -> Fault {
        match self.rng.u32(0..6) {
            0 => Fault::Latency(Duration::from_millis(self.rng.u64(20..300))),
            1 => Fault::Bandwidth(self.rng.u32(5_000..100_000)),
            2 => Fault::Refuse,
            3 => Fault::HalfOpen,
            4 => Fault::OneWay(Direction::ToServer),
            _ => Fault::OneWay(Direction::ToClient),
        }
    }

    /// How long a fault lasts, or nothing happens: part of the storm.
    fn pause(&mut self, milliseconds: std::ops::Range<u64>) {
        thread::sleep(Duration::from_millis(self.rng.u64(milliseconds)));
    }
}

fn hurt(link: &Proxy, fault: Fault) {
    link.set(fault);
    if fault == Fault::Refuse {
        link.cut();
    }
}
