//! A SQLite file that cannot be used: each fault has a message of its own that says what happened.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{error::Error as _, fs, path::Path};

use pipeline_model::disposition::{Classify, Disposition};
use pipeline_settings::settings::Target;
use pipeline_store::{Error, Store};

fn target(path: &Path, parameters: &str) -> Target {
    Target { url: format!("sqlite://{}{parameters}", path.display()), ..Target::default() }
}

async fn used(path: &Path, parameters: &str) -> Result<Store, Error> {
    let store = Store::connect(&target(path, parameters)).await?;
    store.migrate().await?;
    store.check_writable().await?;
    Ok(store)
}

async fn refused(path: &Path, parameters: &str) -> Error {
    used(path, parameters).await.map(drop).unwrap_err()
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_says_what_is_in_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a-file");
    fs::write(&file, "x").unwrap();
    for (path, reason) in [
        (folder.path().to_owned(), "it is a directory and not a file"),
        (folder.path().join("nowhere/copy.db"), "nowhere` does not exist"),
        (file.join("copy.db"), "a-file"),
    ] {
        let error = refused(&path, "").await;
        assert!(matches!(error, Error::FileNotOpened { .. }), "{error}");
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[tokio::test]
async fn a_file_that_holds_something_else_is_told_from_a_damaged_database() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other");
    fs::write(&other, "a text that is long enough to be no header of a database, however short it is\n".repeat(20))
        .unwrap();
    let error = refused(&other, "").await;
    assert!(matches!(error, Error::NotADatabase { .. }), "{error}");
    assert_eq!(error.disposition(), Disposition::Halt);

    let damaged = folder.path().join("damaged.db");
    used(&damaged, "").await.unwrap().close().await;
    let mut bytes = fs::read(&damaged).unwrap();
    bytes[4_096..40_000].fill(0xff);
    fs::write(&damaged, bytes).unwrap();
    let error = refused(&damaged, "").await;
    assert!(matches!(error, Error::FileDamaged { .. }), "{error}");
}

#[tokio::test]
async fn a_file_that_may_only_be_read_says_so_to_who_writes_and_serves_who_reads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copy.db");
    used(&path, "").await.unwrap().close().await;
    let error = refused(&path, "?mode=ro").await;
    assert!(matches!(error, Error::FileReadOnly { .. }), "{error}");
    Store::connect(&target(&path, "?mode=ro")).await.unwrap().check_migrated().await.unwrap();
}

#[tokio::test]
async fn a_file_that_another_process_holds_is_contended_and_not_away() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copy.db");
    let url = format!("sqlite://{}?mode=rwc", path.display());
    let mut holder = <sqlx::SqliteConnection as sqlx::Connection>::connect(&url).await.unwrap();
    sqlx::raw_sql("CREATE TABLE t (a); BEGIN EXCLUSIVE").execute(&mut holder).await.unwrap();
    let error = refused(&path, "").await;
    assert!(matches!(error, Error::Contended { .. }), "{error}");
    assert!(error.source().is_some_and(|source| source.to_string().contains("locked")), "{error:?}");
    sqlx::raw_sql("COMMIT").execute(&mut holder).await.unwrap();
    used(&path, "").await.unwrap();
}

#[tokio::test]
async fn a_new_database_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("copy.db");
    let target =
        pipeline_settings::settings::Target { url: format!("sqlite://{}", file.display()), ..Default::default() };
    let store = Store::connect(&target).await.unwrap();
    store.migrate().await.unwrap();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", entry.path().display());
    }
}
