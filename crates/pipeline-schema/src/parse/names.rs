//! Names: what they may be made of, and what an unqualified one stands for.

use super::Parser;
use crate::{
    json::{Json, Object, Value},
    schema::{Name, Place, Primitive},
};

/// What the specification asks of a name.
pub(super) const RULE: &str = "a name has letters, digits and underscores, and no digit first";

/// The full name of `name` inside a namespace: a name with a dot is a full one.
pub(crate) fn qualified(name: &str, namespace: Option<&str>) -> Name {
    match namespace {
        Some(namespace) if !name.contains('.') && !namespace.is_empty() => Name(format!("{namespace}.{name}")),
        _ => Name(name.to_owned()),
    }
}

/// Whether a text is a name without a namespace.
pub(super) fn is_simple(name: &str) -> bool {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.chars().next().is_some_and(first) && name.chars().all(|c| first(c) || c.is_ascii_digit())
}

fn is_full(name: &str) -> bool {
    name.split('.').all(is_simple)
}

impl<'a> Parser<'a> {
    /// Name, aliases and the name's place of a record, an enum or a fixed type. A fault leaves a name that no other
    /// type has.
    pub(super) fn definition(
        &mut self,
        json: Json<'a>,
        object: &Object<'a>,
        outer: Option<&str>,
        what: &str,
    ) -> (Name, Vec<Name>, Place) {
        let own = object.get("namespace").and_then(Json::as_text);
        if let Some(json) = object.get("namespace")
            && !own.as_deref().is_some_and(|namespace| namespace.is_empty() || is_full(namespace))
        {
            self.overlook(json, || format!("{} is not a namespace: names with dots between them", json.text()));
        }
        let written = object.get("name").map(|name| (name, name.as_text()));
        let (name, place) = match written {
            Some((json, Some(name))) if is_full(&name) || self.overlook_name(json, &name) => {
                let full = qualified(&name, own.as_deref().or(outer));
                if Primitive::of(&full.0).is_some() {
                    self.fault(json, format!("a {what} cannot be called `{name}`: that is a type already"));
                }
                (full, self.text.place(json))
            }
            Some((json, Some(_))) => (self.nameless(), self.text.place(json)),
            Some((json, None)) => {
                self.fault(json, format!("{} is not a name: {RULE}", json.text()));
                (self.nameless(), self.text.place(json))
            }
            None => {
                self.fault(json, format!("a {what} needs a `name`"));
                (self.nameless(), self.text.place(json))
            }
        };
        let aliases = self.texts(object, "aliases");
        let aliases = aliases.iter().map(|alias| qualified(alias, name.namespace())).collect();
        (name, aliases, place)
    }

    /// The name of a field, with its place.
    pub(super) fn simple_name(&mut self, json: Json<'a>, object: &Object<'a>, what: &str) -> Option<(String, Place)> {
        let Some(written) = object.get("name") else {
            self.fault(json, format!("a {what} needs a `name`"));
            return None;
        };
        match written.as_text() {
            Some(name) if is_simple(&name) || self.overlook_name(written, &name) => {
                Some((name, self.text.place(written)))
            }
            Some(_) => None,
            None => {
                self.fault(written, format!("{} is not a name: {RULE}", written.text()));
                None
            }
        }
    }

    /// A list of texts; none when the key is absent.
    pub(super) fn texts(&mut self, object: &Object<'a>, key: &str) -> Vec<String> {
        let Some(json) = object.get(key) else { return Vec::new() };
        let Value::List(items) = json.value() else {
            self.fault(json, format!("`{key}` is a list of names"));
            return Vec::new();
        };
        let mut texts = Vec::with_capacity(items.len());
        for item in items {
            match item.as_text() {
                Some(text) if is_full(&text) || self.overlook_name(item, &text) => texts.push(text),
                Some(_) => {}
                None => self.fault(item, format!("{} is not a name: {RULE}", item.text())),
            }
        }
        texts
    }

    /// Whether a name with other characters is taken as it is written.
    fn overlook_name(&mut self, at: Json<'_>, name: &str) -> bool {
        let problem = format!("{} is not a name: {RULE}", at.text());
        if name.is_empty() {
            self.fault(at, problem);
            return false;
        }
        self.overlook(at, || problem)
    }

    fn nameless(&self) -> Name {
        Name(format!("#{}", self.nodes.len()))
    }
}
