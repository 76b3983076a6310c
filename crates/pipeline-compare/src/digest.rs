//! What makes two contents the same: a digest over the documents, independent of any database.
//!
//! Every text is preceded by its length and every list by its count, so that no two different contents have the same
//! encoding. The version of the mapping is part of it: when the meaning of a column changes, every content counts as
//! changed and is written anew. A checker can recompute a digest from the rows of a content in order of their
//! ordinals.

use pipeline_model::documents::{Attributes, Bundle, DataType, MAPPING_VERSION, SubscriptionField};

/// 32 bytes of BLAKE3.
pub type Digest = [u8; 32];

/// Bytes that are digested together: BLAKE3 works on many blocks side by side when it has them.
const AT_ONCE: usize = 16 * 1024;

/// The digest of everything below one provider, in the order given.
pub fn of(bundles: &[Bundle]) -> Digest {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = Vec::with_capacity(AT_ONCE);
    buffer.extend_from_slice(b"sluice.content");
    buffer.extend_from_slice(&MAPPING_VERSION.to_le_bytes());
    count(&mut buffer, bundles.len());
    for bundle in bundles {
        text(&mut buffer, &bundle.id);
        optional_text(&mut buffer, bundle.name.as_deref());
        text(&mut buffer, bundle.attributes.as_str());
        count(&mut buffer, bundle.fields.len());
        for field in &bundle.fields {
            subscription_field(&mut buffer, field);
        }
        if buffer.len() >= AT_ONCE {
            hasher.update(&buffer);
            buffer.clear();
        }
    }
    hasher.update(&buffer);
    *hasher.finalize().as_bytes()
}

/// The digest of a service's or a provider's own row.
pub fn of_row(name: Option<&str>, attributes: &Attributes) -> Digest {
    let mut buffer = Vec::with_capacity(attributes.as_str().len().saturating_add(64));
    buffer.extend_from_slice(b"sluice.row");
    buffer.extend_from_slice(&MAPPING_VERSION.to_le_bytes());
    optional_text(&mut buffer, name);
    text(&mut buffer, attributes.as_str());
    *blake3::hash(&buffer).as_bytes()
}

fn subscription_field(buffer: &mut Vec<u8>, field: &SubscriptionField) {
    text(buffer, &field.id);
    optional_text(buffer, field.name.as_deref());
    optional_text(buffer, field.value.as_deref());
    buffer.push(match field.data_type {
        DataType::String => 0,
        DataType::Number => 1,
        DataType::Boolean => 2,
        DataType::Null => 3,
        DataType::Json => 4,
    });
    buffer.push(match field.required {
        None => 0,
        Some(false) => 1,
        Some(true) => 2,
    });
    buffer.extend_from_slice(&field.position.to_le_bytes());
    text(buffer, field.attributes.as_str());
}

fn count(buffer: &mut Vec<u8>, count: usize) {
    buffer.extend_from_slice(&(count as u64).to_le_bytes());
}

fn text(buffer: &mut Vec<u8>, text: &str) {
    count(buffer, text.len());
    buffer.extend_from_slice(text.as_bytes());
}

fn optional_text(buffer: &mut Vec<u8>, value: Option<&str>) {
    match value {
        None => buffer.push(0),
        Some(value) => {
            buffer.push(1);
            text(buffer, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use pipeline_model::documents::{Attributes, Bundle, DataType, SubscriptionField, Text};

    use super::{of, of_row};

    fn bundle(id: &str, name: Option<&str>, fields: Vec<SubscriptionField>) -> Bundle {
        Bundle { id: id.into(), name: name.map(Text::from), attributes: Attributes::empty(), source_cas: None, fields }
    }

    fn field() -> SubscriptionField {
        SubscriptionField {
            id: "f".into(),
            name: None,
            value: None,
            data_type: DataType::Null,
            required: None,
            position: 0,
            attributes: Attributes::empty(),
        }
    }

    #[test]
    fn every_difference_changes_the_digest() {
        let contents = [
            vec![],
            vec![bundle("a", None, vec![])],
            vec![bundle("a", Some(""), vec![])],
            vec![bundle("a", None, vec![]), bundle("b", None, vec![])],
            vec![bundle("b", None, vec![]), bundle("a", None, vec![])],
            vec![bundle("ab", None, vec![])],
            vec![bundle("a", Some("b"), vec![])],
            vec![bundle("a", None, vec![field()])],
            vec![bundle("a", None, vec![SubscriptionField { value: Some(Text::default()), ..field() }])],
            vec![bundle("a", None, vec![SubscriptionField { required: Some(false), ..field() }])],
            vec![bundle("a", None, vec![SubscriptionField { required: Some(true), ..field() }])],
            vec![bundle("a", None, vec![SubscriptionField { position: 1, ..field() }])],
            vec![bundle("a", None, vec![SubscriptionField { data_type: DataType::String, ..field() }])],
            vec![bundle("a", None, vec![field()]), bundle("b", None, vec![])],
            vec![bundle("a", None, vec![]), bundle("b", None, vec![field()])],
        ];
        let digests: HashSet<_> = contents.iter().map(|content| of(content)).collect();
        assert_eq!(digests.len(), contents.len());
    }

    #[test]
    fn the_same_documents_have_the_same_digest() {
        assert_eq!(of(&[bundle("é", Some("x"), vec![field()])]), of(&[bundle("é", Some("x"), vec![field()])]));
        assert_ne!(of_row(None, &Attributes::empty()), of_row(Some(""), &Attributes::empty()));
    }
}
