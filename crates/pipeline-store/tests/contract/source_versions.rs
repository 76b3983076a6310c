//! Which version of a document a row was made from.

use pipeline_model::documents::{Provider, Service};
use pipeline_store::{ActivationMode::WholeRun, Begin, Migrated, Store};
use sqlx::{AssertSqlSafe, Connection, SqliteConnection, mysql::MySqlConnection};

use crate::{
    driver::{Sync, request, sync},
    target::{Target, VERSION, connect, empty_mysql_database},
    world::World,
};

/// The versions in a table, in order of its key.
async fn versions(target: &Target, table: &str, key: &str) -> Vec<Option<i64>> {
    let sql = format!("SELECT CAST(source_cas AS CHAR) FROM {table} ORDER BY {key}");
    let rows = target.rows_in_order(&sql).await;
    rows.into_iter().map(|mut row| row.remove(0).map(|text| text.parse().unwrap())).collect()
}

async fn run(target: &Target, world: &World, cas: Option<i64>) {
    let sync = Sync::open(&target.store, world, request(WholeRun)).await;
    let Begin::Work(mut discovery) = target.store.begin_discovery(sync.run.run_id).await.unwrap() else { panic!() };
    let services: Vec<Service> =
        world.service_documents().into_iter().map(|service| Service { source_cas: cas, ..service }).collect();
    discovery.put(&services).await.unwrap();
    discovery.finish().await.unwrap();
    for service in sync.services().await {
        let begin = target.store.begin_plan(sync.run.run_id, sync.generation(), &service).await.unwrap();
        let Begin::Work(mut plan) = begin else { panic!() };
        let providers = world.provider_documents(service.as_str());
        let providers: Vec<Provider> =
            providers.into_iter().map(|provider| Provider { source_cas: cas, ..provider }).collect();
        plan.put(&providers, &[]).await.unwrap();
        plan.finish().await.unwrap();
        sync.store_service(&service).await;
        sync.activate(&service).await;
    }
}

on_both! {
    async fn the_version_stays_with_the_row_and_alone_changes_nothing(target: &Target) {
        let newest = i64::MAX;
        let mut world = World::new(1, 2, 1, 1);
        world.provider("s0", "p0").bundles[0].source_cas = Some(newest);
        run(target, &world, Some(7)).await;
        assert_eq!(versions(target, "sluice_provider_service_version", "service_id").await, [Some(7)]);
        assert_eq!(versions(target, "sluice_provider_version", "provider_id").await, [Some(7), Some(7)]);
        assert_eq!(versions(target, "sluice_content_bundle", "content_id").await, [Some(newest), None]);

        // Written anew without a change: the same content, and not a row.
        world.provider("s0", "p0").bundles[0].source_cas = Some(8);
        run(target, &world, Some(9)).await;
        assert_eq!(versions(target, "sluice_provider_version", "provider_id").await, [Some(7), Some(7)]);
        assert_eq!(versions(target, "sluice_content_bundle", "content_id").await, [Some(newest), None]);

        // Changed: the row of the new version has the new version's number.
        world.provider("s0", "p0").bundles[0].name = None;
        run(target, &world, Some(9)).await;
        assert_eq!(versions(target, "sluice_content_bundle", "content_id").await, [Some(newest), None, Some(8)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_of_the_version_before_is_brought_forward_and_a_migration_that_was_cut_off_is_finished() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(1, 1, 1, 1);
    for url in [format!("sqlite://{}/old.db", folder.path().display()), empty_mysql_database().await] {
        let store: Store = connect(&url).await;
        store.migrate().await.unwrap();
        // As a migration leaves it that was cut off after its first column.
        for statement in [
            "ALTER TABLE sluice_provider_version DROP COLUMN source_cas",
            "ALTER TABLE sluice_content_bundle DROP COLUMN source_cas",
            "ALTER TABLE sluice_provider_content DROP COLUMN etag",
            "DELETE FROM sluice_schema WHERE version >= 3",
        ] {
            execute(&url, statement).await;
        }
        assert_eq!(store.migrate().await.unwrap(), Migrated { from: 2, to: VERSION, adopted: vec![] });
        sync(&store, &world, WholeRun).await;
        assert_eq!(store.counts().await.unwrap().bundles, 1);
    }
}

async fn execute(url: &str, statement: &str) {
    let statement = AssertSqlSafe(statement.to_owned());
    if url.starts_with("sqlite") {
        let mut connection = SqliteConnection::connect(url).await.unwrap();
        sqlx::query(statement).execute(&mut connection).await.unwrap();
    } else {
        let mut connection = MySqlConnection::connect(url).await.unwrap();
        sqlx::query(statement).execute(&mut connection).await.unwrap();
    }
}
