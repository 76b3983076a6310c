//! A database that says no to one statement.

use pipeline_model::{
    chain::chain,
    disposition::{Classify, Disposition},
};
use pipeline_store::{ActivationMode, Error};
use sqlx::{AssertSqlSafe, Connection, Executor, mysql::MySqlConnection};
use testkit::mariadb::MariaDb;

use crate::{
    driver::{Sync, request},
    target::Target,
    world::World,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_triggers_refusal_is_the_failure_of_its_batch_and_quotes_no_document() {
    let server = MariaDb::shared();
    let target = Target::mysql_on(server).await;
    let administrator = server.url(target.url.rsplit_once('/').unwrap().1);
    let mut administrator = MySqlConnection::connect(&administrator).await.unwrap();
    let trigger = "CREATE TRIGGER refuse BEFORE INSERT ON sluice_provider_content FOR EACH ROW
         IF NEW.service_id = 's1' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'the secret of s1'; END IF";
    administrator.execute(AssertSqlSafe(trigger)).await.unwrap();

    let world = World::new(2, 3, 1, 1);
    let sync = Sync::open(&target.store, &world, request(ActivationMode::PerService)).await;
    sync.discover().await;
    let services = sync.services().await;
    for service in &services {
        sync.plan(service).await;
    }
    sync.store_service(&services[0]).await;
    let (key, subtrees) = sync.batches(&services[1]).await.remove(0);
    let error = target.store.store_batch(&key, subtrees).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    assert_eq!((error.disposition(), error.code()), (Disposition::Retry, "SLUICE-TARGET-019"));
    let told = format!("{} {error:?}", chain(&error));
    assert!(told.contains("error 1644 (45000)") && !told.contains("secret"), "{told}");

    administrator.execute("DROP TRIGGER refuse").await.unwrap();
    let (key, subtrees) = sync.batches(&services[1]).await.remove(0);
    assert!(target.store.store_batch(&key, subtrees).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_somebody_dropped_stops_the_process_and_is_named() {
    let server = MariaDb::shared();
    let target = Target::mysql_on(server).await;
    let administrator = server.url(target.url.rsplit_once('/').unwrap().1);
    let mut administrator = MySqlConnection::connect(&administrator).await.unwrap();
    administrator.execute("DROP TABLE sluice_run").await.unwrap();
    let error = target.store.open_run(&request(ActivationMode::PerService)).await.unwrap_err();
    assert_eq!((error.disposition(), error.code()), (Disposition::Halt, "SLUICE-TARGET-006"));
    assert!(chain(&error).contains("no such table, at `sluice_run`"), "{}", chain(&error));
    assert_eq!(target.store.ready().await.unwrap_err().disposition(), Disposition::Halt);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_is_changed_in_mid_run_is_an_outage_that_shows() {
    let server = MariaDb::start();
    let target = Target::mysql_on(&server).await;
    let mut administrator = target.administrator();
    let world = World::new(2, 3, 1, 1);
    let sync = Sync::open(&target.store, &world, request(ActivationMode::PerService)).await;
    let store = target.another().await;
    store.ready().await.unwrap();

    administrator.run("ALTER USER sluice_loader IDENTIFIED BY 'another'");
    // Its connection goes on, and another one is not to be had.
    administrator.run("START TRANSACTION");
    administrator.run(&format!("SELECT state FROM sluice_run WHERE run_id = '{}' FOR UPDATE", sync.run.run_id));
    let waiting = {
        let (store, run_id) = (store.clone(), sync.run.run_id);
        tokio::spawn(async move { store.abort_run(run_id, "test").await.map(drop) })
    };
    target.wait_for_lock_waits(1).await;
    let error = store.progress(sync.run.run_id).await.unwrap_err();
    assert!(matches!(error, Error::Denied { .. }), "{error:?}");
    assert_eq!(error.disposition(), Disposition::Unavailable);
    administrator.run("ROLLBACK");
    drop(waiting.await.unwrap());
    // Also when the connection from before has nothing to do any more.
    let error = store.ready().await.unwrap_err();
    assert!(matches!(error, Error::Denied { .. }), "{error:?}");

    administrator.run("ALTER USER sluice_loader IDENTIFIED BY 'correct-horse'");
    store.ready().await.unwrap();
    store.progress(sync.run.run_id).await.unwrap().unwrap();
}
