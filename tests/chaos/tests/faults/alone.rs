//! One provider whose statement never ends, beside a thousand whose do.

use chaos::{
    checker, observe,
    world::{Plan, RUN_DEADLINE, World},
};
use pipeline_core::runtime::header;
use pipeline_model::contracts::DEAD_LETTERS;
use testkit::wait;

const SOURCE: &str = "generator:?services=1&providers=1001&bundles=1&fields=1&seed=41";
const OTHERS: i64 = 1000;

#[test]
fn a_provider_whose_statement_never_ends_holds_up_none_of_a_thousand_and_becomes_one_dead_letter() {
    let mut world = World::start(Plan::of(SOURCE));
    let mut workers = world.one_each(&["stage-root", "stage-providers", "stage-activator"]);
    let run_id = world.messenger.request_run(1);
    wait::until_blocking("everything is planned", RUN_DEADLINE, || {
        (world.number("SELECT COUNT(*) FROM sluice_run_batch") == OTHERS + 1).then_some(())
    });
    // Somebody holds the row of one batch for good, and no other.
    let mut holder = world.database.session();
    holder.run("START TRANSACTION");
    let held = format!("SELECT state FROM sluice_run_batch WHERE run_id = '{run_id}' AND batch_no = 500 FOR UPDATE");
    let service = world.database.session().rows("SELECT service_id FROM sluice_run_service").concat().concat();
    holder.run(&held.replace("AND batch_no", &format!("AND service_id = '{service}' AND batch_no")));

    world.set("SLUICE__TARGET__STATEMENT_TIMEOUT_MS", "3000");
    world.set("SLUICE__STAGE__PATIENCE_MS", "15000");
    let bundles = world.workers("stage-bundles", 1);
    let [worker] = bundles.as_slice() else { panic!("one worker") };
    wait::until_blocking("the others are stored", RUN_DEADLINE, || {
        observe::assert_ready(worker);
        (world.stored_batches() == OTHERS).then_some(())
    });
    wait::until_blocking("the one is given up", RUN_DEADLINE, || {
        observe::assert_ready(worker);
        (world.messenger.count(DEAD_LETTERS) > 0).then_some(())
    });
    assert!(worker.stderr().contains("waits by itself"), "the log does not say that one waits");
    let letters = world.messenger.read(DEAD_LETTERS);
    let [letter] = letters.as_slice() else { panic!("{} letters", letters.len()) };
    assert_eq!(letter.header(header::CODE), Some("SLUICE-TARGET-001"));
    let tries = letter.header(header::ATTEMPT).and_then(|tries| tries.parse::<u32>().ok());
    assert!(tries.is_some_and(|tries| tries > 1), "given up after {tries:?} tries");

    // The run says what holds it; when the lock is gone, the letter is replayed and the run is whole.
    let told = world.command(&["run", "wait", &run_id, "--timeout", "60s"]);
    assert!(told.expect_code(20).stdout.contains("1 dead letter holds"), "the run does not say what holds it");
    holder.run("ROLLBACK");
    world.sluice(&["dlq", "replay", "--all", "--yes"]);
    world.wait_for_state(&run_id, "activated");
    checker::assert_whole_with_dead_letters(&world, &run_id, 1);
    workers.extend(bundles);
    workers.into_iter().for_each(|worker| drop(worker.stop().expect_code(0)));
}
