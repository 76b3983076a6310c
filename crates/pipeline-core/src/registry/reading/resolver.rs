//! A writer's value as the reader has it, by the rules by which the gate judges schemas.
//!
//! The library's own resolution forgets which branch of a union was written and takes the first of the reader's that has
//! the value's shape, so that one record is taken for another; it follows no aliases, and knows defaults of a union's
//! first branch only. Here the same functions choose as in the gate, so that what it passes is read as it says.

use std::collections::HashMap;

use apache_avro::types::Value;
use pipeline_schema::{
    Kind, Schema,
    resolution::{branch_for, source_of},
    schema::{Enum, Primitive, Record, Type},
};
use serde_json::Value as Json;

/// Two schemas, and values on their way from one to the other.
#[derive(Debug)]
pub(super) struct Resolver {
    pub(super) writer: Schema,
    pub(super) reader: Schema,
}

type Outcome = Result<Value, String>;

// === impl Resolver ===

impl Resolver {
    /// The value of the reader's schema. As deep as the value, which was checked before it was decoded.
    pub(super) fn value(&self, written: Value) -> Outcome {
        self.resolve(written, self.writer.root(), self.reader.root())
    }

    fn resolve(&self, value: Value, from: Type, to: Type) -> Outcome {
        let (written, expected) = (&self.writer.node(from).kind, &self.reader.node(to).kind);
        match (written, expected, value) {
            (Kind::Union(branches), _, Value::Union(choice, value)) => {
                let branch = usize::try_from(choice).ok().and_then(|choice| branches.get(choice));
                self.resolve(*value, *branch.ok_or("it chooses a branch that its union lacks")?, to)
            }
            (_, Kind::Union(branches), value) => {
                let place = branch_for((&self.writer, from), (&self.reader, branches));
                let (place, branch) = place.ok_or_else(|| self.no_place(from, to))?;
                let place = u32::try_from(place).map_err(|error| error.to_string())?;
                Ok(Value::Union(place, Box::new(self.resolve(value, from, branch)?)))
            }
            (Kind::Primitive(_), Kind::Primitive(to), value) => promote(value, *to),
            (Kind::Array(from), Kind::Array(to), Value::Array(items)) => Ok(Value::Array(
                items.into_iter().map(|item| self.resolve(item, *from, *to)).collect::<Result<_, _>>()?,
            )),
            (Kind::Map(from), Kind::Map(to), Value::Map(entries)) => {
                let entries = entries.into_iter().map(|(key, value)| Ok((key, self.resolve(value, *from, *to)?)));
                Ok(Value::Map(entries.collect::<Result<HashMap<_, _>, String>>()?))
            }
            (Kind::Record(from), Kind::Record(to), Value::Record(fields)) => self.record(fields, from, to),
            (Kind::Enum(_), Kind::Enum(to), Value::Enum(_, symbol)) => self.symbol(&symbol, to),
            (Kind::Fixed(_), Kind::Fixed(to), Value::Fixed(size, bytes)) if to.size == size as u64 => {
                Ok(Value::Fixed(size, bytes))
            }
            _ => Err(self.no_place(from, to)),
        }
    }

    fn record(&self, written: Vec<(String, Value)>, from: &Record, to: &Record) -> Outcome {
        let mut written: HashMap<String, Value> = written.into_iter().collect();
        let mut fields = Vec::with_capacity(to.fields.len());
        for field in &to.fields {
            let source = source_of(from, to, field);
            let value = match source.and_then(|source| Some((source, written.remove(&source.name)?))) {
                Some((source, value)) => self.resolve(value, source.kind, field.kind)?,
                None => {
                    let default = field.default.as_deref().and_then(|text| serde_json::from_str(text).ok());
                    let default =
                        default.ok_or_else(|| format!("field `{}` is missing and has no default", field.name))?;
                    self.default(&default, field.kind)
                        .ok_or_else(|| format!("the default of `{}` is no value of its type", field.name))?
                }
            };
            fields.push((field.name.clone(), value));
        }
        Ok(Value::Record(fields))
    }

    fn symbol(&self, symbol: &str, to: &Enum) -> Outcome {
        let place = |symbol: &str| to.symbols.iter().position(|(known, _)| known == symbol);
        let default = || to.default.as_deref().and_then(|default| Some((place(default)?, default)));
        let (place, symbol) = place(symbol)
            .map(|place| (place, symbol))
            .or_else(default)
            .ok_or_else(|| format!("symbol `{symbol}` is not among those of `{}`, which has no default", to.name))?;
        Ok(Value::Enum(u32::try_from(place).map_err(|error| error.to_string())?, symbol.to_owned()))
    }

    /// The value that a default stands for: of a union, by the first branch that it is a value of. As deep as it is
    /// written.
    fn default(&self, json: &Json, kind: Type) -> Option<Value> {
        match (&self.reader.node(kind).kind, json) {
            (Kind::Primitive(primitive), json) => primitive_default(*primitive, json),
            (Kind::Array(items), Json::Array(list)) => {
                Some(Value::Array(list.iter().map(|item| self.default(item, *items)).collect::<Option<_>>()?))
            }
            (Kind::Map(values), Json::Object(members)) => {
                let entries = members.iter().map(|(key, value)| Some((key.clone(), self.default(value, *values)?)));
                Some(Value::Map(entries.collect::<Option<_>>()?))
            }
            (Kind::Union(branches), json) => {
                let mut fits =
                    branches.iter().zip(0..).filter_map(|(branch, n)| Some((n, self.default(json, *branch)?)));
                fits.next().map(|(n, value)| Value::Union(n, Box::new(value)))
            }
            (Kind::Enum(kind), Json::String(symbol)) => {
                let place = kind.symbols.iter().position(|(known, _)| known == symbol)?;
                Some(Value::Enum(u32::try_from(place).ok()?, symbol.clone()))
            }
            (Kind::Fixed(fixed), Json::String(text)) => bytes(text)
                .filter(|bytes| bytes.len() as u64 == fixed.size)
                .map(|bytes| Value::Fixed(bytes.len(), bytes)),
            (Kind::Record(record), Json::Object(members)) => {
                let value = |name: &str, default: Option<&str>, kind| match members.get(name) {
                    Some(json) => self.default(json, kind),
                    None => self.default(&serde_json::from_str(default?).ok()?, kind),
                };
                let fields = record.fields.iter();
                let fields = fields
                    .map(|field| Some((field.name.clone(), value(&field.name, field.default.as_deref(), field.kind)?)));
                Some(Value::Record(fields.collect::<Option<_>>()?))
            }
            _ => None,
        }
    }

    fn no_place(&self, from: Type, to: Type) -> String {
        format!("`{}` cannot be read as `{}`", self.writer.describe(from), self.reader.describe(to))
    }
}

/// The specification's promotions.
#[expect(clippy::cast_precision_loss, reason = "the specification promotes so, and the gate warns of it")]
fn promote(value: Value, to: Primitive) -> Outcome {
    Ok(match (to, value) {
        (Primitive::Null, Value::Null) => Value::Null,
        (Primitive::Boolean, value @ Value::Boolean(_))
        | (Primitive::Int, value @ Value::Int(_))
        | (Primitive::Long, value @ Value::Long(_))
        | (Primitive::Float, value @ Value::Float(_))
        | (Primitive::Double, value @ Value::Double(_))
        | (Primitive::Bytes, value @ Value::Bytes(_))
        | (Primitive::String, value @ Value::String(_)) => value,
        (Primitive::Long, Value::Int(n)) => Value::Long(n.into()),
        (Primitive::Float, Value::Int(n)) => Value::Float(n as f32),
        (Primitive::Float, Value::Long(n)) => Value::Float(n as f32),
        (Primitive::Double, Value::Int(n)) => Value::Double(n.into()),
        (Primitive::Double, Value::Long(n)) => Value::Double(n as f64),
        (Primitive::Double, Value::Float(x)) => Value::Double(x.into()),
        (Primitive::Bytes, Value::String(text)) => Value::Bytes(text.into_bytes()),
        (Primitive::String, Value::Bytes(bytes)) => {
            Value::String(String::from_utf8(bytes).map_err(|_| "the bytes are not UTF-8 text")?)
        }
        (to, value) => return Err(format!("{value:?} cannot be read as `{}`", to.as_str())),
    })
}

#[expect(clippy::cast_possible_truncation, reason = "a default is written in decimal, and a float is the nearest one")]
fn primitive_default(primitive: Primitive, json: &Json) -> Option<Value> {
    Some(match (primitive, json) {
        (Primitive::Null, Json::Null) => Value::Null,
        (Primitive::Boolean, Json::Bool(value)) => Value::Boolean(*value),
        (Primitive::Int, Json::Number(number)) => Value::Int(i32::try_from(number.as_i64()?).ok()?),
        (Primitive::Long, Json::Number(number)) => Value::Long(number.as_i64()?),
        (Primitive::Float, Json::Number(number)) => Value::Float(number.as_f64()? as f32),
        (Primitive::Double, Json::Number(number)) => Value::Double(number.as_f64()?),
        (Primitive::Bytes, Json::String(text)) => Value::Bytes(bytes(text)?),
        (Primitive::String, Json::String(text)) => Value::String(text.clone()),
        _ => return None,
    })
}

/// "Unicode code points 0-255 are mapped to unsigned 8-bit byte values 0-255."
fn bytes(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect()
}
