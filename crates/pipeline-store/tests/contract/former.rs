//! A database of version 8, whose tables have their former names, gets those of today.

use std::sync::atomic::{AtomicBool, Ordering};

use pipeline_store::{ActivationMode::PerService, Rename, RunState, Store};
use sqlx::{AssertSqlSafe, Connection, Row, mysql::MySqlConnection, sqlite::SqliteConnection};

use crate::{
    driver::{Sync, request, sync},
    ownership::{connect_with_prefix, empty_databases, names, refusal, run},
    target::{TextRow, VERSION, connect},
    world::World,
};

/// Former name and name of today; the rows of the first six are read by views.
const FORMER: [(&str, &str); 14] = [
    ("active_generation", "sluice_active_generation"),
    ("provider_service", "sluice_provider_service_version"),
    ("provider", "sluice_provider_version"),
    ("provider_content", "sluice_provider_content"),
    ("bundle", "sluice_content_bundle"),
    ("subscription_field", "sluice_content_field"),
    ("sync_run", "sluice_run"),
    ("sync_ordinals", "sluice_run_ordinals"),
    ("sync_service", "sluice_run_service"),
    ("sync_batch", "sluice_run_batch"),
    ("sync_reject", "sluice_run_reject"),
    ("sync_standstill", "sluice_run_standstill"),
    ("sync_dead_letter", "sluice_dead_letter"),
    ("sync_audit", "sluice_audit"),
];
/// Columns that these tables have got since.
const LATER: [(&str, &str); 1] = [("sluice_run", "end_told_at_ms")];
const VIEWS: [&str; 4] = ["provider_services", "providers", "bundles", "subscription_fields"];

/// The statements of version 8: today's definitions of the time, with the former names.
pub fn version_8(url: &str) -> Vec<String> {
    let dialect = if url.starts_with("sqlite") { "sqlite" } else { "mysql" };
    let folder = format!("{}/migrations/{dialect}", env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let mut text = String::new();
    for file in &files[..8] {
        text.push_str(&std::fs::read_to_string(file).unwrap());
    }
    let code: Vec<_> = text.lines().filter(|line| !line.starts_with("--")).collect();
    let mut code = code.join("\n").replace("{collation}", "utf8mb4_nopad_bin");
    // The longest first: some names begin like others.
    let mut names = FORMER;
    names.sort_by_key(|(_, today)| std::cmp::Reverse(today.len()));
    for (former, today) in names {
        code = code.replace(today, former);
    }
    code.push_str("\nCREATE TABLE sluice_schema (version BIGINT NOT NULL PRIMARY KEY, applied_at_ms BIGINT NOT NULL);");
    code.push_str("INSERT INTO sluice_schema VALUES (1,1),(2,1),(3,1),(4,1),(5,1),(6,1),(7,1),(8,1)");
    code.split(';').map(|statement| statement.trim().to_owned()).filter(|statement| !statement.is_empty()).collect()
}

/// Makes the tables of version 8, with the rows of a database of today.
async fn make_version_8(url: &str, rows: &str) {
    let mut statements = version_8(url);
    let place = if let Some(file) = rows.strip_prefix("sqlite://") {
        statements.push(format!("ATTACH '{}' AS source_of_rows", file.trim_end_matches("?mode=rwc")));
        "source_of_rows".to_owned()
    } else {
        rows.rsplit_once('/').unwrap().1.to_owned()
    };
    for (table, column) in LATER {
        statements.push(format!("ALTER TABLE {place}.{table} DROP COLUMN {column}"));
    }
    for (former, today) in FORMER {
        statements.push(format!("INSERT INTO {former} SELECT * FROM {place}.{today}"));
    }
    run(url, &statements.join(";\n")).await;
}

/// What readers see, or the database's refusal.
async fn read(url: &str) -> Result<Vec<TextRow>, sqlx::Error> {
    let mut seen = Vec::new();
    for (view, columns) in [
        ("provider_services", "service_id, name, attributes"),
        ("providers", "service_id, provider_id, name, attributes"),
        ("bundles", "service_id, provider_id, bundle_id, name, attributes"),
        ("subscription_fields", "service_id, provider_id, bundle_id, field_id, name, value, data_type, attributes"),
    ] {
        let sql = AssertSqlSafe(format!("SELECT {columns}, CAST(generation AS CHAR) FROM {view}"));
        if url.starts_with("sqlite") {
            let rows = sqlx::query(sql).fetch_all(&mut SqliteConnection::connect(url).await?).await?;
            seen.extend(rows.iter().map(|row| (0..row.len()).map(|i| row.get_unchecked(i)).collect::<TextRow>()));
        } else {
            let rows = sqlx::query(sql).fetch_all(&mut MySqlConnection::connect(url).await?).await?;
            seen.extend(rows.iter().map(|row| (0..row.len()).map(|i| row.get_unchecked(i)).collect::<TextRow>()));
        }
    }
    seen.sort();
    Ok(seen)
}

/// Both databases of version 8 with two generations of a world, and what readers see of it.
struct Old {
    _folders: [tempfile::TempDir; 2],
    urls: [String; 2],
    seen: Vec<TextRow>,
}

impl Old {
    async fn new() -> Self {
        let (folder, urls) = empty_databases().await;
        let (rows_folder, rows) = empty_databases().await;
        let mut seen = Vec::new();
        for (url, rows) in urls.iter().zip(&rows) {
            let store = connect(rows).await;
            store.migrate().await.unwrap();
            sync(&store, &World::new(2, 3, 2, 2), PerService).await;
            sync(&store, &World::new(2, 4, 2, 3), PerService).await;
            store.close().await;
            make_version_8(url, rows).await;
            seen = read(url).await.unwrap();
            assert_eq!(seen, read(rows).await.unwrap());
        }
        assert_eq!(seen.len(), 2 + 8 + 16 + 48);
        Self { _folders: [folder, rows_folder], urls, seen }
    }

    /// Nothing has a former name any more, readers see what they saw, and runs go on.
    async fn assert_is_of_today(&self, url: &str, store: &Store) {
        assert_eq!(read(url).await.unwrap(), self.seen);
        for (name, _) in names(url).await {
            let is_ours = name.starts_with("sluice_") || VIEWS.contains(&name.as_str());
            assert!(is_ours && !name.starts_with("sluice_bridge_"), "{name}");
        }
        store.check_migrated().await.unwrap();
        store.check_views().await.unwrap();
        assert_eq!(store.check_invariants().await.unwrap(), []);
        assert!(store.plan_migration().await.unwrap().is_empty());
        sync(store, &World::new(2, 5, 2, 3), PerService).await;
        assert_eq!(store.counts().await.unwrap().providers, 10);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_and_indexes_get_new_names_and_views_answer_the_same() {
    let old = Old::new().await;
    for url in &old.urls {
        let store = connect(url).await;
        let identity = store.identity().await.unwrap();
        let plan = store.plan_migration().await.unwrap();
        // What later steps add.
        assert_eq!((plan.from, plan.to, plan.makes), (8, VERSION, vec!["sluice_run_estimate".to_owned()]));
        assert_eq!(plan.replaces, if url.starts_with("sqlite") { vec![] } else { VIEWS.map(str::to_owned).to_vec() });
        let mut wanted = FORMER.map(|(from, to)| Rename { from, to });
        let mut found = plan.renames;
        wanted.sort_by_key(|rename| rename.from);
        found.sort_by_key(|rename| rename.from);
        assert_eq!(found, wanted);
        let before = indexes(url).await;
        let migrated = store.migrate().await.unwrap();
        assert_eq!((migrated.from, migrated.to, migrated.adopted), (8, VERSION, vec![]));
        let mut today = before.clone();
        for index in &mut today {
            for (former, name) in FORMER {
                *index = index.replace(&format!("{name}.{former}_"), &format!("{name}.{name}_"));
            }
        }
        assert_eq!(indexes(url).await, today);
        assert_ne!(before, today);
        assert_eq!(store.identity().await.unwrap(), identity);
        old.assert_is_of_today(url, &store).await;
        assert_eq!(store.migrate().await.unwrap().from, VERSION);
    }
}

/// Indexes as `table of today.index`.
async fn indexes(url: &str) -> Vec<String> {
    let rows: Vec<(String, String)> = if url.starts_with("sqlite") {
        let sql = "SELECT tbl_name, name FROM sqlite_master WHERE type = 'index' AND sql <> ''";
        sqlx::query_as(sql).fetch_all(&mut SqliteConnection::connect(url).await.unwrap()).await.unwrap()
    } else {
        let sql = "SELECT DISTINCT CAST(table_name AS CHAR CHARACTER SET utf8mb4), \
                   CAST(index_name AS CHAR CHARACTER SET utf8mb4) FROM information_schema.statistics \
                   WHERE table_schema = DATABASE() AND index_name <> 'PRIMARY'";
        sqlx::query_as(sql).fetch_all(&mut MySqlConnection::connect(url).await.unwrap()).await.unwrap()
    };
    let today = |table: String| FORMER.iter().find(|(it, _)| *it == table).map_or(table, |(_, it)| (*it).to_owned());
    let mut found: Vec<_> = rows.into_iter().map(|(table, index)| format!("{}.{index}", today(table))).collect();
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renaming_that_was_cut_off_is_taken_up() {
    let bridge = |(former, today): &(&str, &str)| format!("CREATE VIEW {today} AS SELECT * FROM {former}");
    let bridges: Vec<_> = FORMER[..6].iter().map(bridge).collect();
    let mut views = Vec::new();
    for statement in version_8("mysql").into_iter().filter(|statement| statement.contains("CREATE OR REPLACE VIEW")) {
        let words = statement.split_inclusive(|it: char| it.is_whitespace()).map(|word| {
            let (name, rest) = word.split_at(word.trim_end().len());
            let today = FORMER.iter().find(|(former, _)| *former == name).map_or(name, |(_, today)| today);
            format!("{today}{rest}")
        });
        views.push(words.collect::<String>());
    }
    let moves: Vec<_> =
        FORMER[..6].iter().map(|(former, today)| format!("{today} TO sluice_bridge_{former}")).collect();
    let rename = |some: &[(&str, &str)]| {
        let names: Vec<_> = some.iter().map(|(former, today)| format!("{former} TO {today}")).collect();
        format!("RENAME TABLE {}", names.join(", "))
    };
    let all = format!("RENAME TABLE {}, {}", moves.join(", "), rename(&FORMER).trim_start_matches("RENAME TABLE "));
    let one = format!("RENAME TABLE {}, {}", moves[4], rename(&FORMER[4..5]).trim_start_matches("RENAME TABLE "));
    let ups_to = [
        vec![bridges[0].clone()],
        bridges.clone(),
        [bridges.clone(), views.clone()].concat(),
        // A server that does not keep a rename of many tables whole.
        [bridges.clone(), views.clone(), vec![format!("RENAME TABLE {}", moves[4])]].concat(),
        [bridges.clone(), views.clone(), vec![one]].concat(),
        [bridges.clone(), views.clone(), vec![all.clone()]].concat(),
        [bridges.clone(), views.clone(), vec![all, "DROP VIEW sluice_bridge_bundle".to_owned()]].concat(),
    ];
    for statements in ups_to {
        let old = Old::new().await;
        let url = &old.urls[1];
        run(url, &statements.join(";\n")).await;
        let store = connect(url).await;
        assert_eq!(store.migrate().await.unwrap().from, 8, "{statements:?}");
        old.assert_is_of_today(url, &store).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_meet_no_missing_view_and_a_second_migration_finds_it_done() {
    let old = Old::new().await;
    for url in &old.urls {
        let (first, second) = (connect(url).await, connect(url).await);
        let done = AtomicBool::new(false);
        let migrate = async {
            let both = futures::future::join(first.migrate(), second.migrate()).await;
            done.store(true, Ordering::SeqCst);
            (both.0.unwrap().to, both.1.unwrap().to)
        };
        let reader = async {
            let mut times = 0;
            while !done.load(Ordering::SeqCst) {
                assert_eq!(read(url).await.unwrap(), old.seen);
                times += 1;
            }
            times
        };
        let (versions, times) = futures::future::join(migrate, reader).await;
        assert_eq!(versions, (VERSION, VERSION));
        assert!(times > 0);
        old.assert_is_of_today(url, &first).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_run_goes_on_behind_the_migration() {
    let (_folder, urls) = empty_databases().await;
    let (_rows_folder, rows) = empty_databases().await;
    for (url, rows) in urls.iter().zip(&rows) {
        let world = World::new(2, 3, 1, 1);
        let store = connect(rows).await;
        store.migrate().await.unwrap();
        let open = Sync::open(&store, &world, request(PerService)).await;
        make_version_8(url, rows).await;
        let migrated = connect(url).await;
        assert_eq!(migrated.migrate().await.unwrap().from, 8);
        let goes_on = Sync { store: &migrated, ..open };
        goes_on.work().await;
        assert_eq!(goes_on.progress().await.run.state, RunState::Activated);
        assert_eq!(migrated.counts().await.unwrap().providers, 6);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_call_like_that_is_left_alone() {
    let (_folder, urls) = empty_databases().await;
    for url in urls {
        run(
            &url,
            "CREATE TABLE provider (id INT, name TEXT); CREATE TABLE bundle (id INT); CREATE TABLE shop (id INT); \
             CREATE INDEX bundle_bundle_id ON bundle (id); CREATE VIEW sync_run AS SELECT id FROM shop",
        )
        .await;
        let before = names(&url).await;
        let store = connect(&url).await;
        assert_eq!(store.plan_migration().await.unwrap().renames, []);
        store.migrate().await.unwrap();
        sync(&store, &World::new(1, 1, 1, 1), PerService).await;
        let after = names(&url).await;
        assert!(before.iter().all(|name| after.contains(name)), "{after:?}");
        run(&url, "SELECT id, name FROM provider; SELECT id FROM bundle; SELECT id FROM sync_run").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_way_is_told_and_nothing_is_renamed() {
    let old = Old::new().await;
    for url in &old.urls {
        run(
            url,
            "CREATE TABLE sluice_run (id INT); CREATE TABLE sluice_bridge_bundle (id INT); \
             ALTER TABLE sync_audit DROP COLUMN why",
        )
        .await;
        let before = names(url).await;
        let message = refusal(&connect(url).await).await;
        for part in [
            "`sluice_run` is a table with other columns",
            "`sluice_bridge_bundle` is a table",
            "`sync_audit` is a table with other columns",
        ] {
            assert!(message.contains(part), "{message}");
        }
        assert_eq!(names(url).await, before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tables_of_another_installation_are_not_renamed() {
    let old = Old::new().await;
    for url in &old.urls {
        let before = names(url).await;
        let message = refusal(&connect_with_prefix(url, "two_").await).await;
        assert!(message.contains("an installation whose views have no prefix"), "{message}");
        assert_eq!(names(url).await, before);
    }
}
