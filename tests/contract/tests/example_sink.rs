//! The example sink keeps the contract of a sink; and as processes over a real broker and a real database it writes each
//! record once, while it is killed again and again.
#![expect(clippy::unwrap_used, reason = "test code outside of test functions")]

use std::{collections::BTreeSet, time::Duration};

use contract::{
    example::{Note, NoteSink, TOPIC},
    sink::keeps_its_contract,
    world::World,
};
use nix::sys::signal::Signal;
use pipeline_kafka::{
    Outbound, Producer, admin,
    provision::{NewTopics, ensure_topics},
};
use pipeline_settings::settings;
use testkit::{
    mariadb::{Database, MariaDb},
    process::{Launch, Process},
    stack::Stack,
    wait,
};

/// How often a worker is killed.
const KILLS: usize = 12;

/// Messages sent before each of them.
const MESSAGES: usize = 400;

fn note(key: &str, text: Option<&str>) -> Outbound {
    let (key, payload) = (Some(key.as_bytes().to_vec()), text.map(|text| text.as_bytes().to_vec()));
    Outbound { topic: TOPIC.to_owned(), key, payload, headers: Vec::new() }
}

fn rows(database: &Database) -> usize {
    usize::try_from(database.session().number("SELECT COUNT(*) FROM note")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_keeps_the_contract_of_a_sink() {
    let database = MariaDb::shared().fresh_database();
    let world = World::new(&[TOPIC]).await;
    let means = |note: &Note| format!("{} {:?}", note.key, note.text);
    let golden = [note("a", Some("text")), note("b", Some("")), note("a", None)];
    let expected = ["a Some(\"text\")", "b Some(\"\")", "a None"].map(str::to_owned);
    let build = async || NoteSink::connect(&database.url()).await.unwrap();
    let golden: Vec<_> = golden.into_iter().zip(expected).collect();
    keeps_its_contract(&world, build, &golden, means, async || rows(&database)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_record_is_written_once_while_workers_are_killed() {
    let (kafka, mariadb) = (Stack::shared(), MariaDb::shared());
    let database = mariadb.fresh_database();
    let settings = settings::Kafka { bootstrap_servers: kafka.kafka.bootstrap(), ..settings::Kafka::default() };
    let topics = vec![(TOPIC.to_owned(), None)];
    ensure_topics(&settings, &NewTopics { topics, partitions: 4, replicas: 1 }).await.unwrap();
    let producer = Producer::new(&settings, |_, _| None, None).unwrap();
    let start = || {
        Launch::binary("example-sink")
            .env("SLUICE__KAFKA__BOOTSTRAP_SERVERS", &settings.bootstrap_servers)
            .env("SLUICE__KAFKA__SESSION_TIMEOUT_MS", "6000")
            .env("SLUICE__SCHEMA_REGISTRY__URL", &kafka.registry.url())
            .env("SLUICE__TARGET__URL", &database.url())
            .start()
    };
    // The tables, so that they can be counted from the first moment.
    NoteSink::connect(&database.url()).await.unwrap();
    let mut workers: Vec<Process> = vec![start(), start()];
    let mut sent = 0;
    for kill in 0..KILLS {
        let messages =
            (sent..sent + MESSAGES).map(|number| note(&format!("k{number}"), Some(&format!("text {number}"))));
        // Before they are sent: a sink may be done with all of them when that is acknowledged.
        let before = rows(&database);
        producer.send_all(messages.collect()).await.unwrap();
        sent += MESSAGES;
        wait::until_blocking("something is written", wait::PATIENCE, || (rows(&database) > before).then_some(()));
        // In the middle of whatever it does then.
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..200))).await;
        let victim = workers.remove(kill % 2);
        victim.signal(Signal::SIGKILL);
        victim.kill();
        workers.push(start());
    }
    wait::until_blocking("all are written", wait::PATIENCE, || (rows(&database) >= sent).then_some(()));
    let ends: i64 = admin::watermarks(&settings, TOPIC).unwrap().iter().map(|(_, end)| end).sum();
    assert_eq!(usize::try_from(ends).unwrap(), sent, "what was sent lies in the topic");
    for worker in workers {
        worker.stop().expect_code(0);
    }
    let found = database.session().rows("SELECT note_key, text FROM note");
    let distinct: BTreeSet<&Vec<String>> = found.iter().collect();
    assert_eq!((found.len(), distinct.len()), (sent, sent), "each record once");
    assert!(found.iter().all(|row| row[1] == row[0].replace('k', "text ")));
    let gaps = "SELECT COUNT(*) FROM note_offset o WHERE next_offset <>
                  (SELECT COUNT(*) FROM note n WHERE n.topic = o.topic AND n.number = o.number)";
    assert_eq!(database.session().number(gaps), 0, "offsets and rows tell the same");
}
