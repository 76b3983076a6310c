//! What the views are called.

use std::sync::Arc;

/// What readers read.
pub(crate) const VIEWS: [&str; 4] = ["provider_services", "providers", "bundles", "subscription_fields"];

/// Letters of a prefix, at most: the longest name has room for it on every server.
const MAX_PREFIX: usize = 32;

/// What the views are called: what stands before the names of all.
#[derive(Clone, Debug, Default)]
pub(crate) struct ViewPrefix(Arc<str>);

// === impl ViewPrefix ===

impl ViewPrefix {
    /// Fails with the reason when names with the prefix would need quotes.
    pub(crate) fn new(prefix: &str) -> Result<Self, String> {
        let fits = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '_';
        let is_name = prefix.is_empty() || prefix.starts_with(|it: char| it.is_ascii_lowercase());
        if prefix.len() <= MAX_PREFIX && is_name && prefix.chars().all(fits) {
            return Ok(Self(prefix.into()));
        }
        Err(format!(
            "`target.view_prefix` has something else than {MAX_PREFIX} small letters, digits and `_` at most, a letter first"
        ))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of a view here.
    pub(crate) fn name(&self, view: &str) -> String {
        format!("{}{view}", self.0)
    }

    /// The names of all views here.
    pub(crate) fn names(&self) -> [String; 4] {
        VIEWS.map(|view| self.name(view))
    }
}
