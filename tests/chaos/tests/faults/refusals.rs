//! A database that says no: to one statement, for a reason that nobody foresaw, or to the account as a whole.

use chaos::{
    checker,
    world::{Plan, RUN_DEADLINE, World},
};
use pipeline_model::contracts::DEAD_LETTERS;
use testkit::{mariadb::Session, process::Process, wait};

const SOURCE: &str = "generator:?services=10&providers=200&bundles=2&fields=2&seed=31";
/// Of each service, so that it has one batch.
const PROVIDERS: i32 = 20;
/// What a trigger says may quote a document.
const SECRET: &str = "the-secret-of-a-document";

#[test]
fn a_triggers_refusal_costs_one_letter_and_stops_no_worker() {
    let mut world = World::start(Plan::of(SOURCE));
    world.set("SLUICE__STAGE__MAX_ATTEMPTS", "3");
    let mut administrator = world.database.session();
    refuse_one_service(&mut administrator);
    let mut workers = world.one_each(&["stage-root", "stage-providers", "stage-activator"]);
    workers.extend(world.workers("stage-bundles", 3));

    let run_id = world.messenger.request_run(PROVIDERS);
    wait::until_blocking("all batches but one are stored, and that one is a dead letter", RUN_DEADLINE, || {
        let stored = world.stored_batches() == 9;
        (stored && world.messenger.count(DEAD_LETTERS) == 1).then_some(())
    });
    world.command(&["run", "wait", &run_id]).expect_code(20);
    let letters = world.messenger.read(DEAD_LETTERS);
    let header = |name: &str| letters.first().and_then(|letter| letter.header(name)).expect("a header of a letter");
    assert_eq!(header("sluice-error-code"), "SLUICE-TARGET-019");
    assert_eq!(header("sluice-attempt"), "3");
    let message = header("__connect.errors.exception.message");
    assert!(message.contains("error 1644 (45000)") && !message.contains(SECRET), "{message}");
    let quoted = format!("SELECT COUNT(*) FROM sluice_dead_letter WHERE reason LIKE '%{SECRET}%'");
    assert_eq!(world.number(&quoted), 0);

    administrator.run("DROP TRIGGER refuse");
    world.sluice(&["dlq", "replay", "--all", "--yes"]);
    world.wait_for_state(&run_id, "activated");
    checker::assert_whole_with_dead_letters(&world, &run_id, 1);
    for worker in workers {
        let log = worker.stop().expect_code(0).stderr;
        assert!(!log.contains(SECRET), "a log quotes a document:\n{log}");
    }
}

#[test]
fn a_backup_that_locks_all_tables_shows_and_costs_time_only() {
    let world = World::start(Plan { own_database: true, ..Plan::of(SOURCE) });
    let workers = world.one_each(&["stage-root", "stage-providers", "stage-bundles", "stage-activator"]);
    let mut administrator = world.database.session();
    administrator.run("FLUSH TABLES WITH READ LOCK");
    let run_id = world.messenger.request_run(1);
    // The one that the request waits for, and those that nothing waits for.
    workers.iter().for_each(|worker| chaos::observe::wait_not_ready(worker, "lock wait timeout"));
    administrator.run("UNLOCK TABLES");
    workers.iter().for_each(chaos::observe::wait_ready);
    world.wait_for_state(&run_id, "activated");
    checker::assert_whole(&world, &run_id);
    workers.into_iter().for_each(|worker: Process| drop(worker.stop().expect_code(0)));
}

/// A trigger of somebody else's on one of Sluice's tables.
fn refuse_one_service(administrator: &mut Session) {
    administrator.run(&format!(
        "DELIMITER //
CREATE TRIGGER refuse BEFORE INSERT ON sluice_provider_content FOR EACH ROW
IF NEW.service_id = (SELECT MIN(service_id) FROM sluice_run_service) THEN
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{SECRET}';
END IF //
DELIMITER ;
SELECT 1"
    ));
}
