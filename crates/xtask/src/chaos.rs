//! `cargo xtask chaos`: the tiers of the fault tests that take too long for every change.

use std::{
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use clap::{Args, ValueEnum};

use crate::{
    command,
    failure::{Failure, Outcome},
    say, setup,
};

/// What to run, and how much of it.
#[derive(Args)]
pub struct ChaosArgs {
    /// Which tier.
    #[arg(long, value_enum, default_value_t = Tier::Random)]
    tier: Tier,
    /// Random tier: begin no further seed after so many minutes.
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// Random tier: run so many seeds, however long they take.
    #[arg(long, conflicts_with = "minutes", value_parser = clap::value_parser!(u64).range(1..))]
    seeds: Option<u64>,
    /// Random tier: the first seed; without it, one is chosen.
    #[arg(long)]
    seed: Option<u64>,
    /// Random tier: so many seeds side by side, each with a broker and a database of its own.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=16))]
    jobs: u64,
}

/// A part of the fault tests.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Tier {
    /// Random faults against the pipeline, seed after seed; prints how to repeat each.
    Random,
    /// Three brokers, of which one or two are lost, or each is restarted.
    Cluster,
    /// A worker whose clock jumps by an hour.
    Clock,
}

/// Runs a tier: of the random one, seed after seed from `seed` upwards.
pub fn run(args: &ChaosArgs) -> Outcome {
    setup::run()?;
    say("building the binaries");
    command::run(&mut command::cargo(&["build", "--workspace", "--bins"]))?;
    let mut cargo = command::cargo(&["test", "--package", "chaos", "--test", "faults", "--"]);
    // One case at a time: each has servers of its own, and prints how long things took.
    cargo.args(["--ignored", "--nocapture", "--test-threads=1", args.tier.tests()]);
    if args.tier == Tier::Random {
        args.pass_on(&mut cargo);
    }
    command::run(&mut cargo).map_err(|_| {
        Failure::new("a fault broke a promise, or something could not be started")
            .advise("logs and data stay where the panic says; of a seed, its first line above says how to repeat it")
    })
}

// === impl ChaosArgs ===

impl ChaosArgs {
    fn pass_on(&self, cargo: &mut Command) {
        let seed = self.seed.unwrap_or_else(chosen);
        let jobs = self.jobs;
        let length = match self.seeds {
            Some(seeds) => format!("{seeds} seeds"),
            None => format!("{} minutes", self.minutes),
        };
        say(&format!("random faults for {length}, beginning with seed {seed}, {jobs} at a time"));
        cargo.env("SLUICE_CHAOS_SEED", seed.to_string()).env("SLUICE_CHAOS_JOBS", jobs.to_string());
        cargo.env("SLUICE_CHAOS_MINUTES", self.minutes.to_string());
        cargo.envs(self.seeds.map(|seeds| ("SLUICE_CHAOS_SEEDS", seeds.to_string())));
    }
}

// === impl Tier ===

impl Tier {
    /// What the names of its tests begin with.
    fn tests(self) -> &'static str {
        match self {
            Self::Random => "faults::random::",
            Self::Cluster => "faults::cluster::",
            Self::Clock => "faults::clock::",
        }
    }
}

/// A small number, so that people can type it.
fn chosen() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs() % 1_000_000)
}
