//! What is wrong with a configuration: each fault with its place, its code and what to do.

use std::fmt;

use super::Origin;
use crate::printable::printable;

/// One thing that is wrong, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where it is.
    pub place: Origin,
    /// The key, with dots; empty when the fault is not about one key.
    pub key: String,
    /// Of which kind it is.
    pub kind: FaultKind,
    /// What is wrong; never holds a secret.
    pub problem: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// The kinds of fault, each with a code of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The configuration file cannot be read.
    File,
    /// The file has another form than sections with plain values.
    Form,
    /// Nobody knows the key.
    UnknownKey,
    /// The key is there twice.
    DuplicateKey,
    /// The value is of another type, or none of the words that are possible.
    WrongType,
    /// The value is outside of its bounds.
    OutOfBounds,
    /// The key, or another one that it needs, is not set.
    Missing,
    /// Two keys say opposite things.
    Contradiction,
    /// The value cannot work: an address, a filter, a statement.
    Unusable,
    /// A file that a key names cannot be read.
    NamedFile,
    /// This build of the program cannot do it.
    NotInBuild,
    /// The schema of the configuration allows what the program cannot read.
    OwnFault,
    /// It works, and should not stay.
    Doubtful,
}

/// Everything that is wrong with a configuration. Programs end with exit code 78.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    /// At least one fault: the file's in the order of its lines, then the environment's, the flags', the checks'.
    pub faults: Vec<Fault>,
}

// === impl FaultKind ===

impl FaultKind {
    /// The stable code; each has a page in `docs/errors/`.
    pub fn code(self) -> &'static str {
        match self {
            Self::File => "SLUICE-CONFIG-001",
            Self::Form => "SLUICE-CONFIG-002",
            Self::UnknownKey => "SLUICE-CONFIG-003",
            Self::DuplicateKey => "SLUICE-CONFIG-004",
            Self::WrongType => "SLUICE-CONFIG-005",
            Self::OutOfBounds => "SLUICE-CONFIG-006",
            Self::Missing => "SLUICE-CONFIG-007",
            Self::Contradiction => "SLUICE-CONFIG-008",
            Self::Unusable => "SLUICE-CONFIG-009",
            Self::NamedFile => "SLUICE-CONFIG-010",
            Self::NotInBuild => "SLUICE-CONFIG-011",
            Self::OwnFault => "SLUICE-CONFIG-012",
            Self::Doubtful => "SLUICE-CONFIG-013",
        }
    }
}

// === impl Fault ===

impl Fault {
    /// The fault with its code behind.
    pub fn with_code(&self) -> String {
        format!("{self} ({})", self.kind.code())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(f)?;
        // The name of a variable or a flag says the key already.
        let said = matches!(self.place, Origin::Environment { .. } | Origin::Flag { .. });
        if !said && !self.key.is_empty() {
            write!(f, " `{}`", printable(&self.key))?;
        }
        write!(f, ": {}", self.problem)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

// === impl Error ===

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.faults.as_slice() {
            [fault] => f.write_str(&fault.with_code()),
            faults => {
                write!(f, "{} faults in the configuration:", faults.len())?;
                faults.iter().try_for_each(|fault| write!(f, "\n  {}", fault.with_code()))
            }
        }
    }
}
