//! Places where a test may end the process, as a SIGKILL would: nothing is flushed, drained or committed.
//!
//! They are there only with the feature `failpoints`; otherwise a call is nothing. A place is chosen by the
//! environment, in the notation of the `fail` crate: `FAILPOINTS='bundles::after-handle=3*off->1*return'` ends the
//! bundles stage the fourth time it has handled a message and not yet emitted what follows.

/// Ends the process here when a test says so. `stage` is the stage's name, `step` what has just been done.
#[cfg(feature = "failpoints")]
pub fn point(stage: &str, step: &str) {
    fail::fail_point!(&format!("{stage}::{step}"), |_| {
        eprintln!("fail point {stage}::{step}: ending the process");
        std::process::abort()
    });
}

/// Ends the process here when a test says so; this build has no such places.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn point(_stage: &str, _step: &str) {}

/// Reads `FAILPOINTS`; keep the answer until the process ends.
#[cfg(feature = "failpoints")]
pub fn arm() -> impl Sized {
    fail::FailScenario::setup()
}

/// Reads nothing; this build has no such places.
#[cfg(not(feature = "failpoints"))]
pub fn arm() -> impl Sized {}
