//! What each fuzz target does with its bytes. A test of the workspace does the same with the kept corpus.
//!
//! Bytes of any kind give a value or an error: no panic, no endless loop, no memory without bound. Where there is a second
//! way to say the same, both have to agree.

use std::sync::LazyLock;

use apache_avro::Schema;
use pipeline_core::{
    registry::{Reading, SchemaId, datum::Layout},
    runtime,
};
use pipeline_kafka::{Delivery, Partition, Position};
use pipeline_model::contracts;
use pipeline_settings::{
    configuration::{self, Options},
    settings::Mapping,
};
use pipeline_source::mapping;
use pipeline_telemetry::TraceContext;

/// The wire format, and the datum in it as a record of each contract.
pub fn wire(bytes: &[u8]) {
    static READINGS: LazyLock<Vec<Reading>> =
        LazyLock::new(|| contracts::ALL.iter().filter_map(|(_, schema)| Reading::new(schema, schema).ok()).collect());
    assert_eq!(READINGS.len(), contracts::ALL.len());
    if let (Some(_), Some(datum)) = (SchemaId::of_message(bytes), bytes.get(5..)) {
        for reading in READINGS.iter() {
            drop(reading.value(datum));
        }
    }
}

/// A datum of a schema with every kind of type, and one of a schema that makes few bytes into many values. What passes the
/// check before decoding is decoded to its end.
pub fn datum(bytes: &[u8]) {
    static SCHEMAS: LazyLock<Vec<(Schema, Layout, Reading)>> = LazyLock::new(|| {
        let schemas = [include_str!("everything.avsc"), include_str!("doubling.avsc")].iter().filter_map(|text| {
            let schema = Schema::parse_str(text).ok()?;
            let layout = Layout::of(text).ok()?;
            Some((schema, layout, Reading::new(text, text).ok()?))
        });
        schemas.collect()
    });
    assert_eq!(SCHEMAS.len(), 2);
    for (schema, layout, reading) in SCHEMAS.iter() {
        let checked = layout.check(bytes);
        let read = reading.value(bytes);
        assert!(checked.is_ok() || read.is_err());
        if checked.is_ok() {
            let mut rest = bytes;
            let decoder = apache_avro::reader::datum::GenericDatumReader::builder(schema).build();
            // Text that is not UTF-8 and symbols that do not exist are the decoder's to find.
            if decoder.is_ok_and(|decoder| decoder.read_value(&mut rest).is_ok()) {
                assert!(rest.is_empty());
            }
        }
    }
}

/// A schema as a registry hands it out: by itself, and with one of ours on either side.
pub fn schema(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let strict = pipeline_schema::Schema::parse(text);
    let lenient = pipeline_schema::Schema::parse_lenient(text);
    assert!(strict.is_err() || lenient.is_ok());
    for (_, ours) in contracts::ALL {
        drop(Reading::new(text, ours));
    }
    if let Ok(reading) = Reading::new(text, text) {
        drop(reading.value(&[]));
        drop(reading.value(&[0; 64]));
    }
}

/// A document of each level of the hierarchy.
pub fn document(bytes: &[u8]) {
    let names = Mapping::default();
    drop(mapping::service(bytes, &names.provider_services));
    drop(mapping::provider(bytes, &names.providers));
    drop(mapping::bundle(bytes, &names.bundles, &names.subscription_fields));
    drop(mapping::field(bytes, &names.subscription_fields));
}

/// The headers of a message, and the message that a dead letter was: names and values between zero bytes.
pub fn envelope(bytes: &[u8]) {
    let mut headers = Vec::new();
    let mut pieces = bytes.split(|byte| *byte == 0);
    while let Some(name) = pieces.next() {
        let value = pieces.next().map(<[u8]>::to_vec);
        headers.push((String::from_utf8_lossy(name).into_owned(), value));
    }
    for (_, value) in &headers {
        if let Some(text) = value.as_deref().and_then(|value| std::str::from_utf8(value).ok())
            && let Ok(context) = TraceContext::parse(text)
        {
            assert_eq!((context.trace_id().len(), context.span_id().len()), (32, 16));
        }
    }
    let partition = Partition { topic: "t".to_owned(), number: 0 };
    let letter = Delivery { position: Position { partition, offset: 0 }, key: None, payload: None, headers };
    let _ = letter.header(runtime::header::RUN_ID);
    let message = runtime::replayed(letter, "t", 1);
    let replays = message.headers.iter().filter(|(name, _)| name == runtime::header::REPLAY_OF).count();
    assert_eq!(replays, 1);
}

/// A configuration file. It is read without a fault, or the faults can be shown.
pub fn configuration(bytes: &[u8]) {
    let Ok(file) = tempfile::NamedTempFile::new() else { return };
    if std::fs::write(file.path(), bytes).is_err() {
        return;
    }
    let options =
        Options { file: Some(file.path().to_owned()), environment: std::iter::empty(), overrides: Vec::new() };
    match configuration::load(options) {
        Ok(loaded) => drop(configuration::view(&loaded)),
        Err(error) => assert!(error.to_string().chars().all(|c| c == '\n' || !c.is_control())),
    }
}
