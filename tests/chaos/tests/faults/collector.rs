//! The trace collector is away, silent or confused: a trace is worth nothing that a run could lose.

use std::time::{Duration, Instant};

use chaos::{
    checker,
    world::{Plan, World},
};
use testkit::{
    process::Signal,
    proxy::{Fault, Proxy},
    wait::{self, PATIENCE},
};

const SOURCE: &str = "generator:?services=10&providers=100&bundles=2&fields=2&seed=24";
const STAGES: [&str; 4] = ["stage-root", "stage-providers", "stage-bundles", "stage-activator"];

/// What orchestrators grant a process that is told to stop.
const GRACE: Duration = Duration::from_secs(30);

const WELL: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const FAULTS: [Fault; 5] = [
    Fault::Answer("HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\n\r\nout of memory"),
    Fault::Answer("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<html>Welcome</html>"),
    Fault::Answer("220 mail.example.org ESMTP\r\n"),
    Fault::Refuse,
    Fault::HalfOpen,
];

#[test]
fn a_collector_that_refuses_is_silent_or_answers_nonsense_delays_no_run_and_no_end() {
    let mut world = World::start(Plan::of(SOURCE));
    // Nothing is behind it: the proxy is the collector.
    let collector = Proxy::to("127.0.0.1:1");
    collector.set(Fault::Answer(WELL));
    world.set("SLUICE__TELEMETRY__OTLP_ENDPOINT", &format!("http://{}", collector.address()));
    let workers = world.one_each(&STAGES);
    for fault in FAULTS {
        let known = collector.accepted();
        collector.set(fault);
        let run_id = world.messenger.request_run(2);
        world.wait_for_state(&run_id, "activated");
        if fault != Fault::Refuse {
            wait::until_blocking("spans are on their way to the collector", PATIENCE, || {
                (collector.accepted() > known).then_some(())
            });
        }
        collector.cut();
        checker::assert_whole(&world, &run_id);
    }

    // Spans of this run wait to be sent when the stages are told to stop, and nobody answers.
    let run_id = world.messenger.request_run(2);
    world.wait_for_state(&run_id, "activated");
    let begun = Instant::now();
    workers.iter().for_each(|worker| worker.signal(Signal::SIGTERM));
    for (stage, worker) in STAGES.iter().zip(workers) {
        let ended = worker.wait(GRACE).expect_code(0);
        println!("{stage} ended {:.1} s after it was told to, its collector silent", begun.elapsed().as_secs_f64());
        assert_few_complaints(&ended.stderr);
    }
}

/// A collector that is away is worth a line now and then, not one for each span.
fn assert_few_complaints(log: &str) {
    let complaints = log.lines().filter(|line| line.contains(" WARN ") || line.contains("ERROR")).count();
    println!("{complaints} warnings and errors in the log");
    assert!(complaints <= 40, "{complaints} warnings and errors:\n{log}");
}
