//! Named types that another text defines: a registry's references, or another file of the folder.
//!
//! A text that uses such a type is completed: the definition is put where the name is used first, as if it had been
//! written there. So one text says everything, and whoever reads it, this crate or a decoder, knows of no references.

use std::collections::{HashMap, HashSet};

use crate::{
    dialect,
    json::{Json, Object, Text, Value},
    parse::qualified,
    schema::{Place, Primitive},
};

#[cfg(test)]
mod tests;

/// Nesting of definitions that is followed; what lies deeper stays undefined.
const MAX_DEPTH: usize = 64;

/// Texts whose definitions others may use.
#[derive(Clone, Debug, Default)]
pub struct Library {
    definitions: HashMap<String, Definition>,
}

#[derive(Clone, Debug)]
struct Definition {
    text: String,
    /// The namespace around it, empty for none.
    namespace: String,
    /// It is the whole of its text.
    outermost: bool,
    /// Another text defines the name too, and otherwise.
    ambiguous: bool,
}

/// A text with the definitions that it lacked.
#[derive(Clone, Debug)]
pub struct Completed {
    /// The text. Each line is where it was.
    pub text: String,
    splices: Vec<Splice>,
}

/// A name that a definition took the place of.
#[derive(Clone, Copy, Debug)]
struct Splice {
    at: Place,
    /// Characters of the definition.
    length: usize,
}

// === impl Library ===

impl Library {
    /// The definitions of these texts. A name that two of them define differently counts for that which is about
    /// nothing else; where both or none is, for none of them. What is not JSON defines nothing.
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut library = Self::default();
        for text in texts {
            let plain = dialect::plain(text);
            if let Ok(json) = Text::new(&plain.text).json() {
                each_definition(json, "", 0, &mut |name, namespace, definition| {
                    library.add(name, namespace, definition, definition.text() == json.text());
                });
            }
        }
        library
    }

    /// Whether nothing is defined here.
    pub fn is_empty(&self) -> bool {
        self.definitions.is_empty()
    }

    /// The text with the definitions of this library that it uses and lacks; `None` when it uses none.
    pub fn complete(&self, text: &str) -> Option<Completed> {
        if self.is_empty() {
            return None;
        }
        let plain = dialect::plain(text);
        let json = Text::new(&plain.text).json().ok()?;
        let mut own = HashSet::new();
        each_definition(json, "", 0, &mut |name, _, _| {
            own.insert(name.to_owned());
        });
        let mut completion = Completion { library: self, known: own, repeated: HashSet::new(), inside: 0, depth: 0 };
        let edits = completion.edits(json, "");
        (!edits.is_empty()).then(|| completed(&plain.text, &edits))
    }

    fn add(&mut self, name: &str, namespace: &str, json: Json<'_>, outermost: bool) {
        let text = json.text().replace(['\n', '\r'], " ");
        let fresh = Definition { text, namespace: namespace.to_owned(), outermost, ambiguous: false };
        match self.definitions.get_mut(name) {
            None => drop(self.definitions.insert(name.to_owned(), fresh)),
            Some(known) if known.outermost == fresh.outermost => known.ambiguous |= known.text != fresh.text,
            Some(known) if fresh.outermost => *known = fresh,
            Some(_) => {}
        }
    }
}

// === impl Completed ===

impl Completed {
    /// A text with others in the place of some of its parts.
    pub(crate) fn replacing(text: &str, parts: &[(Place, String)]) -> Self {
        let mut parts: Vec<&(Place, String)> = parts.iter().collect();
        parts.sort_by_key(|(place, _)| *place);
        parts.dedup_by_key(|(place, _)| *place);
        let (mut out, mut splices) = (String::with_capacity(text.len()), Vec::new());
        for (line, number) in text.split_inclusive('\n').zip(1..) {
            let mut column = 1;
            let mut rest = line.chars();
            for (at, part) in parts.iter().filter(|(at, _)| at.line == number) {
                out.extend(rest.by_ref().take(at.column.saturating_sub(column)));
                out.push_str(part);
                rest.by_ref().take(at.length).for_each(drop);
                column = at.column + at.length;
                splices.push(Splice { at: *at, length: part.chars().count() });
            }
            out.extend(rest);
        }
        Self { text: out, splices }
    }

    /// Where a place of the completed text stands in the text as it was; what lies in a definition that was put in is
    /// where the name is used.
    pub fn original(&self, place: Place) -> Place {
        let mut shift = 0;
        for Splice { at, length } in self.splices.iter().filter(|splice| splice.at.line == place.line) {
            let start = at.column + shift;
            if place.column < start {
                break;
            }
            if place.column < start + length {
                return *at;
            }
            shift = (shift + length).saturating_sub(at.length);
        }
        Place { column: place.column.saturating_sub(shift).max(1), ..place }
    }
}

fn completed(text: &str, edits: &[(Json<'_>, String)]) -> Completed {
    let places = Text::new(text);
    let parts: Vec<(Place, String)> = edits.iter().map(|(json, part)| (places.place(*json), part.clone())).collect();
    Completed::replacing(text, &parts)
}

/// Names the definitions in a text, each with its full name and the namespace around it.
fn each_definition<'a>(json: Json<'a>, namespace: &str, depth: usize, visit: &mut dyn FnMut(&str, &str, Json<'a>)) {
    if depth > MAX_DEPTH {
        return;
    }
    match json.value() {
        Value::List(items) => items.iter().for_each(|item| each_definition(*item, namespace, depth + 1, visit)),
        Value::Object(object) => {
            let inner = match defined(&object, namespace) {
                Some((name, inner)) => {
                    visit(&name, namespace, json);
                    inner
                }
                None => namespace.to_owned(),
            };
            parts(&object).for_each(|part| each_definition(part, &inner, depth + 1, visit));
        }
        _ => {}
    }
}

/// The full name that an object defines, and the namespace inside it.
fn defined(object: &Object<'_>, outer: &str) -> Option<(String, String)> {
    let word = object.get("type")?.as_text()?;
    if !matches!(word.as_str(), "record" | "error" | "enum" | "fixed") {
        return None;
    }
    let own = object.get("namespace").and_then(Json::as_text);
    let name = qualified(&object.get("name")?.as_text()?, Some(own.as_deref().unwrap_or(outer)));
    let inner = name.namespace().unwrap_or_default().to_owned();
    Some((name.to_string(), inner))
}

/// The parts of an object that are types or hold some.
fn parts<'a>(object: &Object<'a>) -> impl Iterator<Item = Json<'a>> {
    let is_type = |(key, _): &&(String, Json<'a>)| matches!(key.as_str(), "type" | "items" | "values" | "fields");
    object.0.iter().filter(is_type).map(|(_, json)| *json).collect::<Vec<_>>().into_iter()
}

/// A text on its way to be complete.
struct Completion<'l> {
    library: &'l Library,
    /// Full names that are defined in the text, or have been put in.
    known: HashSet<String>,
    /// Full names that a definition on its way in defines once more.
    repeated: HashSet<String>,
    /// How many definitions are on their way in, one inside the other.
    inside: usize,
    depth: usize,
}

// === impl Completion ===

impl Completion<'_> {
    /// The names to replace, in the order of the text.
    fn edits<'a>(&mut self, json: Json<'a>, namespace: &str) -> Vec<(Json<'a>, String)> {
        if self.depth > MAX_DEPTH {
            return Vec::new();
        }
        self.depth += 1;
        let edits = match json.value() {
            Value::Text(name) => self.definition(&name, namespace).map(|text| (json, text)).into_iter().collect(),
            Value::List(items) => items.iter().flat_map(|item| self.edits(*item, namespace)).collect(),
            Value::Object(object) => match defined(&object, namespace) {
                Some((name, _)) if self.inside > 0 && self.repeated.contains(&name) => {
                    vec![(json, format!("\"{name}\""))]
                }
                Some((_, inner)) => parts(&object).flat_map(|part| self.edits(part, &inner)).collect(),
                None => parts(&object).flat_map(|part| self.edits(part, namespace)).collect(),
            },
            _ => Vec::new(),
        };
        self.depth -= 1;
        edits
    }

    /// The definition to put in the place of a name, when there is one and it is not there yet.
    fn definition(&mut self, name: &str, namespace: &str) -> Option<String> {
        if Primitive::of(name).is_some() {
            return None;
        }
        let full = qualified(name, Some(namespace)).to_string();
        let library = self.library;
        let found = [full.as_str(), name].into_iter().find_map(|name| library.definitions.get(name));
        if self.known.contains(&full) || self.known.contains(name) {
            return None;
        }
        let definition = found.filter(|definition| !definition.ambiguous)?;
        let json = Text::new(&definition.text).json().ok()?;
        each_definition(json, &definition.namespace, 0, &mut |name, _, _| {
            if !self.known.insert(name.to_owned()) {
                self.repeated.insert(name.to_owned());
            }
        });
        self.inside += 1;
        let edits = self.edits(json, &definition.namespace);
        self.inside -= 1;
        Some(with_namespace(&completed(&definition.text, &edits).text, json, &definition.namespace))
    }
}

/// The definition with the namespace that was around it, unless it says one itself.
fn with_namespace(text: &str, json: Json<'_>, namespace: &str) -> String {
    let Value::Object(object) = json.value() else { return text.to_owned() };
    let has_dot = object.get("name").and_then(Json::as_text).is_some_and(|name| name.contains('.'));
    match text.strip_prefix('{') {
        Some(rest) if !has_dot && object.get("namespace").is_none() => {
            format!("{{\"namespace\": \"{namespace}\", {rest}")
        }
        _ => text.to_owned(),
    }
}
