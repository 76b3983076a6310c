//! A failure as the runtime sees it: what to do, the code, and the whole chain of causes as text.

use std::time::{Duration, SystemTime};

use pipeline_model::{
    chain::chain,
    disposition::{Classify, Disposition},
};

/// What a message needs and may not get an answer from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Dependency {
    /// What the stage itself needs: its target, its source. Answers to [`crate::stage::Stage::ready`].
    Stage,
    /// The brokers, as far as the stage produces.
    Cluster,
    /// The schema registry.
    Registry,
}

/// Longest text of a failure that is kept, in bytes.
const MAX_TEXT: usize = 1024;

/// A classified error, ready to be logged, shown and put into headers.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) disposition: Disposition,
    pub(crate) code: &'static str,
    /// The error and its causes, joined by `: `, at most 1 KiB.
    pub(crate) text: String,
    /// What the next attempt should wait at least.
    pub(crate) retry_after: Option<Duration>,
    /// What did not answer, when it is *unavailable*.
    pub(crate) of: Dependency,
}

/// Why something was given up.
pub(crate) struct LastFailure {
    pub(crate) failure: Failure,
    /// How often it was tried.
    pub(crate) attempts: u32,
    pub(crate) first_failed_at: SystemTime,
}

// === impl Dependency ===

impl Dependency {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Stage, Self::Cluster, Self::Registry];
}

// === impl Failure ===

impl Failure {
    /// A fault of our own, which ends the process.
    pub(crate) fn halt(code: &'static str, text: String) -> Self {
        let text = shortened(text);
        Self { disposition: Disposition::Halt, code, text, retry_after: None, of: Dependency::Stage }
    }

    /// The same, of another dependency than those of the stage.
    pub(crate) fn of(self, of: Dependency) -> Self {
        Self { of, ..self }
    }

    /// The same with a few words before it.
    pub(crate) fn after(&self, words: &str) -> Self {
        Self { text: shortened(format!("{words}: {}", self.text)), ..self.clone() }
    }
}

impl std::error::Error for Failure {}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

// `Failure` must not implement `Classify` itself, or this would overlap with the identity conversion.
impl<E: Classify> From<E> for Failure {
    fn from(error: E) -> Self {
        let text = chain(&error);
        Self {
            disposition: error.disposition(),
            code: error.code(),
            text: shortened(text),
            retry_after: error.retry_after(),
            of: Dependency::Stage,
        }
    }
}

/// Cuts at a character boundary.
fn shortened(mut text: String) -> String {
    if text.len() > MAX_TEXT {
        let end = (0..=MAX_TEXT - 3).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let text = shortened("é".repeat(2000));
        assert!(text.len() <= MAX_TEXT && text.ends_with('…'));
    }
}
