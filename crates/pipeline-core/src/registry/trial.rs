//! Trying a schema that no program has yet on messages that are there.
//!
//! What the rules say of schemas is proven here on data: the message is read as a program with the proposed schema
//! would read it, by the decoder that the stages use.

use apache_avro::Schema;

use super::{DecodeError, Error, Reading, Registry, codec::split};

/// A schema on trial.
#[derive(Debug)]
pub struct Trial {
    topic: &'static str,
    text: String,
}

// === impl Trial ===

impl Trial {
    /// Puts a schema on trial for a topic's values.
    pub fn new(topic: &'static str, schema: &str) -> Result<Self, Error> {
        let invalid = |source| Error::InvalidSchema {
            subject: pipeline_model::contracts::subject(topic),
            source: Box::new(source),
        };
        Schema::parse_str(schema).map_err(invalid)?;
        Ok(Self { topic, text: schema.to_owned() })
    }

    /// Whether a program with this schema could read the message.
    ///
    /// # Errors
    /// Why it could not; [`DecodeError::Registry`] when the writer's schema could not be asked for.
    pub async fn read(&self, registry: &Registry, message: &[u8]) -> Result<(), DecodeError> {
        let (id, datum) = split(message)?;
        let unresolvable = |reason| DecodeError::Unresolvable { topic: self.topic, id, reason };
        let writer = match registry.by_id(id).await {
            Ok(schema) => schema,
            Err(Error::UnknownId { id }) => return Err(DecodeError::UnknownSchema { id }),
            Err(Error::Unusable { reason, .. }) => return Err(unresolvable(reason)),
            Err(source) => return Err(DecodeError::Registry { id, source }),
        };
        let reading = Reading::new(&writer.text, &self.text).map_err(unresolvable)?;
        reading.value(datum).map_err(|unread| DecodeError::unread(self.topic, id, unread))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use pipeline_model::contracts::{Message, RunRequested};
    use pipeline_settings::settings::{self, Names};

    use super::*;
    use crate::registry::{Codec, EmbeddedRegistry};

    #[tokio::test]
    async fn a_proposed_schema_is_tried_on_the_bytes() {
        let embedded = EmbeddedRegistry::start("127.0.0.1:0").await.unwrap();
        let settings = settings::SchemaRegistry { url: embedded.url().to_owned(), ..Default::default() };
        let registry = Registry::new(&settings).unwrap();
        let writes = [(RunRequested::TOPIC, RunRequested::SCHEMA)];
        let codec = Codec::prepare(&registry, &Names::default(), &[], &writes, true).await.unwrap();
        let record = RunRequested {
            run_id: "r".to_owned(),
            requested_by: "t".to_owned(),
            requested_at_ms: 1,
            activation: pipeline_model::contracts::Activation::WholeRun,
            scope: Vec::new(),
            batch_size: 1,
            max_rejected_providers: None,
            max_rejected_percent: None,
            target: None,
        };
        let message = codec.encode(&record).unwrap();
        let read =
            async |schema: &str| Trial::new(RunRequested::TOPIC, schema).unwrap().read(&registry, &message).await;

        read(RunRequested::SCHEMA).await.unwrap();
        let narrowed =
            RunRequested::SCHEMA.replace(r#""requested_at_ms", "type": "long""#, r#""requested_at_ms", "type": "int""#);
        assert!(matches!(read(&narrowed).await, Err(DecodeError::Unresolvable { .. })));
        // This message has the symbol that the proposed schema drops; another one might not.
        let dropped = RunRequested::SCHEMA.replace(
            r#""symbols": ["PER_SERVICE", "WHOLE_RUN"], "default": "PER_SERVICE""#,
            r#""symbols": ["PER_SERVICE"]"#,
        );
        assert_ne!(dropped, RunRequested::SCHEMA);
        assert!(matches!(read(&dropped).await, Err(DecodeError::Unfit { .. })));
    }
}
