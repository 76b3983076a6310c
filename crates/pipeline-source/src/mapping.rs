//! From the bytes of one document to the types of [`pipeline_model::documents`], by the field names of the settings.
//!
//! Every function takes bytes and gives a document or the rules that it breaks; where the document stands, and to whom
//! it belongs, is the caller's to add ([`Violation::at`]). All sources that read JSON share this module, so the same
//! document gets the same verdict wherever it comes from.

use std::borrow::Cow;

use pipeline_model::{
    documents::{Bundle, DocumentFault, FaultCode, Level, Provider, Service, SubscriptionField, Text},
    ids::{ProviderId, ServiceId},
};
use pipeline_settings::settings::{BundleFields, Mapping, ProviderFields, ServiceFields, SubscriptionFieldFields};

use self::reader::Reader;
use crate::{
    Error,
    json::{Broken, Object, Objects, quoted},
};

mod reader;
#[cfg(test)]
mod tests;

/// Characters that an id may have.
pub const MAX_ID: usize = 255;
/// Characters that a name may have.
pub const MAX_NAME: usize = 1_024;
/// Bytes that one document may have.
pub const MAX_DOCUMENT: usize = 16 * 1024 * 1024;

/// A rule that a document breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The level of the document: a bundle's nested field is a document of its own.
    pub level: Level,
    /// The document's own id, when it has a readable one.
    pub document_id: Option<String>,
    /// The rule.
    pub code: FaultCode,
    /// One sentence that says what was found and what was expected.
    pub reason: String,
}

/// What a document says of its owner, whether that exists or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// The service.
    pub service_id: Option<ServiceId>,
    /// The provider; of a provider, itself.
    pub provider_id: Option<ProviderId>,
    /// The bundle, of a subscription field that names no provider.
    pub bundle_id: Option<String>,
}

/// A subscription field of a collection of its own, with the ids of its parents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldDocument {
    /// The bundle that it names.
    pub bundle_id: Text,
    /// The provider that it names, if it names one.
    pub provider_id: Option<Text>,
    /// The service that it names, if it names one.
    pub service_id: Option<Text>,
    /// Whether the document gives a position; if not, it is 0 until its place among its siblings is known.
    pub has_position: bool,
    /// The field.
    pub field: SubscriptionField,
}

/// Reads a provider service.
pub fn service(document: &[u8], names: &ServiceFields) -> Result<Service, Violation> {
    let mut reader = Reader::new(Level::Service, Object::parse(document))?;
    let id = reader.own_id(&names.id)?.into_owned();
    let name = reader.name(&names.name)?;
    Ok(Service { id: ServiceId(id), name, attributes: reader.attributes()?, source_cas: None })
}

/// Reads a provider.
pub fn provider(document: &[u8], names: &ProviderFields) -> Result<Provider, Violation> {
    let mut reader = Reader::new(Level::Provider, Object::parse(document))?;
    let id = reader.own_id(&names.id)?.into_owned();
    let service_id = reader.id(&names.service_id)?.into_owned();
    let name = reader.name(&names.name)?;
    Ok(Provider {
        service_id: ServiceId(service_id),
        id: ProviderId(id),
        name,
        attributes: reader.attributes()?,
        source_cas: None,
    })
}

/// Reads a bundle with its nested fields, which stay in source order; gives every rule broken by it or one of them.
/// The ids of its parents are checked and not kept: who asks for a bundle knows whose it is.
pub fn bundle(
    document: &[u8],
    names: &BundleFields,
    field_names: &SubscriptionFieldFields,
) -> Result<Bundle, Vec<Violation>> {
    let (mut bundle, nested) = bundle_itself(document, names).map_err(|violation| vec![violation])?;
    let mut violations = Vec::new();
    for (index, field) in nested.into_iter().enumerate() {
        match nested_field(field, index, field_names) {
            Ok(field) => bundle.fields.push(field),
            Err(mut violation) => {
                let bundle_id = quoted(&bundle.id);
                violation.reason = format!("field {} of bundle {bundle_id}: {}", index + 1, violation.reason);
                violations.push(violation);
            }
        }
    }
    if violations.is_empty() { Ok(bundle) } else { Err(violations) }
}

/// Reads a subscription field of a collection of its own.
pub fn field(document: &[u8], names: &SubscriptionFieldFields) -> Result<FieldDocument, Violation> {
    let mut reader = Reader::new(Level::SubscriptionField, Object::parse(document))?;
    let id = reader.own_id(&names.id)?.into();
    let bundle_id = reader.id(&names.bundle_id)?.into();
    let provider_id = reader.optional_id(&names.provider_id)?.map(Text::from);
    let service_id = reader.optional_id(&names.service_id)?.map(Text::from);
    let position = reader.position(&names.position)?;
    let field = reader.field(id, position.unwrap_or_default(), names)?;
    Ok(FieldDocument { bundle_id, provider_id, service_id, has_position: position.is_some(), field })
}

/// Refuses field names that are empty, or that give one field of a collection two meanings.
pub(crate) fn check_names(mapping: &Mapping) -> Result<(), Error> {
    let Mapping { provider_services: s, providers: p, bundles: b, subscription_fields: f } = mapping;
    check_collection("provider_services", &[&s.id, &s.name])?;
    check_collection("providers", &[&p.id, &p.service_id, &p.name])?;
    check_collection("bundles", &[&b.id, &b.provider_id, &b.service_id, &b.name, &b.subscription_fields])?;
    let field_names = [&f.id, &f.bundle_id, &f.provider_id, &f.service_id, &f.name, &f.value, &f.required, &f.position];
    check_collection("subscription_fields", &field_names)
}

fn check_collection(collection: &'static str, names: &[&String]) -> Result<(), Error> {
    for (index, name) in names.iter().enumerate() {
        if name.is_empty() {
            return Err(Error::Mapping { collection, reason: "a field name is empty".to_owned() });
        }
        if names.iter().take(index).any(|earlier| earlier == name) {
            return Err(Error::Mapping { collection, reason: format!("two of its names are `{name}`") });
        }
    }
    Ok(())
}

/// A bundle without its nested fields, and what these are.
fn bundle_itself<'a>(document: &'a [u8], names: &BundleFields) -> Result<(Bundle, Objects<'a>), Violation> {
    let (object, nested) = match Object::parse_with_list(document, &names.subscription_fields) {
        Ok((object, nested)) => (Ok(object), nested),
        Err(broken) => (Err(broken), None),
    };
    let mut reader = Reader::new(Level::Bundle, object)?;
    let id = reader.own_id(&names.id)?.into();
    reader.id(&names.provider_id)?;
    reader.optional_id(&names.service_id)?;
    let name = reader.name(&names.name)?;
    let nested = match nested {
        Some(objects) => objects,
        None => reader.objects(&names.subscription_fields)?,
    };
    let fields = Vec::with_capacity(nested.len());
    Ok((Bundle { id, name, attributes: reader.attributes()?, source_cas: None, fields }, nested))
}

/// A nested field takes its name as id and its index as position when it has none of its own.
fn nested_field(
    field: Result<Object<'_>, Broken>,
    index: usize,
    names: &SubscriptionFieldFields,
) -> Result<SubscriptionField, Violation> {
    let mut reader = Reader::new(Level::SubscriptionField, field)?;
    let own_id = reader.optional_id(&names.id)?;
    let id_name = if own_id.is_some() { &names.id } else { &names.name };
    let id = reader.own_id(id_name)?;
    let position = reader.position(&names.position)?.unwrap_or(i64::try_from(index).unwrap_or(i64::MAX));
    reader.field(id.into(), position, names)
}

// === impl Owner ===

impl Owner {
    /// Of what was read of a document; a bundle that is named beside a provider says nothing more.
    pub fn of(service: Option<Cow<'_, str>>, provider: Option<Cow<'_, str>>, bundle: Option<Cow<'_, str>>) -> Self {
        let bundle_id = bundle.filter(|_| provider.is_none()).map(Cow::into_owned);
        let service_id = service.map(|id| ServiceId(id.into_owned()));
        Self { service_id, provider_id: provider.map(|id| ProviderId(id.into_owned())), bundle_id }
    }
}

// === impl Violation ===

impl Violation {
    /// The fault of the document that stands at a place, below these parents as far as they are known.
    pub fn at(self, place: String, service_id: Option<&ServiceId>, provider_id: Option<&ProviderId>) -> DocumentFault {
        let (service_id, provider_id) = (service_id.cloned(), provider_id.cloned());
        self.of(place, Owner { service_id, provider_id, bundle_id: None })
    }

    /// The fault of a document that no parent asks for, with all that it says of its owner.
    pub fn of(self, place: String, owner: Owner) -> DocumentFault {
        let Owner { service_id, provider_id, bundle_id } = owner;
        DocumentFault {
            level: self.level,
            service_id,
            provider_id,
            bundle_id,
            document_id: self.document_id.map(clipped),
            place,
            code: self.code,
            reason: self.reason,
        }
    }
}

/// An id for a message or for the ledger, which has no room for more than [`MAX_ID`] characters.
fn clipped(id: String) -> String {
    match id.char_indices().nth(MAX_ID) {
        None => id,
        Some(_) => id.chars().take(MAX_ID - 1).chain(['…']).collect(),
    }
}
