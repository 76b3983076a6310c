//! Whether a default is a value of its field's type, by the specification's table of default values.

use super::Parser;
use crate::{
    json::{Json, Object, Value},
    schema::{Field, Kind, Primitive, Type},
};

impl<'a> Parser<'a> {
    /// Names each field of a record whose default does not fit. Called when the record is whole, because a default may
    /// be a record of the record's own type.
    pub(super) fn check_defaults(&mut self, record: Type, object: &Object<'a>) {
        let Some(Kind::Record(read)) = self.kind(record) else { return };
        let Some(Value::List(written)) = object.get("fields").map(Json::value) else { return };
        let defaults = written.iter().filter_map(|json| match json.value() {
            Value::Object(object) => Some((object.get("name")?.as_text()?, object.get("default")?)),
            _ => None,
        });
        let unfit: Vec<(Json<'a>, String)> = defaults
            .filter_map(|(name, default)| {
                let field = read.fields.iter().find(|field| field.name == name)?;
                let fits = self.fits(default, field.kind);
                (!fits).then(|| (default, format!("the default {} is no value of `{name}`'s type", default.text())))
            })
            .collect();
        for (json, problem) in unfit {
            self.fault(json, problem);
        }
    }

    /// As deep as the default is written, which is as deep as the text.
    fn fits(&self, default: Json<'a>, kind: Type) -> bool {
        let Some(kind) = self.kind(kind) else { return false };
        match (kind, default.value()) {
            (Kind::Primitive(primitive), value) => fits_primitive(*primitive, &value),
            (Kind::Array(items), Value::List(values)) => values.iter().all(|value| self.fits(*value, *items)),
            (Kind::Map(values), Value::Object(object)) => object.0.iter().all(|(_, value)| self.fits(*value, *values)),
            (Kind::Union(branches), _) => branches.iter().any(|branch| self.fits(default, *branch)),
            (Kind::Enum(kind), Value::Text(text)) => kind.symbols.iter().any(|(symbol, _)| *symbol == text),
            (Kind::Fixed(fixed), Value::Text(text)) => is_bytes(&text) && text.chars().count() as u64 == fixed.size,
            (Kind::Record(record), Value::Object(object)) => {
                record.fields.iter().all(|field| self.field_fits(field, &object))
            }
            _ => false,
        }
    }

    fn field_fits(&self, field: &Field, object: &Object<'a>) -> bool {
        match object.get(&field.name) {
            Some(value) => self.fits(value, field.kind),
            None => field.default.is_some(),
        }
    }
}

fn fits_primitive(primitive: Primitive, value: &Value<'_>) -> bool {
    match (primitive, value) {
        (Primitive::Null, Value::Null) | (Primitive::Boolean, Value::Bool) | (Primitive::String, Value::Text(_)) => {
            true
        }
        (Primitive::Int, Value::Number(digits)) => digits.parse::<i32>().is_ok(),
        (Primitive::Long, Value::Number(digits)) => digits.parse::<i64>().is_ok(),
        (Primitive::Float | Primitive::Double, Value::Number(_)) => true,
        (Primitive::Bytes, Value::Text(text)) => is_bytes(text),
        _ => false,
    }
}

/// Bytes are written as a text whose characters are the bytes: "Unicode code points 0-255 are mapped to unsigned 8-bit
/// byte values 0-255".
fn is_bytes(text: &str) -> bool {
    text.chars().all(|c| u32::from(c) < 256)
}
