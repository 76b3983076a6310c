//! How long a process takes to begin: a stage to its first poll, the command to its answer.

use std::{
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use testkit::process::{Launch, path_of};

use super::{Bench, figure, verdict};
use crate::{
    results::{Figure, Goal, Quantity},
    size::Size,
    statistics::median,
};

/// What a stage logs when it has joined its group and polls.
const POLLS: &str = "started";

const STAGES: [&str; 4] = ["stage-root", "stage-providers", "stage-bundles", "stage-activator"];

/// Between two looks at a log.
const PAUSE: Duration = Duration::from_micros(500);

pub(super) fn measure(bench: &Bench, size: Size) -> Vec<Figure> {
    let times = if size == Size::Xs { 2 } else { 20 };
    let database = bench.servers.migrated_database();
    let environment = bench.servers.environment(&Size::Xs.source(1), &database.loader, &database);
    let mut quantities = Vec::new();
    for stage in STAGES {
        let values = (0..times).map(|_| to_first_poll(stage, &environment)).collect();
        quantities.push(Quantity::new(stage, "ms", values));
    }
    let stage = quantities.iter().map(Quantity::median).fold(0.0, f64::max);
    let commands = [("sluice --version", &["--version"][..]), ("sluice run ls", &["run", "ls"])];
    for (name, arguments) in commands {
        let values = (0..times).map(|_| to_the_end(arguments, &environment)).collect();
        quantities.push(Quantity::new(name, "ms", values));
    }
    let command = quantities.iter().skip(STAGES.len()).map(|quantity| median(&quantity.values)).fold(0.0, f64::max);
    crate::servers::drop_database(&database);
    let verdicts = vec![
        verdict("to the first poll of the slowest stage", stage, "ms", Goal::AtMost(500.0)),
        verdict("to the answer of the slower command", command, "ms", Goal::AtMost(50.0)),
    ];
    vec![figure("start", "", verdicts, quantities)]
}

fn to_first_poll(stage: &str, environment: &[(String, String)]) -> f64 {
    let launch = Launch::binary(stage).envs(environment.iter().map(|(key, value)| (key, value)));
    let begun = Instant::now();
    let mut process = launch.start();
    while !process.stderr().contains(POLLS) {
        assert!(process.exited().is_none(), "`{stage}` ended: {}", process.stderr());
        thread::sleep(PAUSE);
    }
    let took = begun.elapsed();
    process.stop().expect_code(0);
    took.as_secs_f64() * 1_000.0
}

fn to_the_end(arguments: &[&str], environment: &[(String, String)]) -> f64 {
    let mut command = Command::new(path_of("sluice"));
    command
        .args(arguments)
        .envs(environment.iter().map(|(key, value)| (key, value)))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let begun = Instant::now();
    let status = command.status().expect("the command starts");
    let took = begun.elapsed();
    assert!(status.success(), "`sluice {}` ended with {status}", arguments.join(" "));
    took.as_secs_f64() * 1_000.0
}
