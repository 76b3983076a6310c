//! Values as `java/Oracle.java` shows them, so that two libraries can be compared; and whether two mean the same.

use apache_avro::types::Value as Avro;
use serde_json::{Map, Value, json};

/// A value of the decoder that Sluice uses, which reads by underlying types.
pub fn shown(value: &Avro) -> Value {
    match value {
        Avro::Null => Value::Null,
        Avro::Boolean(value) => json!(value),
        Avro::Int(n) => json!({ "n": n.to_string() }),
        Avro::Long(n) => json!({ "n": n.to_string() }),
        Avro::Float(x) => float(f64::from(*x)),
        Avro::Double(x) => float(*x),
        Avro::Bytes(bytes) | Avro::Fixed(_, bytes) => json!({ "b": hex(bytes) }),
        Avro::String(text) => json!({ "s": text }),
        Avro::Enum(_, symbol) => json!({ "e": symbol }),
        Avro::Union(_, value) => shown(value),
        Avro::Array(items) => items.iter().map(shown).collect(),
        Avro::Map(entries) => {
            let mut entries: Vec<(&String, &Avro)> = entries.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            let entries: Map<String, Value> =
                entries.into_iter().map(|(key, value)| (key.clone(), shown(value))).collect();
            json!({ "m": entries })
        }
        Avro::Record(fields) => {
            let fields: Map<String, Value> = fields.iter().map(|(name, value)| (name.clone(), shown(value))).collect();
            json!({ "r": fields })
        }
        other => json!({ "other": format!("{other:?}") }),
    }
}

/// The same without the names of logical types.
pub fn plain(value: &Value) -> Value {
    match value {
        Value::Object(members) => match (members.get("l"), members.get("v")) {
            (Some(_), Some(value)) => plain(value),
            _ => members.iter().map(|(key, value)| (key.clone(), plain(value))).collect(),
        },
        Value::Array(items) => items.iter().map(plain).collect(),
        other => other.clone(),
    }
}

/// Whether what was read means what was written. Fields that only one side has say nothing, and neither does a symbol
/// that became another one: an enum's default stands in for what the reader does not know, and is there for that.
pub fn means_the_same(written: &Value, read: &Value) -> bool {
    let tag = |value: &Value, tag: &str| value.get(tag).cloned();
    if written == read {
        return true;
    }
    if let (Some(written), Some(read)) = (written.as_array(), read.as_array()) {
        return written.len() == read.len() && written.iter().zip(read).all(|(a, b)| means_the_same(a, b));
    }
    if let (Some(_), Some(_)) = (tag(written, "e"), tag(read, "e")) {
        return true;
    }
    if let (Some(was), Some(is)) = (tag(written, "l"), tag(read, "l")) {
        return was == is && means_the_same(&written["v"], &read["v"]);
    }
    for (key, all) in [("r", false), ("m", true)] {
        if let (Some(Value::Object(written)), Some(Value::Object(read))) = (tag(written, key), tag(read, key)) {
            let same =
                |(name, value): (&String, &Value)| written.get(name).is_none_or(|was| means_the_same(was, value));
            return read.iter().all(same) && (!all || written.len() == read.len());
        }
    }
    if let (Some(number), Some(float)) = (tag(written, "n"), tag(read, "f")) {
        return number.as_str().and_then(|n| n.parse::<i64>().ok()).is_some_and(|n| is_exactly(n, &float));
    }
    match (tag(written, "s"), tag(read, "b"), tag(written, "b"), tag(read, "s")) {
        (Some(text), Some(bytes), _, _) | (_, _, Some(bytes), Some(text)) => {
            text.as_str().is_some_and(|text| bytes == hex(text.as_bytes()))
        }
        _ => false,
    }
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "whether it is exact is the question")]
fn is_exactly(number: i64, float: &Value) -> bool {
    let there_and_back = (number as f64) as i128 == i128::from(number);
    there_and_back && float_of(number as f64) == *float
}

fn float(x: f64) -> Value {
    json!({ "f": float_of(x) })
}

fn float_of(x: f64) -> Value {
    format!("{:016x}", x.to_bits()).into()
}

/// Bytes as text, two digits each.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
