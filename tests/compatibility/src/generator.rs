//! Schemas, and the ways in which people change them, from a seed.
//!
//! Everything that is made here is valid; whether old and new go together is left to chance. Named types are numbered,
//! so that no two of one schema share a name.

use fastrand::Rng;
use serde_json::{Map, Value, json};

const PRIMITIVES: [&str; 8] = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];
const SYMBOLS: [&str; 5] = ["A", "B", "C", "D", "E"];

mod rich;

/// Makes schemas.
pub struct Generator {
    random: Rng,
    names: u32,
    /// Makes what few registries are asked: every logical type, names in use, aliases of other fields.
    rich: bool,
}

impl Generator {
    /// The same seed makes the same schemas.
    pub fn new(seed: u64) -> Self {
        Self { random: Rng::with_seed(seed), names: 0, rich: false }
    }

    /// As [`Generator::new`], with every logical type, namespaces, named types used again, unions of several of them,
    /// aliases that may be another field's name, and defaults of later branches. Some of it is no valid schema.
    pub fn rich(seed: u64) -> Self {
        Self { rich: true, ..Self::new(seed) }
    }

    /// A record called `R`, as the values of topics are.
    pub fn schema(&mut self) -> Value {
        self.names = 0;
        let fields: Vec<Value> = (0..self.random.usize(1..=4)).map(|n| self.field(&format!("f{n}"), 2)).collect();
        let mut schema = json!({ "type": "record", "name": "R", "namespace": "n", "fields": fields });
        if self.rich {
            self.use_names_again(&mut schema);
        }
        schema
    }

    /// The schema after one to three changes. One in eight is another schema of the same name instead.
    pub fn changed(&mut self, schema: &Value) -> Value {
        if self.random.u8(0..8) == 0 {
            return self.schema();
        }
        // New types get names that the old schema does not have.
        self.names = 100;
        let mut changed = schema.clone();
        if self.rich && self.random.u8(0..4) > 0 {
            self.enrich(&mut changed);
            return changed;
        }
        for _ in 0..self.random.usize(1..=3) {
            self.change_record(&mut changed);
        }
        changed
    }

    // === schemas ===

    fn field(&mut self, name: &str, depth: u32) -> Value {
        let kind = self.kind(depth);
        let mut field = Map::new();
        field.insert("name".into(), name.into());
        if self.random.bool()
            && let Some(default) = self.default(&kind)
        {
            field.insert("default".into(), default);
        }
        field.insert("type".into(), kind);
        field.into()
    }

    fn kind(&mut self, depth: u32) -> Value {
        if self.rich && self.random.u8(0..3) == 0 {
            return self.rich_kind(depth);
        }
        let simple = depth == 0;
        match self.random.u8(0..if simple { 9 } else { 14 }) {
            0..=4 => self.primitive().into(),
            5 => self.enumeration(),
            6 => json!({ "type": "fixed", "name": self.name("F"), "size": self.random.u32(1..4) }),
            7 => self.logical(),
            8 => json!(["null", PRIMITIVES[self.random.usize(1..8)]]),
            9 => json!({ "type": "array", "items": self.kind(depth - 1) }),
            10 => json!({ "type": "map", "values": self.kind(depth - 1) }),
            11 => self.union(depth - 1),
            12 => json!(["null", "n.R"]),
            _ => {
                let name = self.name("S");
                let fields: Vec<Value> =
                    (0..self.random.usize(1..3)).map(|n| self.field(&format!("g{n}"), depth - 1)).collect();
                json!({ "type": "record", "name": name, "fields": fields })
            }
        }
    }

    fn union(&mut self, depth: u32) -> Value {
        let mut branches: Vec<Value> = Vec::new();
        for _ in 0..self.random.usize(1..=3) {
            let branch = self.kind(depth);
            if !branch.is_array() && !branches.iter().any(|known| word(known) == word(&branch)) {
                branches.push(branch);
            }
        }
        if branches.is_empty() { json!(["null"]) } else { branches.into() }
    }

    fn enumeration(&mut self) -> Value {
        let count = self.random.usize(1..=3);
        let mut kind = json!({ "type": "enum", "name": self.name("E"), "symbols": SYMBOLS[..count] });
        if self.random.bool() {
            kind["default"] = SYMBOLS[self.random.usize(..count)].into();
        }
        kind
    }

    fn logical(&mut self) -> Value {
        match self.random.u8(0..4) {
            0 => json!({ "type": "bytes", "logicalType": "decimal", "precision": 9, "scale": self.random.u32(0..3) }),
            1 => json!({ "type": "long", "logicalType": "timestamp-millis" }),
            2 => json!({ "type": "int", "logicalType": "date" }),
            _ => json!({ "type": "string", "logicalType": "uuid" }),
        }
    }

    fn primitive(&mut self) -> &'static str {
        PRIMITIVES[self.random.usize(..PRIMITIVES.len())]
    }

    fn name(&mut self, prefix: &str) -> String {
        self.names += 1;
        format!("{prefix}{}", self.names)
    }

    // === changes ===

    fn change_record(&mut self, record: &mut Value) {
        let choice = self.random.u8(0..20);
        let aliased = self.random.bool();
        let fresh = format!("h{}", self.random.u32(..1_000_000));
        let added = self.field(&fresh, 1);
        if choice == 0 && aliased {
            record["doc"] = "changed".into();
            return;
        }
        if choice == 1 {
            self.rename_type(record, aliased);
            return;
        }
        let Some(fields) = record["fields"].as_array_mut() else { return };
        match choice {
            0 => self.random.shuffle(fields),
            2..=4 => fields.push(added),
            5..=7 if fields.len() > 1 => drop(fields.remove(self.random.usize(..fields.len()))),
            _ => {
                let place = self.random.usize(..fields.len());
                let mut field = fields[place].take();
                self.change_field(&mut field, choice, aliased, &fresh);
                record["fields"][place] = field;
            }
        }
    }

    fn change_field(&mut self, field: &mut Value, choice: u8, aliased: bool, fresh: &str) {
        match choice {
            8 => {
                let old = std::mem::replace(&mut field["name"], fresh.into());
                if aliased {
                    field["aliases"] = json!([old]);
                }
            }
            9 => match field.get("default") {
                Some(_) => drop(field.as_object_mut().and_then(|field| field.remove("default"))),
                None => {
                    if let Some(default) = default_of(&field["type"]) {
                        field["default"] = default;
                    }
                }
            },
            _ => {
                let mut kind = field["type"].take();
                self.change_kind(&mut kind);
                if let Some(field) = field.as_object_mut()
                    && field.remove("default").is_some()
                    && let Some(default) = default_of(&kind)
                {
                    field.insert("default".into(), default);
                }
                field["type"] = kind;
            }
        }
    }

    /// Changes a type as its kind allows, or puts another in its place.
    fn change_kind(&mut self, kind: &mut Value) {
        if self.random.u8(0..8) == 0 {
            *kind = self.kind(1);
            return;
        }
        match word(kind).split(' ').next().unwrap_or_default() {
            "union" => self.change_union(kind),
            "record" => self.change_record(kind),
            "array" => self.change_part(kind, "items"),
            "map" => self.change_part(kind, "values"),
            "enum" => self.change_enum(kind),
            "fixed" => match self.random.u8(0..3) {
                0 => kind["size"] = self.random.u32(1..4).into(),
                1 => self.rename_type(kind, true),
                _ => self.rename_type(kind, false),
            },
            "bytes" if kind.is_object() => kind["scale"] = self.random.u32(0..3).into(),
            _ => self.change_primitive(kind),
        }
    }

    fn change_part(&mut self, kind: &mut Value, key: &str) {
        let mut part = kind[key].take();
        self.change_kind(&mut part);
        kind[key] = part;
    }

    fn change_primitive(&mut self, kind: &mut Value) {
        let now = word(kind);
        *kind = match self.random.u8(0..4) {
            0 if now != "null" => json!(["null", kind.take()]),
            1 => match now.as_str() {
                "int" => "long".into(),
                "long" => "double".into(),
                "float" => "double".into(),
                "string" => "bytes".into(),
                "bytes" => "string".into(),
                _ => self.primitive().into(),
            },
            2 => self.primitive().into(),
            _ => self.kind(0),
        };
    }

    fn change_union(&mut self, kind: &mut Value) {
        let added = self.kind(0);
        let shuffled = self.random.u8(0..4) == 0;
        let place = self.random.usize(..kind.as_array().map_or(1, Vec::len));
        let grows = self.random.bool();
        let Some(branches) = kind.as_array_mut() else { return };
        if shuffled {
            self.random.shuffle(branches);
        } else if grows {
            if !added.is_array() && !branches.iter().any(|known| word(known) == word(&added)) {
                branches.push(added);
            }
        } else if branches.len() > 1 {
            branches.remove(place);
            if branches.len() == 1 && self.random.bool() {
                *kind = branches[0].take();
            }
        }
    }

    fn change_enum(&mut self, kind: &mut Value) {
        match self.random.u8(0..5) {
            0 => self.rename_type(kind, true),
            1 => self.rename_type(kind, false),
            _ => {
                let count = self.random.usize(1..=SYMBOLS.len());
                let start = self.random.usize(..2).min(SYMBOLS.len() - count);
                kind["symbols"] = json!(SYMBOLS[start..start + count]);
                let symbol = SYMBOLS[start + self.random.usize(..count)];
                if let Some(kind) = kind.as_object_mut() {
                    kind.remove("default");
                    if self.random.bool() {
                        kind.insert("default".into(), symbol.into());
                    }
                }
            }
        }
    }

    /// Another name, or another namespace; with an alias that says what it was.
    fn rename_type(&mut self, kind: &mut Value, aliased: bool) {
        // A record that holds itself is named inside.
        if kind["name"] == "R" {
            return;
        }
        let old = kind["name"].as_str().unwrap_or_default().to_owned();
        let fresh = self.name("Z");
        let simple = old.rsplit('.').next().unwrap_or_default();
        kind["name"] = if self.random.bool() { fresh.into() } else { format!("other.{simple}").into() };
        if aliased {
            let old = if old.contains('.') { old } else { format!("n.{old}") };
            kind["aliases"] = json!([old]);
        }
    }
}

/// What tells two branches of a union apart.
fn word(kind: &Value) -> String {
    match kind {
        Value::String(name) => name.clone(),
        Value::Array(_) => "union".to_owned(),
        _ => match (kind["type"].as_str(), kind["name"].as_str()) {
            (Some(kind), Some(name)) => format!("{kind} {name}"),
            (Some(kind), None) => kind.to_owned(),
            _ => "union".to_owned(),
        },
    }
}

/// A default for a type, where one is easily told: for a union, of its first branch.
fn default_of(kind: &Value) -> Option<Value> {
    match word(kind).split(' ').next()? {
        "null" => Some(Value::Null),
        "boolean" => Some(true.into()),
        "int" | "long" | "float" | "double" => Some(1.into()),
        "bytes" | "string" => Some("x".into()),
        "array" => Some(json!([])),
        "map" => Some(json!({})),
        "enum" => kind["symbols"].get(0).cloned(),
        "fixed" => Some("x".repeat(usize::try_from(kind["size"].as_u64()?).ok()?).into()),
        "union" => default_of(kind.get(0)?),
        _ => None,
    }
}
