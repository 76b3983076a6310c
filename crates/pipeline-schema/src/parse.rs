//! From the text of an `.avsc` file to a [`Schema`], or every fault in it with its place.
//!
//! What passes here passes every registry: names, defaults and enum symbols are held to the Avro specification. A name
//! has to be defined before it is used, in the order of the text, as the specification has it.
//!
//! What was written in the past cannot be corrected any more, and other tools let it through. [`Schema::parse_lenient`]
//! reads it as far as it can be read in one way only, and says what it overlooked.

use std::collections::{HashMap, hash_map::Entry};

use crate::{
    dialect,
    json::{Json, Object, Text, Value},
    schema::{Enum, Field, Fixed, Kind, Logical, Name, Node, Place, Primitive, Record, Schema, Type},
};

mod bounds;
mod defaults;
mod faults;
mod names;
#[cfg(test)]
mod tests;

use faults::UNDEFINED;
pub use faults::{Fault, Faults};
pub(crate) use names::qualified;

/// Nesting that a schema may have; a hand-written one has less than ten.
const MAX_DEPTH: usize = 64;

/// A schema as it was read leniently.
#[derive(Clone, Debug)]
pub struct Lenient {
    /// The schema.
    pub schema: Schema,
    /// What is no JSON and changes nothing: a byte order mark, comments.
    pub harmless: Vec<Fault>,
    /// What the specification forbids, and what can be read in one way only all the same: names and symbols with other
    /// characters are taken as they are written, and a default that is no value of its type is taken for none.
    pub invalid: Vec<Fault>,
}

impl Schema {
    /// Reads a schema.
    ///
    /// # Errors
    /// Every fault that was found; those that follow from another are left out.
    pub fn parse(text: &str) -> Result<Self, Faults> {
        let plain = dialect::plain(text);
        let mut faults = plain.found;
        match Parser::read(&plain.text, false) {
            Ok((schema, _)) if faults.is_empty() => return Ok(schema),
            Ok(_) => {}
            Err(more) => faults.extend(more.0),
        }
        faults.sort_by_key(|fault| fault.place);
        Err(Faults(faults))
    }

    /// Reads a schema that cannot be corrected any more, because it was written with.
    ///
    /// # Errors
    /// Every fault that leaves open what the schema means.
    pub fn parse_lenient(text: &str) -> Result<Lenient, Faults> {
        let plain = dialect::plain(text);
        let (schema, invalid) = Parser::read(&plain.text, true)?;
        Ok(Lenient { schema, harmless: plain.found, invalid })
    }
}

/// Reads types one after the other. A type with a fault leaves a `null` in its place, so that the rest is read too.
struct Parser<'a> {
    text: Text<'a>,
    nodes: Vec<Node>,
    names: HashMap<Name, usize>,
    faults: Vec<Fault>,
    /// Faults that are overlooked; `None` when none is to be.
    overlooked: Option<Vec<Fault>>,
    depth: usize,
    /// Types, fields and symbols that were read.
    parts: usize,
}

// === impl Parser ===

impl<'a> Parser<'a> {
    /// The schema, and the faults that were overlooked.
    fn read(text: &'a str, lenient: bool) -> Result<(Schema, Vec<Fault>), Faults> {
        bounds::check_length(text)?;
        let text = Text::new(text);
        let json = text.json().map_err(|(place, problem)| Faults(vec![Fault { place, problem }]))?;
        let overlooked = lenient.then(Vec::new);
        let (nodes, names, faults) = (Vec::new(), HashMap::new(), Vec::new());
        let mut parser = Self { text, nodes, names, faults, overlooked, depth: 0, parts: 0 };
        let root = parser.any(json, None);
        parser.check_depth(json, root);
        if parser.faults.is_empty() {
            let overlooked = parser.overlooked.unwrap_or_default();
            return Ok((Schema { nodes: parser.nodes, root }, overlooked));
        }
        parser.faults.sort_by_key(|fault| fault.place);
        Err(Faults(parser.faults))
    }

    fn any(&mut self, json: Json<'a>, namespace: Option<&str>) -> Type {
        self.depth += 1;
        let read = if self.depth > MAX_DEPTH {
            self.broken(json, format!("nested more than {MAX_DEPTH} levels deep"))
        } else if !self.has_room(json) {
            Type { id: 0, place: self.text.place(json) }
        } else {
            match json.value() {
                Value::Text(name) => self.named(json, &name, namespace),
                Value::List(branches) => self.union(json, &branches, namespace),
                Value::Object(object) => self.object(json, &object, namespace),
                other => self.broken(json, format!("a type is a name, a list or an object, not {}", other.name())),
            }
        };
        self.depth -= 1;
        read
    }

    /// A primitive type, or one that was defined before.
    fn named(&mut self, json: Json<'a>, name: &str, namespace: Option<&str>) -> Type {
        if let Some(primitive) = Primitive::of(name) {
            return self.push(Kind::Primitive(primitive), None, self.text.place(json));
        }
        let full = names::qualified(name, namespace);
        match self.names.get(&full).or_else(|| self.names.get(&Name(name.to_owned()))) {
            Some(id) => Type { id: *id, place: self.text.place(json) },
            None => self.broken(json, format!("type `{full}` {UNDEFINED}")),
        }
    }

    fn union(&mut self, json: Json<'a>, branches: &[Json<'a>], namespace: Option<&str>) -> Type {
        let mut types: Vec<Type> = Vec::with_capacity(branches.len());
        for branch in branches {
            let read = self.any(*branch, namespace);
            if self.is_full() {
                break;
            }
            if matches!(self.kind(read), Some(Kind::Union(_))) {
                self.fault(*branch, "a union cannot hold a union".to_owned());
            } else if types.iter().any(|earlier| self.same_branch(*earlier, read)) && !self.is_broken(*branch) {
                self.fault(*branch, "a union cannot hold the same type twice".to_owned());
            }
            types.push(read);
        }
        if types.is_empty() {
            return self.broken(json, "a union needs at least one type".to_owned());
        }
        self.push(Kind::Union(types), None, self.text.place(json))
    }

    fn object(&mut self, json: Json<'a>, object: &Object<'a>, namespace: Option<&str>) -> Type {
        if let Some((key, value)) = object.doubled() {
            self.fault(*value, format!("`{key}` is given twice"));
        }
        let Some(kind) = object.get("type") else {
            return self.broken(json, "a type needs a `type`".to_owned());
        };
        let Some(word) = kind.as_text() else {
            // A definition wrapped in another object, as in {"type": {"type": "string"}}.
            return self.any(kind, namespace);
        };
        match word.as_str() {
            "record" | "error" => self.record(json, object, namespace),
            "enum" => self.enumeration(json, object, namespace),
            "fixed" => self.fixed(json, object, namespace),
            "array" => {
                let items = self.part(json, object, "array", "items", namespace);
                self.push(Kind::Array(items), None, self.text.place(json))
            }
            "map" => {
                let values = self.part(json, object, "map", "values", namespace);
                self.push(Kind::Map(values), None, self.text.place(json))
            }
            name => match Primitive::of(name) {
                Some(primitive) => {
                    let logical = logical(object, &Kind::Primitive(primitive));
                    self.push(Kind::Primitive(primitive), logical, self.text.place(kind))
                }
                None => self.named(kind, name, namespace),
            },
        }
    }

    fn part(&mut self, json: Json<'a>, object: &Object<'a>, of: &str, key: &str, namespace: Option<&str>) -> Type {
        match object.get(key) {
            Some(part) => self.any(part, namespace),
            None => self.broken(json, format!("type `{of}` needs `{key}`")),
        }
    }

    fn record(&mut self, json: Json<'a>, object: &Object<'a>, namespace: Option<&str>) -> Type {
        let (name, aliases, place) = self.definition(json, object, namespace, "record");
        let inner = name.namespace().map(str::to_owned);
        // Its place is taken before the fields, so that a field may hold the record itself.
        let record = Record { name: name.clone(), aliases, fields: Vec::new() };
        let defined = self.define(name, Kind::Record(record), None, json, place);
        let fields = match object.get("fields").map(|fields| (fields, fields.value())) {
            Some((_, Value::List(fields))) => self.fields(&fields, inner.as_deref()),
            Some((fields, _)) => {
                self.fault(fields, "`fields` is a list".to_owned());
                Vec::new()
            }
            None => {
                self.fault(json, "a record needs `fields`".to_owned());
                Vec::new()
            }
        };
        if let Some(Node { kind: Kind::Record(record), .. }) = self.nodes.get_mut(defined.id) {
            record.fields = fields;
        }
        self.check_defaults(defined, object);
        defined
    }

    fn fields(&mut self, list: &[Json<'a>], namespace: Option<&str>) -> Vec<Field> {
        let mut fields: Vec<Field> = Vec::with_capacity(list.len());
        for json in list {
            if !self.has_room(*json) {
                break;
            }
            let Value::Object(object) = json.value() else {
                self.fault(*json, "a field is an object with `name` and `type`".to_owned());
                continue;
            };
            if let Some((key, value)) = object.doubled() {
                self.fault(*value, format!("`{key}` is given twice"));
            }
            let Some((name, place)) = self.simple_name(*json, &object, "field") else { continue };
            if fields.iter().any(|earlier| earlier.name == name) {
                self.faults.push(Fault { place, problem: format!("the record has a field `{name}` already") });
            }
            let kind = match object.get("type") {
                Some(kind) => self.any(kind, namespace),
                None => self.broken(*json, format!("field `{name}` needs a `type`")),
            };
            let aliases = self.texts(&object, "aliases");
            let default = object.get("default").map(|default| default.text().to_owned());
            fields.push(Field { name, aliases, kind, default, unportable: None, place });
        }
        fields
    }

    fn enumeration(&mut self, json: Json<'a>, object: &Object<'a>, namespace: Option<&str>) -> Type {
        let (name, aliases, place) = self.definition(json, object, namespace, "enum");
        let mut symbols: Vec<(String, Place)> = Vec::new();
        match object.get("symbols").map(Json::value) {
            Some(Value::List(list)) => {
                for json in list {
                    if !self.has_room(json) {
                        break;
                    }
                    let is_symbol = |parser: &mut Self, text: &String| {
                        names::is_simple(text)
                            || parser.overlook(json, || format!("`{}` is not a symbol: {}", json.text(), names::RULE))
                    };
                    match json.as_text() {
                        Some(symbol) if symbols.iter().any(|(earlier, _)| *earlier == symbol) => {
                            self.fault(json, format!("the enum has a symbol `{symbol}` already"));
                        }
                        Some(symbol) if is_symbol(self, &symbol) => symbols.push((symbol, self.text.place(json))),
                        Some(_) => {}
                        None => self.fault(json, format!("`{}` is not a symbol: {}", json.text(), names::RULE)),
                    }
                }
            }
            _ => self.fault(json, "an enum needs `symbols`, a list".to_owned()),
        }
        let known = |default: &String| symbols.iter().any(|(symbol, _)| symbol == default);
        let default = object.get("default").and_then(|json| {
            let default = json.as_text().filter(known);
            if default.is_none() {
                self.overlook(json, || format!("the default {} is not one of the symbols", json.text()));
            }
            default
        });
        let kind = Kind::Enum(Enum { name: name.clone(), aliases, symbols, default });
        self.define(name, kind, None, json, place)
    }

    fn fixed(&mut self, json: Json<'a>, object: &Object<'a>, namespace: Option<&str>) -> Type {
        let (name, aliases, place) = self.definition(json, object, namespace, "fixed");
        let size = match object.get("size").map(Json::value) {
            Some(Value::Number(digits)) => digits.parse().ok(),
            _ => None,
        };
        if size.is_none() {
            self.fault(json, "type `fixed` needs a `size`, a whole number of bytes".to_owned());
        }
        let kind = Kind::Fixed(Fixed { name: name.clone(), aliases, size: size.unwrap_or_default() });
        let logical = logical(object, &kind);
        self.define(name, kind, logical, json, place)
    }

    // === nodes ===

    fn push(&mut self, kind: Kind, logical: Option<Logical>, place: Place) -> Type {
        self.nodes.push(Node { kind, logical, place });
        Type { id: self.nodes.len() - 1, place }
    }

    fn define(&mut self, name: Name, kind: Kind, logical: Option<Logical>, json: Json<'a>, place: Place) -> Type {
        let defined = self.push(kind, logical, place);
        match self.names.entry(name) {
            Entry::Vacant(free) => drop(free.insert(defined.id)),
            Entry::Occupied(taken) => {
                let problem = format!("type `{}` is defined already", taken.key());
                self.fault(json, problem);
            }
        }
        defined
    }

    fn kind(&self, of: Type) -> Option<&Kind> {
        self.nodes.get(of.id).map(|node| &node.kind)
    }

    /// Whether a union cannot tell two types apart: "unions may not contain more than one schema with the same type,
    /// except for the named types".
    fn same_branch(&self, one: Type, other: Type) -> bool {
        match (self.kind(one), self.kind(other)) {
            (Some(Kind::Primitive(one)), Some(Kind::Primitive(other))) => one == other,
            (Some(Kind::Array(_)), Some(Kind::Array(_))) | (Some(Kind::Map(_)), Some(Kind::Map(_))) => true,
            (Some(a), Some(b)) => matches!((a.names(), b.names()), (Some((a, _)), Some((b, _))) if a == b),
            _ => false,
        }
    }

    // === faults ===

    /// Notes a fault that leaves open no question, and says whether to go on as if it were none.
    fn overlook(&mut self, at: Json<'_>, problem: impl FnOnce() -> String) -> bool {
        let fault = Fault { place: self.text.place(at), problem: problem() };
        match &mut self.overlooked {
            Some(overlooked) => overlooked.push(fault),
            None => self.faults.push(fault),
        }
        self.overlooked.is_some()
    }

    fn fault(&mut self, at: Json<'_>, problem: String) {
        self.faults.push(Fault { place: self.text.place(at), problem });
    }

    fn broken(&mut self, at: Json<'_>, problem: String) -> Type {
        self.fault(at, problem);
        self.push(Kind::Primitive(Primitive::Null), None, self.text.place(at))
    }

    fn is_broken(&self, at: Json<'_>) -> bool {
        let place = self.text.place(at);
        self.faults.iter().any(|fault| fault.place == place)
    }
}

/// The logical type, when it is one that the underlying type may have: "implementations must ignore unknown or invalid
/// logical types".
fn logical(object: &Object<'_>, kind: &Kind) -> Option<Logical> {
    let name = object.get("logicalType")?.as_text()?;
    if name != "decimal" {
        return Some(Logical::Other(name));
    }
    if !matches!(kind, Kind::Primitive(Primitive::Bytes) | Kind::Fixed(_)) {
        return None;
    }
    let number = |key: &str| match object.get(key).map(Json::value) {
        Some(Value::Number(digits)) => digits.parse::<u64>().ok(),
        _ => None,
    };
    let precision = number("precision").filter(|precision| *precision > 0)?;
    let scale = if object.get("scale").is_some() { number("scale")? } else { 0 };
    (scale <= precision).then_some(Logical::Decimal { precision, scale })
}
