//! Over TLS, rows are loaded as they are without; a server that cannot be trusted gets nothing.

use pipeline_settings::settings;
use pipeline_store::{ActivationMode::PerService, Error, Store};
use sqlx::{Connection, Executor, Row, mysql::MySqlConnection};
use testkit::{
    mariadb::MariaDb,
    tls::{Authority, Identity},
};

use crate::{
    driver::sync,
    target::{Target, connect},
    world::{Views, World},
};

/// A server with a certificate of the authority for a name.
async fn server(folder: &std::path::Path, authority: &Authority, name: &str) -> MariaDb {
    let Identity { certificate, key } = authority.server(name, false);
    let (certificate_file, key_file) = (folder.join("server.pem"), folder.join("server.key"));
    std::fs::write(&certificate_file, certificate).unwrap();
    std::fs::write(&key_file, key).unwrap();
    std::fs::write(folder.join("ca.pem"), authority.certificate()).unwrap();
    let options = [
        "--local-infile=ON".to_owned(),
        format!("--ssl-cert={}", certificate_file.display()),
        format!("--ssl-key={}", key_file.display()),
        format!("--ssl-ca={}", folder.join("ca.pem").display()),
    ];
    tokio::task::spawn_blocking(move || MariaDb::start_with(&options.each_ref().map(String::as_str))).await.unwrap()
}

async fn refusal(url: &str) -> Error {
    Store::connect(&settings::Target { url: url.to_owned(), ..settings::Target::default() }).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_loaded_over_a_verified_link() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path(), &Authority::default(), "127.0.0.1").await;
    let mut target = Target::mysql_on(&server).await;
    let url = format!("{}?ssl-mode=VERIFY_IDENTITY&ssl-ca={}/ca.pem", target.url, folder.path().display());
    target.store = connect(&url).await;
    let world = World::new(1, 7, 2, 2);
    sync(&target.store, &world, PerService).await;
    assert_eq!(Views::read(&target).await, world.views());
    assert_eq!(target.store.describe_row_writes(), "rows are loaded");
    let mut connection = MySqlConnection::connect(&target.url).await.unwrap();
    let row = connection.fetch_one("SHOW GLOBAL STATUS LIKE 'Com_load'").await.unwrap();
    assert_eq!(row.get_unchecked::<String, _>(1), "6", "bundles and fields of three batches");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_loaded_by_an_account_that_shows_a_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::default();
    let server = server(folder.path(), &authority, "127.0.0.1").await;
    let mut target = Target::mysql_on(&server).await;
    target.administrator().run("ALTER USER sluice_loader REQUIRE X509");
    let Identity { certificate, key } = authority.client("sluice_loader");
    std::fs::write(folder.path().join("client.pem"), certificate).unwrap();
    std::fs::write(folder.path().join("client.key"), key).unwrap();
    let at = folder.path().display();
    let url = format!("{}?ssl-mode=VERIFY_IDENTITY&ssl-ca={at}/ca.pem", target.url);
    assert!(matches!(refusal(&url).await, Error::LoginRefused { .. }), "without the certificate");
    target.store = connect(&format!("{url}&ssl-cert={at}/client.pem&ssl-key={at}/client.key")).await;
    let world = World::new(1, 7, 2, 2);
    sync(&target.store, &world, PerService).await;
    assert_eq!(target.store.describe_row_writes(), "rows are loaded");
}

/// The driver that loads can leave out everything but not the name alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_inserted_where_the_name_alone_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path(), &Authority::default(), "elsewhere.example").await;
    let mut target = Target::mysql_on(&server).await;
    target.store =
        connect(&format!("{}?ssl-mode=VERIFY_CA&ssl-ca={}/ca.pem", target.url, folder.path().display())).await;
    let world = World::new(1, 7, 2, 2);
    sync(&target.store, &world, PerService).await;
    assert_eq!(Views::read(&target).await, world.views());
    assert!(target.store.describe_row_writes().starts_with("rows are inserted: "));
    assert!(target.store.describe_row_writes().contains("`ssl-mode=VERIFY_CA`"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_cannot_be_trusted_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let here = Authority::default();
    let foreign = folder.path().join("foreign.pem");
    std::fs::write(&foreign, Authority::default().certificate()).unwrap();
    let ca = folder.path().join("ca.pem");
    for (name, authority, part) in
        [("elsewhere.example", &ca, "is for another host"), ("127.0.0.1", &foreign, "authority that is not known here")]
    {
        let server = server(folder.path(), &here, name).await;
        let url = format!("{}?ssl-mode=VERIFY_IDENTITY&ssl-ca={}", server.url("mysql"), authority.display());
        let error = refusal(&url).await;
        assert!(matches!(error, Error::NotTrusted { .. }) && error.to_string().contains(part), "{error}");
    }
    let plain = tokio::task::spawn_blocking(|| MariaDb::start_with(&["--skip-ssl"])).await.unwrap();
    let error = refusal(&format!("{}?ssl-mode=REQUIRED", plain.url("mysql"))).await;
    assert!(matches!(error, Error::NotTrusted { .. }) && error.to_string().contains("offers no TLS"), "{error}");
}
