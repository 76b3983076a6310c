//! The message of a dead letter as people can read it: its record when it has one, otherwise its bytes.

use std::fmt::Write as _;

use pipeline_core::registry::{Codec, Registry};
use pipeline_kafka::Delivery;
use pipeline_model::contracts::{BatchPlanned, Confirmed, Message as Contract, RunRequested, ServiceDiscovered};
use pipeline_settings::settings::Settings;
use serde::Serialize;
use serde_json::Value;

/// Bytes of a message that are shown when it has no record.
const PREVIEW: usize = 256;

/// A message for people.
#[derive(Debug, Serialize)]
pub struct Message {
    /// Its key, when that is text; otherwise in hexadecimal digits.
    pub key: Option<String>,
    /// Bytes of its value.
    pub size: usize,
    /// Its headers, those of the dead letter included.
    pub headers: Vec<Header>,
    /// The record in its value.
    pub record: Option<Value>,
    /// Why there is no record.
    pub undecodable: Option<String>,
    /// The first bytes in hexadecimal digits, when there is no record.
    pub bytes: Option<String>,
}

/// One header.
#[derive(Debug, Serialize)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value, when that is text; otherwise in hexadecimal digits.
    pub value: Option<String>,
}

// === impl Message ===

impl Message {
    /// Reads a letter as a message of the topic that it came from.
    pub async fn read(settings: &Settings, topic: &str, letter: &Delivery) -> Self {
        let payload = letter.payload.as_deref().unwrap_or_default();
        let (record, undecodable) = match decode(settings, topic, payload).await {
            Ok(record) => (Some(record), None),
            Err(reason) => (None, Some(reason)),
        };
        let bytes = record.is_none().then(|| hex(payload.get(..PREVIEW).unwrap_or(payload)));
        let header = |(name, value): &(String, Option<Vec<u8>>)| Header {
            name: name.clone(),
            value: value.as_deref().map(text_or_hex),
        };
        Self {
            key: letter.key.as_deref().map(text_or_hex),
            size: payload.len(),
            headers: letter.headers.iter().map(header).collect(),
            record,
            undecodable,
            bytes,
        }
    }
}

async fn decode(settings: &Settings, topic: &str, payload: &[u8]) -> Result<Value, String> {
    let registry = Registry::new(&settings.schema_registry).map_err(|error| chain(&error))?;
    let codec =
        Codec::prepare(&registry, &settings.kafka.names(), &[], &[], false).await.map_err(|error| chain(&error))?;
    match topic {
        RunRequested::TOPIC => record::<RunRequested>(&codec, payload).await,
        ServiceDiscovered::TOPIC => record::<ServiceDiscovered>(&codec, payload).await,
        BatchPlanned::TOPIC => record::<BatchPlanned>(&codec, payload).await,
        Confirmed::TOPIC => record::<Confirmed>(&codec, payload).await,
        _ => Err(format!("`{topic}` is not a topic that stages read")),
    }
}

async fn record<M: Contract>(codec: &Codec, payload: &[u8]) -> Result<Value, String> {
    let record = codec.decode::<M>(payload).await.map_err(|error| chain(&error))?;
    serde_json::to_value(record).map_err(|error| error.to_string())
}

/// An error and its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn text_or_hex(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| hex(bytes), str::to_owned)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a `String` cannot fail.
        if write!(text, "{byte:02x}").is_err() {
            text.push('?');
        }
        text
    })
}
