//! The three accounts of docs/security.md, made with its statements: what each may do, and what it may not.

use pipeline_model::contracts::{BatchPlanned, Message};
use pipeline_store::{ActivationMode::PerService, Error, LetterFilter, RolledBack, Store};
use sqlx::{AssertSqlSafe, Connection, Row, mysql::MySqlConnection};
use testkit::mariadb::MariaDb;

use crate::{
    dead_letters::give_up,
    driver::sync,
    former::version_8,
    target::connect,
    world::{World, new_bundle},
};

const PASSWORD: &str = "correct-horse";
const VIEWS: [&str; 4] = ["provider_services", "providers", "bundles", "subscription_fields"];

/// A server with the accounts of the page.
struct Accounts {
    server: MariaDb,
    /// The page's statements, in blocks: before the migration, after it, and between upgrades.
    blocks: [String; 3],
}

impl Accounts {
    /// Everything up to the reader's, on a server of its own.
    async fn new() -> Self {
        let server = tokio::task::spawn_blocking(|| MariaDb::start_with(&["--local-infile=ON"])).await.unwrap();
        let accounts = Self { server, blocks: blocks_of_page() };
        // Other tests' account of that name.
        accounts.administrate("DROP USER 'sluice_loader'@'%'").await;
        accounts.administrate(&accounts.blocks[0]).await;
        accounts.connect("sluice_migrator").await.migrate().await.unwrap();
        accounts.administrate(&accounts.blocks[1]).await;
        accounts
    }

    fn url(&self, account: &str) -> String {
        let (_, place) = self.server.url("sluice").rsplit_once('@').map(|(_, place)| ((), place.to_owned())).unwrap();
        format!("mysql://{account}:{PASSWORD}@{place}")
    }

    async fn connect(&self, account: &str) -> Store {
        connect(&self.url(account)).await
    }

    async fn administrate(&self, statements: &str) {
        let mut session = MySqlConnection::connect(&self.server.url("")).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut session).await.unwrap();
    }

    /// The number of the server's error, when it refuses the statement.
    async fn refusal(&self, account: &str, statement: &str) -> Option<u16> {
        let mut session = MySqlConnection::connect(&self.url(account)).await.unwrap();
        let answer = sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut session).await;
        let error = answer.err()?.into_database_error().unwrap();
        Some(error.downcast_ref::<sqlx::mysql::MySqlDatabaseError>().number())
    }

    async fn refuses(&self, account: &str, statements: &[&str]) {
        for statement in statements {
            let number = self.refusal(account, statement).await;
            assert!(matches!(number, Some(1044 | 1045 | 1142 | 1227)), "{account}: `{statement}`: {number:?}");
        }
    }

    /// The rows that the reader sees in each view.
    async fn read(&self) -> Result<[i64; 4], u16> {
        let mut session = MySqlConnection::connect(&self.url("sluice_reader")).await.unwrap();
        let mut found = [0; 4];
        for (found, view) in found.iter_mut().zip(VIEWS) {
            let sql = AssertSqlSafe(format!("SELECT COUNT(*), MAX(generation) FROM {view}"));
            match sqlx::query(sql).fetch_one(&mut session).await {
                Ok(row) => *found = row.get(0),
                Err(error) => {
                    let error = error.into_database_error().unwrap();
                    return Err(error.downcast_ref::<sqlx::mysql::MySqlDatabaseError>().number());
                }
            }
        }
        Ok(found)
    }
}

fn blocks_of_page() -> [String; 3] {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/security.md")).unwrap();
    let (_, section) = page.split_once("\n## Least rights: the database\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let blocks = section.split("```sql\n").skip(1).map(|block| block.split_once("```").unwrap().0);
    let blocks: Vec<String> = blocks.map(|block| block.replace('…', PASSWORD)).collect();
    blocks.try_into().unwrap()
}

/// Two generations, one taken back, old ones forgotten, a letter, and all that people look at.
async fn whole_job(store: &Store) {
    let mut world = World::new(2, 4, 2, 2);
    let first = sync(store, &world, PerService).await;
    world.provider("s0", "p0").bundles.push(new_bundle("new", 1));
    world.services.get_mut("s1").unwrap().providers.remove("p3");
    sync(store, &world, PerService).await;
    let plan = store.plan_rollback(&[]).await.unwrap();
    assert_eq!(store.roll_back(&plan, "ada@desk", "a test").await.unwrap(), RolledBack::Done);
    sync(store, &world, PerService).await;
    store.prune(1, ("ada@desk", "a test")).await.unwrap();
    give_up(store, first.run.run_id, BatchPlanned::TOPIC, 7, "s0/0").await;
    assert_eq!(store.dead_letters(&LetterFilter::default(), 10).await.unwrap().len(), 1);
    assert_eq!(store.check_invariants().await.unwrap(), []);
    assert_eq!(store.copied_services(None).await.unwrap().len(), 2);
    assert_eq!(store.audits(10).await.unwrap().len(), 2);
    store.check_migrated().await.unwrap();
    store.check_views().await.unwrap();
    store.check_writable().await.unwrap();
    store.ready().await.unwrap();
    assert_eq!(store.describe_row_writes(), "rows are loaded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrator_loader_and_reader_do_with_the_rights_of_the_page() {
    let accounts = Accounts::new().await;
    let loader = accounts.connect("sluice_loader").await;
    whole_job(&loader).await;
    let counts = loader.counts().await.unwrap();
    let seen = [counts.services, counts.providers, counts.bundles, counts.subscription_fields];
    assert_eq!(accounts.read().await, Ok(seen));
    assert_eq!(seen, [2, 7, 15, 29]);

    assert!(matches!(loader.migrate().await.unwrap_err(), Error::Denied { .. }));
    let of_nobody_but_administrators = ["SELECT user FROM mysql.user", "CREATE USER eve", "CREATE DATABASE other"];
    for account in ["sluice_migrator", "sluice_loader", "sluice_reader"] {
        accounts.refuses(account, &of_nobody_but_administrators).await;
    }
    let definitions = [
        "CREATE TABLE other (a INT)",
        "CREATE VIEW other AS SELECT 1 AS a",
        "CREATE OR REPLACE VIEW bundles AS SELECT bundle_id FROM sluice_content_bundle",
        "ALTER TABLE sluice_content_bundle ADD COLUMN a INT",
        "CREATE INDEX other ON sluice_content_bundle (name)",
        "TRUNCATE TABLE sluice_content_bundle",
        "DROP TABLE sluice_content_bundle",
        "DROP VIEW bundles",
    ];
    accounts.refuses("sluice_loader", &definitions).await;
    accounts.refuses("sluice_reader", &definitions).await;
    accounts
        .refuses(
            "sluice_reader",
            &[
                "SELECT * FROM sluice_content_bundle",
                "SELECT * FROM sluice_active_generation",
                "SELECT * FROM sluice_run",
                "DELETE FROM sluice_content_bundle",
            ],
        )
        .await;
    accounts
        .refuses("sluice_migrator", &["UPDATE sluice_run SET reason = 'x'", "DELETE FROM sluice_content_bundle"])
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn views_outlive_a_lock_of_their_account_and_a_new_one_takes_them_over() {
    let accounts = Accounts::new().await;
    let loader = accounts.connect("sluice_loader").await;
    sync(&loader, &World::new(1, 1, 1, 1), PerService).await;
    accounts.administrate(&accounts.blocks[2]).await;
    assert!(MySqlConnection::connect(&accounts.url("sluice_migrator")).await.is_err(), "the account is locked");
    assert_eq!(accounts.read().await, Ok([1; 4]));

    // Dropped: readers get an error, runs go on, and the loader's account can tell.
    accounts.administrate("DROP USER 'sluice_migrator'@'%'").await;
    assert_eq!(accounts.read().await, Err(1045));
    loader.check_migrated().await.unwrap();
    sync(&loader, &World::new(1, 2, 1, 1), PerService).await;
    let error = loader.check_views().await.unwrap_err();
    assert!(matches!(error, Error::ViewsUnreadable { .. }), "{error:?}");
    assert!(VIEWS.iter().all(|view| error.to_string().contains(&format!("`{view}`"))), "{error}");

    // Another migrator, made as the first one, repairs them; readers keep what they were granted.
    let second = accounts.blocks[0].lines().filter(|line| line.contains("sluice_migrator"));
    let second: String = second.map(|line| line.replace("sluice_migrator", "second_migrator")).collect();
    accounts.administrate(&second).await;
    let migrator = accounts.connect("second_migrator").await;
    assert_eq!(migrator.plan_migration().await.unwrap().replaces, VIEWS);
    assert_eq!(migrator.migrate().await.unwrap().adopted, VIEWS);
    assert!(migrator.plan_migration().await.unwrap().is_empty());
    loader.check_views().await.unwrap();
    assert_eq!(accounts.read().await, Ok([1, 2, 2, 2]));

    // Handed over in time, nobody sees anything of it.
    accounts.administrate(&second.replace("second_migrator", "third_migrator")).await;
    assert_eq!(accounts.connect("third_migrator").await.migrate().await.unwrap().adopted, VIEWS);
    accounts.administrate("DROP USER 'second_migrator'@'%'").await;
    assert_eq!(accounts.read().await, Ok([1, 2, 2, 2]));

    // An account that is there and may not read the tables any more.
    accounts.administrate("REVOKE SELECT ON sluice.* FROM 'third_migrator'@'%'").await;
    assert!(accounts.read().await.is_err());
    assert!(matches!(loader.check_views().await.unwrap_err(), Error::ViewsUnreadable { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_migrator_needs_each_of_its_rights() {
    let accounts = Accounts::new().await;
    for right in ["SELECT", "INSERT", "CREATE", "ALTER", "DROP", "CREATE VIEW"] {
        let afresh = format!(
            "DROP DATABASE sluice; CREATE DATABASE sluice; REVOKE {right} ON sluice.* FROM 'sluice_migrator'@'%'"
        );
        accounts.administrate(&afresh).await;
        let error = accounts.connect("sluice_migrator").await.migrate().await.unwrap_err();
        assert!(matches!(error, Error::Denied { .. }), "{right}: {error:?}");
        accounts.administrate(&format!("GRANT {right} ON sluice.* TO 'sluice_migrator'@'%'")).await;
    }
    // Whose a view is, its definition tells.
    accounts.administrate("DROP DATABASE sluice; CREATE DATABASE sluice").await;
    accounts.administrate("CREATE VIEW sluice.bundles AS SELECT 1 AS a").await;
    accounts.administrate("REVOKE SHOW VIEW ON sluice.* FROM 'sluice_migrator'@'%'").await;
    let error = accounts.connect("sluice_migrator").await.migrate().await.unwrap_err();
    assert!(matches!(error, Error::NamesTaken { .. }), "{error:?}");
    assert!(error.to_string().contains("whose definition this account may not read (`SHOW VIEW`)"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_migrator_gives_tables_of_version_8_their_new_names_with_the_rights_of_the_page() {
    let accounts = Accounts::new().await;
    let version_8 = version_8("mysql").join(";\n");
    accounts.administrate(&format!("DROP DATABASE sluice; CREATE DATABASE sluice; USE sluice; {version_8}")).await;
    assert_eq!(accounts.read().await, Ok([0; 4]));
    assert_eq!(accounts.connect("sluice_migrator").await.migrate().await.unwrap().from, 8);
    let loader = accounts.connect("sluice_loader").await;
    whole_job(&loader).await;
    assert_eq!(accounts.read().await, Ok([2, 7, 15, 29]));
}
