use std::collections::BTreeSet;

use apache_avro::{AvroSchema, types::Value};
use pipeline_model::{
    contracts::{self, Activated, BatchPlanned, Confirmation, Confirmed, RunRequested, ServiceDiscovered},
    disposition::{Classify, Disposition},
};
use pipeline_settings::settings;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::*;
use crate::registry::{EmbeddedRegistry, Level, datum::tests::doubling};

/// A record of three fields, and what it was before the last two came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, AvroSchema)]
#[serde(rename = "Evolving")]
struct New {
    id: String,
    size: i64,
    kind: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, AvroSchema)]
#[serde(rename = "Evolving")]
struct Old {
    id: String,
}

macro_rules! version {
    ($type:ident, $schema:literal) => {
        impl Message for $type {
            const TOPIC: &'static str = "evolving";
            const SCHEMA: &'static str = $schema;

            fn key(&self) -> String {
                self.id.clone()
            }

            fn run_id(&self) -> &str {
                &self.id
            }
        }
    };
}

version!(Old, r#"{"type":"record","name":"Evolving","fields":[{"name":"id","type":"string"}]}"#);
version!(
    New,
    r#"{"type":"record","name":"Evolving","fields":[{"name":"id","type":"string"},
        {"name":"size","type":"long","default":7},{"name":"kind","type":["null","string"],"default":null}]}"#
);

const SUBJECT: &str = "evolving-value";

struct Bench {
    embedded: EmbeddedRegistry,
    registry: Registry,
}

impl Bench {
    async fn new() -> Self {
        let embedded = EmbeddedRegistry::start("127.0.0.1:0").await.unwrap();
        let settings = settings::SchemaRegistry { url: embedded.url().to_owned(), ..Default::default() };
        Self { registry: Registry::new(&settings).unwrap(), embedded }
    }

    /// A codec that reads and writes every record of the contracts.
    async fn codec(&self) -> Codec {
        Codec::prepare(&self.registry, &Names::default(), &contracts::ALL, &contracts::ALL, true).await.unwrap()
    }

    /// A codec as one version of a program has it.
    async fn version<M: Message>(&self) -> Codec {
        let contract = [(M::TOPIC, M::SCHEMA)];
        Codec::prepare(&self.registry, &Names::default(), &contract, &contract, true).await.unwrap()
    }
}

async fn example_survives<M: Message + PartialEq + std::fmt::Debug>(codec: &Codec) {
    let path = format!("{}/../../schemas/examples/{}.json", env!("CARGO_MANIFEST_DIR"), M::TOPIC);
    let text = std::fs::read_to_string(path).unwrap();
    let record: M = serde_json::from_str(&text).unwrap();
    // Nothing of the example is lost on the way into the type.
    let example: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_value(&record).unwrap(), example);
    let schema = Schema::parse_str(M::SCHEMA).unwrap();
    let bytes = codec.encode(&record).unwrap();
    let value = apache_avro::reader::datum::GenericDatumReader::builder(&schema)
        .build()
        .unwrap()
        .read_value(&mut &bytes[HEADER_LEN..])
        .unwrap();
    assert!(value.validate(&schema));
    assert_eq!(codec.decode::<M>(&bytes).await.unwrap(), record);
}

#[tokio::test]
async fn every_example_is_read_and_written_with_its_schema_and_its_type() {
    let bench = Bench::new().await;
    let codec = bench.codec().await;
    example_survives::<RunRequested>(&codec).await;
    example_survives::<ServiceDiscovered>(&codec).await;
    example_survives::<BatchPlanned>(&codec).await;
    example_survives::<Confirmed>(&codec).await;
    example_survives::<Activated>(&codec).await;
}

#[test]
fn every_record_has_an_example() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/examples");
    let files: BTreeSet<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(files, contracts::ALL.iter().map(|(topic, _)| format!("{topic}.json")).collect());
}

#[tokio::test]
async fn a_message_is_a_zero_byte_the_id_and_the_datum() {
    let bench = Bench::new().await;
    let codec = bench.version::<Old>().await;
    let bytes = codec.encode(&Old { id: "ab".to_owned() }).unwrap();
    assert_eq!(bytes, [0, 0, 0, 0, 1, 4, b'a', b'b']);
}

#[tokio::test]
async fn old_and_new_programs_read_each_others_messages() {
    let bench = Bench::new().await;
    bench.registry.set_level(SUBJECT, Level::FullTransitive).await.unwrap();
    let old = bench.version::<Old>().await;
    let new = bench.version::<New>().await;
    // An old program that starts after the new schema is there finds its own version and can read the newest.
    let old_again = bench.version::<Old>().await;

    let from_old = old.encode(&Old { id: "a".to_owned() }).unwrap();
    let read = new.decode::<New>(&from_old).await.unwrap();
    assert_eq!(read, New { id: "a".to_owned(), size: 7, kind: None });

    let from_new = new.encode(&New { id: "b".to_owned(), size: 1, kind: Some("k".to_owned()) }).unwrap();
    for reader in [old, old_again] {
        assert_eq!(reader.decode::<Old>(&from_new).await.unwrap(), Old { id: "b".to_owned() });
    }
}

#[tokio::test]
async fn a_symbol_of_a_newer_program_becomes_the_default_of_an_older_one() {
    let bench = Bench::new().await;
    let codec = bench.version::<Confirmed>().await;
    let newer = Confirmed::SCHEMA.replace(r#""BATCH_STORED"],"#, r#""BATCH_STORED", "SERVICE_EMPTY"],"#);
    assert_ne!(newer, Confirmed::SCHEMA);
    bench.registry.set_level("sluice.sync.confirmed.v1-value", Level::FullTransitive).await.unwrap();
    let id = bench.registry.register("sluice.sync.confirmed.v1-value", &newer).await.unwrap().id;
    let schema = Schema::parse_str(&newer).unwrap();
    let fields = [
        ("run_id", Value::from("r")),
        ("generation", Value::Long(1)),
        ("service_id", Value::from("s")),
        ("what", Value::Enum(2, "SERVICE_EMPTY".to_owned())),
        ("batch_no", Value::Union(0, Box::new(Value::Null))),
        ("providers", Value::Long(0)),
        ("rejected", Value::Long(0)),
    ];
    let value = Value::Record(fields.map(|(name, value)| (name.to_owned(), value)).into());
    let datum = GenericDatumWriter::builder(&schema).build().unwrap().write_value_to_vec(value).unwrap();
    let read = codec.decode::<Confirmed>(&[&header(id)[..], &datum].concat()).await.unwrap();
    assert_eq!(read.what, Confirmation::BatchStored);
}

#[tokio::test]
async fn a_program_whose_schema_is_absent_or_incompatible_does_not_start() {
    let bench = Bench::new().await;
    let contract = [(Old::TOPIC, Old::SCHEMA)];
    for (reads, writes) in [(&contract[..], &[][..]), (&[], &contract)] {
        let absent = Codec::prepare(&bench.registry, &Names::default(), reads, writes, false).await.unwrap_err();
        assert!(matches!(&absent, Error::NotRegistered { subject } if subject == SUBJECT), "{absent}");
        assert_eq!(absent.disposition(), Disposition::Halt);
        assert!(absent.to_string().contains("run `sluice schema register`"));
    }
    // Somebody registers what the old program cannot read.
    bench.registry.set_level(SUBJECT, Level::None).await.unwrap();
    bench.registry.register(SUBJECT, Old::SCHEMA).await.unwrap();
    bench.registry.register(SUBJECT, &Old::SCHEMA.replace("string", "int")).await.unwrap();
    let incompatible = Codec::prepare(&bench.registry, &Names::default(), &contract, &[], false).await.unwrap_err();
    assert!(matches!(&incompatible, Error::Incompatible { .. }), "{incompatible}");
    assert_eq!(incompatible.disposition(), Disposition::Halt);
    // It may still write its own registered version.
    Codec::prepare(&bench.registry, &Names::default(), &[], &contract, false).await.unwrap();
}

#[tokio::test]
async fn looking_up_registers_nothing() {
    let bench = Bench::new().await;
    Codec::prepare(&bench.registry, &Names::default(), &contracts::ALL, &contracts::ALL, false).await.unwrap_err();
    assert_eq!(bench.registry.subjects().await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn what_can_never_be_read_is_rejected_with_its_own_code() {
    let bench = Bench::new().await;
    let codec = bench.version::<New>().await;
    bench.registry.set_level(SUBJECT, Level::None).await.unwrap();
    let record = r#"{"type":"record","name":"Other","fields":[{"name":"id","type":"string"}]}"#;
    let other = bench.registry.register("other-value", record).await.unwrap().id;
    let text_size = New::SCHEMA.replace("\"long\",\"default\":7", "\"string\"");
    let text_size = bench.registry.register(SUBJECT, &text_size).await.unwrap().id;
    let whole = codec.encode(&New { id: "a".to_owned(), size: 1, kind: None }).unwrap();
    let with = |id: SchemaId, datum: &[u8]| [&header(id), datum].concat();
    let cases: [(&str, Vec<u8>); 10] = [
        ("SLUICE-MESSAGE-001", vec![]),
        ("SLUICE-MESSAGE-002", vec![0, 0, 0, 1]),
        ("SLUICE-MESSAGE-002", b"{\"id\":\"a\"}".to_vec()),
        // The last byte says which branch of a union follows; the decoder alone would take its absence for null.
        ("SLUICE-MESSAGE-003", whole[..whole.len() - 1].to_vec()),
        ("SLUICE-MESSAGE-003", [&whole[..], &[0]].concat()),
        ("SLUICE-MESSAGE-003", whole[..HEADER_LEN].to_vec()),
        ("SLUICE-MESSAGE-003", with(SchemaId(1), &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1])),
        ("SLUICE-MESSAGE-005", with(other, &[2, b'a'])),
        ("SLUICE-MESSAGE-005", with(text_size, &[2, b'a', 2, b'1', 0])),
        ("SLUICE-MESSAGE-006", with(SchemaId(1), &[2, 0xff, 0, 0])),
    ];
    for (code, bytes) in cases {
        let error = codec.decode::<New>(&bytes).await.unwrap_err();
        assert_eq!((error.code(), error.disposition()), (code, Disposition::Reject), "{error} for {bytes:?}");
    }
}

#[tokio::test]
async fn an_unknown_schema_may_become_known_and_is_asked_for_again() {
    let bench = Bench::new().await;
    let codec = bench.version::<Old>().await;
    let known = codec.encode(&Old { id: "a".to_owned() }).unwrap();
    let ahead = [&header(SchemaId(2)), &known[HEADER_LEN..], &[14, 0]].concat();
    for _ in 0..2 {
        let error = codec.decode::<Old>(&ahead).await.unwrap_err();
        assert_eq!((error.code(), error.disposition()), ("SLUICE-MESSAGE-004", Disposition::Retry));
        assert!(error.retry_after().is_some());
    }
    assert_eq!(bench.registry.register(SUBJECT, New::SCHEMA).await.unwrap().id, SchemaId(2));
    assert_eq!(codec.decode::<Old>(&ahead).await.unwrap(), Old { id: "a".to_owned() });
}

#[tokio::test]
async fn a_registry_that_is_away_is_no_fault_of_the_message() {
    let bench = Bench::new().await;
    let codec = bench.version::<Old>().await;
    let known = codec.encode(&Old { id: "a".to_owned() }).unwrap();
    codec.decode::<Old>(&known).await.unwrap();
    bench.embedded.shutdown().await;
    // A schema that has been seen needs no registry any more.
    codec.decode::<Old>(&known).await.unwrap();
    let unseen = [&header(SchemaId(2)), &known[HEADER_LEN..]].concat();
    let error = codec.decode::<Old>(&unseen).await.unwrap_err();
    assert_eq!((error.code(), error.disposition()), ("SLUICE-REGISTRY-001", Disposition::Unavailable));
}

#[tokio::test]
async fn a_topic_that_was_not_prepared_cannot_be_written() {
    let bench = Bench::new().await;
    let codec = bench.codec().await;
    let error = codec.encode(&Old { id: "a".to_owned() }).unwrap_err();
    assert_eq!((error.code(), error.disposition()), ("SLUICE-MESSAGE-007", Disposition::Halt));
}

#[test]
fn arbitrary_bytes_give_a_record_or_an_error_and_never_a_panic() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let bench = runtime.block_on(Bench::new());
    let (codec, old) = runtime.block_on(async { (bench.codec().await, bench.version::<Old>().await) });
    let new = runtime.block_on(bench.version::<New>());
    let real = new.encode(&New { id: "abc".to_owned(), size: -1, kind: Some("k".to_owned()) }).unwrap();
    let mutated = (0..real.len(), any::<u8>()).prop_map(move |(place, byte)| {
        let mut bytes = real.clone();
        bytes[place] = byte;
        bytes
    });
    let known_schema = (1..8_u32, proptest::collection::vec(any::<u8>(), 0..100))
        .prop_map(|(id, datum)| [&header(SchemaId(id))[..], &datum].concat());
    let any_bytes = prop_oneof![proptest::collection::vec(any::<u8>(), 0..40), mutated, known_schema];
    // The registry stays up, so that unknown ids are asked for and refused like in life.
    proptest!(ProptestConfig::with_cases(300), |(bytes in any_bytes)| {
        runtime.block_on(async {
            codec.decode::<RunRequested>(&bytes).await.ok();
            codec.decode::<BatchPlanned>(&bytes).await.ok();
            old.decode::<Old>(&bytes).await.ok();
            // What is read must be writable again, to the same record.
            if let Ok(record) = new.decode::<New>(&bytes).await {
                let written = new.encode(&record).unwrap();
                assert_eq!(new.decode::<New>(&written).await.unwrap(), record);
            }
        });
    });
}

#[tokio::test]
async fn a_schema_that_makes_few_bytes_into_many_values_is_refused_before_anything_is_built() {
    let bench = Bench::new().await;
    let codec = bench.version::<Old>().await;
    for (levels, innermost) in [(50, ""), (50, r#"{"name":"n","type":"null"}"#), (21, "")] {
        let bomb = doubling(levels, innermost);
        let writer = format!(
            r#"{{"type":"record","name":"Evolving","fields":[{{"name":"id","type":"string"}},{{"name":"b","type":{bomb}}}]}}"#
        );
        let id = bench.registry.register("anything-value", &writer).await.unwrap().id;
        let error = codec.decode::<Old>(&[&header(id)[..], &[4, b'a', b'b']].concat()).await.unwrap_err();
        assert_eq!((error.disposition(), error.code()), (Disposition::Reject, "SLUICE-MESSAGE-009"), "{error}");
        bench.registry.delete_version("anything-value", 1).await.unwrap();
    }
}

#[tokio::test]
async fn a_schema_that_is_larger_than_a_schema_may_be_makes_its_messages_rejects() {
    // More than the embedded registry takes itself, as another registry would.
    let records =
        (1..300).map(|n| format!(r#"{{"type":"record","name":"R{n}","fields":[{{"name":"f","type":"R{}"}}]}}"#, n - 1));
    let first = r#"{"type":"record","name":"R0","fields":[]}"#.to_owned();
    let deep = format!("[{}]", std::iter::once(first).chain(records).collect::<Vec<_>>().join(","));
    let registry = serving(r#"{"schema":SCHEMA}"#.replace("SCHEMA", &serde_json::Value::from(deep).to_string())).await;
    let error = registry.by_id(SchemaId(7)).await.unwrap_err();
    assert_eq!((error.disposition(), error.code()), (Disposition::Reject, "SLUICE-REGISTRY-009"), "{error}");
    assert!(error.to_string().contains("more than 256 levels deep"), "{error}");
}

/// A registry that answers everything with this.
async fn serving(body: String) -> Registry {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = axum::Router::new().fallback(axum::routing::any(async move || body));
    tokio::spawn(axum::serve(listener, router).into_future());
    Registry::new(&settings::SchemaRegistry { url, ..Default::default() }).unwrap()
}
