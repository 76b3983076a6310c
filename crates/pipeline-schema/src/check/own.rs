//! What libraries part over in a schema alone, whatever came before it.

use std::collections::HashSet;

use super::{Finding, root_name};
use crate::{
    rule::Rule,
    schema::{Kind, Place, Schema, Type, Unportable},
};

/// A finding for each default that not every library can use, which counts as soon as a message without the field is
/// read, and for each alias that is the name of another field, with which some libraries refuse the schema.
pub(super) fn findings(schema: &Schema) -> Vec<Finding> {
    let mut walk = Walk { schema, met: HashSet::new(), found: Vec::new() };
    walk.types(schema.root(), &root_name(schema));
    walk.found
}

/// What is wrong with a field's default.
pub(super) fn message(field: &str, why: Unportable) -> String {
    format!("the default of `{field}` {}", why.as_str())
}

struct Walk<'a> {
    schema: &'a Schema,
    met: HashSet<usize>,
    found: Vec<Finding>,
}

impl Walk<'_> {
    fn types(&mut self, kind: Type, path: &str) {
        if !self.met.insert(kind.id) {
            return;
        }
        match &self.schema.node(kind).kind {
            Kind::Array(items) => self.types(*items, &format!("{path}[]")),
            Kind::Map(values) => self.types(*values, &format!("{path}{{}}")),
            Kind::Union(branches) => {
                for branch in branches {
                    self.types(*branch, &format!("{path}|{}", self.schema.describe(*branch)));
                }
            }
            Kind::Record(record) => {
                for field in &record.fields {
                    let path = format!("{path}.{}", field.name);
                    if let Some((why, place)) = field.unportable {
                        self.note(Rule::AvroDefaultNotPortable, &path, place, message(&field.name, why));
                    }
                    let is_other =
                        |alias: &&String| record.fields.iter().any(|f| f.name == **alias && f.name != field.name);
                    if let Some(alias) = field.aliases.iter().find(is_other) {
                        let message = format!("field `{}` has the name of field `{alias}` for an alias", field.name);
                        self.note(Rule::AvroFieldAliasAmbiguous, &path, field.place, message);
                    }
                    self.types(field.kind, &path);
                }
            }
            Kind::Primitive(_) | Kind::Enum(_) | Kind::Fixed(_) => {}
        }
    }

    fn note(&mut self, rule: Rule, path: &str, place: Place, message: String) {
        let (path, breaks, versions) = (path.to_owned(), Vec::new(), Vec::new());
        self.found.push(Finding { rule, path, place, message, breaks, versions });
    }
}
