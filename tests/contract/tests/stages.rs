//! The four stages keep the contract of a stage, one after the other: what one emits is golden for the next.
#![expect(clippy::unwrap_used, reason = "test code outside of test functions")]

use std::{sync::Arc, time::Duration};

use contract::{
    stage::{Emitted, keeps_its_contract},
    world::World,
};
use pipeline_core::stage::Stage;
use pipeline_model::{
    contracts::{Activated, Activation, BatchPlanned, Confirmed, Message, RunRequested, ServiceDiscovered},
    ids::RunId,
};
use pipeline_settings::settings;
use pipeline_store::Store;
use serde_json::Value;
use sqlx::{Column as _, Row as _, SqlitePool};
use stage_activator::ActivatorStage;
use stage_bundles::BundlesStage;
use stage_providers::ProvidersStage;
use stage_root::RootStage;

/// Twelve providers in batches of five: more than one batch for a service.
const SOURCE: &str = "generator:?services=2&providers=12&bundles=2&fields=2&seed=1";

/// The records of one contract among what was emitted.
fn golden<M: Message>(emitted: &[Emitted]) -> Vec<M> {
    let of_it = emitted.iter().filter(|(topic, ..)| topic == M::TOPIC);
    of_it.map(|(_, _, fields): &(_, _, Value)| serde_json::from_value(fields.clone()).unwrap()).collect()
}

/// What readers see, and how far the run is.
async fn state(pool: &SqlitePool, store: &Store, run: RunId) -> String {
    let mut text = String::new();
    for view in ["provider_services", "providers", "bundles", "subscription_fields"] {
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT * FROM {view}"))).fetch_all(pool).await.unwrap();
        let value = |row: &sqlx::sqlite::SqliteRow, at| {
            row.try_get::<Option<String>, _>(at)
                .map_or_else(|_| format!("{:?}", row.get::<i64, _>(at)), |text| format!("{text:?}"))
        };
        let shown = |row: &sqlx::sqlite::SqliteRow| {
            row.columns().iter().map(|column| value(row, column.ordinal())).collect::<Vec<_>>().join(" ")
        };
        let mut rows: Vec<String> = rows.iter().map(shown).collect();
        rows.sort_unstable();
        text.push_str(&format!("{view}: {rows:#?}\n"));
    }
    if let Some(progress) = store.progress(run).await.unwrap() {
        let (services, batches, providers) = (progress.services, progress.batches, progress.providers);
        text.push_str(&format!(
            "{services:?} {batches:?} {providers:?} {} {}",
            progress.bundles, progress.subscription_fields
        ));
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn the_four_stages_keep_the_contract_of_a_stage() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("target.db");
    let target = settings::Target { url: format!("sqlite://{}", file.display()), ..settings::Target::default() };
    let store = Store::connect(&target).await.unwrap();
    store.migrate().await.unwrap();
    let pool = SqlitePool::connect(&target.url).await.unwrap();
    let source =
        pipeline_source::open(&settings::Source { url: SOURCE.to_owned(), ..settings::Source::default() }).unwrap();
    let world = World::new(&[]).await;
    let run = RunId::new();
    let state = async || state(&pool, &store, run).await;
    let request = RunRequested {
        run_id: run.to_string(),
        requested_by: "a test".to_owned(),
        requested_at_ms: i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap(),
        activation: Activation::PerService,
        scope: Vec::new(),
        batch_size: 5,
        max_rejected_providers: None,
        max_rejected_percent: None,
        target: Some(store.identity().await.unwrap().0),
    };

    let root = RootStage::new(Arc::clone(&source), store.clone(), settings::Run::default());
    let emitted = keeps_its_contract(&world, root, &[request], state).await;
    let services: Vec<ServiceDiscovered> = golden(&emitted);
    assert_eq!(services.len(), 2);

    let providers = ProvidersStage::new(Arc::clone(&source), store.clone());
    let emitted = keeps_its_contract(&world, providers, &services, state).await;
    let (batches, mut confirmed): (Vec<BatchPlanned>, Vec<Confirmed>) = (golden(&emitted), golden(&emitted));
    assert!(batches.len() > 2, "{batches:?}");

    let bundles = BundlesStage::new(Arc::clone(&source), store.clone());
    let emitted = keeps_its_contract(&world, bundles, &batches, state).await;
    confirmed.extend(golden(&emitted));

    // Its timer does what a lost confirmation should have brought; here the messages are asked about.
    let activator = ActivatorStage::new(store.clone(), Duration::from_secs(3_600));
    let before = state().await;
    let emitted = keeps_its_contract(&world, activator, &confirmed, state).await;
    let activated: Vec<Activated> = golden(&emitted);
    assert_ne!(before, state().await);
    assert!(activated.len() <= 2, "{activated:?}");

    // What only tells how the copy is may fail; the timer does its work all the same.
    sqlx::raw_sql("DROP VIEW provider_services; DROP TABLE sluice_run_estimate; DELETE FROM sluice_active_generation")
        .execute(&pool)
        .await
        .unwrap();
    Stage::tick(&ActivatorStage::new(store.clone(), Duration::from_secs(3_600))).await.unwrap();
}
