//! `cargo xtask deny`: advisories, licences and sources of dependencies, by `deny.toml`.

use std::{path::Path, process::Command};

use crate::{
    command,
    failure::{Failure, Outcome},
    say, tool,
};

/// What needs no network: the database of advisories is fetched.
const OFFLINE: [&str; 3] = ["bans", "licenses", "sources"];

/// Everything, advisories included.
pub fn run() -> Outcome {
    match tool::find("cargo-deny") {
        Some(cargo_deny) => command::run(&mut check(&cargo_deny, &[])),
        None => Err(Failure::new("`cargo-deny` is not installed").advise(tool::advice("cargo-deny"))),
    }
}

/// What can be checked without the network, where the tool is.
pub fn offline() -> Outcome {
    match tool::find("cargo-deny") {
        Some(cargo_deny) => command::run(&mut check(&cargo_deny, &OFFLINE)),
        None => {
            say(&format!("not checked, since `cargo-deny` is not installed: {}", tool::advice("cargo-deny")));
            Ok(())
        }
    }
}

fn check(cargo_deny: &Path, what: &[&str]) -> Command {
    let mut command = Command::new(cargo_deny);
    // What the checks find is told; warnings of crates in two versions are for `cargo xtask deny` alone.
    let quiet = if what.is_empty() { "warn" } else { "error" };
    command.current_dir(command::root()).args(["--locked", "--log-level", quiet, "check"]).args(what);
    command
}
