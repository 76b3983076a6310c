//! Whether a default is a value of its field's type, by the specification's table of default values.

use std::collections::HashMap;

use super::Parser;
use crate::{
    json::{Json, Object, Value},
    schema::{Field, Kind, Primitive, Type, Unportable},
};

/// How a default goes together with its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// It is no value of the type.
    No,
    /// It is, by a later branch of a union. The specification has allowed that since 1.12; decoders that hold to the
    /// rule of the versions before, the one of Sluice's stages among them, fail on it or put something else there.
    Later,
    /// It is.
    Yes,
}

/// What was found of a part of a default, by its place in the text, and a type. Without it, a default within unions of
/// records would be tried once for each way through the branches, which doubles with each level.
type Judged = HashMap<(usize, usize), Fit>;

impl<'a> Parser<'a> {
    /// Names each field of a record whose default does not fit. Called when the record is whole, because a default may
    /// be a record of the record's own type.
    pub(super) fn check_defaults(&mut self, record: Type, object: &Object<'a>) {
        for (place, default, fit) in self.judged_defaults(record, object) {
            let kind = match self.kind(record) {
                Some(Kind::Record(read)) => read.fields.get(place).map(|field| field.kind),
                _ => None,
            };
            let is_union = kind.is_some_and(|kind| matches!(self.kind(kind), Some(Kind::Union(_))));
            let Some(Kind::Record(read)) = self.nodes.get_mut(record.id).map(|node| &mut node.kind) else { return };
            let Some(field) = read.fields.get_mut(place) else { continue };
            match fit {
                Fit::Yes if is_union && matches!(default.value(), Value::List(items) if items.is_empty()) => {
                    field.unportable = Some((Unportable::EmptyListOfUnion, self.text.place(default)));
                }
                Fit::Yes => {}
                Fit::Later => field.unportable = Some((Unportable::LaterBranch, self.text.place(default))),
                Fit::No => {
                    field.default = None;
                    let problem = format!("the default {} is no value of `{}`'s type", default.text(), field.name);
                    self.overlook(default, || problem);
                }
            }
        }
    }

    /// The defaults of a record, each with its field's place in the list.
    fn judged_defaults(&self, record: Type, object: &Object<'a>) -> Vec<(usize, Json<'a>, Fit)> {
        let Some(Kind::Record(read)) = self.kind(record) else { return Vec::new() };
        let Some(Value::List(written)) = object.get("fields").map(Json::value) else { return Vec::new() };
        let defaults = written.iter().filter_map(|json| match json.value() {
            Value::Object(object) => Some((object.get("name")?.as_text()?, object.get("default")?)),
            _ => None,
        });
        let mut judged = Judged::new();
        let fits = defaults.filter_map(|(name, default)| {
            let place = read.fields.iter().position(|field| field.name == name)?;
            Some((place, default, self.fit(default, read.fields.get(place)?.kind, &mut judged)))
        });
        fits.collect()
    }

    /// As deep as the default is written, which is as deep as the text.
    fn fit(&self, default: Json<'a>, kind: Type, judged: &mut Judged) -> Fit {
        let key = (self.text.offset(default), kind.id);
        if let Some(known) = judged.get(&key) {
            return *known;
        }
        let fit = self.judge(default, kind, judged);
        judged.insert(key, fit);
        fit
    }

    fn judge(&self, default: Json<'a>, kind: Type, judged: &mut Judged) -> Fit {
        let Some(kind) = self.kind(kind) else { return Fit::No };
        let whole = |fits: bool| if fits { Fit::Yes } else { Fit::No };
        match (kind, default.value()) {
            (Kind::Primitive(primitive), value) => whole(fits_primitive(*primitive, &value)),
            (Kind::Array(items), Value::List(values)) => {
                least(values.iter().map(|value| self.fit(*value, *items, judged)))
            }
            (Kind::Map(values), Value::Object(object)) => {
                least(object.0.iter().map(|(_, value)| self.fit(*value, *values, judged)))
            }
            (Kind::Union(branches), _) => {
                let mut fits = branches.iter().map(|branch| self.fit(default, *branch, judged));
                match fits.next().unwrap_or(Fit::No) {
                    Fit::No => fits.find(|fit| *fit != Fit::No).map_or(Fit::No, |_| Fit::Later),
                    first => first,
                }
            }
            (Kind::Enum(kind), Value::Text(text)) => whole(kind.symbols.iter().any(|(symbol, _)| *symbol == text)),
            (Kind::Fixed(fixed), Value::Text(text)) => {
                whole(is_bytes(&text) && text.chars().count() as u64 == fixed.size)
            }
            (Kind::Record(record), Value::Object(object)) => {
                least(record.fields.iter().map(|field| self.field_fit(field, &object, judged)))
            }
            _ => Fit::No,
        }
    }

    fn field_fit(&self, field: &Field, object: &Object<'a>, judged: &mut Judged) -> Fit {
        match (object.get(&field.name), &field.default) {
            (Some(value), _) => self.fit(value, field.kind, judged),
            (None, Some(_)) if matches!(field.unportable, Some((Unportable::LaterBranch, _))) => Fit::Later,
            (None, Some(_)) => Fit::Yes,
            (None, None) => Fit::No,
        }
    }
}

fn least(fits: impl Iterator<Item = Fit>) -> Fit {
    fits.min().unwrap_or(Fit::Yes)
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
