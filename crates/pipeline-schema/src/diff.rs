//! What changed between two versions of a schema, change by change; whether it may is another question.

use std::{collections::HashSet, fmt};

use serde::Serialize;

use crate::schema::{Enum, Field, Kind, Record, Schema, Type};

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The way from the root record, such as `RunRequested.scope[]`.
    pub path: String,
    /// What was there; absent when it is new.
    pub old: Option<String>,
    /// What is there; absent when it is gone.
    pub new: Option<String>,
}

/// The changes from `old` to `new`, in the order of the new schema, and what is gone behind it. Docs do not count.
pub fn changes(old: &Schema, new: &Schema) -> Vec<Change> {
    let mut walk = Walk { old, new, met: HashSet::new(), found: Vec::new() };
    let root = new.node(new.root()).kind.names().map_or_else(String::new, |(name, _)| name.simple().to_owned());
    walk.types(old.root(), new.root(), &root);
    walk.found
}

struct Walk<'a> {
    old: &'a Schema,
    new: &'a Schema,
    met: HashSet<(usize, usize)>,
    found: Vec<Change>,
}

// === impl Walk ===

impl<'a> Walk<'a> {
    fn types(&mut self, old: Type, new: Type, path: &str) {
        if !self.met.insert((old.id, new.id)) {
            return;
        }
        let (was, is) = (self.old.node(old), self.new.node(new));
        match (&was.kind, &is.kind) {
            (Kind::Record(was), Kind::Record(is)) if was.name == is.name => self.records(was, is, path),
            (Kind::Enum(was), Kind::Enum(is)) if was.name == is.name => self.enums(was, is, path),
            (Kind::Array(was), Kind::Array(is)) => self.types(*was, *is, &format!("{path}[]")),
            (Kind::Map(was), Kind::Map(is)) => self.types(*was, *is, &format!("{path}{{}}")),
            (Kind::Union(was), Kind::Union(is)) if was.len() == is.len() && self.same_words(was, is) => {
                for (was, is) in was.iter().zip(is) {
                    self.types(*was, *is, &format!("{path}|{}", self.new.describe(*is)));
                }
            }
            _ => self.note(path, Some(self.old.describe(old)), Some(self.new.describe(new))),
        }
    }

    fn records(&mut self, was: &'a Record, is: &'a Record, path: &str) {
        for field in &is.fields {
            let place = format!("{path}.{}", field.name);
            match was.fields.iter().find(|known| known.name == field.name) {
                Some(known) => {
                    self.types(known.kind, field.kind, &place);
                    let shown = |field: &Field| field.default.as_ref().map(|default| format!("default {default}"));
                    self.note(&place, shown(known), shown(field));
                }
                None => self.note(&place, None, Some(shown(self.new, field))),
            }
        }
        for field in was.fields.iter().filter(|field| !is.fields.iter().any(|known| known.name == field.name)) {
            self.note(&format!("{path}.{}", field.name), Some(shown(self.old, field)), None);
        }
    }

    fn enums(&mut self, was: &Enum, is: &Enum, path: &str) {
        let symbols = |of: &Enum, but: &Enum| -> Vec<String> {
            let missing = |symbol: &&String| !but.symbols.iter().any(|(known, _)| known == *symbol);
            of.symbols.iter().map(|(symbol, _)| symbol).filter(missing).cloned().collect()
        };
        for symbol in symbols(is, was) {
            self.note(path, None, Some(format!("symbol {symbol}")));
        }
        for symbol in symbols(was, is) {
            self.note(path, Some(format!("symbol {symbol}")), None);
        }
        let default = |of: &Enum| of.default.as_ref().map(|symbol| format!("default symbol {symbol}"));
        self.note(path, default(was), default(is));
    }

    fn same_words(&self, was: &[Type], is: &[Type]) -> bool {
        was.iter().zip(is).all(|(was, is)| {
            let (was_kind, is_kind) = (&self.old.node(*was).kind, &self.new.node(*is).kind);
            match (was_kind.names(), is_kind.names()) {
                (Some((was, _)), Some((is, _))) => was == is,
                _ => std::mem::discriminant(was_kind) == std::mem::discriminant(is_kind),
            }
        })
    }

    fn note(&mut self, path: &str, old: Option<String>, new: Option<String>) {
        if old != new {
            self.found.push(Change { path: path.to_owned(), old, new });
        }
    }
}

fn shown(schema: &Schema, field: &Field) -> String {
    let kind = schema.describe(field.kind);
    field.default.as_ref().map_or_else(|| kind.clone(), |default| format!("{kind} = {default}"))
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.old, &self.new) {
            (None, Some(new)) => write!(f, "+ {}: {new}", self.path),
            (Some(old), None) => write!(f, "- {}: {old}", self.path),
            (Some(old), Some(new)) => write!(f, "~ {}: {old} -> {new}", self.path),
            (None, None) => write!(f, "  {}", self.path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(old: &str, new: &str) -> Vec<String> {
        let (old, new) = (Schema::parse(old).unwrap(), Schema::parse(new).unwrap());
        changes(&old, &new).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_change_is_named_once_and_docs_are_none() {
        let old = r#"{"type":"record","name":"R","doc":"old","fields":[
            {"name":"a","type":"int"},
            {"name":"e","type":{"type":"enum","name":"E","symbols":["X","Y"]}},
            {"name":"l","type":{"type":"array","items":"int"}},
            {"name":"gone","type":"string"},
            {"name":"next","type":["null","R"],"default":null}]}"#;
        let new = r#"{"type":"record","name":"R","doc":"new","fields":[
            {"name":"fresh","type":["null","int"],"default":null},
            {"name":"a","type":"long","default":0},
            {"name":"e","type":{"type":"enum","name":"E","symbols":["X","Z"],"default":"X"}},
            {"name":"l","type":{"type":"array","items":"string"}},
            {"name":"next","type":["null","R"],"default":null}]}"#;
        assert_eq!(said(old, old), [""; 0]);
        assert_eq!(
            said(old, new),
            [
                "+ R.fresh: [null, int] = null",
                "~ R.a: int -> long",
                "+ R.a: default 0",
                "+ R.e: symbol Z",
                "- R.e: symbol Y",
                "+ R.e: default symbol X",
                "~ R.l[]: int -> string",
                "- R.gone: string",
            ]
        );
    }
}
