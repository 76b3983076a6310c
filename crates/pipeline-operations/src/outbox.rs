//! Messages to the stages, from somebody who is none. All are acknowledged before anybody hears that they were sent.

use pipeline_core::{
    registry::{Codec, Registry},
    runtime::header,
};
use pipeline_kafka::{Outbound, Position, Producer};
use pipeline_model::{
    contracts::{BatchPlanned, Message, RunRequested, ServiceDiscovered, batch_of},
    ids::RunId,
};
use pipeline_telemetry::span::producer_span;

use crate::{Error, Installation};

/// Everything that an operation may send to a stage.
const TO_STAGES: [(&str, &str); 3] = [
    (RunRequested::TOPIC, RunRequested::SCHEMA),
    (ServiceDiscovered::TOPIC, ServiceDiscovered::SCHEMA),
    (BatchPlanned::TOPIC, BatchPlanned::SCHEMA),
];

/// What it takes to speak to the stages.
pub struct Outbox {
    codec: Codec,
    producer: Producer,
}

// === impl Outbox ===

impl Outbox {
    /// Looks up the schemas of everything that a stage may be sent, and makes a producer. Sends nothing.
    ///
    /// # Errors
    /// When the registry lacks a schema or is away, and when no producer can be made.
    pub async fn prepare(at: &Installation<'_>) -> Result<Self, Error> {
        Self::prepare_for(at, &TO_STAGES).await
    }

    /// The same for messages of these topics only, each with its schema text.
    pub async fn prepare_for(at: &Installation<'_>, writes: &[(&str, &str)]) -> Result<Self, Error> {
        let settings = at.settings;
        let registry = Registry::new(&settings.schema_registry)?;
        let names = settings.kafka.names();
        let codec = Codec::prepare(&registry, &names, &[], writes, settings.stage.register_schemas).await?;
        let producer = Producer::at_least_once(&settings.kafka, batch_of, at.budget.cloned())?;
        Ok(Self { codec, producer })
    }

    /// The message as it goes over the wire, in the trace of its run: below a span that ends here.
    pub fn outbound<M: Message>(&self, message: &M) -> Result<Outbound, Error> {
        let payload = self.codec.encode(message)?;
        let mut headers = vec![(header::RUN_ID.to_owned(), Some(message.run_id().as_bytes().to_vec()))];
        if let Ok(run_id) = RunId::parse(message.run_id()) {
            let sent = producer_span(M::TOPIC, Some(run_id), None);
            headers.push((header::TRACEPARENT.to_owned(), Some(sent.context.to_string().into_bytes())));
        }
        Ok(Outbound {
            topic: M::TOPIC.to_owned(),
            key: Some(message.key().into_bytes()),
            payload: Some(payload),
            headers,
        })
    }

    /// Sends; all messages are acknowledged when it returns without an error. Gives where each of them lies.
    pub async fn send(&self, messages: Vec<Outbound>) -> Result<Vec<Position>, Error> {
        Ok(self.producer.send_all(messages).await?)
    }
}
