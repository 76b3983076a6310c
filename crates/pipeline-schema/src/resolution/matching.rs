//! Which type and which field of a reader stand for what a writer wrote.
//!
//! The decoder asks these functions too, so that what the gate passes is read as it says.

use crate::schema::{Field, Kind, Logical, Node, Primitive, Record, Schema, Type};

/// The branch of a reader's union that a type is resolved against, with its place: one with the very name, or else one
/// of the very type, or else the first that matches. The specification has the first that matches alone, which would read
/// a decimal as the string that stands before it; no decoder does.
pub fn branch_for((writer, from): (&Schema, Type), (reader, branches): (&Schema, &[Type])) -> Option<(usize, Type)> {
    let written = writer.node(from);
    let named = |branch: &Node| matches!((written.kind.names(), branch.kind.names()), (Some((from, _)), Some((to, _))) if from == to);
    let same_type = |branch: &Node| matches!((&written.kind, &branch.kind), (Kind::Primitive(from), Kind::Primitive(to)) if from == to);
    let first = |is: &dyn Fn(&Node) -> bool| {
        let fits = |branch: &Type| {
            let expected = reader.node(*branch);
            is(expected) && matches(written, expected) && is_found_in_unions(written, expected)
        };
        branches.iter().copied().enumerate().find(|(_, branch)| fits(branch))
    };
    first(&named).or_else(|| first(&same_type)).or_else(|| first(&|_| true))
}

/// The writer's field that a reader's field is read from; `None` when there is none, or not exactly one.
pub fn source_of<'a>(writer: &'a Record, reader: &Record, field: &Field) -> Option<&'a Field> {
    match writer_fields(writer, field).as_slice() {
        [one] if one.name != field.name || taken_by(writer, reader, field).is_none() => Some(one),
        _ => None,
    }
}

/// What the specification calls *to match*. Arrays and maps match here whatever they hold, and decimals whatever their
/// digits: a union has one of each at most, and what is wrong inside is told better there.
pub(super) fn matches(written: &Node, expected: &Node) -> bool {
    match (&written.kind, &expected.kind) {
        (Kind::Primitive(from), Kind::Primitive(to)) => to.takes(*from),
        (Kind::Fixed(from), Kind::Fixed(to)) => from.size == to.size && same_name(written, expected),
        (Kind::Record(_), Kind::Record(_)) | (Kind::Enum(_), Kind::Enum(_)) => same_name(written, expected),
        (Kind::Array(_), Kind::Array(_)) | (Kind::Map(_), Kind::Map(_)) => true,
        (Kind::Union(_), _) | (_, Kind::Union(_)) => true,
        _ => false,
    }
}

/// Whether a named type is found among the branches of a union. The specification compares the names without their
/// namespaces; Java's library does so for records only, and looks for an enum or a fixed type by its full name.
pub(super) fn is_found_in_unions(written: &Node, expected: &Node) -> bool {
    match (&written.kind, written.kind.names(), expected.kind.names()) {
        (Kind::Enum(_) | Kind::Fixed(_), Some((from, _)), Some((to, aliases))) => from == to || aliases.contains(from),
        _ => true,
    }
}

/// The writer's fields that a reader's field stands for: by name, or by one of the reader's aliases.
pub(super) fn writer_fields<'a>(writer: &'a Record, field: &Field) -> Vec<&'a Field> {
    let is_meant = |written: &&Field| written.name == field.name || field.aliases.contains(&written.name);
    writer.fields.iter().filter(is_meant).collect()
}

/// Whether aliases of fields are followed: Java's library does so in records of one whole name only.
pub(super) fn same_whole_name(writer: &Record, reader: &Record) -> bool {
    writer.name == reader.name || reader.aliases.contains(&writer.name)
}

/// The reader's field that has another one's name for an alias, and gets what the writer wrote under that name:
/// "aliases function by re-writing the writer's schema".
pub(super) fn taken_by<'a>(writer: &Record, reader: &'a Record, field: &Field) -> Option<&'a Field> {
    let has = |name: &String| writer.fields.iter().any(|written| written.name == *name);
    let takes = |other: &&Field| other.name != field.name && other.aliases.contains(&field.name);
    if has(&field.name) { reader.fields.iter().find(takes) } else { None }
}

/// "Both schemas are records with the same (unqualified) name", and so on; "a reader's schema may use aliases".
pub(super) fn same_name(written: &Node, expected: &Node) -> bool {
    match (written.kind.names(), expected.kind.names()) {
        (Some((from, _)), Some((to, aliases))) => from.simple() == to.simple() || aliases.contains(from),
        _ => true,
    }
}

pub(super) fn decimals_differ(written: &Node, expected: &Node) -> bool {
    let same_type = match (&written.kind, &expected.kind) {
        (Kind::Primitive(from), Kind::Primitive(to)) => from == to && *from == Primitive::Bytes,
        (Kind::Fixed(_), Kind::Fixed(_)) => true,
        _ => false,
    };
    let is_decimal = |node: &Node| matches!(node.logical, Some(Logical::Decimal { .. }));
    same_type && is_decimal(written) && is_decimal(expected) && written.logical != expected.logical
}
