//! When a run will end: noted by activators while nobody watches, and held against the truth afterwards.

use e2e::pipeline::Pipeline;
use serde_json::Value;
use testkit::{process::Signal, wait};

const GENERATED: &str = "generator:?services=3&providers=60&bundles=2&fields=2&seed=1";

fn signal_bundles(pipeline: &Pipeline, signal: Signal) {
    pipeline.workers.bundles.iter().for_each(|worker| worker.signal(signal));
}

#[test]
fn the_eta_is_noted_while_nobody_watches_and_the_run_says_afterwards_how_wrong_it_was() {
    let pipeline = Pipeline::start(GENERATED);
    pipeline.run(&["--batch-size", "10"]);
    // Until the estimate has been noted a few times, nothing is stored.
    signal_bundles(&pipeline, Signal::SIGSTOP);
    let run = pipeline.start_run(&["--batch-size", "10"]);
    let sql = format!("SELECT COUNT(*) FROM sluice_run_estimate WHERE run_id = '{}'", run.id);
    wait::until_blocking("the estimate is noted three times", wait::PATIENCE, || {
        (pipeline.database.session().number(&sql) >= 3).then_some(())
    });
    let open = pipeline.ask(&["run", "show", &run.id], 0);
    let expected = open.pointer("/eta/activator/expected_ms").and_then(Value::as_i64);
    assert!(expected.is_some(), "{open}");
    assert_eq!(open.pointer("/eta_error/at_90_percent"), Some(&Value::Null), "{open}");
    signal_bundles(&pipeline, Signal::SIGCONT);

    pipeline.wait(&run, 0);
    let ended = pipeline.ask(&["run", "show", &run.id], 0);
    assert_eq!(ended.pointer("/eta/activator"), Some(&Value::Null), "{ended}");
    let error = ended.pointer("/eta_error/at_90_percent").and_then(Value::as_f64).expect("an error at 90 %");
    // The first runs of this target took a moment, and this one stood still: it was thought to be shorter.
    assert!(error < 0.0, "{ended}");
    let shown = pipeline.sluice(&["run", "show", &run.id]).run().expect_code(0).stdout;
    assert!(shown.contains("it was wrong by "), "{shown}");
    pipeline.stop();
}
