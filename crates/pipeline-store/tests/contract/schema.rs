//! Migrations, accounts, and targets that cannot be used.

use pipeline_model::disposition::{Classify, Disposition};
use pipeline_settings::settings;
use pipeline_store::{ActivationMode::PerService, Error, Migrated, Store};
use secrecy::SecretString;

use crate::{
    driver::sync,
    target::{Target, VERSION, connect, empty_mysql_database},
    world::World,
};

on_both! {
    async fn a_target_has_an_identity_of_its_own(target: &Target) {
        let identity = target.store.identity().await.unwrap();
        assert_eq!(target.another().await.identity().await.unwrap(), identity);
        assert_ne!(Target::sqlite().await.store.identity().await.unwrap(), identity);
    }

    async fn a_migrated_target_is_ready(target: &Target) {
        target.store.check_migrated().await.unwrap();
        assert!(target.store.describe().contains(target.url.rsplit_once('/').unwrap().1));
        assert!(!target.store.describe().contains("correct-horse"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_can_be_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(1, 1, 1, 1);
    for url in [format!("sqlite://{}/new.db", folder.path().display()), empty_mysql_database().await] {
        let store = connect(&url).await;
        let migrated = |from| Migrated { from, to: VERSION, adopted: Vec::new() };
        assert_eq!(store.migrate().await.unwrap(), migrated(0));
        sync(&store, &world, PerService).await;
        let identity = store.identity().await.unwrap();
        assert_eq!(store.migrate().await.unwrap(), migrated(VERSION));
        assert_eq!(store.identity().await.unwrap(), identity, "requests on their way are still for this target");
        assert_eq!(store.counts().await.unwrap().subscription_fields, 1);
    }
}

#[tokio::test]
async fn an_empty_database_is_not_migrated() {
    let folder = tempfile::tempdir().unwrap();
    for url in [format!("sqlite://{}/new.db", folder.path().display()), empty_mysql_database().await] {
        let store = connect(&url).await;
        let error = store.check_migrated().await.unwrap_err();
        assert!(matches!(error, Error::NotMigrated { found: 0, needed: VERSION, .. }), "{error:?}");
        assert_eq!(error.disposition(), Disposition::Halt);
    }
}

#[tokio::test]
async fn two_migrations_at_the_same_time_do_not_disturb_each_other() {
    let url = empty_mysql_database().await;
    let (first, second) = (connect(&url).await, connect(&url).await);
    let (first, second) = futures::future::join(first.migrate(), second.migrate()).await;
    assert_eq!((first.unwrap().to, second.unwrap().to), (VERSION, VERSION));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_loader_may_not_migrate_and_a_wrong_password_is_refused() {
    let target = Target::mysql().await;
    let (credentials, place) = target.url.split_once('@').unwrap();
    let user = credentials.trim_start_matches("mysql://").split_once(':').unwrap().0;
    let wrong = settings::Target {
        url: format!("mysql://{user}@{place}"),
        password: Some(SecretString::from("wrong")),
        ..settings::Target::default()
    };
    let error = Store::connect(&wrong).await.unwrap_err();
    assert!(matches!(error, Error::LoginRefused { .. }), "{error:?}");
    // No waiting mends it.
    assert_eq!(error.disposition(), Disposition::Halt);

    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, b"correct-horse\n").unwrap();
    let by_file = settings::Target { password: None, password_file: Some(file.path().to_owned()), ..wrong };
    let loader = Store::connect(&by_file).await.unwrap();
    let error = loader.migrate().await.unwrap_err();
    assert!(matches!(error, Error::Denied { .. }), "{error:?}");
}

#[tokio::test]
async fn targets_that_cannot_be_used_say_why() {
    let try_connect = async |url: &str| {
        let target = settings::Target { url: url.to_owned(), ..settings::Target::default() };
        Store::connect(&target).await.unwrap_err()
    };
    for url in [
        "",
        "postgres://h/d",
        "mysql://u:secret@h",
        "sqlite::memory:",
        "mysql://u:secret@h:x/d",
        "mysql://u:secret@127.0.0.1/d?ssl_mode=REQUIRED",
        "mysql://u:secret@127.0.0.1/d?useSSL=true",
        "mysql://u:secret@h/d?ssl-mode=PREFERRED",
        "sqlite:///tmp/a.db?mod=ro",
    ] {
        let error = try_connect(url).await;
        assert!(matches!(error, Error::InvalidTarget { .. }), "{url}: {error:?}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = try_connect(&format!("mysql://u@127.0.0.1:{closed}/d")).await;
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    let error = try_connect("sqlite:///no/such/folder/file.db").await;
    assert!(matches!(error, Error::FileNotOpened { .. }), "{error:?}");

    let unreadable = settings::Target {
        url: "mysql://u@127.0.0.1/d".to_owned(),
        password_file: Some("/no/such/file".into()),
        ..settings::Target::default()
    };
    assert!(matches!(Store::connect(&unreadable).await.unwrap_err(), Error::PasswordFile { .. }));
}
