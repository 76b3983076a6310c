//! Migrations, accounts, and targets that cannot be used.

use pipeline_core::{disposition::{Classify, Disposition}, settings};
use pipeline_store::{ActivationMode::{PerService, WholeRun}, Error, Migrated, Store};
use secrecy::SecretString;
use sqlx::{AssertSqlSafe, Connection, mysql::MySqlConnection};

use crate::{
    driver::{Sync, request, sync},
    target::{Target, connect, empty_mysql_database},
    world::{Views, World},
};

on_both! {
    async fn a_migration_can_be_run_again(target: &Target) {
        target.store.check_migrated().await.unwrap();
        let world = World::new(1, 1, 1, 1);
        sync(&target.store, &world, PerService).await;
        let again = target.store.migrate().await.unwrap();
        assert_eq!(again, Migrated { from: 1, to: 1 });
        assert_eq!(Views::read(target).await, world.views());
    }

    async fn the_description_names_the_target(target: &Target) {
        assert_eq!(target.store.describe(), target.url);
    }
}

#[tokio::test]
async fn an_empty_database_is_not_migrated() {
    let folder = tempfile::tempdir().unwrap();
    for url in [format!("sqlite://{}/new.db", folder.path().display()), empty_mysql_database().await] {
        let store = connect(&url).await;
        let error = store.check_migrated().await.unwrap_err();
        assert!(matches!(error, Error::NotMigrated { found: 0, needed: 1, .. }), "{error:?}");
        assert_eq!(error.disposition(), Disposition::Halt);
    }
}

#[tokio::test]
async fn two_migrations_at_the_same_time_do_not_disturb_each_other() {
    let url = empty_mysql_database().await;
    let (first, second) = (connect(&url).await, connect(&url).await);
    let (first, second) = futures::future::join(first.migrate(), second.migrate()).await;
    assert_eq!((first.unwrap().to, second.unwrap().to), (1, 1));
}

/// The loading account of the documentation: no DDL.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_ddl_can_do_everything_but_migrate() {
    let target = Target::mysql().await;
    let (server, database) = target.url.rsplit_once('/').unwrap();
    let user = format!("u{}", database.trim_start_matches("sluice_"));
    let mut root = MySqlConnection::connect(server).await.unwrap();
    for sql in [
        format!("CREATE USER {user}@'%' IDENTIFIED BY 'pass:w@rd'"),
        format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {database}.* TO {user}@'%'"),
    ] {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut root).await.unwrap();
    }
    let host = server.rsplit_once('@').unwrap().1;
    let settings = settings::Target {
        url: format!("mysql://{user}@{host}/{database}"),
        password: Some(SecretString::from("pass:w@rd")),
        ..settings::Target::default()
    };
    let store = Store::connect(&settings).await.unwrap();
    assert!(!store.describe().contains("w@rd"));
    store.check_migrated().await.unwrap();
    store.migrate().await.unwrap_err();

    let mut world = World::new(2, 3, 2, 1);
    sync(&store, &world, WholeRun).await;
    world.services.remove("s0");
    let run = Sync::open(&store, &world, request(PerService)).await;
    run.load().await;
    store.abort_run(run.run.run_id, "test").await.unwrap().unwrap();
    sync(&store, &world, PerService).await;
    assert_eq!(Views::read(&target).await, world.views());

    let wrong = settings::Target { password: Some(SecretString::from("wrong")), ..settings };
    let error = Store::connect(&wrong).await.unwrap_err();
    assert!(matches!(error, Error::Denied { .. }), "{error:?}");
    assert_eq!(error.disposition(), Disposition::Unavailable);
}

#[tokio::test]
async fn targets_that_cannot_be_used_say_why() {
    let try_connect = async |url: &str| {
        let target = settings::Target { url: url.to_owned(), ..settings::Target::default() };
        Store::connect(&target).await.unwrap_err()
    };
    for url in ["", "postgres://h/d", "mysql://u:secret@h", "sqlite::memory:", "mysql://u:secret@h:x/d"] {
        let error = try_connect(url).await;
        assert!(matches!(error, Error::InvalidTarget { .. }), "{url}: {error:?}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = try_connect(&format!("mysql://u@127.0.0.1:{closed}/d")).await;
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    let error = try_connect("sqlite:///no/such/folder/file.db").await;
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");

    let unreadable = settings::Target {
        url: "mysql://u@127.0.0.1/d".to_owned(),
        password_file: Some("/no/such/file".into()),
        ..settings::Target::default()
    };
    assert!(matches!(Store::connect(&unreadable).await.unwrap_err(), Error::PasswordFile { .. }));
}
