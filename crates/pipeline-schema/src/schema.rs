//! A schema as the checker sees it: types that know where in the file they stand.
//!
//! Types lie side by side and are named by number, so that a record may hold itself. Whatever does not matter to
//! schema resolution (docs, sort order, unknown attributes) is left out.

use std::fmt;

use serde::Serialize;

/// A stretch of a schema's text, within one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Characters, 1 or more.
    pub length: usize,
}

/// A valid schema.
#[derive(Clone, Debug)]
pub struct Schema {
    pub(crate) nodes: Vec<Node>,
    pub(crate) root: Type,
}

/// A type where it is used: defined there, or defined before and named there.
#[derive(Clone, Copy, Debug)]
pub struct Type {
    pub(crate) id: usize,
    /// Where it is used.
    pub place: Place,
}

/// A type as it is defined.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// What its values mean, when it says so.
    pub logical: Option<Logical>,
    /// Where it is defined: for a named type, its name.
    pub place: Place,
}

/// What a type is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// `null`, `int`, `string`, …
    Primitive(Primitive),
    /// A list of items.
    Array(Type),
    /// Values by text.
    Map(Type),
    /// One of several types.
    Union(Vec<Type>),
    /// Fields in order.
    Record(Record),
    /// One of several symbols.
    Enum(Enum),
    /// So many bytes.
    Fixed(Fixed),
}

/// A type without parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, strum::EnumString, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
#[expect(missing_docs, reason = "the names are the specification's")]
pub enum Primitive {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
}

/// A full name: the namespace, a dot and the simple name; or the simple name alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(pub(crate) String);

/// A record.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its name.
    pub name: Name,
    /// Names of other records that a reader takes for this one.
    pub aliases: Vec<Name>,
    /// Its fields, in order.
    pub fields: Vec<Field>,
}

/// A field of a record.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Names of a writer's fields that a reader takes for this one.
    pub aliases: Vec<String>,
    /// Its type.
    pub kind: Type,
    /// Its default, as JSON text.
    pub default: Option<String>,
    /// Why not every library can use the default, and where it stands.
    pub unportable: Option<(Unportable, Place)>,
    /// Where its name stands.
    pub place: Place,
}

/// Why a default that the specification allows is of no use to some libraries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unportable {
    /// It is a value of a union's later branch only, which the specification has allowed since 1.12.
    LaterBranch,
    /// It is an empty list for a union, on which Java's library 1.12 fails.
    EmptyListOfUnion,
}

/// An enumeration.
#[derive(Clone, Debug)]
pub struct Enum {
    /// Its name.
    pub name: Name,
    /// Names of other enums that a reader takes for this one.
    pub aliases: Vec<Name>,
    /// Its symbols, in order, with their places.
    pub symbols: Vec<(String, Place)>,
    /// The symbol that a reader takes for one that it does not know.
    pub default: Option<String>,
}

/// Bytes of a fixed number.
#[derive(Clone, Debug)]
pub struct Fixed {
    /// Its name.
    pub name: Name,
    /// Names of other fixed types that a reader takes for this one.
    pub aliases: Vec<Name>,
    /// How many bytes.
    pub size: u64,
}

/// What values of a type mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Logical {
    /// An unscaled number with so many digits, of which so many stand behind the point.
    Decimal {
        /// Digits in all.
        precision: u64,
        /// Digits behind the point.
        scale: u64,
    },
    /// Any other logical type, by its name.
    Other(String),
}

// === impl Schema ===

impl Schema {
    /// The outermost type.
    pub fn root(&self) -> Type {
        self.root
    }

    /// What a type of this schema is.
    #[expect(clippy::indexing_slicing, reason = "an id is only ever made for a node of this schema")]
    pub fn node(&self, of: Type) -> &Node {
        &self.nodes[of.id]
    }

    /// How a sentence calls a type of this schema. Ends, because only named types can hold themselves, and these are named,
    /// not unfolded.
    pub fn describe(&self, of: Type) -> String {
        let node = self.node(of);
        let plain = match &node.kind {
            Kind::Primitive(primitive) => primitive.as_str().to_owned(),
            Kind::Array(items) => format!("array of {}", self.describe(*items)),
            Kind::Map(values) => format!("map of {}", self.describe(*values)),
            Kind::Union(branches) => {
                let branches: Vec<String> = branches.iter().map(|branch| self.describe(*branch)).collect();
                format!("[{}]", branches.join(", "))
            }
            Kind::Record(record) => format!("record {}", record.name),
            Kind::Enum(kind) => format!("enum {}", kind.name),
            Kind::Fixed(fixed) => format!("fixed {}({})", fixed.name, fixed.size),
        };
        match &node.logical {
            Some(Logical::Decimal { precision, scale }) => format!("{plain} decimal({precision},{scale})"),
            Some(Logical::Other(name)) => format!("{plain} {name}"),
            None => plain,
        }
    }
}

// === impl Unportable ===

impl Unportable {
    /// What is wrong with the default of a field, behind the field's name.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::LaterBranch => "is no value of its union's first type",
            Self::EmptyListOfUnion => "is an empty list for a union, on which Java's library fails",
        }
    }
}

// === impl Kind ===

impl Kind {
    /// Its name and aliases, when it is a named type.
    pub(crate) fn names(&self) -> Option<(&Name, &[Name])> {
        match self {
            Self::Record(record) => Some((&record.name, &record.aliases)),
            Self::Enum(kind) => Some((&kind.name, &kind.aliases)),
            Self::Fixed(fixed) => Some((&fixed.name, &fixed.aliases)),
            Self::Primitive(_) | Self::Array(_) | Self::Map(_) | Self::Union(_) => None,
        }
    }
}

// === impl Primitive ===

impl Primitive {
    /// Its name in a schema.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    pub(crate) fn of(name: &str) -> Option<Self> {
        name.parse().ok()
    }

    /// Whether a reader that expects this type takes what a writer wrote as `written`: "the writer's schema may be
    /// promoted to the reader's".
    pub(crate) fn takes(self, written: Self) -> bool {
        self == written
            || match self {
                Self::Long => written == Self::Int,
                Self::Float => matches!(written, Self::Int | Self::Long),
                Self::Double => matches!(written, Self::Int | Self::Long | Self::Float),
                Self::Bytes => written == Self::String,
                Self::String => written == Self::Bytes,
                Self::Null | Self::Boolean | Self::Int => false,
            }
    }
}

// === impl Name ===

impl Name {
    /// The part after the last dot.
    pub fn simple(&self) -> &str {
        self.0.rsplit_once('.').map_or(self.0.as_str(), |(_, simple)| simple)
    }

    pub(crate) fn namespace(&self) -> Option<&str> {
        self.0.rsplit_once('.').map(|(namespace, _)| namespace)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
