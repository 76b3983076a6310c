//! The known keys with their types, ranges and defaults, taken from the JSON Schema of [`crate::settings::Settings`].

use serde_json::{Map, Value};

use super::{ENVIRONMENT_PREFIX, Fault, FaultKind, Origin};
use crate::settings::Settings;

/// All known keys, in the order in which they are declared.
pub(super) struct Keys {
    keys: Vec<Key>,
    sections: Vec<Section>,
}

/// One key.
#[derive(Clone, Debug)]
pub(super) struct Key {
    /// With dots: `stage.batch_size`.
    pub(super) path: String,
    pub(super) kind: Kind,
    /// May be absent: `null` and the empty word mean so.
    pub(super) optional: bool,
    /// Never printed.
    pub(super) secret: bool,
    /// `null` when there is none.
    pub(super) default: Value,
    pub(super) description: String,
}

/// What a key's value may be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Text {
        min_length: u64,
    },
    Whole {
        min: u64,
        max: u64,
    },
    Truth,
    /// One of these words, each with its meaning.
    Choice(Vec<(String, String)>),
}

/// A group of keys.
pub(super) struct Section {
    pub(super) path: String,
    pub(super) description: String,
}

/// Below this likeness (0 to 1) a suggestion would be a guess.
const LIKE: f64 = 0.6;
/// What being in the same section adds to it.
const NEIGHBOUR: f64 = 0.1;
/// The likeness of the same last word in another section of the same depth.
const SAME_WORD: f64 = 0.9;

// === impl Keys ===

impl Keys {
    pub(super) fn of_settings() -> Self {
        let schema = json_schema();
        let mut keys = Self { keys: Vec::new(), sections: Vec::new() };
        keys.collect(&schema, &schema, "");
        keys
    }

    fn collect(&mut self, schema: &Value, object: &Value, section: &str) {
        let properties = object.get("properties").and_then(Value::as_object);
        for (name, property) in properties.into_iter().flatten() {
            let path = join(section, name);
            let target = resolve(schema, property);
            let description = text(property, "description");
            if target.get("properties").is_some() {
                self.sections.push(Section { path: path.clone(), description });
                self.collect(schema, target, &path);
            } else if let Some((kind, optional)) = kind(target) {
                let secret = property.get("writeOnly").and_then(Value::as_bool).unwrap_or(false);
                let default = property.get("default").cloned().unwrap_or(Value::Null);
                self.keys.push(Key { path, kind, optional, secret, default, description });
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter()
    }

    pub(super) fn sections(&self) -> impl Iterator<Item = &Section> {
        self.sections.iter()
    }

    pub(super) fn find(&self, path: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.path == path)
    }

    pub(super) fn is_section(&self, path: &str) -> bool {
        self.sections.iter().any(|section| section.path == path)
    }

    /// The names directly below a section.
    pub(super) fn below<'a>(&'a self, section: &'a str) -> impl Iterator<Item = &'a str> {
        self.paths().filter(move |path| parent(path) == section).map(last)
    }

    pub(super) fn by_environment(&self, name: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.environment() == name)
    }

    pub(super) fn nearest_environment(&self, name: &str) -> Option<String> {
        let near = self.nearest(&of_environment(name))?;
        self.find(near).map(Key::environment)
    }

    /// The fault of a key that nobody knows, with the best help there is.
    pub(super) fn unknown(&self, path: &str, place: Origin) -> Fault {
        let hint = match self.nearest(path) {
            Some(near) => Some(format!("did you mean `{near}`?")),
            None if parent(path).is_empty() => Some(format!("sections are {}", listed(self.below("")))),
            None if self.is_section(parent(path)) => {
                Some(format!("`{}` has {}", parent(path), listed(self.below(parent(path)))))
            }
            None => None,
        };
        Fault { place, key: path.to_owned(), kind: FaultKind::UnknownKey, problem: "unknown key".to_owned(), hint }
    }

    fn nearest(&self, path: &str) -> Option<&str> {
        let likeness = |known: &str| {
            let as_deep = known.matches('.').count() == path.matches('.').count();
            let same_word = as_deep && !parent(known).is_empty() && last(known) == last(path);
            if same_word {
                SAME_WORD
            } else if parent(known) == parent(path) {
                // The shared section would make any two short words alike.
                strsim::normalized_damerau_levenshtein(last(known), last(path)) + NEIGHBOUR
            } else {
                strsim::normalized_damerau_levenshtein(known, path)
            }
        };
        // The first of equals wins, so that the answer is the same each time.
        let others = self.paths().filter(|known| !path.starts_with(&format!("{known}.")));
        let best = others.map(|known| (known, likeness(known))).reduce(
            |best, other| {
                if other.1 > best.1 { other } else { best }
            },
        );
        best.filter(|(_, like)| *like >= LIKE).map(|(known, _)| known)
    }

    fn paths(&self) -> impl Iterator<Item = &str> {
        let sections = self.sections.iter().map(|section| section.path.as_str());
        self.keys.iter().map(|key| key.path.as_str()).chain(sections)
    }
}

// === impl Key ===

impl Key {
    /// The variable that sets it: `SLUICE__STAGE__BATCH_SIZE`.
    pub(super) fn environment(&self) -> String {
        format!("{ENVIRONMENT_PREFIX}{}", self.path.replace('.', "__").to_uppercase())
    }

    /// Whether it counts milliseconds.
    pub(super) fn is_milliseconds(&self) -> bool {
        self.path.ends_with("_ms")
    }
}

/// The key that a variable's name would mean.
pub(super) fn of_environment(name: &str) -> String {
    name.strip_prefix(ENVIRONMENT_PREFIX).unwrap_or(name).to_lowercase().replace("__", ".")
}

/// `section.name`, or `name` at the top.
pub(super) fn join(section: &str, name: &str) -> String {
    if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") }
}

/// Everything before the last dot.
pub(super) fn parent(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(parent, _)| parent)
}

/// Everything after the last dot.
pub(super) fn last(path: &str) -> &str {
    path.rsplit_once('.').map_or(path, |(_, last)| last)
}

/// `a`, `b`, `c`.
pub(super) fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Puts a value at its place in nested objects.
pub(super) fn nest(object: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            object.insert(path.to_owned(), value);
        }
        Some((name, rest)) => {
            let below = object.entry(name).or_insert_with(|| Value::Object(Map::new()));
            if let Some(below) = below.as_object_mut() {
                nest(below, rest, value);
            }
        }
    }
}

fn resolve<'a>(schema: &'a Value, property: &'a Value) -> &'a Value {
    let reference = property.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix('#'));
    reference.and_then(|pointer| schema.pointer(pointer)).unwrap_or(property)
}

/// The kind, and whether the value may be absent.
fn kind(target: &Value) -> Option<(Kind, bool)> {
    if let Some(choices) = target.get("oneOf").and_then(Value::as_array) {
        let choices = choices.iter().map(|choice| (text(choice, "const"), text(choice, "description"))).collect();
        return Some((Kind::Choice(choices), false));
    }
    let types: Vec<&str> = match target.get("type")? {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => return None,
    };
    let number = |name: &str, otherwise| target.get(name).and_then(Value::as_u64).unwrap_or(otherwise);
    let kind = match *types.first()? {
        "string" => Kind::Text { min_length: number("minLength", 0) },
        "integer" => Kind::Whole { min: number("minimum", 0), max: number("maximum", u32::MAX.into()) },
        "boolean" => Kind::Truth,
        _ => return None,
    };
    Some((kind, types.contains(&"null")))
}

fn text(schema: &Value, name: &str) -> String {
    schema.get(name).and_then(Value::as_str).unwrap_or_default().replace('\n', " ")
}

/// The JSON Schema (draft 2020-12) of the configuration file.
pub fn json_schema() -> Value {
    let mut schema = schemars::schema_for!(Settings);
    schema.insert("title".to_owned(), Value::from("Sluice configuration"));
    schema.to_value()
}
