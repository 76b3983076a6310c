//! The seven compatibility levels of the Confluent registry.
//!
//! *Backward* asks that the new schema can read what the old ones wrote, *forward* that the old ones can read what the
//! new one writes, *full* both. Without *transitive* only the newest version counts.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use strum::VariantArray as _;

/// How strictly a new version of a schema is held to its history.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    strum::Display,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The new schema cannot read what the old version wrote.
    Backward,
    /// The old version cannot read what the new schema writes.
    Forward,
}

/// Every level, from the most lenient.
pub const LEVELS: &[Level] = Level::VARIANTS;

/// A text that is not a compatibility level.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{text}` is not a compatibility level: expected NONE, BACKWARD, FORWARD or FULL, or one of the last three followed by _TRANSITIVE"
)]
pub struct InvalidLevel {
    /// What was given.
    pub text: String,
}

// === impl Level ===

impl Level {
    /// The level that asks the same of every version.
    pub fn of_every_version(self) -> Self {
        match self {
            Self::None => Self::None,
            Self::Backward | Self::BackwardTransitive => Self::BackwardTransitive,
            Self::Forward | Self::ForwardTransitive => Self::ForwardTransitive,
            Self::Full | Self::FullTransitive => Self::FullTransitive,
        }
    }

    /// The versions of a history, oldest first, that the level looks at.
    pub fn relevant<T>(self, history: &[T]) -> &[T] {
        match self {
            Self::None => &[],
            _ if self.is_transitive() => history,
            _ => history.get(history.len().saturating_sub(1)..).unwrap_or_default(),
        }
    }

    /// The level's name as registries write it, such as `FULL_TRANSITIVE`.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Whether versions before the newest count too.
    pub fn is_transitive(self) -> bool {
        matches!(self, Self::BackwardTransitive | Self::ForwardTransitive | Self::FullTransitive)
    }

    /// Whether the level forbids a failure of this direction.
    pub fn asks(self, direction: Direction) -> bool {
        match self {
            Self::None => false,
            Self::Backward | Self::BackwardTransitive => direction == Direction::Backward,
            Self::Forward | Self::ForwardTransitive => direction == Direction::Forward,
            Self::Full | Self::FullTransitive => true,
        }
    }
}

impl FromStr for Level {
    type Err = InvalidLevel;

    fn from_str(text: &str) -> Result<Self, InvalidLevel> {
        LEVELS
            .iter()
            .copied()
            .find(|level| level.as_str() == text)
            .ok_or_else(|| InvalidLevel { text: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_reads_its_own_name_and_no_other() {
        for &level in LEVELS {
            assert_eq!(level.as_str().parse::<Level>().unwrap(), level);
            assert_eq!(serde_json::to_string(&level).unwrap(), format!("\"{level}\""));
        }
        assert!("full".parse::<Level>().is_err());
    }
}
