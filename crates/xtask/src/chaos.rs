//! `cargo xtask chaos`: the random tier of the fault tests, for as long as one likes.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::{
    command,
    failure::{Failure, Outcome},
    say, setup,
};

/// The test that is the random tier.
const TEST: &str = "faults::random::a_seeded_storm_of_faults_leaves_every_run_whole";

/// Runs seed after seed, from `seed` upwards, until the minutes are over; at least one. Without a seed, one is chosen.
pub fn run(minutes: u64, seed: Option<u64>) -> Outcome {
    setup::run()?;
    say("building the binaries");
    command::run(&mut command::cargo(&["build", "--workspace", "--bins"]))?;
    let seed = seed.unwrap_or_else(chosen);
    say(&format!("random faults for {minutes} minutes, beginning with seed {seed}"));
    let mut cargo = command::cargo(&["test", "--package", "chaos", "--test", "faults", "--"]);
    cargo.args(["--ignored", "--exact", "--nocapture", TEST]);
    cargo.env("SLUICE_CHAOS_SEED", seed.to_string()).env("SLUICE_CHAOS_MINUTES", minutes.to_string());
    command::run(&mut cargo).map_err(|_| {
        Failure::new("a seed broke a promise, or something could not be started")
            .advise("the last line `seed N` above says how to repeat it; logs and data stay where the panic says")
    })
}

/// A small number, so that people can type it.
fn chosen() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs() % 1_000_000)
}
