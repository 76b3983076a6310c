//! `cargo xtask bench`: builds everything as it is deployed and measures it.

use std::process::Command;

use crate::{check::metadata, command, failure::Outcome, say, setup};

/// What is measured, and what measures.
const PACKAGES: [&str; 6] = ["stage-root", "stage-providers", "stage-bundles", "stage-activator", "sluice", "bench"];

/// The figure that needs programs which nothing else needs.
const PEERS: &str = "peers";

/// Sets up, builds and measures: one figure at one size, or the whole table.
pub fn run(figure: Option<&str>, size: Option<&str>, more: &[String]) -> Outcome {
    setup::run()?;
    if figure.is_none_or(|figure| figure == PEERS) {
        setup::peers()?;
    }
    say("building as for deployment");
    let mut build = command::cargo(&["build", "--profile", "dist", "--bins"]);
    command::run(build.args(PACKAGES.iter().flat_map(|package| ["--package", package])))?;
    say("measuring; a machine that does other things meanwhile spoils the figures");
    // Not by `cargo run`: for one package alone it would build everything again with other features.
    let mut measure = Command::new(metadata::target_folder()?.join("dist").join("bench"));
    measure.current_dir(command::root()).args(figure.iter().flat_map(|figure| ["--figure", figure]));
    measure.args(size.iter().flat_map(|size| ["--size", size]));
    command::run(measure.args(more))
}
