//! Waiting for a condition, never for a time: a deadline is only there to end a test that hangs.

use std::{
    future::Future,
    thread,
    time::{Duration, Instant},
};

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(25);

/// For conditions that a healthy system reaches in seconds, on a machine that may be very busy.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Looks again and again until `look` finds something, and gives it; panics with `what` after the deadline.
#[track_caller]
pub fn until<T, F, L>(what: &str, deadline: Duration, mut look: L) -> impl Future<Output = T>
where
    F: Future<Output = Option<T>>,
    L: FnMut() -> F,
{
    let caller = std::panic::Location::caller();
    async move {
        let begun = Instant::now();
        loop {
            if let Some(found) = look().await {
                return found;
            }
            assert!(begun.elapsed() < deadline, "{caller}: waited {} s in vain until {what}", deadline.as_secs());
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// As [`until`], for tests without a runtime.
#[track_caller]
pub fn until_blocking<T>(what: &str, deadline: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < deadline, "waited {} s in vain until {what}", deadline.as_secs());
        thread::sleep(PAUSE);
    }
}
