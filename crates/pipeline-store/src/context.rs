//! What is being done to what, for errors.

/// An operation and its object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Context {
    /// A verb and its object, such as `store batch`.
    pub(crate) operation: &'static str,
    /// Identifiers.
    pub(crate) subject: String,
}

// === impl Context ===

impl Context {
    pub(crate) fn new(operation: &'static str, subject: impl Into<String>) -> Self {
        Self { operation, subject: subject.into() }
    }
}
