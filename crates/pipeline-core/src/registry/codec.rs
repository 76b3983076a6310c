//! The wire format: a zero byte, the schema's id in four bytes (big end first), then the Avro datum.
//!
//! Decoding follows the writer's schema, found by its id, and resolves it to the schema this program was built with,
//! so that old and new versions of a stage read each other's messages. When both have the same layout, which is the
//! rule, records are decoded without an intermediate value. What has to be known of a schema is worked out once for
//! each id; a message then costs no request and no parsing. For the schemas that every program meets, its own and the
//! newest of what it reads, that is done at the start: a registry that goes away later holds up only messages whose
//! writer is of another version.
//!
//! Any bytes give a record or a [`DecodeError`]: [`Layout`] checks the datum before the decoder sees it.

use std::{collections::HashMap, sync::Arc};

use apache_avro::{
    Error as AvroError, GenericSingleObjectReader, Schema, from_value, util::max_allocation_bytes,
    writer::datum::GenericDatumWriter,
};
use pipeline_model::contracts::Message;
use pipeline_settings::settings::Names;

use super::{
    Error, Reading, Registry, SchemaId, client::Stored, compatibility::can_read, datum::Layout, once_map::OnceMap,
    reading,
};

mod error;
#[cfg(test)]
mod tests;

pub use error::{DecodeError, EncodeError};

/// The first byte of every message in the registry's format.
const MAGIC: u8 = 0;

/// Magic byte and schema id.
const HEADER_LEN: usize = 5;

/// What one value of a message may make the decoder allocate: far above the largest message, far below the memory.
const MAX_ALLOCATION: usize = 64 * 1024 * 1024;

/// Turns records into messages and back; cheap to clone.
#[derive(Clone, Debug)]
pub struct Codec {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    registry: Registry,
    written: HashMap<String, Written>,
    decoders: OnceMap<(&'static str, SchemaId), Arc<Decoder>>,
}

/// A schema that this program writes, with the id it is registered under.
#[derive(Debug)]
struct Written {
    header: [u8; HEADER_LEN],
    schema: Schema,
}

/// How messages of one writer's schema become records of one type.
enum Decoder {
    /// The layouts are the same.
    Direct { layout: Layout, reader: GenericSingleObjectReader },
    /// The layouts differ: decode as the writer had it, then resolve.
    Resolve { reading: Reading },
    /// This program has no way to read it. Remembered, because such messages seldom come alone.
    Impossible { reason: String },
}

// === impl Codec ===

impl Codec {
    /// Makes sure that every schema is as this program needs it: those of `writes` are registered, and the newest of
    /// each of `reads` is readable. Both are lists of a contract's topic and its schema's text; `names` says what the
    /// subject is called. With `register`, for development, absent schemas are registered.
    ///
    /// # Errors
    /// [`Error::NotRegistered`] and [`Error::Incompatible`] when a schema is absent or does not go together with ours;
    /// an error of disposition *unavailable* when it is worth asking again.
    pub async fn prepare(
        registry: &Registry,
        names: &Names,
        reads: &[(&'static str, &str)],
        writes: &[(&str, &str)],
        register: bool,
    ) -> Result<Self, Error> {
        // Takes effect once for the process; the library's own limit is half a gigabyte.
        max_allocation_bytes(MAX_ALLOCATION);
        registry.ping().await?;
        let mut written = HashMap::new();
        let decoders = OnceMap::default();
        for (topic, text) in writes {
            let subject = names.subject(topic);
            let schema = parse(&subject, text)?;
            let id = if register {
                registry.register(&subject, text).await?.id
            } else {
                registry.lookup(&subject, text).await?.ok_or_else(|| Error::NotRegistered { subject })?
            };
            written.insert((*topic).to_owned(), Written { header: header(id), schema });
        }
        for (topic, text) in reads {
            let subject = names.subject(topic);
            if register {
                registry.register(&subject, text).await?;
            }
            let ours = parse(&subject, text)?;
            let (newest, writer) = readable(registry, &subject, text).await?;
            decoders.put((*topic, newest), Decoder::of(&writer, ours.clone(), text));
            // Ours need not be the newest.
            if let Some(id) = registry.lookup(&subject, text).await? {
                let unusable = |reason| Error::Unusable { what: format!("this program's of `{subject}`"), reason };
                let own = Stored { schema: reading::written(text).map_err(unusable)?, text: (*text).to_owned() };
                decoders.put((*topic, id), Decoder::of(&own, ours, text));
            }
        }
        let inner = Inner { registry: registry.clone(), written, decoders };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The message for a record of a topic that [`Codec::prepare`] was told of as written.
    pub fn encode<M: Message>(&self, message: &M) -> Result<Vec<u8>, EncodeError> {
        let written = self.inner.written.get(M::TOPIC).ok_or(EncodeError::NotPrepared { topic: M::TOPIC })?;
        let unfit = |source| EncodeError::Unfit { topic: M::TOPIC, source: Box::new(source) };
        let mut bytes = written.header.to_vec();
        let writer = GenericDatumWriter::builder(&written.schema).build().map_err(unfit)?;
        writer.write_ser(&mut bytes, message).map_err(unfit)?;
        Ok(bytes)
    }

    /// The record in a message. An empty message is what Kafka calls a tombstone, and no record.
    pub async fn decode<M: Message>(&self, bytes: &[u8]) -> Result<M, DecodeError> {
        let (id, datum) = split(bytes)?;
        let decoder = self.inner.decoders.get_or_make((M::TOPIC, id), || self.decoder::<M>(id)).await?;
        let faulty = |source| DecodeError::faulty(id, source);
        let unfit = |source: AvroError| DecodeError::Unfit { topic: M::TOPIC, id, source: Box::new(source).into() };
        match decoder.as_ref() {
            Decoder::Direct { layout, reader } => {
                layout.check(datum).map_err(faulty)?;
                // The reader was told to expect no header, so it starts at the datum.
                reader.read_deser(&mut &*datum).map_err(unfit)
            }
            Decoder::Resolve { reading } => {
                let value = reading.value(datum).map_err(|unread| DecodeError::unread(M::TOPIC, id, unread))?;
                from_value(&value).map_err(unfit)
            }
            Decoder::Impossible { reason } => {
                Err(DecodeError::Unresolvable { topic: M::TOPIC, id, reason: reason.clone() })
            }
        }
    }

    /// The registry that schemas are read from.
    pub fn registry(&self) -> &Registry {
        &self.inner.registry
    }

    async fn decoder<M: Message>(&self, id: SchemaId) -> Result<Arc<Decoder>, DecodeError> {
        let writer = match self.inner.registry.by_id(id).await {
            Ok(schema) => schema,
            Err(Error::UnknownId { id }) => return Err(DecodeError::UnknownSchema { id }),
            Err(Error::Unusable { reason, .. }) => return Ok(Arc::new(Decoder::Impossible { reason })),
            Err(source) => return Err(DecodeError::Registry { id, source }),
        };
        let ours = Schema::parse_str(M::SCHEMA).map_err(|source| DecodeError::Unfit {
            topic: M::TOPIC,
            id,
            source: Box::new(source).into(),
        })?;
        Ok(Decoder::of(&writer, ours, M::SCHEMA))
    }
}

// === impl Decoder ===

impl Decoder {
    fn of(writer: &Stored, ours: Schema, our_text: &str) -> Arc<Self> {
        Arc::new(Self::new(writer, ours, our_text).unwrap_or_else(|reason| Self::Impossible { reason }))
    }

    fn new(writer: &Stored, ours: Schema, our_text: &str) -> Result<Self, String> {
        let same_layout = writer.schema.canonical_form() == reading::written(our_text)?.canonical_form();
        let reading = Reading::new(&writer.text, our_text)?;
        if !same_layout {
            return Ok(Self::Resolve { reading });
        }
        let layout = Layout::of(&writer.text)?;
        let reader = GenericSingleObjectReader::builder().schema(ours).header(Vec::new()).build();
        Ok(Self::Direct { layout, reader: reader.map_err(|error| error.to_string())? })
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Direct { .. } => "Direct",
            Self::Resolve { .. } => "Resolve",
            Self::Impossible { .. } => "Impossible",
        })
    }
}

// === wire format ===

fn header(id: SchemaId) -> [u8; HEADER_LEN] {
    let [a, b, c, d] = id.0.to_be_bytes();
    [MAGIC, a, b, c, d]
}

pub(super) fn split(bytes: &[u8]) -> Result<(SchemaId, &[u8]), DecodeError> {
    match bytes {
        [] => Err(DecodeError::Empty),
        [MAGIC, a, b, c, d, datum @ ..] => Ok((SchemaId(u32::from_be_bytes([*a, *b, *c, *d])), datum)),
        [first, ..] => Err(DecodeError::NotWireFormat { first: *first, length: bytes.len() }),
    }
}

fn parse(subject: &str, text: &str) -> Result<Schema, Error> {
    let invalid = |source| Error::InvalidSchema { subject: subject.to_owned(), source: Box::new(source) };
    Schema::parse_str(text).map_err(invalid)
}

/// The newest schema of the subject and its id, when ours can read it.
async fn readable(registry: &Registry, subject: &str, ours: &str) -> Result<(SchemaId, Stored), Error> {
    let newest = registry.version(subject, None).await?;
    let newest = newest.ok_or_else(|| Error::NotRegistered { subject: subject.to_owned() })?;
    let text = registry.whole_schema(subject, &newest).await?;
    let schema = reading::written(&text)
        .map_err(|reason| Error::Unusable { what: format!("`{subject}` version {}", newest.version), reason })?;
    can_read(&text, ours).map_err(|reason| Error::Incompatible {
        subject: subject.to_owned(),
        reason: format!("this program cannot read what version {} writes: {reason}", newest.version),
    })?;
    Ok((newest.id, Stored { schema, text }))
}
