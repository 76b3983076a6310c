//! Rows are loaded where the server lets them be, and inserted where it does not; the copy is the same.

use pipeline_model::{
    disposition::{Classify, Disposition},
    ids::RunId,
};
use pipeline_settings::settings;
use pipeline_store::{ActivationMode::PerService, Store};
use sqlx::{Connection, Executor, Row, mysql::MySqlConnection};
use testkit::mariadb::MariaDb;

use crate::{
    driver::{Sync, request, sync},
    exactness,
    target::{Target, connect},
    world::{Views, World, new_bundle},
};

/// `LOAD DATA` statements that a server of one's own has done so far.
async fn loads(target: &Target) -> u64 {
    let mut connection = MySqlConnection::connect(&target.url).await.unwrap();
    let row = connection.fetch_one("SHOW GLOBAL STATUS LIKE 'Com_load'").await.unwrap();
    row.get_unchecked::<String, _>(1).parse().unwrap()
}

/// Changes every provider's content, so that a run has something to write.
fn change(world: &mut World) {
    for provider in world.services.values_mut().flat_map(|service| service.providers.values_mut()) {
        let number = provider.bundles.len();
        provider.bundles.push(new_bundle(&format!("b{number}"), 1));
    }
}

/// A store that may not load.
async fn inserting(target: &Target) -> Store {
    let settings = settings::Target { url: target.url.clone(), local_infile: false, ..settings::Target::default() };
    Store::connect(&settings).await.unwrap()
}

/// What is claimed of text on every database is claimed of both ways to write it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_text_survives_inserts_too() {
    let mut target = Target::mysql().await;
    target.store = inserting(&target).await;
    exactness::claims::any_text_and_any_number_survive(&target).await;
    let mut target = Target::mysql().await;
    target.store = inserting(&target).await;
    exactness::claims::long_texts_are_stored_in_more_than_one_packet(&target).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_does_not_let_be_loaded_is_inserted() {
    let server = tokio::task::spawn_blocking(|| MariaDb::start_with(&["--local-infile=ON"])).await.unwrap();
    let target = Target::mysql_on(&server).await;
    let mut world = World::new(1, 7, 2, 2);
    let batches = 3;

    sync(&target.store, &world, PerService).await;
    assert_eq!(Views::read(&target).await, world.views());
    assert_eq!(loads(&target).await, 2 * batches, "bundles and fields of each batch");

    // Forbidden by the settings.
    let inserting = inserting(&target).await;
    assert_eq!(inserting.describe_row_writes(), "rows are inserted: `target.local_infile` is off");
    change(&mut world);
    sync(&inserting, &world, PerService).await;
    assert_eq!(Views::read(&target).await, world.views());
    assert_eq!(loads(&target).await, 2 * batches);

    assert_eq!(target.store.describe_row_writes(), "rows are loaded");

    // Forbidden while a stage is at work: the first batch is tried, and its transaction undone; the others are not tried.
    let administrator = server.url("");
    let mut administrator = MySqlConnection::connect(&administrator).await.unwrap();
    administrator.execute("SET GLOBAL local_infile = OFF").await.unwrap();
    change(&mut world);
    sync(&target.store, &world, PerService).await;
    assert_eq!(Views::read(&target).await, world.views());
    assert_eq!(loads(&target).await, 2 * batches + 1);

    assert_eq!(target.store.describe_row_writes(), "rows are inserted: they could not be loaded");

    // Forbidden from the beginning.
    let late = connect(&target.url).await;
    assert_eq!(late.describe_row_writes(), "rows are inserted: the server has `local_infile` off");
    change(&mut world);
    sync(&late, &world, PerService).await;
    assert_eq!(Views::read(&target).await, world.views());
    assert_eq!(loads(&target).await, 2 * batches + 1);
}

/// The server would cut the id, leave the rest as it is, and warn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_loading_would_change_is_refused_and_the_next_batch_is_loaded() {
    let server = tokio::task::spawn_blocking(|| MariaDb::start_with(&["--local-infile=ON"])).await.unwrap();
    let target = Target::mysql_on(&server).await;
    let mut world = World::new(1, 4, 1, 1);
    world.provider("s0", "p0").bundles.push(new_bundle(&"x".repeat(256), 1));
    let run = Sync::open(&target.store, &world, request(PerService)).await;
    run.discover().await;
    let service = "s0".into();
    run.plan(&service).await;
    let mut batches = run.batches(&service).await.into_iter();
    let (key, subtrees) = batches.next().unwrap();
    let error = target.store.store_batch(&key, subtrees).await.unwrap_err();
    assert_eq!((error.disposition(), error.code()), (Disposition::Reject, "SLUICE-TARGET-004"), "{error}");
    for table in ["sluice_content_bundle", "sluice_content_field", "sluice_provider_content"] {
        assert_eq!(target.count(table).await, 0, "{table}");
    }
    let tried = loads(&target).await;
    let (key, subtrees) = batches.next().unwrap();
    let stored = target.store.store_batch(&key, subtrees).await.unwrap();
    assert!(matches!(stored, Some(batch) if batch.stored == 1), "{stored:?}");
    assert_eq!(loads(&target).await, tried + 2);
}

/// Connections are kept from batch to batch, and a server that has ended them since is no outage.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_connection_that_the_server_ended_is_replaced() {
    let server = tokio::task::spawn_blocking(|| MariaDb::start_with(&["--local-infile=ON"])).await.unwrap();
    let target = Target::mysql_on(&server).await;
    let mut world = World::new(1, 7, 1, 1);
    sync(&target.store, &world, PerService).await;
    let mut administrator = MySqlConnection::connect(&server.url("")).await.unwrap();
    let of_the_store = "SELECT CAST(id AS CHAR) FROM information_schema.processlist WHERE db IS NOT NULL";
    let kept = administrator.fetch_all(of_the_store).await.unwrap();
    assert!(!kept.is_empty());
    for row in kept {
        let kill = format!("KILL CONNECTION {}", row.get_unchecked::<String, _>(0));
        administrator.execute(sqlx::AssertSqlSafe(kill)).await.unwrap();
    }
    // The other driver's pool trusts connections that were at work a moment ago: each question finds out about one.
    for _ in 0..settings::Target::default().max_connections {
        target.store.ready().await.unwrap();
    }
    change(&mut world);
    let before = loads(&target).await;
    sync(&target.store, &world, PerService).await;
    assert_eq!(Views::read(&target).await, world.views());
    assert_eq!(loads(&target).await, before + 6);
}

/// Spaces that are cut off at the end of a text are worth a warning, and no error in either way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_a_server_warns_of_costs_its_batch_and_no_other() {
    let server = tokio::task::spawn_blocking(|| MariaDb::start_with(&["--local-infile=ON"])).await.unwrap();
    let target = Target::mysql_on(&server).await;
    let mut world = World::new(1, 7, 2, 2);
    world.provider("s0", "p0").bundles[0].name = Some(("x".repeat(1_024) + " ").into());
    sync(&target.store, &world, PerService).await;
    assert_eq!(loads(&target).await, 1 + 2 * 2, "the bundles of one batch; bundles and fields of two");
    assert_eq!(target.store.describe_row_writes(), "rows are loaded");
}

/// Whoever allows an account as many connections as a stage had before rows were loaded keeps a stage that works.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_no_connection_left_to_load_over_gets_inserts() {
    let server = tokio::task::spawn_blocking(|| MariaDb::start_with(&["--local-infile=ON"])).await.unwrap();
    let mut target = Target::mysql_on(&server).await;
    let settings = settings::Target { url: target.url.clone(), max_connections: 1, ..settings::Target::default() };
    let (_, database) = settings.url.rsplit_once('/').unwrap();
    target.url = server.url(database);
    let mut administrator = MySqlConnection::connect(&target.url).await.unwrap();
    let user = settings.url.split_once("://").and_then(|(_, rest)| rest.split_once(':')).unwrap().0;
    let limit = |most: u32| sqlx::AssertSqlSafe(format!("ALTER USER '{user}'@'%' WITH MAX_USER_CONNECTIONS {most}"));
    administrator.execute(limit(1)).await.unwrap();
    target.store = Store::connect(&settings).await.unwrap();
    // The pool has its connection once the server has let go of the one that looked whether it is there.
    while target.store.progress(RunId::new()).await.is_err() {
        tokio::task::yield_now().await;
    }
    let mut world = World::new(1, 7, 2, 2);
    sync(&target.store, &world, PerService).await;
    assert_eq!(Views::read(&target).await, world.views());
    assert_eq!(loads(&target).await, 0);

    administrator.execute(limit(0)).await.unwrap();
    change(&mut world);
    sync(&target.store, &world, PerService).await;
    assert_eq!(Views::read(&target).await, world.views());
    assert_eq!(loads(&target).await, 6, "it is asked again");
}
