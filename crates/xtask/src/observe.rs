//! `cargo xtask observe`: what an operator sees, asked of the real servers that show it.

use crate::{
    command,
    failure::{Failure, Outcome},
    say, setup,
};

/// Sets up, builds, and asks Jaeger for traces, and Prometheus for what dashboards and alerts ask.
pub fn run() -> Outcome {
    setup::run()?;
    setup::observers()?;
    say("building the binaries");
    command::run(&mut command::cargo(&["build", "--workspace", "--bins"]))?;
    let mut cargo = command::cargo(&["test", "--workspace", "--test", "traces", "--test", "alerts", "--"]);
    command::run(cargo.args(["--ignored", "--test-threads=1"])).map_err(|_| {
        Failure::new("a trace, a dashboard or an alert is not as promised, or something could not be started")
            .advise("the panic shows what was found; logs of processes stay where it says")
    })
}
