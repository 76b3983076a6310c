//! Workers come and go faster than their groups can settle.

use std::{
    thread::{self, JoinHandle},
    time::Duration,
};

use chaos::{
    checker,
    world::{Plan, World},
};
use fastrand::Rng;
use testkit::{process::Process, proxy::Fault};

const SOURCE: &str = "generator:?services=30&providers=900&bundles=2&fields=2&seed=22";
const STAGES: [&str; 4] = ["stage-root", "stage-providers", "stage-bundles", "stage-activator"];

/// Slows a run down, so that the storm is in the middle of it.
const SLOW: Fault = Fault::Latency(Duration::from_millis(25));

/// Workers that come or go in one storm.
const STEPS: u32 = 40;
/// Workers of one stage at most: more would be a test of the machine.
const MOST: usize = 3;

/// Workers, and those that are about to end in order.
struct Crowd<'a> {
    world: &'a World,
    living: Vec<(&'static str, Process)>,
    leaving: Vec<JoinHandle<()>>,
    rng: Rng,
}

#[test]
fn workers_that_come_and_go_faster_than_their_groups_settle_lose_nothing() {
    let mut world = World::start(Plan::of(SOURCE));
    for (session, seed) in [(Some("1500"), 1), (None, 2)] {
        // In the second storm the sessions are those that users have.
        world.set("SLUICE__KAFKA__SESSION_TIMEOUT_MS", session.unwrap_or("6000"));
        world.database_link.set(SLOW);
        let crowd = Crowd::gather(&world, seed);
        let before = world.stored_batches();
        let run_id = world.messenger.request_run(2);
        world.wait_for_stored_batches(before + 10);
        let crowd = crowd.storm();
        let open = format!("SELECT COUNT(*) FROM sluice_run WHERE run_id = '{run_id}' AND state = 'activated'");
        assert_eq!(world.number(&open), 0, "the run ended before the storm");
        println!("storm {seed}: {} batches stored meanwhile", world.stored_batches() - before - 10);
        world.database_link.set(Fault::None);
        world.wait_for_state(&run_id, "activated");
        checker::assert_whole(&world, &run_id);
        crowd.go_home();
    }
}

// === impl Crowd ===

impl<'a> Crowd<'a> {
    fn gather(world: &'a World, seed: u64) -> Self {
        let living = STAGES.iter().copied().zip(world.one_each(&STAGES)).collect();
        Self { world, living, leaving: Vec::new(), rng: Rng::with_seed(seed) }
    }

    fn storm(mut self) -> Self {
        for _ in 0..STEPS {
            thread::sleep(Duration::from_millis(self.rng.u64(100..500)));
            self.step();
        }
        self
    }

    /// Somebody starts, is killed, or is asked to stop; the last of a stage has its successor at once.
    fn step(&mut self) {
        let victim = self.rng.usize(0..self.living.len());
        let (stage, _) = self.living.get(victim).expect("a living worker");
        let (stage, count) = (*stage, self.living.iter().filter(|(of, _)| of == stage).count());
        let starts = count == 1 || (count < MOST && self.rng.bool());
        if starts {
            self.living.push((stage, self.world.worker(stage)));
        }
        if !starts || (count == 1 && self.rng.bool()) {
            let (_, worker) = self.living.remove(victim);
            if self.rng.bool() {
                worker.kill();
            } else {
                // In order takes its time: it does not hold the storm up.
                self.leaving.push(thread::spawn(|| drop(worker.stop().expect_code(0))));
            }
        }
    }

    fn go_home(self) {
        let last = self.living.into_iter().map(|(_, worker)| thread::spawn(|| drop(worker.stop().expect_code(0))));
        let all: Vec<JoinHandle<()>> = self.leaving.into_iter().chain(last).collect();
        all.into_iter().for_each(|worker| worker.join().expect("a worker that is asked to stop ends in order"));
    }
}
