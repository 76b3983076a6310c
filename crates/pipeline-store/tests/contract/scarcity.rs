//! A server that has few connections, and others who want them too.

use futures::future::try_join_all;
use pipeline_settings::settings;
use pipeline_store::{ActivationMode, RunState, Store};
use sqlx::{Connection, mysql::MySqlConnection};
use testkit::{mariadb::MariaDb, wait};

use crate::{
    driver::{Sync, request},
    target::Target,
    world::{Views, World},
};

/// A server with the fewest connections that it can be told to have: ten.
fn small_server() -> MariaDb {
    MariaDb::start_with(&["--max-connections=10"])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_works_with_the_connections_that_it_gets() {
    let server = tokio::task::block_in_place(small_server);
    let target = Target::mysql_on(&server).await;
    let mut world = World::new(2, 30, 1, 1);
    for local_infile in [true, false] {
        let store = eager(&target, local_infile).await;
        let mut others = take_all(&target).await;
        for _ in 0..2 {
            others.pop().unwrap().close().await.unwrap();
        }
        for node in world.services.values_mut().flat_map(|service| service.providers.values_mut()) {
            node.bundles[0].name = Some(format!("{local_infile}").as_str().into());
        }
        let sync = Sync::open(&store, &world, request(ActivationMode::PerService)).await;
        sync.discover().await;
        for service in sync.services().await {
            sync.plan(&service).await;
            // All at once: more than there are connections.
            let batches = sync.batches(&service).await.into_iter();
            let stored = try_join_all(batches.map(|(key, subtrees)| {
                let store = &store;
                async move { store.store_batch(&key, subtrees).await }
            }));
            assert!(stored.await.unwrap().iter().all(Option::is_some));
            store.ready().await.unwrap();
            sync.activate(&service).await;
        }
        assert_eq!(sync.progress().await.run.state, RunState::Activated);
        store.close().await;
        for other in others {
            other.close().await.unwrap();
        }
    }
    wait_for_room(&target).await;
    assert_eq!(Views::read(&target).await, world.views());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_idle_process_holds_is_another_ones_soon() {
    let server = tokio::task::block_in_place(small_server);
    let target = Target::mysql_on(&server).await;
    let (first, second) = (eager(&target, false).await, eager(&target, false).await);
    let world = World::new(1, 60, 1, 1);
    let sync = Sync::open(&first, &world, request(ActivationMode::PerService)).await;
    sync.discover().await;
    let service = &sync.services().await[0];
    sync.plan(service).await;

    // Each batch waits for the run's row, over a connection of its own.
    let mut holder = target.administrator();
    holder.run("START TRANSACTION");
    holder.run(&format!("SELECT state FROM sluice_run WHERE run_id = '{}' FOR UPDATE", sync.run.run_id));
    let batches = sync.batches(service).await;
    let storing = batches.into_iter().map(|(key, subtrees)| {
        let store = first.clone();
        tokio::spawn(async move { store.store_batch(&key, subtrees).await.map(drop) })
    });
    let storing: Vec<_> = storing.collect();
    wait::until("the server is full", wait::PATIENCE, || async {
        MySqlConnection::connect(&target.url).await.err().map(drop)
    })
    .await;
    // Who works with what it has is ready, and who has nothing is not.
    first.ready().await.unwrap();
    // It gives back what it has left from its beginning, and then the other one takes that too.
    wait::until("who has nothing is not ready", wait::PATIENCE, || async { second.ready().await.err() }).await;
    holder.run("ROLLBACK");
    for storing in storing {
        storing.await.unwrap().unwrap();
    }
    second.progress(sync.run.run_id).await.unwrap().unwrap();
}

/// A process that would like more connections than the server has.
async fn eager(target: &Target, local_infile: bool) -> Store {
    wait_for_room(target).await;
    let settings = settings::Target {
        url: target.url.clone(),
        max_connections: 30,
        max_writers: 30,
        local_infile,
        ..settings::Target::default()
    };
    Store::connect(&settings).await.unwrap()
}

/// Sessions of others, as many as the server lets in.
async fn take_all(target: &Target) -> Vec<MySqlConnection> {
    let mut taken = Vec::new();
    while let Ok(connection) = MySqlConnection::connect(&target.url).await {
        taken.push(connection);
    }
    taken
}

/// Waits until the server has noticed that others are gone.
async fn wait_for_room(target: &Target) {
    wait::until("the server has room", wait::PATIENCE, || async {
        let connection = MySqlConnection::connect(&target.url).await.ok()?;
        connection.close().await.ok()
    })
    .await;
}
