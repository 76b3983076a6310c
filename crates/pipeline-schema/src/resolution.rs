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

use crate::schema::{Enum, Field, Fixed, Kind, Logical, Node, Place, Primitive, Record, Schema, Type};

#[cfg(test)]
mod tests;

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

/// What does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The types differ, and the writer's cannot be promoted to the reader's.
    Type {
        /// What is written.
        writer: String,
        /// What is expected.
        reader: String,
        /// The other way round would do: the reader is the narrower one.
        narrower: bool,
    },
    /// Two named types have different names, and the reader no alias.
    Name {
        /// What is written.
        writer: String,
        /// What is expected.
        reader: String,
    },
    /// Two fixed types have different sizes.
    Size {
        /// Bytes written.
        writer: u64,
        /// Bytes expected.
        reader: u64,
    },
    /// Two decimals have different digits.
    Decimal {
        /// What is written.
        writer: String,
        /// What is expected.
        reader: String,
    },
    /// The writer has no such field, and the reader has no default for it.
    Default {
        /// The reader's field.
        field: String,
    },
    /// The writer has no such field, and the reader's default for it is a value of a union's later branch only.
    LaterDefault {
        /// The reader's field.
        field: String,
    },
    /// The writer has several fields that the reader takes for one.
    Ambiguous {
        /// The reader's field.
        field: String,
        /// The writer's fields.
        matches: Vec<String>,
    },
    /// The reader's enum has no such symbol, and no default.
    Symbol {
        /// The writer's symbol.
        symbol: String,
    },
    /// The reader has no place for one type of the writer's union.
    Branch {
        /// The writer's type.
        branch: String,
        /// What is expected.
        reader: String,
    },
    /// The data can be read, but what it means has changed. Resolution allows it.
    Meaning {
        /// The writer's logical type.
        writer: String,
        /// The reader's logical type.
        reader: String,
    },
}

/// Every place where `reader` fails on what `writer` writes; empty when it can read everything.
/// [`Problem::Meaning`] is not among them.
pub fn mismatches(writer: &Schema, reader: &Schema) -> Vec<Mismatch> {
    walk(writer, reader).into_iter().filter(|found| !matches!(found.problem, Problem::Meaning { .. })).collect()
}

/// As [`mismatches`], with what can be read and means something else.
pub(crate) fn walk(writer: &Schema, reader: &Schema) -> Vec<Mismatch> {
    let mut walk = Walk { writer, reader, met: HashSet::new(), path: Vec::new(), partial: 0, found: Vec::new() };
    walk.types(writer.root(), reader.root());
    walk.found
}

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
        if !self.met.insert((writer.id, reader.id)) {
            return;
        }
        let (written, expected) = (self.writer.node(writer), self.reader.node(reader));
        match (&written.kind, &expected.kind) {
            (Kind::Union(branches), _) => self.writer_union(writer, branches, reader),
            (_, Kind::Union(branches)) => match self.branch_for(writer, branches) {
                Some(branch) => self.types(writer, branch),
                None => self.type_differs(writer, reader),
            },
            (Kind::Primitive(from), Kind::Primitive(to)) => {
                if to.takes(*from) {
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
            _ => walk.matches(branch, reader).then_some(reader),
        };
        let places: Vec<Option<Type>> = branches.iter().map(|branch| place_of(self, *branch)).collect();
        if places.iter().all(Option::is_none) {
            return self.type_differs(writer, reader);
        }
        for (branch, place) in branches.iter().zip(places) {
            let name = schema.describe(*branch);
            match place {
                Some(place) => self.some(format!("|{name}"), |walk| walk.types(*branch, place)),
                None => {
                    let problem = Problem::Branch { branch: name, reader: self.reader.describe(reader) };
                    self.report(problem, branch.place, reader.place, true);
                }
            }
        }
    }

    /// The branch of a reader's union that a type is resolved against: one with the very name, or else one of the very
    /// type, or else the first that matches. The specification has the first that matches alone, which would read a
    /// decimal as the string that stands before it; no decoder does.
    fn branch_for(&self, writer: Type, branches: &[Type]) -> Option<Type> {
        let kinds = |branch: &Type| (&self.writer.node(writer).kind, &self.reader.node(*branch).kind);
        let named = |branch: &&Type| {
            let (from, to) = kinds(branch);
            matches!((from.names(), to.names()), (Some((from, _)), Some((to, _))) if from == to)
        };
        let same_type =
            |branch: &&Type| matches!(kinds(branch), (Kind::Primitive(from), Kind::Primitive(to)) if from == to);
        let matching = || branches.iter().filter(|branch| self.matches(writer, **branch));
        matching().find(named).or_else(|| matching().find(same_type)).or_else(|| matching().next()).copied()
    }

    /// What the specification calls *to match*. Arrays and maps match here whatever they hold, and decimals whatever
    /// their digits: a union has one of each at most, and what is wrong inside is told better there.
    fn matches(&self, writer: Type, reader: Type) -> bool {
        let (written, expected) = (self.writer.node(writer), self.reader.node(reader));
        match (&written.kind, &expected.kind) {
            (Kind::Primitive(from), Kind::Primitive(to)) => to.takes(*from),
            (Kind::Fixed(from), Kind::Fixed(to)) => from.size == to.size && same_name(written, expected),
            (Kind::Record(_), Kind::Record(_)) | (Kind::Enum(_), Kind::Enum(_)) => same_name(written, expected),
            (Kind::Array(_), Kind::Array(_)) | (Kind::Map(_), Kind::Map(_)) => true,
            (Kind::Union(_), _) | (_, Kind::Union(_)) => true,
            _ => false,
        }
    }

    fn records(&mut self, (from, from_place): (&'a Record, Place), to: &'a Record) {
        for field in &to.fields {
            let found = writer_fields(from, field);
            match found.as_slice() {
                [] if field.default.is_some() => {
                    if let Some(place) = field.later_default {
                        let problem = Problem::LaterDefault { field: field.name.clone() };
                        self.step(format!(".{}", field.name), |walk| walk.report(problem, from_place, place, false));
                    }
                }
                [] => {
                    let problem = Problem::Default { field: field.name.clone() };
                    self.step(format!(".{}", field.name), |walk| {
                        walk.report(problem, from_place, field.place, false);
                    });
                }
                [one] => self.step(format!(".{}", field.name), |walk| walk.types(one.kind, field.kind)),
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

/// The writer's fields that a reader's field stands for: by name, or by one of the reader's aliases.
fn writer_fields<'a>(writer: &'a Record, field: &Field) -> Vec<&'a Field> {
    let is_meant = |written: &&Field| written.name == field.name || field.aliases.contains(&written.name);
    writer.fields.iter().filter(is_meant).collect()
}

/// "Both schemas are records with the same (unqualified) name", and so on; "a reader's schema may use aliases".
fn same_name(written: &Node, expected: &Node) -> bool {
    match (written.kind.names(), expected.kind.names()) {
        (Some((from, _)), Some((to, aliases))) => from.simple() == to.simple() || aliases.contains(from),
        _ => true,
    }
}

fn decimals_differ(written: &Node, expected: &Node) -> bool {
    let same_type = match (&written.kind, &expected.kind) {
        (Kind::Primitive(from), Kind::Primitive(to)) => from == to && *from == Primitive::Bytes,
        (Kind::Fixed(_), Kind::Fixed(_)) => true,
        _ => false,
    };
    let is_decimal = |node: &Node| matches!(node.logical, Some(Logical::Decimal { .. }));
    same_type && is_decimal(written) && is_decimal(expected) && written.logical != expected.logical
}

// === impl Problem ===

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type { writer, reader, .. } => write!(f, "`{writer}` cannot be read as `{reader}`"),
            Self::Name { writer, reader } => write!(f, "`{writer}` cannot be read as `{reader}`: the names differ"),
            Self::Size { writer, reader } => write!(f, "{writer} bytes cannot be read as {reader} bytes"),
            Self::Decimal { writer, reader } => write!(f, "`{writer}` cannot be read as `{reader}`: the digits differ"),
            Self::Default { field } => {
                write!(f, "field `{field}` is missing in the writer and has no default in the reader")
            }
            Self::LaterDefault { field } => {
                write!(
                    f,
                    "field `{field}` is missing in the writer, and its default in the reader is no value of its \
                     union's first type"
                )
            }
            Self::Ambiguous { field, matches } => {
                write!(f, "field `{field}` stands for several fields of the writer: {}", matches.join(", "))
            }
            Self::Symbol { symbol } => {
                write!(f, "symbol `{symbol}` is not among the reader's, and the reader's enum has no default")
            }
            Self::Branch { branch, reader } => write!(f, "`{branch}` has no place in the reader's `{reader}`"),
            Self::Meaning { writer, reader } => write!(f, "`{writer}` is read as `{reader}`"),
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.strip_prefix('.').unwrap_or(&self.path) {
            "" => self.problem.fmt(f),
            path => write!(f, "`{path}`: {}", self.problem),
        }
    }
}
