//! Trying a schema that no program has yet on messages that are there.
//!
//! What the rules say of schemas is proven here on data: the message is read as a program with the proposed schema
//! would read it, by the decoder that the stages use.

use apache_avro::{Schema, reader::datum::GenericDatumReader};

use super::{DecodeError, Error, Registry, codec::split, compatibility::may_read, datum::Layout};

/// A schema on trial.
#[derive(Debug)]
pub struct Trial {
    topic: &'static str,
    reader: Schema,
    text: String,
}

// === impl Trial ===

impl Trial {
    /// Puts a schema on trial for a topic's values.
    pub fn new(topic: &'static str, schema: &str) -> Result<Self, Error> {
        let invalid =
            |source| Error::InvalidSchema { subject: crate::contracts::subject(topic), source: Box::new(source) };
        Ok(Self { topic, reader: Schema::parse_str(schema).map_err(invalid)?, text: schema.to_owned() })
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
        let written = serde_json::to_string(writer.as_ref()).map_err(|error| unresolvable(error.to_string()))?;
        may_read(&written, &self.text).map_err(unresolvable)?;
        let layout = Layout::of(&writer).map_err(unresolvable)?;
        layout.check(datum).map_err(|source| DecodeError::Damaged { id, source })?;
        let unfit = |source| DecodeError::Unfit { topic: self.topic, id, source: Box::new(source) };
        let resolving = GenericDatumReader::builder(&writer).reader_schema(&self.reader).build().map_err(unfit)?;
        resolving.read_value(&mut &*datum).map_err(unfit)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        contracts::{Message, RunRequested},
        registry::{Codec, EmbeddedRegistry},
        settings,
    };

    #[tokio::test]
    async fn a_proposed_schema_is_tried_on_the_bytes() {
        let embedded = EmbeddedRegistry::start("127.0.0.1:0").await.unwrap();
        let settings = settings::SchemaRegistry { url: embedded.url().to_owned(), ..Default::default() };
        let registry = Registry::new(&settings).unwrap();
        let writes = [(RunRequested::TOPIC, RunRequested::SCHEMA)];
        let codec = Codec::prepare(&registry, &[], &writes, true).await.unwrap();
        let record = RunRequested {
            run_id: "r".to_owned(),
            requested_by: "t".to_owned(),
            requested_at_ms: 1,
            activation: crate::contracts::Activation::WholeRun,
            scope: Vec::new(),
            batch_size: 1,
            max_rejected_providers: None,
            max_rejected_percent: None,
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
