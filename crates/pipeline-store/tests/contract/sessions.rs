//! A server whose administrator has chosen other defaults than those it is delivered with.

use pipeline_store::{ActivationMode, Migrated};
use testkit::{mariadb::MariaDb, wait};

use crate::{
    driver::{request, sync},
    target::{Target, VERSION, connect},
    world::{Views, World},
};

/// Each of them breaks something that a statement relies on.
const HOSTILE: [&str; 22] = [
    "autocommit = 0",
    "completion_type = 1",
    "sql_select_limit = 7",
    "sql_safe_updates = 1",
    "sql_auto_is_null = 1",
    "sql_notes = 0",
    "sql_mode = 'ANSI_QUOTES,PAD_CHAR_TO_FULL_LENGTH,NO_BACKSLASH_ESCAPES,IGNORE_SPACE'",
    "max_join_size = 10",
    "max_sort_length = 8",
    "max_statement_time = 1",
    "tx_isolation = 'SERIALIZABLE'",
    "tx_read_only = 1",
    "unique_checks = 0",
    "foreign_key_checks = 0",
    "time_zone = '+05:30'",
    "character_set_client = latin1",
    "character_set_connection = latin1",
    "collation_connection = latin1_swedish_ci",
    "innodb_lock_wait_timeout = 1",
    "lock_wait_timeout = 1",
    "net_read_timeout = 1",
    "group_concat_max_len = 4",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_other_defaults_shows_readers_the_same() {
    let server = MariaDb::start();
    let database = server.fresh_database();
    let mut administrator = database.session();
    for hostile in HOSTILE {
        administrator.run(&format!("SET GLOBAL {hostile}"));
    }
    // More of everything than a query may give, and text that latin1 has no letters for.
    let mut world = World::new(9, 9, 2, 2);
    world.provider("s3", "p3").name = Some("Zażółć gęślą jaźń 😀".to_owned());

    assert_eq!(
        connect(&database.url()).await.migrate().await.unwrap(),
        Migrated { from: 0, to: VERSION, adopted: vec![] }
    );
    // From another session: it is committed, and not only said to be.
    let store = connect(&database.loader_url()).await;
    store.check_migrated().await.unwrap();
    for mode in [ActivationMode::PerService, ActivationMode::WholeRun] {
        world.provider("s5", "p5").bundles.pop();
        sync(&store, &world, mode).await;
    }

    for hostile in HOSTILE {
        let (name, _) = hostile.split_once(" = ").unwrap();
        administrator.run(&format!("SET GLOBAL {name} = DEFAULT"));
    }
    assert_eq!(Views::read(&Target::mysql_in(database).await).await, world.views());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_waits_for_a_lock_longer_than_the_server_lets_a_statement_take() {
    let server = MariaDb::start();
    let target = Target::mysql_on(&server).await;
    let run = target.store.open_run(&request(ActivationMode::PerService)).await.unwrap();

    let mut observer = target.administrator();
    let mut holder = target.administrator();
    holder.run("SET GLOBAL max_statement_time = 1");
    // Sessions from now on; those of before have their own.
    let store = target.another().await;
    holder.run("START TRANSACTION");
    holder.run(&format!("SELECT state FROM sluice_run WHERE run_id = '{}' FOR UPDATE", run.run_id));
    let aborting = tokio::spawn(async move { store.abort_run(run.run_id, "test").await });
    wait::until("the statement has waited longer than the limit", wait::PATIENCE, || {
        let waited = observer.number(
            "SELECT COUNT(*) FROM information_schema.processlist
             WHERE info LIKE '%sluice_run%' AND time_ms > 1500 AND id <> connection_id()",
        );
        let is_over = waited > 0 || aborting.is_finished();
        async move { is_over.then_some(()) }
    })
    .await;
    holder.run("ROLLBACK");
    assert!(aborting.await.unwrap().unwrap().is_some());
}
