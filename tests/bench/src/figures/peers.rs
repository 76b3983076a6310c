//! Kafka Connect with Debezium's JDBC sink, writing the same rows into the same tables on the same server.
//!
//! The sink's side of the comparison is as good as its settings allow: rows lie on topics before it starts, as small
//! JSON whose schema is in the connector's settings; batches of 2,000 rows; as many tasks as the tables have
//! partitions; the database driver's bulk protocol. It is timed from its first row in the tables to its last, so that
//! neither its start nor its first assignment counts. Sluice is timed from the request of the run to its activation,
//! with reading and parsing the source, planning and proving.
//!
//! The sink is measured in both of its modes: `upsert`, which survives the repetitions that its delivery allows, as
//! Sluice does; and `insert`, which is cheaper and stops at the first repetition.

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use pipeline_kafka::{Producer, producer::Outbound};
use pipeline_model::contracts::batch_of;
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
};
use serde_json::{Value, json};
use testkit::{
    connect::{Connect, Settings},
    mariadb::{Database, Session},
};

use super::{Bench, figure, number, verdict};
use crate::{
    pipeline::{Pipeline, Plan},
    results::{Figure, Goal, Quantity},
    rows::{self, TABLES},
    servers::drop_database,
    size::Size,
    statistics::median,
    usage,
};

/// Partitions of a topic with rows, and tasks of its connector.
const PARTITIONS: i32 = 4;
/// Rows in one batch of the sink.
const BATCH: &str = "2000";
/// How the sink writes.
const MODES: [&str; 2] = ["upsert", "insert"];
/// Between two looks at the number of rows.
const PAUSE: Duration = Duration::from_millis(20);

/// One column: its name, and its type in the sink's schema.
type Column = (String, &'static str);

/// What the rounds gave.
#[derive(Default)]
struct Rounds {
    rate: Vec<f64>,
    database_cpu: Vec<f64>,
    own_cpu: Vec<f64>,
}

pub(super) fn measure(bench: &Bench, size: Size) -> Vec<Figure> {
    let mut sluice = Rounds::default();
    let mut sinks = MODES.map(|mode| (mode, Rounds::default()));
    let mut filled = false;
    for round in 0..bench.rounds(size).min(3) {
        let plan = Plan { settings: bench.wanted.settings.clone(), ..Plan::of(&size.source(1)) };
        let pipeline = Pipeline::start(&bench.servers, &plan);
        let before = bench.servers.spent(&pipeline);
        let ran = pipeline.run(&[]);
        let spent = bench.servers.spent(&pipeline).since(&before);
        let count = rows::count(&mut pipeline.database.session());
        sluice.add(number(count), ran.seconds, spent.of("database"), spent.of_stages());
        if !std::mem::replace(&mut filled, true) {
            fill(bench, &pipeline.database);
        }
        pipeline.stop();
        for (mode, sink) in &mut sinks {
            let database = bench.servers.migrated_database();
            run_sink(bench, &database, (mode, round), count, sink);
            assert_eq!(rows::count(&mut database.session()), count, "the sink writes the same rows");
            drop_database(&database);
        }
    }
    let mut verdicts = Vec::new();
    for (mode, sink) in &sinks {
        let rate = median(&sluice.rate) / median(&sink.rate);
        let cpu = median(&sluice.database_cpu) / median(&sink.database_cpu);
        verdicts.push(verdict(&format!("as many rows per second as `{mode}`"), rate, "×", Goal::AtLeast(5.0)));
        verdicts.push(verdict(&format!("of the database CPU of `{mode}`"), cpu, "", Goal::AtMost(0.5)));
    }
    let mut quantities = sluice.quantities("Sluice", "stages");
    for (mode, sink) in sinks {
        quantities.extend(sink.quantities(&format!("JDBC sink, {mode}"), &format!("Kafka Connect, {mode}")));
    }
    vec![figure("peers", size.name(), verdicts, quantities)]
}

/// Puts every row of a database on a topic of its table.
fn fill(bench: &Bench, database: &Database) {
    let mut session = database.session();
    bench.runtime.block_on(async {
        let settings = bench.servers.settings(database);
        create_topics(&settings.kafka.bootstrap_servers).await;
        let producer = Producer::new(&settings.kafka, batch_of, None).expect("a producer");
        for table in TABLES {
            let file = bench.folder.join(format!("{table}.json"));
            dump(&mut session, table, &file);
            send(&producer, table, &file).await;
            std::fs::remove_file(&file).expect("a file can be removed");
        }
    });
}

async fn create_topics(bootstrap_servers: &str) {
    let admin: AdminClient<_> =
        ClientConfig::new().set("bootstrap.servers", bootstrap_servers).create().expect("a client");
    let names: Vec<String> = TABLES.iter().map(|table| topic(table)).collect();
    let topics: Vec<NewTopic<'_>> =
        names.iter().map(|name| NewTopic::new(name, PARTITIONS, TopicReplication::Fixed(1))).collect();
    let created = admin.create_topics(&topics, &AdminOptions::new()).await.expect("the broker answers");
    assert!(created.iter().all(Result::is_ok), "topics could not be created: {created:?}");
}

/// Writes a table as one JSON object for each row.
fn dump(session: &mut Session, table: &str, file: &Path) {
    let pairs: Vec<String> = columns(session, table)
        .into_iter()
        .map(|(name, kind)| match kind {
            "bytes" => format!("'{name}', TO_BASE64({name})"),
            _ => format!("'{name}', {name}"),
        })
        .collect();
    let (object, file) = (pairs.join(", "), file.display());
    session.run(&format!("SELECT JSON_OBJECT({object}) FROM {table} INTO OUTFILE '{file}' FIELDS ESCAPED BY ''"));
}

async fn send(producer: &Producer, table: &str, file: &Path) {
    let mut messages = Vec::new();
    for line in BufReader::new(File::open(file).expect("a dump")).lines() {
        let payload = Some(line.expect("a line of the dump").into_bytes());
        messages.push(Outbound { topic: topic(table), key: None, payload, headers: Vec::new() });
        if messages.len() == 10_000 {
            producer.send_all(std::mem::take(&mut messages)).await.expect("the rows arrive");
        }
    }
    producer.send_all(messages).await.expect("the rows arrive");
}

/// Lets the sink write all rows and adds what that took.
fn run_sink(bench: &Bench, database: &Database, (mode, round): (&str, usize), count: i64, rounds: &mut Rounds) {
    let mut session = database.session();
    let connectors: Vec<(String, Settings)> = TABLES
        .iter()
        .map(|table| (format!("{mode}-{round}-{table}"), connector(&mut session, database, table, mode)))
        .collect();
    let rows_before = bench.servers.rows_inserted(&mut session);
    let connect = Connect::start(&bench.servers.kafka.bootstrap(), &connectors);
    let mut begun = None;
    loop {
        let inserted = bench.servers.rows_inserted(&mut session) - rows_before;
        if inserted > 0.0 && begun.is_none() {
            let cpu = (bench.servers.database_cpu(), usage::cpu_seconds(connect.process_id()));
            begun = Some((Instant::now(), cpu));
        }
        if inserted >= number(count) {
            break;
        }
        connect.assert_healthy();
        thread::sleep(PAUSE);
    }
    let (begun, (database_cpu, own_cpu)) = begun.expect("the sink wrote rows");
    let seconds = begun.elapsed().as_secs_f64();
    let database_cpu = bench.servers.database_cpu() - database_cpu;
    let own_cpu = usage::cpu_seconds(connect.process_id()) - own_cpu;
    rounds.add(number(count), seconds, database_cpu, own_cpu);
}

fn connector(session: &mut Session, database: &Database, table: &str, mode: &str) -> Settings {
    let fields: Vec<Value> = columns(session, table)
        .into_iter()
        .map(|(name, kind)| json!({ "field": name, "type": kind, "optional": true }))
        .collect();
    let schema = json!({ "type": "struct", "optional": false, "name": table, "fields": fields });
    let (host, port) = database.loader.address();
    let set = |key: &'static str, value: &str| (key, value.to_owned());
    vec![
        set("connector.class", "io.debezium.connector.jdbc.JdbcSinkConnector"),
        set("tasks.max", &PARTITIONS.to_string()),
        set("topics", &topic(table)),
        set("connection.url", &format!("jdbc:mariadb://{host}:{port}/{}?useBulkStmts=true", database.name)),
        set("connection.username", database.loader.user()),
        set("connection.password", database.loader.password()),
        set("insert.mode", mode),
        set("primary.key.mode", if mode == "upsert" { "record_value" } else { "none" }),
        set("primary.key.fields", &primary_key(session, table)),
        set("schema.evolution", "none"),
        set("collection.name.format", table),
        set("quote.identifiers", "true"),
        set("batch.size", BATCH),
        set("consumer.override.max.poll.records", BATCH),
        set("consumer.override.group.protocol", "classic"),
        set("consumer.override.auto.offset.reset", "earliest"),
        set("value.converter", "org.apache.kafka.connect.json.JsonConverter"),
        set("value.converter.schemas.enable", "true"),
        set("value.converter.schema.content", &schema.to_string()),
    ]
}

/// The columns of a table and their types in a schema of Kafka Connect.
fn columns(session: &mut Session, table: &str) -> Vec<Column> {
    let rows = session.rows(&format!(
        "SELECT column_name, data_type FROM information_schema.columns
         WHERE table_schema = DATABASE() AND table_name = '{table}' ORDER BY ordinal_position"
    ));
    let column = |row: Vec<String>| {
        let [name, kind] = <[String; 2]>::try_from(row).expect("two cells");
        let kind = match kind.as_str() {
            "bigint" => "int64",
            "int" => "int32",
            "tinyint" => "int16",
            "binary" | "varbinary" => "bytes",
            _ => "string",
        };
        (name, kind)
    };
    rows.into_iter().map(column).collect()
}

/// The columns of a table's primary key, separated by commas.
fn primary_key(session: &mut Session, table: &str) -> String {
    let rows = session.rows(&format!(
        "SELECT column_name FROM information_schema.statistics
         WHERE table_schema = DATABASE() AND table_name = '{table}' AND index_name = 'PRIMARY' ORDER BY seq_in_index"
    ));
    rows.into_iter().flatten().collect::<Vec<String>>().join(",")
}

fn topic(table: &str) -> String {
    format!("rows.{table}")
}

impl Rounds {
    fn add(&mut self, rows: f64, seconds: f64, database_cpu: f64, own_cpu: f64) {
        println!("bench:   {:.0} rows/s", rows / seconds);
        self.rate.push(rows / seconds);
        self.database_cpu.push(database_cpu / rows * 1e6);
        self.own_cpu.push(own_cpu / rows * 1e6);
    }

    fn quantities(self, who: &str, process: &str) -> Vec<Quantity> {
        let unit = "s per million rows";
        vec![
            Quantity::new(who, "rows/s", self.rate),
            Quantity::new(&format!("database CPU, {who}"), unit, self.database_cpu),
            Quantity::new(&format!("CPU of {process}"), unit, self.own_cpu),
        ]
    }
}
