//! All that an error says.

use std::{error::Error, fmt};

/// An error with all its sources, joined by colons; each level says only its own part.
pub struct Chain<'a>(pub &'a (dyn Error + 'a));

/// The same as text.
pub fn chain(error: &dyn Error) -> String {
    Chain(error).to_string()
}

// === impl Chain ===

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}
