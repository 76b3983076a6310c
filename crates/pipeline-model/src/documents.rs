//! The documents of the hierarchy, in the one shape that sources make and stores keep.
//!
//! A source maps its own field names to these types and keeps everything it does not know in [`Attributes`], so that
//! nothing is dropped silently. A store never sees the source's names. Text is exact: numbers keep the digits they
//! were written with, strings keep their code points.

use std::{
    fmt,
    hash::{Hash, Hasher},
};

/// Like [`format!`], for a [`Text`].
pub use compact_str::format_compact as format_text;

use serde::{Deserialize, Serialize};

use crate::ids::{ProviderId, ServiceId};

/// Version of the way from the bytes of documents to rows. Raise it when the same bytes are to give other rows: it is
/// part of every digest and every [`Etag`], so that the next run reads and writes everything anew.
pub const MAPPING_VERSION: u32 = 1;

/// A text of a document that is mostly short. A subscription field has three, and with an allocation for each of them
/// these were more than half of all allocations of reading. Up to 24 bytes are held in place, which is the room that
/// a [`String`] takes for its pointer and lengths alone; a longer text is on the heap.
pub type Text = compact_str::CompactString;

/// A JSON object with the fields that the mapping does not know, in the source's order and with exact number text.
/// The empty object is `{}`; an empty text stands for it too, because most documents have no such fields, and a text
/// without a byte needs no memory.
#[derive(Clone, Serialize, Deserialize)]
pub struct Attributes(pub String);

/// A provider service: the top of the hierarchy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Its id.
    pub id: ServiceId,
    /// Its name, when it has one.
    pub name: Option<String>,
    /// Every other field of the document.
    pub attributes: Attributes,
    /// The version of the document that was read, where the source counts versions: Couchbase's CAS. It says when,
    /// not what: two documents that differ in it alone have the same content.
    pub source_cas: Option<i64>,
}

/// A provider of one service, without its subtree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provider {
    /// The service it belongs to.
    pub service_id: ServiceId,
    /// Its id, unique within the service.
    pub id: ProviderId,
    /// Its name, when it has one.
    pub name: Option<String>,
    /// Every other field of the document.
    pub attributes: Attributes,
    /// The version of the document that was read; see [`Service::source_cas`].
    pub source_cas: Option<i64>,
}

/// A bundle with its subscription fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// Its id, unique within the provider.
    pub id: Text,
    /// Its name, when it has one.
    pub name: Option<Text>,
    /// Every other field of the document.
    pub attributes: Attributes,
    /// The version of the document that was read; see [`Service::source_cas`].
    pub source_cas: Option<i64>,
    /// In order of (position, id).
    pub fields: Vec<SubscriptionField>,
}

/// One subscription field of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionField {
    /// Its id, unique within the bundle; a nested field without one has its name as id.
    pub id: Text,
    /// Its name, when it has one.
    pub name: Option<Text>,
    /// The exact text of the value: strings without their quotes, anything else as written. `None` when absent.
    pub value: Option<Text>,
    /// The JSON type of the value; [`DataType::Null`] when absent.
    pub data_type: DataType,
    /// Whether the document says that it is required.
    pub required: Option<bool>,
    /// The position that the document gives, or the place in its parent's list.
    pub position: i64,
    /// Every other field of the document.
    pub attributes: Attributes,
}

/// JSON type of a subscription field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum DataType {
    /// A string.
    String,
    /// A number, of any size and precision.
    Number,
    /// `true` or `false`.
    Boolean,
    /// `null`, or no value at all.
    Null,
    /// An object or an array.
    Json,
}

/// Everything below one provider, as read for a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subtree {
    /// Whose subtree it is.
    pub provider_id: ProviderId,
    /// What became of reading it.
    pub content: SubtreeContent,
    /// What names this content, where the source can tell that cheaper than it can read it.
    pub etag: Option<Etag>,
}

/// A source's name for everything below one provider, like the entity tag of HTTP: while it stays the same, reading
/// again would give the same content. It names documents *and* the way they are read, so that other field names in the
/// settings, or another [`MAPPING_VERSION`], give other tags. The other way round nothing is promised: the same content
/// may get another tag, and is then read and compared.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Etag(pub [u8; 32]);

/// A provider whose content the asker has, with its tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Whose content.
    pub provider_id: ProviderId,
    /// What the source called it when it was read.
    pub etag: Etag,
}

/// What a source found below a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubtreeContent {
    /// All of it, the bundles in byte order of their ids; empty for a provider without bundles.
    Complete(Vec<Bundle>),
    /// At least one document of it cannot be stored; the faults found, never empty.
    Rejected(Vec<DocumentFault>),
    /// The provider's own document is gone since the batch was planned.
    Vanished,
}

/// A document that was read, or the reason why it cannot be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<T> {
    /// A sound document.
    Document(T),
    /// A document that is not.
    Fault(DocumentFault),
}

/// Why a document cannot be stored: what is wrong, with what, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentFault {
    /// The level of the document.
    pub level: Level,
    /// The service concerned, when known.
    pub service_id: Option<ServiceId>,
    /// The provider concerned, when known.
    pub provider_id: Option<ProviderId>,
    /// The bundle that a subscription field names, when it names no provider.
    pub bundle_id: Option<String>,
    /// The document's own id, when it has a readable one.
    pub document_id: Option<String>,
    /// Where the document stands, such as `providers.jsonl:17`, or a collection and key.
    pub place: String,
    /// The rule that it breaks.
    pub code: FaultCode,
    /// One sentence that says what was found and what was expected.
    pub reason: String,
}

/// The level of a document in the hierarchy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Level {
    /// A provider service.
    #[strum(serialize = "provider_service")]
    Service,
    /// A provider.
    Provider,
    /// A bundle.
    Bundle,
    /// A subscription field.
    SubscriptionField,
}

/// The rule that a document breaks. Each code has a page in `docs/errors/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, strum::IntoStaticStr)]
pub enum FaultCode {
    /// The bytes are not JSON, or not UTF-8.
    #[strum(serialize = "SLUICE-DOCUMENT-001")]
    NotJson,
    /// The JSON is not an object, or repeats a key.
    #[strum(serialize = "SLUICE-DOCUMENT-002")]
    NotAnObject,
    /// The id or the parent's id is missing or empty.
    #[strum(serialize = "SLUICE-DOCUMENT-003")]
    MissingId,
    /// A mapped field has the wrong type.
    #[strum(serialize = "SLUICE-DOCUMENT-004")]
    WrongType,
    /// A sibling has the same id.
    #[strum(serialize = "SLUICE-DOCUMENT-005")]
    DuplicateId,
    /// No document has the parent's id.
    #[strum(serialize = "SLUICE-DOCUMENT-006")]
    Orphan,
    /// A text is longer than its column, or a document larger than the bound.
    #[strum(serialize = "SLUICE-DOCUMENT-007")]
    TooLarge,
    /// The JSON nests deeper than databases can read.
    #[strum(serialize = "SLUICE-DOCUMENT-008")]
    TooDeep,
    /// A child that the document lists does not exist.
    #[strum(serialize = "SLUICE-DOCUMENT-009")]
    MissingChild,
    /// It would lose rows that a document without a readable owner could be.
    #[strum(serialize = "SLUICE-DOCUMENT-010")]
    Withheld,
}

// === impl Attributes ===

impl Attributes {
    /// The empty object.
    pub fn empty() -> Self {
        Self(String::new())
    }

    /// The object's JSON text.
    pub fn as_str(&self) -> &str {
        if self.0.is_empty() { "{}" } else { &self.0 }
    }
}

impl PartialEq for Attributes {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Attributes {}

impl Hash for Attributes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Attributes").field(&self.as_str()).finish()
    }
}

// === impl Etag ===

impl fmt::Debug for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

// === impl DataType ===

impl DataType {
    /// The word in the column `data_type`.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

// === impl Level ===

impl Level {
    /// The level's word in the ledger and in messages.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

// === impl FaultCode ===

impl FaultCode {
    /// The stable code, such as `SLUICE-DOCUMENT-001`.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl fmt::Display for DocumentFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.place, self.reason, self.code.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, RandomState};

    use super::{Attributes, Text, format_text};

    #[test]
    fn a_text_of_24_bytes_is_held_where_a_string_has_its_pointer() {
        assert_eq!(size_of::<Option<Text>>(), size_of::<String>());
        for length in 0..=24 {
            assert!(!Text::from("x".repeat(length)).is_heap_allocated(), "{length} bytes");
        }
        assert!(Text::from("x".repeat(25)).is_heap_allocated());
        assert!(!format_text!("field-{:05}", 7).is_heap_allocated());
    }

    #[test]
    fn no_attributes_are_the_empty_object_however_they_are_held() {
        let (empty, written) = (Attributes::empty(), Attributes("{}".to_owned()));
        assert_eq!((empty.as_str(), written.as_str()), ("{}", "{}"));
        assert_eq!(empty, written);
        assert_eq!(format!("{empty:?}"), format!("{written:?}"));
        let hashes = RandomState::new();
        assert_eq!(hashes.hash_one(&empty), hashes.hash_one(&written));
        assert_ne!(empty, Attributes("{ }".to_owned()), "text is exact");
    }
}
