//! `cargo xtask check`: what reviewers would otherwise have to repeat. All checks run; all faults are told at once.

use crate::{
    command, deny,
    failure::{Failure, Outcome},
    generate, say,
};

mod circles;
mod layers;
pub mod metadata;
mod pages;
mod sources;
mod workflows;

/// A check's name and what it does.
type Check = (&'static str, fn() -> Outcome);

/// The quick ones first.
const CHECKS: [Check; 9] = [
    ("layers", layers::check),
    ("circles", circles::check),
    ("names and places", sources::check),
    ("a page for every error code", pages::check),
    ("dependencies", deny::offline),
    ("workflows", workflows::check),
    ("formatting", || command::run(&mut command::cargo(&["fmt", "--all", "--check"]))),
    ("lints", lints),
    ("generated documents", generate::check),
];

/// Runs every check.
pub fn run() -> Outcome {
    let mut failed = Vec::new();
    for (name, check) in CHECKS {
        say(&format!("checking {name}"));
        if let Err(failure) = check() {
            eprintln!("{name}: {failure}");
            failed.push(name);
        }
    }
    if failed.is_empty() {
        say("all checks passed");
        return Ok(());
    }
    Err(Failure::new(format!("{} of {} checks failed: {}", failed.len(), CHECKS.len(), failed.join(", "))))
}

fn lints() -> Outcome {
    command::run(&mut command::cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

/// One failure that names all faults found.
fn verdict(faults: &[String]) -> Outcome {
    if faults.is_empty() { Ok(()) } else { Err(Failure::new(format!("\n  {}", faults.join("\n  ")))) }
}
