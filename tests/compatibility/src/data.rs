//! Data of a schema, from a seed: written here byte by byte, so that no library's writer is trusted.

use std::collections::HashMap;

use fastrand::Rng;
use serde_json::Value;

/// How deep values go before unions choose their shallowest branch and lists stay empty.
const DEPTH: u32 = 4;

/// Writes random data of one schema.
pub struct Data<'a> {
    schema: &'a Value,
    names: HashMap<String, (&'a Value, String)>,
}

// === impl Data ===

impl<'a> Data<'a> {
    /// The data of a valid schema.
    pub fn of(schema: &'a Value) -> Self {
        let mut data = Self { schema, names: HashMap::new() };
        data.define(schema, "");
        data
    }

    /// One datum.
    pub fn datum(&self, random: &mut Rng) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write(self.schema, "", 0, random, &mut bytes);
        bytes
    }

    fn define(&mut self, schema: &'a Value, namespace: &str) {
        match schema {
            Value::Array(branches) => branches.iter().for_each(|branch| self.define(branch, namespace)),
            Value::Object(_) => {
                let mut inner = namespace.to_owned();
                if let Some(name) = schema["name"].as_str() {
                    let full = qualified(name, schema["namespace"].as_str().unwrap_or(namespace));
                    inner = full.rsplit_once('.').map_or_else(String::new, |(namespace, _)| namespace.to_owned());
                    self.names.insert(full, (schema, namespace.to_owned()));
                }
                for key in ["type", "items", "values"] {
                    self.define(&schema[key], &inner);
                }
                for field in schema["fields"].as_array().into_iter().flatten() {
                    self.define(&field["type"], &inner);
                }
            }
            _ => {}
        }
    }

    fn write(&self, schema: &Value, namespace: &str, depth: u32, random: &mut Rng, out: &mut Vec<u8>) {
        match schema {
            Value::Array(branches) => {
                let shallow =
                    |branch: &Value| branch.as_str().is_some_and(|name| self.named(name, namespace).is_none());
                let simple = branches.iter().position(shallow).filter(|_| depth >= DEPTH);
                let place = simple.unwrap_or_else(|| random.usize(..branches.len()));
                varint(i64::try_from(place).unwrap_or(0), out);
                self.write(&branches[place], namespace, depth + 1, random, out);
            }
            Value::String(name) => match self.named(name, namespace) {
                Some((schema, namespace)) => self.write(schema, namespace, depth + 1, random, out),
                None => primitive(name, "", random, out),
            },
            _ => self.complex(schema, namespace, depth, random, out),
        }
    }

    fn complex(&self, schema: &Value, namespace: &str, depth: u32, random: &mut Rng, out: &mut Vec<u8>) {
        let Some(kind) = schema["type"].as_str() else {
            return self.write(&schema["type"], namespace, depth, random, out);
        };
        let logical = schema["logicalType"].as_str().unwrap_or_default();
        match kind {
            "record" => {
                let full = qualified(
                    schema["name"].as_str().unwrap_or_default(),
                    schema["namespace"].as_str().unwrap_or(namespace),
                );
                let inner = full.rsplit_once('.').map_or("", |(namespace, _)| namespace);
                for field in schema["fields"].as_array().into_iter().flatten() {
                    self.write(&field["type"], inner, depth + 1, random, out);
                }
            }
            "enum" => {
                let count = schema["symbols"].as_array().map_or(1, Vec::len);
                varint(i64::try_from(random.usize(..count)).unwrap_or(0), out);
            }
            "fixed" => out.extend((0..schema["size"].as_u64().unwrap_or(0)).map(|_| random.u8(..))),
            "array" | "map" => {
                let count = if depth >= DEPTH { 0 } else { random.i64(0..3) };
                if count > 0 {
                    varint(count, out);
                    for item in 0..count {
                        if kind == "map" {
                            text(&format!("k{item}"), out);
                        }
                        let part = if kind == "map" { &schema["values"] } else { &schema["items"] };
                        self.write(part, namespace, depth + 1, random, out);
                    }
                }
                varint(0, out);
            }
            name => match self.named(name, namespace) {
                Some((schema, namespace)) => self.write(schema, namespace, depth + 1, random, out),
                None => primitive(name, logical, random, out),
            },
        }
    }

    fn named(&self, name: &str, namespace: &str) -> Option<(&'a Value, &str)> {
        let found = self.names.get(&qualified(name, namespace)).or_else(|| self.names.get(name))?;
        Some((found.0, found.1.as_str()))
    }
}

fn primitive(name: &str, logical: &str, random: &mut Rng, out: &mut Vec<u8>) {
    let small = random.bool();
    match (name, logical) {
        ("boolean", _) => out.push(random.u8(0..2)),
        ("int", _) => varint(if small { random.i32(-9..9).into() } else { random.i32(..).into() }, out),
        ("long", _) => varint(if small { random.i64(-9..9) } else { random.i64(..) }, out),
        ("float", _) => out.extend((random.f32() * 1e6).to_le_bytes()),
        ("double", _) => out.extend((random.f64() * 1e6).to_le_bytes()),
        ("string", "uuid") => text("5b1c3a0e-9c3f-4c57-9a54-1d2f6a7b8c9d", out),
        ("string", _) => text(["", "x", "größe", "A"][random.usize(..4)], out),
        ("bytes", _) => {
            let bytes: Vec<u8> = (0..random.usize(1..9)).map(|_| random.u8(..)).collect();
            varint(i64::try_from(bytes.len()).unwrap_or(0), out);
            out.extend(bytes);
        }
        _ => {}
    }
}

fn text(text: &str, out: &mut Vec<u8>) {
    varint(i64::try_from(text.len()).unwrap_or(0), out);
    out.extend(text.as_bytes());
}

/// Zigzag, in groups of seven bits, lowest first.
fn varint(number: i64, out: &mut Vec<u8>) {
    let mut bits = ((number << 1) ^ (number >> 63)).cast_unsigned();
    while bits >= 0x80 {
        out.push(u8::try_from(bits & 0x7f).unwrap_or(0) | 0x80);
        bits >>= 7;
    }
    out.push(u8::try_from(bits).unwrap_or(0));
}

fn qualified(name: &str, namespace: &str) -> String {
    if name.contains('.') || namespace.is_empty() { name.to_owned() } else { format!("{namespace}.{name}") }
}
