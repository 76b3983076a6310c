//! A migration changes nobody else's tables and views.

use pipeline_model::disposition::{Classify, Disposition};
use pipeline_settings::settings;
use pipeline_store::{ActivationMode::PerService, Error, Store};
use sqlx::{AssertSqlSafe, Connection, mysql::MySqlConnection, sqlite::SqliteConnection};

use crate::{
    driver::sync,
    target::{VERSION, connect, empty_mysql_database},
    world::World,
};

/// An empty database of each kind; the folder holds the file.
pub async fn empty_databases() -> (tempfile::TempDir, [String; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let urls = [format!("sqlite://{}/new.db?mode=rwc", folder.path().display()), empty_mysql_database().await];
    (folder, urls)
}

pub async fn run(url: &str, statements: &str) {
    let statements = AssertSqlSafe(statements.to_owned());
    if url.starts_with("sqlite") {
        sqlx::raw_sql(statements).execute(&mut SqliteConnection::connect(url).await.unwrap()).await.unwrap();
    } else {
        sqlx::raw_sql(statements).execute(&mut MySqlConnection::connect(url).await.unwrap()).await.unwrap();
    }
}

/// Everything that has a name, with its kind.
pub async fn names(url: &str) -> Vec<(String, String)> {
    if url.starts_with("sqlite") {
        let sql = "SELECT name, type FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY name";
        sqlx::query_as(sql).fetch_all(&mut SqliteConnection::connect(url).await.unwrap()).await.unwrap()
    } else {
        let sql = "SELECT CAST(table_name AS CHAR CHARACTER SET utf8mb4), CAST(table_type AS CHAR CHARACTER SET utf8mb4) \
                   FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY table_name";
        sqlx::query_as(sql).fetch_all(&mut MySqlConnection::connect(url).await.unwrap()).await.unwrap()
    }
}

/// The bytes of a SQLite file.
fn file(url: &str) -> Option<Vec<u8>> {
    let path = url.strip_prefix("sqlite://")?.trim_end_matches("?mode=rwc");
    Some(std::fs::read(path).unwrap())
}

pub async fn connect_with_prefix(url: &str, view_prefix: &str) -> Store {
    let view_prefix = view_prefix.to_owned();
    let settings = settings::Target { url: url.to_owned(), view_prefix, ..settings::Target::default() };
    Store::connect(&settings).await.unwrap()
}

pub async fn refusal(store: &Store) -> String {
    let planned = store.plan_migration().await.unwrap_err();
    let error = store.migrate().await.unwrap_err();
    assert!(matches!(error, Error::NamesTaken { .. }), "{error:?}");
    assert_eq!((error.disposition(), error.code()), (Disposition::Halt, "SLUICE-TARGET-023"));
    assert_eq!(planned.to_string(), error.to_string(), "the plan tells what the migration does");
    error.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_others_are_refused_all_at_once_and_nothing_is_changed() {
    let (_folder, urls) = empty_databases().await;
    for url in urls {
        run(
            &url,
            "CREATE TABLE shop (id INT, name TEXT); CREATE VIEW bundles AS SELECT id, name FROM shop; \
             CREATE TABLE providers (id INT); CREATE TABLE sluice_provider_version (service_id INT, name TEXT); \
             CREATE VIEW sluice_run AS SELECT id FROM shop; CREATE TABLE sluice_schema (a INT)",
        )
        .await;
        let (before, bytes) = (names(&url).await, file(&url));
        let store = connect(&url).await;
        let message = refusal(&store).await;
        store.close().await;
        assert!(file(&url) == bytes, "not a byte of a file is changed");
        for part in [
            "`bundles` is a view of other tables",
            "`providers` is a table",
            "`sluice_provider_version` is a table with other columns",
            "`sluice_run` is a view",
            "`sluice_schema` is a table with other columns",
            "nothing was changed",
        ] {
            assert!(message.contains(part), "{message}");
        }
        assert!(!message.contains("shop"), "{message}");
        assert_eq!(names(&url).await, before);
        run(&url, "SELECT id, name FROM bundles").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_and_names_in_capitals_are_taken_in_a_file() {
    let (_folder, [url, _]) = empty_databases().await;
    run(
        &url,
        "CREATE TABLE Bundles (a INT); CREATE TABLE t (a INT); CREATE INDEX sluice_content_bundle_bundle_id ON t (a)",
    )
    .await;
    let message = refusal(&connect(&url).await).await;
    assert!(message.contains("`bundles` is a table, ") || message.contains("`bundles` is a table;"), "{message}");
    assert!(message.contains("`sluice_content_bundle_bundle_id` is an index of another table"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_of_another_databases_tables_is_not_ours() {
    let (ours, other) = (empty_mysql_database().await, empty_mysql_database().await);
    connect(&ours).await.migrate().await.unwrap();
    let (_, database) = ours.rsplit_once('/').unwrap();
    let joined = "sluice_active_generation a JOIN {d}.sluice_provider_service_version s \
                  JOIN {d}.sluice_provider_version p JOIN {d}.sluice_provider_content c";
    let joined = joined.replace("{d}", database);
    run(&other, &format!("CREATE VIEW providers AS SELECT a.service_id FROM {database}.{joined}")).await;
    let message = refusal(&connect(&other).await).await;
    assert!(message.contains("`providers` is a view of other tables"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_older_version_or_half_a_migration_made_is_ours() {
    let (_folder, urls) = empty_databases().await;
    for url in urls {
        let store = connect(&url).await;
        store.migrate().await.unwrap();
        sync(&store, &World::new(1, 1, 1, 1), PerService).await;
        // As a migration leaves it that was cut off before it recorded a version, and columns that somebody added.
        run(
            &url,
            "DELETE FROM sluice_schema; DROP VIEW subscription_fields; \
             ALTER TABLE sluice_provider_version ADD COLUMN extra INT",
        )
        .await;
        let plan = store.plan_migration().await.unwrap();
        assert_eq!((plan.from, plan.makes), (0, vec!["subscription_fields".to_owned()]));
        assert_eq!(store.migrate().await.unwrap().from, 0);
        // Version by version, as programs of the time left it.
        for version in 1..VERSION {
            run(&url, &format!("DELETE FROM sluice_schema WHERE version > {version}")).await;
            assert_eq!(store.migrate().await.unwrap().from, version);
        }
        assert_eq!(store.counts().await.unwrap().subscription_fields, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_is_missing_is_told_and_made_again() {
    let (_folder, urls) = empty_databases().await;
    for url in urls {
        let store = connect(&url).await;
        store.migrate().await.unwrap();
        run(&url, "DROP VIEW bundles").await;
        for error in [store.check_migrated().await.unwrap_err(), store.check_views().await.unwrap_err()] {
            assert!(matches!(error, Error::ViewsUnreadable { .. }), "{error:?}");
            assert!(error.to_string().contains("there is no `bundles`"), "{error}");
        }
        let plan = store.plan_migration().await.unwrap();
        assert_eq!((plan.makes, plan.replaces), (vec!["bundles".to_owned()], vec![]));
        assert_eq!(store.migrate().await.unwrap().adopted, ["bundles"]);
        store.check_migrated().await.unwrap();
        store.check_views().await.unwrap();
        assert!(store.plan_migration().await.unwrap().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn views_carry_a_prefix_beside_those_of_others() {
    let (_folder, urls) = empty_databases().await;
    for url in urls {
        run(&url, "CREATE TABLE bundles (id INT); CREATE TABLE providers (id INT)").await;
        let store = connect_with_prefix(&url, "copy_").await;
        assert!(store.plan_migration().await.unwrap().makes.contains(&"copy_bundles".to_owned()));
        store.migrate().await.unwrap();
        sync(&store, &World::new(1, 2, 1, 1), PerService).await;
        assert_eq!(store.counts().await.unwrap().providers, 2);
        assert_eq!(store.copied_provider_counts().await.unwrap()[0].1, 2);
        store.check_migrated().await.unwrap();
        run(&url, "SELECT generation FROM copy_subscription_fields; SELECT id FROM bundles").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_installation_in_one_database_is_refused() {
    let (_folder, urls) = empty_databases().await;
    for url in urls {
        let first = connect(&url).await;
        first.migrate().await.unwrap();
        let second = connect_with_prefix(&url, "two_").await;
        assert!(matches!(second.check_migrated().await.unwrap_err(), Error::ViewsUnreadable { .. }));
        let before = names(&url).await;
        let message = refusal(&second).await;
        assert!(message.contains("an installation whose views have no prefix"), "{message}");
        assert!(message.contains("a database of its own"), "{message}");
        assert_eq!(names(&url).await, before);
        first.check_migrated().await.unwrap();
    }
}
