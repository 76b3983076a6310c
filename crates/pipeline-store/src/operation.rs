//! What is being done to what, for errors.

/// An operation and its object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Operation {
    /// A verb and its object, such as `store batch`.
    pub(crate) verb: &'static str,
    /// Identifiers.
    pub(crate) subject: String,
}

// === impl Operation ===

impl Operation {
    pub(crate) fn new(verb: &'static str, subject: impl Into<String>) -> Self {
        Self { verb, subject: subject.into() }
    }
}
