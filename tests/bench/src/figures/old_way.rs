//! The way that Sluice replaces: a script, one entity after another, one statement for each row.
//!
//! The script asks for all services, then for each service's providers, each provider's bundles and each bundle's
//! fields: one call for each parent, each answered after 2 ms. It writes each document by one prepared upsert that is
//! its own transaction. It is written here, in Rust, and so without the costs of a script's language. It would take
//! hours at size M, so it runs over a part with the same shape, and its rate is taken for the whole: it does the same
//! for each document, however many there are. Sluice runs over the whole, with a source that answers as slowly.

use std::{
    thread,
    time::{Duration, Instant},
};

use futures::StreamExt;
use pipeline_model::documents::{Bundle, Found, Provider, Service, SubtreeContent};
use pipeline_source::{Source as _, generator::Generator};
use sqlx::{Connection as _, MySqlConnection};

use super::{Bench, figure, number, verdict};
use crate::{
    pipeline::{Pipeline, Plan},
    results::{Figure, Goal, Quantity},
    size::Size,
    statistics::median,
};

/// How long the source takes for one answer.
const LATENCY: Duration = Duration::from_millis(2);

/// Services and providers of the part that the script copies.
const PART: &str = "generator:?services=4&providers=100&bundles=20&fields=5&seed=1";
/// The same for the tests of this crate.
const TINY_PART: &str = "generator:?services=1&providers=2&bundles=20&fields=5&seed=1";

/// One row for each document, as the script's tables have them.
const TABLES: &str = "
    ALTER DATABASE CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
    CREATE TABLE old_service (id VARCHAR(255) PRIMARY KEY, name VARCHAR(1024), attributes LONGTEXT);
    CREATE TABLE old_provider (id VARCHAR(255), service_id VARCHAR(255), name VARCHAR(1024), attributes LONGTEXT,
        PRIMARY KEY (service_id, id));
    CREATE TABLE old_bundle (id VARCHAR(255), provider_id VARCHAR(255), name VARCHAR(1024), attributes LONGTEXT,
        PRIMARY KEY (provider_id, id));
    CREATE TABLE old_field (id VARCHAR(255), bundle_id VARCHAR(255), provider_id VARCHAR(255), name VARCHAR(1024),
        value LONGTEXT, attributes LONGTEXT, PRIMARY KEY (provider_id, bundle_id, id))";

const SERVICE: &str = "INSERT INTO old_service (id, name, attributes) VALUES (?, ?, ?)
    ON DUPLICATE KEY UPDATE name = VALUES(name), attributes = VALUES(attributes)";
const PROVIDER: &str = "INSERT INTO old_provider (service_id, id, name, attributes) VALUES (?, ?, ?, ?)
    ON DUPLICATE KEY UPDATE name = VALUES(name), attributes = VALUES(attributes)";
const BUNDLE: &str = "INSERT INTO old_bundle (provider_id, id, name, attributes) VALUES (?, ?, ?, ?)
    ON DUPLICATE KEY UPDATE name = VALUES(name), attributes = VALUES(attributes)";
const FIELD: &str = "INSERT INTO old_field (provider_id, bundle_id, id, name, value, attributes)
    VALUES (?, ?, ?, ?, ?, ?)
    ON DUPLICATE KEY UPDATE name = VALUES(name), value = VALUES(value), attributes = VALUES(attributes)";

/// The script at work.
struct Script {
    source: Generator,
    target: MySqlConnection,
    documents: u32,
}

pub(super) fn measure(bench: &Bench, size: Size) -> Vec<Figure> {
    let (mut script, mut sluice) = (Vec::new(), Vec::new());
    // Every round takes a minute or two, and the ratio is far from its goal.
    for _ in 0..bench.rounds(size).min(3) {
        let part = if size == Size::Xs { TINY_PART } else { PART };
        script.push(bench.runtime.block_on(Script::run(bench, part)));
        let url = format!("{}&latency_ms={}", size.source(1), LATENCY.as_millis());
        let plan = Plan { settings: bench.wanted.settings.clone(), ..Plan::of(&url) };
        let pipeline = Pipeline::start(&bench.servers, &plan);
        let ran = pipeline.run(&[]);
        // Rows that stand for documents: a script has no others.
        let tables = [
            "sluice_provider_service_version",
            "sluice_provider_version",
            "sluice_content_bundle",
            "sluice_content_field",
        ];
        let mut session = pipeline.database.session();
        let documents: i64 = tables.iter().map(|table| session.number(&format!("SELECT COUNT(*) FROM {table}"))).sum();
        sluice.push(number(documents) / ran.seconds);
        drop(session);
        pipeline.stop();
    }
    let ratio = median(&sluice) / median(&script);
    vec![figure(
        "old-way",
        size.name(),
        vec![verdict("as fast as the script", ratio, "×", Goal::AtLeast(96.0))],
        vec![Quantity::new("Sluice", "documents/s", sluice), Quantity::new("script", "documents/s", script)],
    )]
}

// === impl Script ===

impl Script {
    /// Copies all documents of a source; gives the rate in documents per second.
    async fn run(bench: &Bench, url: &str) -> f64 {
        let database = bench.servers.mariadb.fresh_database();
        database.session().run(TABLES);
        let (_, query) = url.split_once('?').expect("the generator's URL has parameters");
        let source = Generator::from_query(query).expect("sound parameters");
        let target = MySqlConnection::connect(&database.url()).await.expect("the database answers");
        let mut script = Self { source, target, documents: 0 };
        let begun = Instant::now();
        script.services().await;
        let rate = f64::from(script.documents) / begun.elapsed().as_secs_f64();
        let written = database.session().number("SELECT COUNT(*) FROM old_field");
        assert!(written > 0 && written < i64::from(script.documents), "the script wrote {written} fields");
        crate::servers::drop_database(&database);
        rate
    }

    async fn services(&mut self) {
        ask();
        let source = self.source;
        let services: Vec<_> = source.services().collect().await;
        for found in services {
            let Ok(Found::Document(service)) = found else { panic!("the generator has no broken documents") };
            self.service(&service).await;
        }
    }

    async fn service(&mut self, service: &Service) {
        let Service { id, name, attributes, .. } = service;
        let row = sqlx::query(SERVICE).bind(id.as_str()).bind(name).bind(attributes.as_str());
        row.execute(&mut self.target).await.expect("a row is written");
        self.documents += 1;
        ask();
        let source = self.source;
        let providers: Vec<_> = source.providers(id).collect().await;
        for found in providers {
            let Ok(Found::Document(provider)) = found else { panic!("the generator has no broken documents") };
            self.provider(&provider).await;
        }
    }

    async fn provider(&mut self, provider: &Provider) {
        let Provider { service_id, id, name, attributes, .. } = provider;
        let row = sqlx::query(PROVIDER).bind(service_id.as_str()).bind(id.as_str()).bind(name);
        row.bind(attributes.as_str()).execute(&mut self.target).await.expect("a row is written");
        self.documents += 1;
        ask();
        let subtrees = self.source.subtrees(service_id, std::slice::from_ref(id)).await.expect("the generator answers");
        for subtree in subtrees {
            let SubtreeContent::Complete(bundles) = subtree.content else { panic!("a provider without content") };
            for bundle in &bundles {
                self.bundle(id.as_str(), bundle).await;
            }
        }
    }

    async fn bundle(&mut self, provider: &str, bundle: &Bundle) {
        let Bundle { id, name, attributes, fields, .. } = bundle;
        let row = sqlx::query(BUNDLE).bind(provider).bind(id.as_str()).bind(name.as_deref()).bind(attributes.as_str());
        row.execute(&mut self.target).await.expect("a row is written");
        ask();
        for field in fields {
            let row =
                sqlx::query(FIELD).bind(provider).bind(id.as_str()).bind(field.id.as_str()).bind(field.name.as_deref());
            let row = row.bind(field.value.as_deref()).bind(field.attributes.as_str());
            row.execute(&mut self.target).await.expect("a row is written");
        }
        self.documents += 1 + u32::try_from(fields.len()).expect("a few fields");
    }
}

/// A call of the source. Blocks, because a timer of the runtime is a millisecond late and the script does nothing
/// meanwhile anyway.
fn ask() {
    thread::sleep(LATENCY);
}
