//! The verbs of this repository: `cargo xtask setup | test | chaos | observe | fuzz | bench | check | generate | deny`.
//!
//! Each verb does alone what a person or a CI machine needs, prints what it is doing, and ends with a sentence on what
//! to do when it fails. CI runs the same verbs.
#![expect(clippy::print_stdout, reason = "a developer's tool: its progress is its answer")]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench;
mod chaos;
mod check;
mod command;
mod deny;
mod failure;
mod fuzz;
mod generate;
mod location;
mod observe;
mod setup;
mod suite;
mod terminal;
mod tool;

use terminal::say;

/// Set-up, checks and generated files of Sluice.
#[derive(Parser)]
#[command(name = "xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Install what the tests need and this machine lacks: a database server, Java, Kafka, a schema registry.
    Setup,
    /// Set up, build, and run every test against real servers.
    Test {
        /// Run only the tests whose names contain this.
        #[arg(long)]
        filter: Option<String>,
    },
    /// Run the long tiers of the fault tests: random faults, seed after seed; three brokers; a clock that jumps.
    Chaos(chaos::ChaosArgs),
    /// Run the tests of what an operator sees, against real Jaeger and Prometheus.
    Observe,
    /// Run the fuzz targets, one for each parser of bytes that strangers write. Needs `cargo-fuzz`.
    Fuzz(fuzz::FuzzArgs),
    /// Measure Sluice against its counterparts and write docs/benchmarks.md.
    Bench {
        /// Only this figure, such as `load`; the others keep their last results.
        #[arg(long)]
        figure: Option<String>,
        /// Size of the data: XS, S, M or L.
        #[arg(long)]
        size: Option<String>,
        /// More arguments for the measuring program; `-- --help` lists them.
        #[arg(last = true)]
        more: Vec<String>,
    },
    /// Check formatting, lints, layers, names, error pages and generated documents.
    Check,
    /// Rewrite the generated documents.
    Generate,
    /// Check advisories, licences and sources of dependencies. Needs `cargo-deny` and the network.
    Deny,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().verb {
        Verb::Setup => setup::run(),
        Verb::Test { filter } => suite::run(filter.as_deref()),
        Verb::Chaos(args) => chaos::run(&args),
        Verb::Observe => observe::run(),
        Verb::Fuzz(args) => fuzz::run(&args),
        Verb::Bench { figure, size, more } => bench::run(figure.as_deref(), size.as_deref(), &more),
        Verb::Check => check::run(),
        Verb::Generate => generate::run(),
        Verb::Deny => deny::run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}
