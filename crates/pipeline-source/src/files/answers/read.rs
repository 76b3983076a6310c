//! One line, read in full to a document of its level. A violation has the document's id wherever that can be read.

use std::borrow::Cow;

use pipeline_model::documents::{Bundle, FaultCode, Level, Provider, Service};

use crate::{
    files::{
        collection::Text,
        peek::{Seen, peek, peek_below},
        snapshot::Snapshot,
    },
    mapping::{self, FieldDocument, MAX_DOCUMENT, Violation},
};

/// Reads a line of the services' file.
pub fn service(snapshot: &Snapshot, text: Text<'_>) -> Result<Service, Violation> {
    let names = &snapshot.mapping.provider_services;
    let read = whole(Level::Service, text).and_then(|text| mapping::service(text, names));
    let own_id = || service_id(text, &names.id).map(Cow::into_owned);
    read.map_err(|violation| Violation { document_id: violation.document_id.clone().or_else(own_id), ..violation })
}

/// Reads a line of the providers' file.
pub fn provider(snapshot: &Snapshot, text: Text<'_>) -> Result<Provider, Violation> {
    let names = &snapshot.mapping.providers;
    let read = whole(Level::Provider, text).and_then(|text| mapping::provider(text, names));
    read.map_err(|violation| with_id(violation, text, &names.id))
}

/// Reads a line of the bundles' file.
pub fn bundle(snapshot: &Snapshot, text: Text<'_>) -> Result<Bundle, Vec<Violation>> {
    let names = &snapshot.mapping.bundles;
    let read = whole(Level::Bundle, text).map_err(|violation| vec![violation]);
    let mut read = read.and_then(|text| mapping::bundle(text, names, &snapshot.mapping.subscription_fields));
    if let Err(violations) = &mut read {
        // The bundle's own ones only, not those of its nested fields.
        for violation in violations.iter_mut().filter(|violation| violation.level == Level::Bundle) {
            *violation = with_id(violation.clone(), text, &names.id);
        }
    }
    read
}

/// Reads a line of the subscription fields' file.
pub fn field(snapshot: &Snapshot, text: Text<'_>) -> Result<FieldDocument, Violation> {
    let names = &snapshot.mapping.subscription_fields;
    let read = whole(Level::SubscriptionField, text).and_then(|text| mapping::field(text, names));
    read.map_err(|violation| with_id(violation, text, &names.id))
}

/// The own id of a document with owners, without a look at the rest.
pub fn id<'b>(text: Text<'b>, name: &str) -> Option<Cow<'b, str>> {
    let [id] = peek_below(beginning(text), [name]);
    id.id()
}

/// The own id of a service, of which a line that could be two documents has none.
pub fn service_id<'b>(text: Text<'b>, name: &str) -> Option<Cow<'b, str>> {
    let [id] = peek(beginning(text), [name]);
    id.id()
}

/// What a document says of its owners, as the index sees it.
pub fn owners<'b, const N: usize>(text: Text<'b>, names: [&str; N]) -> [Seen<'b>; N] {
    peek(beginning(text), names)
}

/// What a document says of itself and its owners, as the index sees it.
pub fn below<'b, const N: usize>(text: Text<'b>, names: [&str; N]) -> [Seen<'b>; N] {
    peek_below(beginning(text), names)
}

fn beginning(text: Text<'_>) -> &[u8] {
    let (Text::Whole(text) | Text::TooLong(text)) = text;
    text
}

/// A document's bytes, unless there are too many of them.
fn whole(level: Level, text: Text<'_>) -> Result<&[u8], Violation> {
    match text {
        Text::Whole(text) if text.len() <= MAX_DOCUMENT => Ok(text),
        Text::Whole(_) | Text::TooLong(_) => Err(Violation {
            level,
            document_id: None,
            code: FaultCode::TooLarge,
            reason: format!("the line has more than {} MiB", MAX_DOCUMENT / 1024 / 1024),
        }),
    }
}

fn with_id(violation: Violation, text: Text<'_>, name: &str) -> Violation {
    let own_id = || id(text, name).map(Cow::into_owned);
    Violation { document_id: violation.document_id.or_else(own_id), ..violation }
}
