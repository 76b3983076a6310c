//! What the runtime does about a failure: four answers, chosen by the type of the error and never by its text.

use std::time::Duration;

/// What a failure means for the message at hand. See the table in `docs/architecture.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Disposition {
    /// This message can never succeed: dead letter at once, then commit.
    Reject,
    /// This message may succeed later: full-jitter backoff, a bounded number of attempts, then dead letter.
    Retry,
    /// A dependency did not answer. Is it away altogether, the stage pauses and nothing becomes a dead letter; else only
    /// this message waits, for so long as it may.
    Unavailable,
    /// A broken invariant, or a fault of our own: stop with a non-zero exit code and commit nothing past it.
    Halt,
}

/// An error that knows what is to be done about it.
pub trait Classify: std::error::Error + Send + Sync + 'static {
    /// What the runtime is to do. One exhaustive match; no look at message texts.
    fn disposition(&self) -> Disposition;

    /// How long the next attempt should wait at least, when the failure is one that does not pass at once. The runtime
    /// waits no longer than `stage.max_backoff_ms`.
    fn retry_after(&self) -> Option<Duration> {
        None
    }

    /// The stable code of the error, such as `SLUICE-TARGET-003`; each has a page in `docs/errors/`.
    fn code(&self) -> &'static str;
}

impl Disposition {
    /// The word used as a metric label and in logs.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
