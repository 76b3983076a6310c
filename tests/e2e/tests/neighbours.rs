//! Two installations on one cluster and one registry: neither changes, reads or holds up the other's copy.

use e2e::{pipeline::Pipeline, rows::Rows};
use testkit::process::Signal;

const OURS: &str = "generator:?services=3&providers=30&bundles=2&fields=2&seed=1";
const THEIRS: &str = "generator:?services=5&providers=20&bundles=2&fields=2&seed=2";

#[test]
fn two_installations_share_a_cluster_and_never_meet() {
    let ours = Pipeline::start(OURS);
    let theirs = ours.neighbour(THEIRS, "acme.copy");
    let run = theirs.start_run(&[]);
    ours.run(&[]);
    theirs.wait(&run, 0);
    for (pipeline, source) in [(&ours, OURS), (&theirs, THEIRS)] {
        Rows::of_views(&pipeline.database).assert_equals(&Rows::of_source(source));
        assert_eq!(pipeline.ask(&["run", "ls"], 0).as_array().map(Vec::len), Some(1), "one run, its own");
        assert_eq!(pipeline.ask(&["dlq", "ls"], 0).as_array().map(Vec::len), Some(0));
    }
    let subjects = theirs.ask(&["schema", "ls"], 0).to_string();
    assert!(subjects.contains("acme.copy.sync.confirmed.v1-value"), "{subjects}");
    // What people are told has the names that the cluster knows.
    theirs.workers.root.signal(Signal::SIGTERM);
    let waiting = theirs.sluice(&["run", "start", "--wait", "--timeout", "8s"]).run().expect_code(75);
    for part in ["group `acme.copy-root` has no member", "topic `acme.copy.sync.run-requested.v1`"] {
        assert!(waiting.stderr.contains(part), "{part}\n{}", waiting.stderr);
    }
    ours.stop();
}
