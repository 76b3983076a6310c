//! What is wrong with a text that is no schema.

use std::fmt;

use crate::schema::Place;

/// How the problem of a type that is named and not there ends.
pub(super) const UNDEFINED: &str = "is not defined before this place";

/// Something in the text that keeps it from being a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// What is wrong.
    pub problem: String,
}

/// Why a text is not a schema: one fault or more, in the order of the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", listed(.0))]
pub struct Faults(pub Vec<Fault>);

// === impl Fault ===

impl Fault {
    /// Whether a type is named that another text may define.
    pub fn is_undefined_type(&self) -> bool {
        self.problem.ends_with(UNDEFINED)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.place.line, self.place.column, self.problem)
    }
}

fn listed(faults: &[Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
