//! Whether a new schema may follow its history, as a pure function: the embedded registry and the gate share it.
//!
//! The levels are those of the Confluent registry. *Backward* asks that the new schema can read what the old ones
//! wrote, *forward* that the old ones can read what the new one writes, *full* both; without *transitive* only the
//! newest registered version counts. Only full readability passes: a reader that could fail on some values, such as an
//! enum that lacks a symbol and has no default, is incompatible, as the specification of schema resolution has it.

use std::{fmt, str::FromStr};

use apache_avro::{
    Schema,
    error::CompatibilityError,
    schema_compatibility::{Compatibility, SchemaCompatibility},
};
use serde::{Deserialize, Serialize};

#[cfg(test)]
mod tests;

/// How strictly a new version of a schema is held to its history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Level {
    /// Not at all.
    None,
    /// The new schema reads what the newest version wrote.
    Backward,
    /// The new schema reads what every version wrote.
    BackwardTransitive,
    /// The newest version reads what the new schema writes.
    Forward,
    /// Every version reads what the new schema writes.
    ForwardTransitive,
    /// Backward and forward against the newest version.
    Full,
    /// Backward and forward against every version.
    FullTransitive,
}

/// Who would fail to read whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The new schema cannot read what the old version wrote.
    Backward,
    /// The old version cannot read what the new schema writes.
    Forward,
}

/// A registered version of a schema.
#[derive(Clone, Copy, Debug)]
pub struct Past<'a> {
    /// Its number within the subject.
    pub version: u32,
    /// The schema.
    pub schema: &'a Schema,
}

/// One reason why a new schema may not follow its history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// The version that it does not go together with.
    pub version: u32,
    /// Who would fail to read whom.
    pub direction: Direction,
    /// What does not fit.
    pub reason: String,
}

/// Everything that keeps `new` from following `history` (oldest first) under `level`; empty when it may.
pub fn conflicts(new: &Schema, history: &[Past<'_>], level: Level) -> Vec<Conflict> {
    let newest_only = history.len().saturating_sub(1);
    let relevant = if level.is_transitive() { history } else { history.get(newest_only..).unwrap_or_default() };
    let mut found = Vec::new();
    for past in relevant {
        if level.asks(Direction::Backward)
            && let Err(reason) = can_read(past.schema, new)
        {
            found.push(Conflict { version: past.version, direction: Direction::Backward, reason });
        }
        if level.asks(Direction::Forward)
            && let Err(reason) = can_read(new, past.schema)
        {
            found.push(Conflict { version: past.version, direction: Direction::Forward, reason });
        }
    }
    found
}

/// Whether everything that `writer` can write is readable with `reader`; the error says what is not, and where.
pub fn can_read(writer: &Schema, reader: &Schema) -> Result<(), String> {
    match SchemaCompatibility::can_read(writer, reader) {
        Ok(Compatibility::Full) => Ok(()),
        Ok(Compatibility::Partial) => {
            Err("some values that the writer may write have no place in the reader".to_owned())
        }
        Err(error) => Err(describe(&error)),
    }
}

/// Whether at least some of what `writer` can write is readable with `reader`.
pub(super) fn may_read(writer: &Schema, reader: &Schema) -> Result<(), String> {
    SchemaCompatibility::can_read(writer, reader).map(|_| ()).map_err(|error| describe(&error))
}

/// The library prints whole schemas for two types that do not go together; a sentence is enough.
fn describe(error: &CompatibilityError) -> String {
    match error {
        CompatibilityError::WrongType { .. } => "the types differ".to_owned(),
        CompatibilityError::TypeExpected { schema_type, expected_type } => {
            format!("{schema_type} is not one of {expected_type:?}")
        }
        CompatibilityError::FieldTypeMismatch(field, inner) => format!("field `{field}`: {}", describe(inner)),
        CompatibilityError::MissingDefaultValue(field) => {
            format!("field `{field}` is missing in the writer and has no default in the reader")
        }
        CompatibilityError::MissingSymbols => "the reader knows none of the writer's symbols".to_owned(),
        CompatibilityError::MissingUnionElements | CompatibilityError::SchemaMismatchAllUnionElements => {
            "no branch of the union fits".to_owned()
        }
        CompatibilityError::FixedMismatch => "the sizes of the fixed type differ".to_owned(),
        CompatibilityError::DecimalMismatch { r_precision, r_scale, w_precision, w_scale } => {
            format!("decimal({w_precision},{w_scale}) cannot be read as decimal({r_precision},{r_scale})")
        }
        CompatibilityError::NameMismatch { writer_name, reader_name } => {
            format!("`{writer_name}` cannot be read as `{reader_name}`: the names differ")
        }
        other => other.to_string(),
    }
}

// === impl Level ===

/// Every level, from the most lenient.
pub const LEVELS: [Level; 7] = [
    Level::None,
    Level::Backward,
    Level::BackwardTransitive,
    Level::Forward,
    Level::ForwardTransitive,
    Level::Full,
    Level::FullTransitive,
];

/// A text that is not a compatibility level.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{text}` is not a compatibility level: expected NONE, BACKWARD, FORWARD or FULL, or one of the last three followed by _TRANSITIVE"
)]
pub struct InvalidLevel {
    /// What was given.
    pub text: String,
}

impl Level {
    /// The level's name as registries write it, such as `FULL_TRANSITIVE`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Backward => "BACKWARD",
            Self::BackwardTransitive => "BACKWARD_TRANSITIVE",
            Self::Forward => "FORWARD",
            Self::ForwardTransitive => "FORWARD_TRANSITIVE",
            Self::Full => "FULL",
            Self::FullTransitive => "FULL_TRANSITIVE",
        }
    }

    fn is_transitive(self) -> bool {
        matches!(self, Self::BackwardTransitive | Self::ForwardTransitive | Self::FullTransitive)
    }

    fn asks(self, direction: Direction) -> bool {
        match self {
            Self::None => false,
            Self::Backward | Self::BackwardTransitive => direction == Direction::Backward,
            Self::Forward | Self::ForwardTransitive => direction == Direction::Forward,
            Self::Full | Self::FullTransitive => true,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Level {
    type Err = InvalidLevel;

    fn from_str(text: &str) -> Result<Self, InvalidLevel> {
        LEVELS.into_iter().find(|level| level.as_str() == text).ok_or_else(|| InvalidLevel { text: text.to_owned() })
    }
}

// === impl Conflict ===

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, direction, reason } = self;
        match direction {
            Direction::Backward => write!(f, "the new schema cannot read what version {version} wrote: {reason}"),
            Direction::Forward => write!(f, "version {version} cannot read what the new schema writes: {reason}"),
        }
    }
}
