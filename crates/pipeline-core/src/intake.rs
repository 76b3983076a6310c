//! What may be consumed: the topics it comes from, and how one message of them is read.

pub use pipeline_kafka::Delivery;
use pipeline_model::contracts::{About, Message};
use pipeline_settings::settings::Settings;

use crate::registry::{Codec, DecodeError};

/// Something that can be read from a topic.
///
/// Every own contract is one. What comes from elsewhere, such as the change of a table, implements it by hand: it may
/// look at key, value and headers, and a message without a value, a tombstone, may mean something to it.
pub trait Intake: Sized + Send + Sync + 'static {
    /// The topics that it comes from. Those of contracts by their contract's name, others by their own.
    fn topics(settings: &Settings) -> Vec<String>;

    /// The contracts among them, each with its schema's text: they are looked up in the registry before the first message.
    fn contracts() -> Vec<(&'static str, &'static str)> {
        Vec::new()
    }

    /// Reads one message. The same bytes give the same answer, whenever they are read; any bytes give one.
    fn decode(codec: &Codec, delivery: &Delivery) -> impl Future<Output = Result<Self, DecodeError>> + Send;

    /// What the message belongs to, when it says so.
    fn correlation(&self) -> Option<Correlation<'_>> {
        None
    }
}

/// What a message belongs to: it stands on its span, in the dead letter, and in the ledger's note of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Correlation<'a> {
    /// The run, canonical text.
    pub run_id: &'a str,
    /// What of the run.
    pub about: About<'a>,
}

impl<M: Message> Intake for M {
    fn topics(_: &Settings) -> Vec<String> {
        vec![M::TOPIC.to_owned()]
    }

    fn contracts() -> Vec<(&'static str, &'static str)> {
        vec![(M::TOPIC, M::SCHEMA)]
    }

    async fn decode(codec: &Codec, delivery: &Delivery) -> Result<Self, DecodeError> {
        codec.decode(delivery.payload.as_deref().unwrap_or_default()).await
    }

    fn correlation(&self) -> Option<Correlation<'_>> {
        Some(Correlation { run_id: self.run_id(), about: self.about() })
    }
}
