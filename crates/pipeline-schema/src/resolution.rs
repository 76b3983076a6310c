//! Schema resolution: whether everything that one schema writes another can read.
//!
//! The rules are those of the Avro 1.12 specification, section *Schema Resolution*. A schema passes only when *every*
//! value that the writer may write is readable; a reader that could fail on some values, such as an enum that lacks a
//! symbol and has no default, does not.
//!
//! Two schemas are walked side by side. At a reader's union exactly one branch is followed, "the first schema in the
//! reader's union that matches", so no choice is ever taken back, and a pair of types that was met before, as in a
//! record that holds itself, may be taken to go together: if it does not, the first meeting says so.

use std::{collections::HashSet, fmt};

use crate::schema::{Enum, Fixed, Kind, Node, Place, Primitive, Record, Schema, Type};

mod matching;
mod problem;
#[cfg(test)]
mod tests;

pub use matching::{branch_for, source_of};
use matching::{decimals_differ, is_found_in_unions, matches, same_name, same_whole_name, taken_by, writer_fields};
pub use problem::Problem;

/// A place where a reader fails, or may fail, on what a writer writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// What does not fit.
    pub problem: Problem,
    /// The way to it from the root, by the reader's names: `.field`, `[]` into an array, `{}` into a map, `|type` into
    /// a union. Empty for the root itself.
    pub path: String,
    /// Where it stands in the writer's schema.
    pub writer: Place,
    /// Where it stands in the reader's schema.
    pub reader: Place,
    /// Only some of the writer's values fail; without this, no value can be read.
    pub partial: bool,
}

/// Every place where `reader` fails on what `writer` writes; empty when it can read everything.
/// What [`Problem::is_readable`] is not among them.
pub fn mismatches(writer: &Schema, reader: &Schema) -> Vec<Mismatch> {
    walk(writer, reader).into_iter().filter(|found| !found.problem.is_readable()).collect()
}

/// As [`mismatches`], with what can be read and means something else.
pub(crate) fn walk(writer: &Schema, reader: &Schema) -> Vec<Mismatch> {
    let mut walk = Walk { writer, reader, met: HashSet::new(), path: Vec::new(), partial: 0, found: Vec::new() };
    walk.types(writer.root(), reader.root());
    walk.found
}

/// Steps from the root that are followed, more than any schema is deep. Two schemas that hold themselves go around in
/// circles of different lengths, and meet each pair of their types before they have come around together.
const MAX_STEPS: usize = 300;

/// Places that are told; whoever has so many needs no more.
const MAX_FOUND: usize = 1_000;

struct Walk<'a> {
    writer: &'a Schema,
    reader: &'a Schema,
    /// Pairs of types, by number, that have been met.
    met: HashSet<(usize, usize)>,
    path: Vec<String>,
    /// How many steps of the path not every value takes.
    partial: usize,
    found: Vec<Mismatch>,
}

// === impl Walk ===

impl<'a> Walk<'a> {
    fn types(&mut self, writer: Type, reader: Type) {
        if self.found.len() >= MAX_FOUND || !self.met.insert((writer.id, reader.id)) {
            return;
        }
        if self.path.len() > MAX_STEPS {
            return self.report(Problem::TooFar, writer.place, reader.place, true);
        }
        let (written, expected) = (self.writer.node(writer), self.reader.node(reader));
        match (&written.kind, &expected.kind) {
            (Kind::Union(branches), _) => self.writer_union(writer, branches, reader),
            (_, Kind::Union(branches)) => match self.branch_for(writer, branches) {
                Some(branch) => self.types(writer, branch),
                None => match self.namesake(writer, reader) {
                    Some(problem) => self.report(problem, writer.place, reader.place, false),
                    None => self.type_differs(writer, reader),
                },
            },
            (Kind::Primitive(from), Kind::Primitive(to)) => {
                if to.takes(*from) {
                    self.promotion(*from, *to, writer, reader);
                    self.logical(written, expected, writer, reader);
                } else {
                    self.type_differs(writer, reader);
                }
            }
            (Kind::Array(from), Kind::Array(to)) => self.some("[]".to_owned(), |walk| walk.types(*from, *to)),
            (Kind::Map(from), Kind::Map(to)) => self.some("{}".to_owned(), |walk| walk.types(*from, *to)),
            (Kind::Record(from), Kind::Record(to)) => {
                self.names(written, expected);
                self.records((from, written.place), to);
            }
            (Kind::Enum(from), Kind::Enum(to)) => {
                self.names(written, expected);
                self.enums(from, to, expected.place);
            }
            (Kind::Fixed(from), Kind::Fixed(to)) => {
                self.names(written, expected);
                self.sizes(from, to, written.place, expected.place);
                self.logical(written, expected, writer, reader);
            }
            _ => self.type_differs(writer, reader),
        }
    }

    /// "If the writer's schema is a union, but the reader's is not: if the reader's schema matches the selected
    /// writer's schema, it is recursively resolved against it." Any branch may be selected, so all have to resolve.
    fn writer_union(&mut self, writer: Type, branches: &[Type], reader: Type) {
        let schema = self.writer;
        let expected = self.reader.node(reader);
        let place_of = |walk: &Self, branch: Type| match &expected.kind {
            Kind::Union(to) => walk.branch_for(branch, to),
            _ => matches(schema.node(branch), expected).then_some(reader),
        };
        let places: Vec<Option<Type>> = branches.iter().map(|branch| place_of(self, *branch)).collect();
        let namesakes = branches.iter().any(|branch| self.namesake(*branch, reader).is_some());
        if places.iter().all(Option::is_none) && !namesakes {
            return self.type_differs(writer, reader);
        }
        for (branch, place) in branches.iter().zip(places) {
            let name = schema.describe(*branch);
            match place {
                Some(place) => self.some(format!("|{name}"), |walk| walk.types(*branch, place)),
                None => {
                    let lost = || Problem::Branch { branch: name, reader: self.reader.describe(reader) };
                    let problem = self.namesake(*branch, reader).unwrap_or_else(lost);
                    self.report(problem, branch.place, reader.place, true);
                }
            }
        }
    }

    fn branch_for(&self, writer: Type, branches: &[Type]) -> Option<Type> {
        branch_for((self.writer, writer), (self.reader, branches)).map(|(_, branch)| branch)
    }

    /// That a reader's union has the type by its name without the namespace only.
    fn namesake(&self, writer: Type, reader: Type) -> Option<Problem> {
        let Kind::Union(branches) = &self.reader.node(reader).kind else { return None };
        let written = self.writer.node(writer);
        let is_named = |branch: &&Type| {
            let expected = self.reader.node(**branch);
            written.kind.names().is_some() && matches(written, expected) && !is_found_in_unions(written, expected)
        };
        let namesake = branches.iter().find(is_named)?;
        Some(Problem::Namespace { writer: self.writer.describe(writer), reader: self.reader.describe(*namesake) })
    }

    fn records(&mut self, (from, from_place): (&'a Record, Place), to: &'a Record) {
        for field in &to.fields {
            let found = writer_fields(from, field);
            match found.as_slice() {
                [] if field.default.is_some() => {
                    if let Some((why, place)) = field.unportable {
                        let problem = Problem::UnportableDefault { field: field.name.clone(), why };
                        self.step(format!(".{}", field.name), |walk| walk.report(problem, from_place, place, false));
                    }
                }
                [] => {
                    let problem = Problem::Default { field: field.name.clone() };
                    self.step(format!(".{}", field.name), |walk| {
                        walk.report(problem, from_place, field.place, false);
                    });
                }
                [one] if let Some(by) = taken_by(from, to, field) => {
                    let problem = Problem::Taken { field: field.name.clone(), by: by.name.clone() };
                    self.step(format!(".{}", field.name), |walk| walk.report(problem, one.place, field.place, false));
                }
                [one] => self.step(format!(".{}", field.name), |walk| {
                    if one.name != field.name && !same_whole_name(from, to) {
                        let problem = Problem::AliasElsewhere { field: field.name.clone(), written: one.name.clone() };
                        walk.report(problem, one.place, field.place, true);
                    } else if one.name != field.name {
                        let problem = Problem::Alias { field: field.name.clone(), written: one.name.clone() };
                        walk.report(problem, one.place, field.place, false);
                    }
                    walk.types(one.kind, field.kind);
                }),
                [first, ..] => {
                    let matches = found.iter().map(|field| field.name.clone()).collect();
                    let problem = Problem::Ambiguous { field: field.name.clone(), matches };
                    self.step(format!(".{}", field.name), |walk| {
                        walk.report(problem, first.place, field.place, false);
                    });
                }
            }
        }
    }

    /// "If the writer's symbol is not present in the reader's enum and the reader has a default value, then that value
    /// is used, otherwise an error is signalled."
    fn enums(&mut self, from: &'a Enum, to: &'a Enum, to_place: Place) {
        if to.default.is_some() {
            return;
        }
        let known = |symbol: &str| to.symbols.iter().any(|(known, _)| known == symbol);
        let some_known = from.symbols.iter().any(|(symbol, _)| known(symbol));
        for (symbol, place) in from.symbols.iter().filter(|(symbol, _)| !known(symbol)) {
            self.report(Problem::Symbol { symbol: symbol.clone() }, *place, to_place, some_known);
        }
    }

    fn names(&mut self, written: &Node, expected: &Node) {
        if same_name(written, expected) {
            return;
        }
        if let (Some((from, _)), Some((to, _))) = (written.kind.names(), expected.kind.names()) {
            let problem = Problem::Name { writer: from.to_string(), reader: to.to_string() };
            self.report(problem, written.place, expected.place, false);
        }
    }

    fn sizes(&mut self, from: &Fixed, to: &Fixed, writer: Place, reader: Place) {
        if from.size != to.size {
            self.report(Problem::Size { writer: from.size, reader: to.size }, writer, reader, false);
        }
    }

    /// "For the purposes of schema resolution, two schemas that are decimal logical types match if their scales and
    /// precisions match." Of other logical types the specification says nothing, so they resolve.
    fn logical(&mut self, written: &Node, expected: &Node, writer: Type, reader: Type) {
        let described = || (self.writer.describe(writer), self.reader.describe(reader));
        if decimals_differ(written, expected) {
            let (from, to) = described();
            self.report(Problem::Decimal { writer: from, reader: to }, writer.place, reader.place, false);
        } else if written.logical != expected.logical && (written.logical.is_some() || expected.logical.is_some()) {
            let (from, to) = described();
            self.report(Problem::Meaning { writer: from, reader: to }, writer.place, reader.place, false);
        }
    }

    /// What the specification promotes and not every value survives.
    fn promotion(&mut self, from: Primitive, to: Primitive, writer: Type, reader: Type) {
        let (was, is) = (self.writer.describe(writer), self.reader.describe(reader));
        match (from, to) {
            // Not all bytes are text: one library fails on the others, another puts replacements there.
            (Primitive::Bytes, Primitive::String) => {
                self.report(Problem::NotText { writer: was, reader: is }, writer.place, reader.place, true);
            }
            (Primitive::Int | Primitive::Long, Primitive::Float) | (Primitive::Long, Primitive::Double) => {
                self.report(Problem::Rounded { writer: was, reader: is }, writer.place, reader.place, true);
            }
            _ => {}
        }
    }

    fn type_differs(&mut self, writer: Type, reader: Type) {
        let narrower = match (&self.writer.node(writer).kind, &self.reader.node(reader).kind) {
            (Kind::Primitive(from), Kind::Primitive(to)) => from.takes(*to),
            _ => false,
        };
        let (from, to) = (self.writer.describe(writer), self.reader.describe(reader));
        self.report(Problem::Type { writer: from, reader: to, narrower }, writer.place, reader.place, false);
    }

    // === the way ===

    fn step(&mut self, name: String, go: impl FnOnce(&mut Self)) {
        self.path.push(name);
        go(self);
        self.path.pop();
    }

    /// A step that not every value takes.
    fn some(&mut self, name: String, go: impl FnOnce(&mut Self)) {
        self.partial += 1;
        self.step(name, go);
        self.partial -= 1;
    }

    fn report(&mut self, problem: Problem, writer: Place, reader: Place, partial: bool) {
        let partial = partial || self.partial > 0;
        self.found.push(Mismatch { problem, path: self.path.concat(), writer, reader, partial });
    }
}

// === impl Mismatch ===

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.strip_prefix('.').unwrap_or(&self.path) {
            "" => self.problem.fmt(f),
            path => write!(f, "`{path}`: {}", self.problem),
        }
    }
}
