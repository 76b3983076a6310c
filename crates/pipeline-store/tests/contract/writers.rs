//! How many batches a process writes at the same time.

use std::time::Duration;

use futures::future::join_all;
use pipeline_settings::settings;
use pipeline_store::{ActivationMode::PerService, Store};
use sqlx::{Connection, Executor, mysql::MySqlConnection};

use crate::{
    driver::{Sync, request},
    target::Target,
    world::{Views, World},
};

/// Transactions of this account that wait for a batch's row.
const WAITING: &str = "information_schema.processlist WHERE db = DATABASE() AND info LIKE '%FROM sluice_run_batch \
                       WHERE%FOR UPDATE' \
     AND info NOT LIKE '%processlist%'";
const WRITERS: u32 = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_batches_are_written_at_once_than_the_settings_say() {
    let target = Target::mysql().await;
    let settings = settings::Target { url: target.url.clone(), max_writers: WRITERS, ..settings::Target::default() };
    let store = Store::connect(&settings).await.unwrap();
    let world = World::new(1, 18, 1, 1);
    let run = Sync::open(&store, &world, request(PerService)).await;
    run.discover().await;
    let service = "s0".into();
    run.plan(&service).await;
    let batches = run.batches(&service).await;
    assert!(batches.len() > 2 * WRITERS as usize);

    let mut holder = MySqlConnection::connect(&target.url).await.unwrap();
    holder.execute("START TRANSACTION").await.unwrap();
    holder.execute("SELECT batch_no FROM sluice_run_batch FOR UPDATE").await.unwrap();
    let writing = join_all(batches.into_iter().map(|(key, subtrees)| {
        let store = store.clone();
        tokio::spawn(async move { store.store_batch(&key, subtrees).await.map(drop) })
    }));
    let looking = async {
        while target.count(WAITING).await < i64::from(WRITERS) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // Without the bound, the others would have begun long before these looks are over.
        for _ in 0..20 {
            assert_eq!(target.count(WAITING).await, i64::from(WRITERS));
        }
        holder.execute("ROLLBACK").await.unwrap();
    };
    let (written, ()) = tokio::join!(writing, looking);
    written.into_iter().for_each(|batch| batch.unwrap().unwrap());
    run.activate(&service).await;
    assert_eq!(Views::read(&target).await, world.views());
}
