//! The values of one object by their names in the settings, each with the rules that it must keep.

use std::borrow::Cow;

use pipeline_model::documents::{Attributes, DataType, FaultCode, Level, SubscriptionField, Text};
use pipeline_settings::settings::SubscriptionFieldFields;

use super::{MAX_ID, MAX_NAME, Violation};
use crate::json::{Broken, Object, Objects, Value, quoted};

/// One object on its way to a document; knows its level and id for the violations it finds.
pub(super) struct Reader<'a> {
    level: Level,
    id: Option<Cow<'a, str>>,
    object: Object<'a>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(level: Level, object: Result<Object<'a>, Broken>) -> Result<Self, Violation> {
        match object {
            Ok(object) => Ok(Self { level, id: None, object }),
            Err(Broken { code, reason }) => Err(Violation { level, document_id: None, code, reason }),
        }
    }

    /// The document's own id, which all later violations carry.
    pub(super) fn own_id(&mut self, name: &str) -> Result<Cow<'a, str>, Violation> {
        let id = self.id(name)?;
        self.id = Some(id.clone());
        Ok(id)
    }

    pub(super) fn id(&mut self, name: &str) -> Result<Cow<'a, str>, Violation> {
        match self.optional_id(name)? {
            Some(id) => Ok(id),
            None => Err(self.violation(FaultCode::MissingId, format!("`{name}` is missing"))),
        }
    }

    /// `None` when it is absent or null; an empty id is a violation.
    pub(super) fn optional_id(&mut self, name: &str) -> Result<Option<Cow<'a, str>>, Violation> {
        let Some(id) = self.text(name, MAX_ID)? else { return Ok(None) };
        if id.is_empty() {
            return Err(self.violation(FaultCode::MissingId, format!("`{name}` is empty")));
        }
        Ok(Some(id))
    }

    pub(super) fn name<T: From<Cow<'a, str>>>(&mut self, name: &str) -> Result<Option<T>, Violation> {
        Ok(self.text(name, MAX_NAME)?.map(T::from))
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

    pub(super) fn position(&mut self, name: &str) -> Result<Option<i64>, Violation> {
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

    /// The objects in an array, or what else its elements are.
    pub(super) fn objects(&mut self, name: &str) -> Result<Objects<'a>, Violation> {
        let Some(value) = self.value(name) else { return Ok(Vec::new()) };
        let elements = value.elements().ok_or_else(|| self.wrong_type(name, value, "an array"))?;
        Ok(elements.into_iter().map(|element| Object::parse_text(element.raw())).collect())
    }

    /// What is left of a subscription field once its ids and position are read.
    pub(super) fn field(
        mut self,
        id: Text,
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
                Some(value.text().map_err(|broken| self.broken(broken))?.into())
            }
        };
        Ok(SubscriptionField { id, name, value: text, data_type, required, position, attributes: self.attributes()? })
    }

    pub(super) fn attributes(&self) -> Result<Attributes, Violation> {
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
        Violation { level: self.level, document_id: self.id.as_deref().map(str::to_owned), code, reason }
    }
}
