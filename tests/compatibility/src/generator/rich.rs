//! What a second judge is asked beyond what the registry is: the corners in which libraries part.

use serde_json::{Value, json};

use super::{Generator, default_of, word};

/// Logical types with the types that they stand on.
const LOGICAL: [(&str, &str); 11] = [
    ("int", "date"),
    ("int", "time-millis"),
    ("long", "time-micros"),
    ("long", "timestamp-millis"),
    ("long", "timestamp-micros"),
    ("long", "timestamp-nanos"),
    ("long", "local-timestamp-millis"),
    ("long", "local-timestamp-micros"),
    ("long", "local-timestamp-nanos"),
    ("string", "uuid"),
    ("bytes", "decimal"),
];

impl Generator {
    pub(super) fn rich_kind(&mut self, depth: u32) -> Value {
        match self.random.u8(0..if depth == 0 { 4 } else { 7 }) {
            0 => {
                let (kind, name) = LOGICAL[self.random.usize(..LOGICAL.len())];
                self.logical_of(kind, name)
            }
            1 => {
                let scale = self.random.u32(0..3);
                let name = self.name("F");
                json!({ "type": "fixed", "name": name, "size": 4, "logicalType": "decimal", "precision": 9, "scale": scale })
            }
            2 => json!({ "type": "fixed", "name": self.name("F"), "size": 12, "logicalType": "duration" }),
            3 => json!(["null", { "type": "fixed", "name": self.name("F"), "namespace": "m", "size": 2 }]),
            4 => self.small_record(),
            5 => self.mixed_union(depth - 1),
            _ => json!({ "type": "array", "items": self.mixed_union(depth - 1) }),
        }
    }

    fn logical_of(&mut self, kind: &str, name: &str) -> Value {
        if name == "decimal" {
            return json!({ "type": kind, "logicalType": name, "precision": 9, "scale": self.random.u32(0..3) });
        }
        json!({ "type": kind, "logicalType": name })
    }

    fn small_record(&mut self) -> Value {
        let (name, count) = (self.name("S"), self.random.usize(1..3));
        let fields: Vec<Value> = (0..count).map(|n| self.field(&format!("g{n}"), 0)).collect();
        let mut record = json!({ "type": "record", "name": name, "fields": fields });
        if self.random.bool() {
            record["namespace"] = "m".into();
        }
        record
    }

    /// Several named types, and others between them.
    fn mixed_union(&mut self, depth: u32) -> Value {
        let mut branches: Vec<Value> = Vec::new();
        for _ in 0..self.random.usize(2..=4) {
            let branch = match self.random.u8(0..4) {
                0 => self.small_record(),
                1 => self.enumeration(),
                2 => self.rich_kind(0),
                _ => self.kind(depth),
            };
            if !branch.is_array() && !branches.iter().any(|known| word(known) == word(&branch)) {
                branches.push(branch);
            }
        }
        if branches.is_empty() { json!(["null"]) } else { branches.into() }
    }

    /// A default of the type; of a union, now and then of a later branch.
    pub(super) fn default(&mut self, kind: &Value) -> Option<Value> {
        if self.rich
            && let Some(branches) = kind.as_array()
            && self.random.u8(0..8) == 0
        {
            return default_of(&branches[self.random.usize(..branches.len())]);
        }
        default_of(kind)
    }

    /// Fields that have a type by its name, which an earlier field defines.
    pub(super) fn use_names_again(&mut self, schema: &mut Value) {
        let mut names = Vec::new();
        names_in(&schema["fields"], "n", &mut names);
        let Some(fields) = schema["fields"].as_array_mut() else { return };
        for name in names {
            if self.random.bool() {
                fields.push(json!({ "name": format!("u{}", fields.len()), "type": name }));
            }
        }
    }

    /// One to three changes anywhere in a schema.
    pub(super) fn enrich(&mut self, schema: &mut Value) {
        for _ in 0..self.random.usize(1..=3) {
            let mut places = Vec::new();
            places_in(schema, String::new(), &mut places);
            let place = places[self.random.usize(..places.len())].clone();
            if let Some(part) = schema.pointer_mut(&place) {
                self.enrich_part(part, place.is_empty());
            }
        }
    }

    fn enrich_part(&mut self, part: &mut Value, is_root: bool) {
        match part {
            Value::String(name) => match LOGICAL.iter().filter(|(kind, _)| kind == name).nth(self.random.usize(..3)) {
                Some((kind, logical)) if self.random.bool() => *part = self.logical_of(kind, logical),
                _ => self.change_primitive(part),
            },
            Value::Array(branches) => match self.random.u8(0..4) {
                0 => self.random.shuffle(branches),
                1 => branches.insert(self.random.usize(..=branches.len()), "string".into()),
                2 => branches.insert(self.random.usize(..=branches.len()), self.small_record()),
                _ => branches.truncate(self.random.usize(1..=branches.len())),
            },
            Value::Object(members) if members.contains_key("logicalType") => {
                let kind = members["type"].as_str().unwrap_or_default().to_owned();
                match LOGICAL.iter().filter(|(known, _)| *known == kind).nth(self.random.usize(..4)) {
                    Some((kind, logical)) => *part = self.logical_of(kind, logical),
                    None if self.random.bool() => drop(members.remove("logicalType")),
                    None => drop(members.insert("scale".into(), self.random.u32(0..4).into())),
                }
            }
            Value::Object(members) if members.contains_key("fields") => self.enrich_record(part, is_root),
            Value::Object(_) if !is_root && part["name"].is_string() => {
                if self.random.bool() && part["type"] == "enum" {
                    self.change_enum(part)
                } else {
                    self.rename_type(part, true)
                }
            }
            _ => {}
        }
    }

    fn enrich_record(&mut self, record: &mut Value, is_root: bool) {
        let names: Vec<Value> =
            record["fields"].as_array().into_iter().flatten().map(|field| field["name"].clone()).collect();
        let (one, other) = (self.random.usize(..names.len()), self.random.usize(..names.len()));
        match self.random.u8(0..5) {
            0 => record["fields"][one]["aliases"] = json!([names[other]]),
            1 => {
                record["fields"][one]["name"] = format!("x{}", self.random.u8(..)).into();
                record["fields"][one]["aliases"] = json!([names[one]]);
            }
            2 => {
                // Two fields change places by name, with or without aliases.
                record["fields"][one]["name"] = names[other].clone();
                record["fields"][other]["name"] = names[one].clone();
                if self.random.bool() {
                    record["fields"][one]["aliases"] = json!([names[one]]);
                }
            }
            3 if !is_root => record["namespace"] = "other".into(),
            _ => self.change_record(record),
        }
    }
}

/// The full names that a part of a schema defines.
fn names_in(part: &Value, namespace: &str, names: &mut Vec<String>) {
    match part {
        Value::Array(items) => items.iter().for_each(|item| names_in(item, namespace, names)),
        Value::Object(members) => {
            let own = members.get("namespace").and_then(Value::as_str).unwrap_or(namespace);
            if members.get("type").is_some_and(|kind| kind == "record" || kind == "enum" || kind == "fixed") {
                names.extend(members.get("name").and_then(Value::as_str).map(|name| format!("{own}.{name}")));
            }
            ["type", "items", "values", "fields"]
                .iter()
                .filter_map(|key| members.get(*key))
                .for_each(|part| names_in(part, own, names));
        }
        _ => {}
    }
}

/// Pointers to the types in a part of a schema.
fn places_in(part: &Value, at: String, places: &mut Vec<String>) {
    match part {
        Value::Array(branches) => {
            for (n, branch) in branches.iter().enumerate() {
                places_in(branch, format!("{at}/{n}"), places);
            }
        }
        Value::Object(members) => {
            for key in ["items", "values"].into_iter().filter(|key| members.contains_key(*key)) {
                places_in(&members[key], format!("{at}/{key}"), places);
            }
            for n in 0..members.get("fields").and_then(Value::as_array).map_or(0, Vec::len) {
                places_in(&members["fields"][n]["type"], format!("{at}/fields/{n}/type"), places);
            }
        }
        _ => {}
    }
    places.push(at);
}
