//! Documents made from the code. Each is owned by a test that compares it with what the code says now, and rewrites it
//! when `SLUICE_BLESS` is set; such a test has `is_in_step` in its name.

use std::process::Stdio;

use crate::{
    command,
    failure::{Failure, Outcome},
    say,
};

/// Part of the name of every test that owns a generated document.
const OWNERS: &str = "in_step";

/// Rewrites the generated documents.
pub fn run() -> Outcome {
    say("rewriting the generated documents");
    command::run(owners().env("SLUICE_BLESS", "1"))
}

/// Checks that the generated documents are what the code says now.
pub fn check() -> Outcome {
    command::run(owners().stdout(Stdio::null())).map_err(|_| {
        Failure::new("the generated documents are not known to be in step")
            .advise("if they are out of step, `cargo xtask generate` rewrites them")
    })
}

fn owners() -> std::process::Command {
    command::cargo(&["test", "--quiet", "--workspace", "--lib", "--bins", OWNERS])
}
