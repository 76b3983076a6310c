//! `cargo xtask setup`: what the tests need and this machine lacks. A second call finds everything and takes no time.

use crate::{failure::Outcome, say};

mod java_servers;
mod observers;
mod packages;

/// Installs the missing packages, then the Java servers.
pub fn run() -> Outcome {
    packages::install()?;
    java_servers::install()?;
    say("set-up is complete");
    Ok(())
}

/// Installs what shows how Sluice is: a store of traces, and one of metrics.
pub fn observers() -> Outcome {
    packages::install_observers()?;
    observers::install()
}

/// Installs what the benchmark compares Sluice with.
pub fn peers() -> Outcome {
    java_servers::install_peers()
}
