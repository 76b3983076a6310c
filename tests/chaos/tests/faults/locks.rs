//! Somebody else in the database: rows that are held, deadlocks, sessions that an administrator ends.

use std::time::Duration;

use chaos::{
    checker, observe,
    world::{Plan, RUN_DEADLINE, World},
};
use testkit::{mariadb::Session, process::Process, proxy::Fault, wait};

const SOURCE: &str = "generator:?services=10&providers=900&bundles=2&fields=2&seed=18";
const SERVICES: i64 = 10;

/// Slows a run down, so that everything falls into it.
const SLOW: Fault = Fault::Latency(Duration::from_millis(10));

/// Fewer than the attempts of a message: the database may choose the same one each time.
const DEADLOCKS: usize = 3;

/// Locks every batch that is to be stored, one after another, in the order of the stages: rows before their indexes.
pub(super) const HOLD_PLANNED: &str =
    "SELECT batch_no FROM sluice_run_batch FORCE INDEX (PRIMARY) WHERE state = 'planned' FOR UPDATE";

/// Sessions that are ended, each after more was stored.
const KILLED: i64 = 40;

#[test]
fn deadlocks_held_rows_and_killed_sessions_cost_time_and_not_one_dead_letter() {
    let world = World::start(Plan::of(SOURCE));
    let workers = world.one_each(&["stage-root", "stage-providers", "stage-bundles", "stage-activator"]);
    let [_, _, bundles, _] = workers.as_slice() else { panic!("four workers") };
    world.database_link.set(SLOW);
    let run_id = world.messenger.request_run(1);
    let planned =
        format!("SELECT COUNT(*) FROM sluice_run_service WHERE run_id = '{run_id}' AND state <> 'discovered'");
    wait::until_blocking("everything is planned", RUN_DEADLINE, || (world.number(&planned) == SERVICES).then_some(()));

    // So many that a deadlock finds rows to copy.
    world.wait_for_stored_batches(60);

    for _ in 0..DEADLOCKS {
        let stored = world.stored_batches();
        deadlock(&world, &run_id, bundles);
        world.wait_for_stored_batches(stored + 1);
    }

    let mut holder = hostile(&world);
    holder.run(&format!("SELECT state FROM sluice_run WHERE run_id = '{run_id}' FOR UPDATE"));
    observe::wait_alone(bundles, "lock wait timeout");
    holder.run("ROLLBACK");
    observe::wait_for_none_alone(bundles);

    let mut killed = 0;
    while killed < KILLED {
        let stored = world.stored_batches();
        killed += i64::from(kill_any_session(&world));
        world.wait_for_stored_batches(stored + 1);
    }
    assert_eq!(world.number("SELECT COUNT(*) FROM sluice_run WHERE state = 'running'"), 1, "the faults came too late");

    world.database_link.set(Fault::None);
    world.wait_for_state(&run_id, "activated");
    checker::assert_whole(&world, &run_id);
    workers.into_iter().for_each(|worker| drop(worker.stop().expect_code(0)));
}

/// Holds the rows of all batches that are to be stored, lets the stage wait for one, and then asks for what the stage
/// holds meanwhile: its share of the run's row. The database ends the transaction that has done less, the stage's.
fn deadlock(world: &World, run_id: &str, bundles: &Process) {
    let seen = deadlocks(bundles);
    let mut hostile = hostile(world);
    // What is changed counts as done.
    hostile.run("INSERT INTO weight SELECT field_id, field_id FROM sluice_content_field LIMIT 200");
    hostile.run(HOLD_PLANNED);
    wait_for_lock_wait(world);
    hostile.run(&format!("SELECT state FROM sluice_run WHERE run_id = '{run_id}' FOR UPDATE"));
    hostile.run("ROLLBACK");
    wait::until_blocking("a transaction of the stage is ended", RUN_DEADLINE, || {
        (deadlocks(bundles) > seen).then_some(())
    });
}

/// How often the stage says that one of its transactions was a deadlock's victim.
fn deadlocks(worker: &Process) -> usize {
    worker.stderr().matches("SLUICE-TARGET-002").count()
}

/// An administrator's session with an open transaction.
fn hostile(world: &World) -> Session {
    let mut session = world.database.session();
    session.run("CREATE TABLE IF NOT EXISTS weight (a VARCHAR(255), b VARCHAR(255)) ENGINE=InnoDB");
    session.run("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED");
    session.run("START TRANSACTION");
    session
}

/// Waits until a transaction in this world's database waits for a lock.
pub(super) fn wait_for_lock_wait(world: &World) {
    wait::until_blocking("a transaction waits", RUN_DEADLINE, || (transactions(world, "LOCK WAIT") > 0).then_some(()));
}

/// The server renews its table of transactions only when nobody has read it for a tenth of a second: who asks more
/// often sees the same old state for ever.
const BETWEEN_LOOKS: Duration = Duration::from_millis(150);

/// Transactions of workers in this world's database that are in this state.
pub(super) fn transactions(world: &World, state: &str) -> i64 {
    std::thread::sleep(BETWEEN_LOOKS);
    world.number(&format!(
        "SELECT COUNT(*) FROM information_schema.innodb_trx t
         JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id
         WHERE p.db = '{}' AND p.user = '{}' AND t.trx_state = '{state}'",
        world.database.name,
        world.database.loader.user()
    ))
}

/// Ends one session of a worker, whichever; `false` when there was none, or it had gone by itself.
fn kill_any_session(world: &World) -> bool {
    let mut administrator = world.database.session();
    let sessions = administrator.rows(&format!(
        "SELECT id FROM information_schema.processlist WHERE db = '{}' AND user = '{}' ORDER BY RAND() LIMIT 1",
        world.database.name,
        world.database.loader.user()
    ));
    let Some(id) = sessions.first().and_then(|row| row.first()) else { return false };
    administrator.try_rows(&format!("KILL CONNECTION {id}")).is_ok()
}
