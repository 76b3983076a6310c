//! What does not fit, and how a sentence says it.

use std::fmt;

use crate::schema::Unportable;

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
    /// The writer has no such field, and not every library can use the reader's default for it.
    UnportableDefault {
        /// The reader's field.
        field: String,
        /// What is wrong with the default.
        why: Unportable,
    },
    /// The reader's field has an alias that would be followed if the records had the same whole name.
    AliasElsewhere {
        /// The reader's field.
        field: String,
        /// The writer's field.
        written: String,
    },
    /// The writer has several fields that the reader takes for one.
    Ambiguous {
        /// The reader's field.
        field: String,
        /// The writer's fields.
        matches: Vec<String>,
    },
    /// The reader takes a field of the writer by an alias. The specification allows it.
    Alias {
        /// The reader's field.
        field: String,
        /// The writer's field.
        written: String,
    },
    /// The writer's field of that name is taken for another field of the reader, which has it for an alias.
    Taken {
        /// The reader's field, which gets nothing.
        field: String,
        /// The reader's field that takes it.
        by: String,
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
    /// Bytes are expected to be text. The specification promotes them, and not every value is.
    NotText {
        /// The writer's type.
        writer: String,
        /// The reader's type.
        reader: String,
    },
    /// The only branch of the reader's union with the name has another namespace. The specification does not mind.
    Namespace {
        /// What is written.
        writer: String,
        /// What is expected.
        reader: String,
    },
    /// The data can be read, and large numbers lose their last digits. Resolution allows it.
    Rounded {
        /// The writer's type.
        writer: String,
        /// The reader's type.
        reader: String,
    },
    /// The data can be read, but what it means has changed. Resolution allows it.
    Meaning {
        /// The writer's logical type.
        writer: String,
        /// The reader's logical type.
        reader: String,
    },
    /// The schemas go around in circles that are too long to be followed to their end.
    TooFar,
}

// === impl Problem ===

impl Problem {
    /// Whether the reader reads it all the same, by the specification.
    pub fn is_readable(&self) -> bool {
        matches!(self, Self::Meaning { .. } | Self::Alias { .. } | Self::Rounded { .. })
    }
}

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
            Self::UnportableDefault { field, why } => {
                write!(f, "field `{field}` is missing in the writer, and its default in the reader {}", why.as_str())
            }
            Self::AliasElsewhere { field, written } => {
                write!(f, "field `{written}` is read as `{field}` only in a record of the same whole name")
            }
            Self::Ambiguous { field, matches } => {
                write!(f, "field `{field}` stands for several fields of the writer: {}", matches.join(", "))
            }
            Self::Taken { field, by } => {
                write!(f, "field `{field}` of the writer is taken for `{by}`, which has it for an alias")
            }
            Self::Alias { field, written } => write!(f, "field `{written}` is read as `{field}`, by an alias"),
            Self::Symbol { symbol } => {
                write!(f, "symbol `{symbol}` is not among the reader's, and the reader's enum has no default")
            }
            Self::Branch { branch, reader } => write!(f, "`{branch}` has no place in the reader's `{reader}`"),
            Self::NotText { writer, reader } => {
                write!(f, "`{writer}` cannot be read as `{reader}`: not all bytes are text")
            }
            Self::Namespace { writer, reader } => {
                write!(f, "`{writer}` cannot be read as `{reader}`: in a union the whole names count")
            }
            Self::Rounded { writer, reader } | Self::Meaning { writer, reader } => {
                write!(f, "`{writer}` is read as `{reader}`")
            }
            Self::TooFar => f.write_str("the types hold each other too deeply to be compared"),
        }
    }
}
