//! How often the client tries again by itself, before the error is ours to judge.
//!
//! By default the client repeats for ever what a cluster says may be repeated, so an overload would look like silence.
//! Here it gets over what passes in a moment, such as a connection that is being made or a node that hands over a part
//! of its data, and gives up on everything else: the runtime knows better how to wait.

use std::time::Duration;

use couchbase::retry::{RetryAction, RetryReason, RetryRequest, RetryStrategy};

/// Repetitions at most.
const ATTEMPTS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// Gets over moments, and gives up on states.
#[derive(Debug)]
pub struct Patience;

impl RetryStrategy for Patience {
    fn retry_after(&self, request: &RetryRequest, reason: &RetryReason) -> Option<RetryAction> {
        let passes = match reason {
            // A missing index stays missing; a statement that took too long would take as long again; and one that was
            // forgotten is prepared anew by its reader.
            RetryReason::QueryIndexNotFound
            | RetryReason::QueryErrorRetryable
            | RetryReason::QueryPreparedStatementFailure => false,
            _ => request.retry_attempts() < ATTEMPTS,
        };
        passes.then(|| RetryAction::new(FIRST_PAUSE * 2_u32.saturating_pow(request.retry_attempts())))
    }
}
