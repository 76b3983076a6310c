//! Reading what one schema wrote as another has it: the way of the stages, and of a schema on trial.
//!
//! The library decodes what was written, by the writer's schema; what the reader makes of it is decided here, by the
//! rules of the gate. Both go by the underlying types, as the specification asks of whoever does not know a logical
//! type: the bytes are the same, and what a changed meaning is worth is for the gate to say.

use apache_avro::{Schema, reader::datum::GenericDatumReader, types::Value};

use super::{
    compatibility::may_read,
    datum::{self, Fault},
};

mod resolver;

use resolver::Resolver;

/// A way from a writer's data to a reader's values.
#[derive(Debug)]
pub struct Reading {
    writer: Schema,
    resolver: Resolver,
}

/// Why a datum is no value of the reader's.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// The bytes are no datum of the writer's schema.
    #[error("the data is not what its schema says")]
    Damaged(#[source] Fault),
    /// The schemas go together, and this value does not.
    #[error("the value does not fit")]
    Unfit(#[source] Unfit),
}

/// Why a value does not fit.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// It cannot be decoded, or is no record of this program.
    #[error(transparent)]
    Undecodable(#[from] Box<apache_avro::Error>),
    /// The reader's schema has no place for it.
    #[error("{0}")]
    NoPlace(String),
}

// === impl Reading ===

impl Reading {
    /// The way, when at least some of the writer's values are readable; the error says what is not.
    pub fn new(writer: &str, reader: &str) -> Result<Self, String> {
        may_read(writer, reader)?;
        let parsed = |text: &str| pipeline_schema::Schema::parse_lenient(text).map_err(|faults| faults.to_string());
        let resolver = Resolver { writer: parsed(writer)?.schema, reader: parsed(reader)?.schema };
        Ok(Self { writer: written(writer)?, resolver })
    }

    /// The value of a datum that is whole.
    pub fn value(&self, datum: &[u8]) -> Result<Value, Unread> {
        datum::check(&self.resolver.writer, datum).map_err(Unread::Damaged)?;
        let unfit = |source| Unread::Unfit(Unfit::Undecodable(Box::new(source)));
        let decoding = GenericDatumReader::builder(&self.writer).build().map_err(unfit)?;
        let written = decoding.read_value(&mut &*datum).map_err(unfit)?;
        self.resolver.value(written).map_err(|reason| Unread::Unfit(Unfit::NoPlace(reason)))
    }
}

/// A writer's schema with what its data's layout depends on, and no more. The bounds of schemas are held here before the
/// library reads the text: it compares defaults with each way through their types, which may be more than can be counted.
pub(super) fn written(text: &str) -> Result<Schema, String> {
    pipeline_schema::Schema::parse_lenient(text).map_err(|faults| format!("not a valid schema: {faults}"))?;
    let plain = match serde_json::from_str(text) {
        Ok(mut schema) => {
            keep_layout(&mut schema);
            Schema::parse_str(&schema.to_string())
        }
        // A bare type name.
        Err(_) => Schema::parse_str(text),
    };
    plain.map_err(|error| error.to_string())
}

/// As deep as the schema, which is as deep as its text.
fn keep_layout(schema: &mut serde_json::Value) {
    match schema {
        serde_json::Value::Array(branches) => branches.iter_mut().for_each(keep_layout),
        serde_json::Value::Object(members) => {
            for key in ["logicalType", "precision", "scale"] {
                members.remove(key);
            }
            for key in ["type", "items", "values"] {
                members.get_mut(key).into_iter().for_each(keep_layout);
            }
            let fields = members.get_mut("fields").and_then(serde_json::Value::as_array_mut);
            for field in fields.into_iter().flatten().filter_map(serde_json::Value::as_object_mut) {
                // A writer's defaults and its fields' aliases say nothing of its data, and the library is strict in them.
                field.retain(|key, _| key != "default" && key != "aliases");
                field.get_mut("type").into_iter().for_each(keep_layout);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(writer: &str, reader: &str, datum: &[u8]) -> Value {
        Reading::new(writer, reader).unwrap().value(datum).unwrap()
    }

    fn field(rest: &str) -> String {
        format!(r#"{{"type":"record","name":"R","fields":[{{"name":{rest}}}]}}"#)
    }

    #[test]
    fn a_field_is_read_by_its_alias() {
        let (old, new) = (field(r#""a","type":"int""#), field(r#""b","aliases":["a"],"type":"long""#));
        assert_eq!(read(&old, &new, &[6]), Value::Record(vec![("b".to_owned(), Value::Long(3))]));
    }

    #[test]
    fn a_logical_type_that_came_went_or_changed_leaves_the_value() {
        let logical = |name: &str| field(&format!(r#""a","type":{{"type":"long","logicalType":"{name}"}}"#));
        let three = Value::Record(vec![("a".to_owned(), Value::Long(3))]);
        for reader in [logical("timestamp-micros"), logical("time-micros"), field(r#""a","type":"long""#)] {
            assert_eq!(read(&logical("timestamp-millis"), &reader, &[6]), three, "{reader}");
            assert_eq!(read(&reader, &logical("timestamp-nanos"), &[6]), three, "{reader}");
        }
        let decimal =
            field(r#""a","type":{"type":"fixed","name":"F","size":2,"logicalType":"decimal","precision":4,"scale":1}"#);
        let more = decimal.replace("]}", r#",{"name":"b","type":"int","default":0}]}"#);
        let Value::Record(fields) = read(&decimal, &more, &[0, 7]) else { panic!("a record") };
        assert_eq!(fields[0].1, Value::Fixed(2, vec![0, 7]), "a small number in a wide decimal");
    }
}
