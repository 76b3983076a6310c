//! From the bytes of one document to the types of [`pipeline_core::documents`], by the field names of the settings.
//!
//! Every function takes bytes and gives a document or the rules that it breaks; where the document stands, and to whom
//! it belongs, is the caller's to add ([`Violation::at`]). All sources that read JSON share this module, so the same
//! document gets the same verdict wherever it comes from.

use std::borrow::Cow;

use pipeline_core::{
    documents::{Attributes, Bundle, DataType, DocumentFault, FaultCode, Level, Provider, Service, SubscriptionField},
    ids::{ProviderId, ServiceId},
    settings::{BundleFields, Mapping, ProviderFields, ServiceFields, SubscriptionFieldFields},
};

use crate::{
    Error,
    json::{Broken, Object, Value, quoted},
};

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

/// A bundle with the ids of its parents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleDocument {
    /// The provider that it names.
    pub provider_id: String,
    /// The service that it names, if it names one.
    pub service_id: Option<String>,
    /// The bundle with its nested fields, in source order.
    pub bundle: Bundle,
}

/// A subscription field of a collection of its own, with the ids of its parents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldDocument {
    /// The bundle that it names.
    pub bundle_id: String,
    /// The provider that it names, if it names one.
    pub provider_id: Option<String>,
    /// The service that it names, if it names one.
    pub service_id: Option<String>,
    /// Whether the document gives a position; if not, it is 0 until its place among its siblings is known.
    pub has_position: bool,
    /// The field.
    pub field: SubscriptionField,
}

/// Reads a provider service.
pub fn service(document: &[u8], names: &ServiceFields) -> Result<Service, Violation> {
    let mut reader = Reader::new(Level::Service, Object::parse(document))?;
    let id = reader.own_id(&names.id)?;
    let name = reader.name(&names.name)?;
    Ok(Service { id: ServiceId(id), name, attributes: reader.attributes()?, source_cas: None })
}

/// Reads a provider.
pub fn provider(document: &[u8], names: &ProviderFields) -> Result<Provider, Violation> {
    let mut reader = Reader::new(Level::Provider, Object::parse(document))?;
    let id = reader.own_id(&names.id)?;
    let service_id = reader.id(&names.service_id)?;
    let name = reader.name(&names.name)?;
    Ok(Provider {
        service_id: ServiceId(service_id),
        id: ProviderId(id),
        name,
        attributes: reader.attributes()?,
        source_cas: None,
    })
}

/// Reads a bundle with its nested fields; gives every rule broken by it or one of them.
pub fn bundle(
    document: &[u8],
    names: &BundleFields,
    field_names: &SubscriptionFieldFields,
) -> Result<BundleDocument, Vec<Violation>> {
    let mut reader = Reader::new(Level::Bundle, Object::parse(document)).map_err(|violation| vec![violation])?;
    let (mut document, nested) = bundle_itself(&mut reader, names).map_err(|violation| vec![violation])?;
    let mut violations = Vec::new();
    for (index, element) in nested.into_iter().enumerate() {
        match nested_field(element, index, field_names) {
            Ok(field) => document.bundle.fields.push(field),
            Err(mut violation) => {
                let bundle_id = quoted(&document.bundle.id);
                violation.reason = format!("field {} of bundle {bundle_id}: {}", index + 1, violation.reason);
                violations.push(violation);
            }
        }
    }
    if violations.is_empty() { Ok(document) } else { Err(violations) }
}

/// Reads a subscription field of a collection of its own.
pub fn field(document: &[u8], names: &SubscriptionFieldFields) -> Result<FieldDocument, Violation> {
    let mut reader = Reader::new(Level::SubscriptionField, Object::parse(document))?;
    let id = reader.own_id(&names.id)?;
    let bundle_id = reader.id(&names.bundle_id)?;
    let provider_id = reader.optional_id(&names.provider_id)?;
    let service_id = reader.optional_id(&names.service_id)?;
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

fn bundle_itself<'a>(
    reader: &mut Reader<'a>,
    names: &BundleFields,
) -> Result<(BundleDocument, Vec<Value<'a>>), Violation> {
    let id = reader.own_id(&names.id)?;
    let provider_id = reader.id(&names.provider_id)?;
    let service_id = reader.optional_id(&names.service_id)?;
    let name = reader.name(&names.name)?;
    let nested = reader.list(&names.subscription_fields)?;
    let bundle = Bundle {
        id,
        name,
        attributes: reader.attributes()?,
        source_cas: None,
        fields: Vec::with_capacity(nested.len()),
    };
    Ok((BundleDocument { provider_id, service_id, bundle }, nested))
}

/// A nested field takes its name as id and its index as position when it has none of its own.
fn nested_field(
    element: Value<'_>,
    index: usize,
    names: &SubscriptionFieldFields,
) -> Result<SubscriptionField, Violation> {
    let mut reader = Reader::new(Level::SubscriptionField, Object::parse_text(element.raw()))?;
    let own_id = reader.optional_id(&names.id)?;
    let id_name = if own_id.is_some() { &names.id } else { &names.name };
    let id = reader.own_id(id_name)?;
    let position = reader.position(&names.position)?.unwrap_or(i64::try_from(index).unwrap_or(i64::MAX));
    reader.field(id, position, names)
}

// === impl Violation ===

impl Violation {
    /// The fault of the document that stands at a place, below these parents as far as they are known.
    pub fn at(self, place: String, service_id: Option<&ServiceId>, provider_id: Option<&ProviderId>) -> DocumentFault {
        DocumentFault {
            level: self.level,
            service_id: service_id.cloned(),
            provider_id: provider_id.cloned(),
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

// === Reader ===

/// One object on its way to a document; knows its level and id for the violations it finds.
struct Reader<'a> {
    level: Level,
    id: Option<String>,
    object: Object<'a>,
}

impl<'a> Reader<'a> {
    fn new(level: Level, object: Result<Object<'a>, Broken>) -> Result<Self, Violation> {
        match object {
            Ok(object) => Ok(Self { level, id: None, object }),
            Err(Broken { code, reason }) => Err(Violation { level, document_id: None, code, reason }),
        }
    }

    /// The document's own id, which all later violations carry.
    fn own_id(&mut self, name: &str) -> Result<String, Violation> {
        let id = self.id(name)?;
        self.id = Some(id.clone());
        Ok(id)
    }

    fn id(&mut self, name: &str) -> Result<String, Violation> {
        match self.optional_id(name)? {
            Some(id) => Ok(id),
            None => Err(self.violation(FaultCode::MissingId, format!("`{name}` is missing"))),
        }
    }

    /// `None` when it is absent or null; an empty id is a violation.
    fn optional_id(&mut self, name: &str) -> Result<Option<String>, Violation> {
        let Some(id) = self.text(name, MAX_ID)? else { return Ok(None) };
        if id.is_empty() {
            return Err(self.violation(FaultCode::MissingId, format!("`{name}` is empty")));
        }
        Ok(Some(id.into_owned()))
    }

    fn name(&mut self, name: &str) -> Result<Option<String>, Violation> {
        Ok(self.text(name, MAX_NAME)?.map(Cow::into_owned))
    }

    fn text(&mut self, name: &str, max: usize) -> Result<Option<Cow<'a, str>>, Violation> {
        let Some(value) = self.value(name) else { return Ok(None) };
        if value.data_type() != DataType::String {
            return Err(self.wrong_type(name, value, "a string"));
        }
        let text = value.text().map_err(|broken| self.broken(broken))?;
        // Characters are never more than bytes, and counting them is rarely needed.
        if text.len() > max && text.chars().count() > max {
            let reason = format!("`{name}` has {} characters; at most {max} can be stored", text.chars().count());
            return Err(self.violation(FaultCode::TooLarge, reason));
        }
        Ok(Some(text))
    }

    fn position(&mut self, name: &str) -> Result<Option<i64>, Violation> {
        let Some(value) = self.value(name) else { return Ok(None) };
        match value.raw().parse() {
            Ok(position) => Ok(Some(position)),
            Err(_) => Err(self.wrong_type(name, value, "a whole number of 64 bits")),
        }
    }

    fn required(&mut self, name: &str) -> Result<Option<bool>, Violation> {
        let Some(value) = self.value(name) else { return Ok(None) };
        match value.raw() {
            "true" => Ok(Some(true)),
            "false" => Ok(Some(false)),
            _ => Err(self.wrong_type(name, value, "true or false")),
        }
    }

    fn list(&mut self, name: &str) -> Result<Vec<Value<'a>>, Violation> {
        let Some(value) = self.value(name) else { return Ok(Vec::new()) };
        value.elements().ok_or_else(|| self.wrong_type(name, value, "an array"))
    }

    /// What is left of a subscription field once its ids and position are read.
    fn field(
        mut self,
        id: String,
        position: i64,
        names: &SubscriptionFieldFields,
    ) -> Result<SubscriptionField, Violation> {
        let name = self.name(&names.name)?;
        let required = self.required(&names.required)?;
        // Not `Self::value`: a null is a value too, unlike no value.
        let value = self.object.take(&names.value);
        let data_type = value.map_or(DataType::Null, Value::data_type);
        let text = match value {
            None => None,
            Some(value) => {
                value.check_depth().map_err(|broken| self.broken(broken))?;
                Some(value.text().map_err(|broken| self.broken(broken))?.into_owned())
            }
        };
        Ok(SubscriptionField { id, name, value: text, data_type, required, position, attributes: self.attributes()? })
    }

    fn attributes(&self) -> Result<Attributes, Violation> {
        self.object.rest().map_err(|broken| self.broken(broken))
    }

    /// A mapped value; null counts as absent.
    fn value(&mut self, name: &str) -> Option<Value<'a>> {
        self.object.take(name).filter(|value| value.data_type() != DataType::Null)
    }

    fn wrong_type(&self, name: &str, value: Value<'_>, expected: &str) -> Violation {
        let found = match value.data_type() {
            DataType::Number | DataType::Boolean => quoted(value.raw()),
            _ => value.described().to_owned(),
        };
        self.violation(FaultCode::WrongType, format!("`{name}` is {found}; expected {expected}"))
    }

    fn broken(&self, Broken { code, reason }: Broken) -> Violation {
        self.violation(code, reason)
    }

    fn violation(&self, code: FaultCode, reason: String) -> Violation {
        Violation { level: self.level, document_id: self.id.clone(), code, reason }
    }
}
