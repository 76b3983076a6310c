//! Defaults that are values of a union's later branch.

use std::collections::HashSet;

use super::{Finding, root_name};
use crate::{
    rule::Rule,
    schema::{Kind, Schema, Type},
};

/// A finding for each, whatever came before: the default counts as soon as a message without the field is read.
pub(super) fn defaults(schema: &Schema) -> Vec<Finding> {
    let mut walk = Walk { schema, met: HashSet::new(), found: Vec::new() };
    walk.types(schema.root(), &root_name(schema));
    walk.found
}

/// What is wrong with a field's default.
pub(super) fn message(field: &str) -> String {
    format!("the default of `{field}` is no value of its union's first type")
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
                    if let Some(place) = field.later_default {
                        let (rule, message) = (Rule::AvroDefaultNotFirstBranch, message(&field.name));
                        let (breaks, versions) = (Vec::new(), Vec::new());
                        self.found.push(Finding { rule, path: path.clone(), place, message, breaks, versions });
                    }
                    self.types(field.kind, &path);
                }
            }
            Kind::Primitive(_) | Kind::Enum(_) | Kind::Fixed(_) => {}
        }
    }
}
