//! `cargo xtask deny`: advisories, licences and sources of dependencies. Optional here, always done by hosted CI.

use crate::{command, failure::Outcome, say};

/// Runs `cargo deny check`, or says that it is not installed.
pub fn run() -> Outcome {
    if command::find("cargo-deny").is_none() {
        say("`cargo-deny` is not installed: nothing checked; `cargo install --locked cargo-deny` installs it");
        return Ok(());
    }
    command::run(&mut command::cargo(&["deny", "check"]))
}
