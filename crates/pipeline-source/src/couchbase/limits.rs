//! How much is asked of the cluster: so many requests at once, so many in a second, from one process.

use std::num::NonZeroU32;

use governor::DefaultDirectRateLimiter;
use governor::{Quota, RateLimiter};
use pipeline_settings::settings;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Both bounds.
#[derive(Debug)]
pub struct Limits {
    at_once: Semaphore,
    in_a_second: DefaultDirectRateLimiter,
}

impl Limits {
    /// As the settings say.
    pub fn new(settings: &settings::Couchbase) -> Self {
        let rate = NonZeroU32::new(settings.requests_per_second).unwrap_or(NonZeroU32::MIN);
        // What was not used in the last tenth of a second may be used now, no more: a burst is what hurts.
        let burst = NonZeroU32::new(rate.get().div_ceil(10)).unwrap_or(NonZeroU32::MIN);
        let at_once = usize::try_from(settings.concurrent_reads).unwrap_or(usize::MAX);
        Self {
            at_once: Semaphore::new(at_once.clamp(1, Semaphore::MAX_PERMITS)),
            in_a_second: RateLimiter::direct(Quota::per_second(rate).allow_burst(burst)),
        }
    }

    /// Waits for a place; it is free again when what is given is dropped. `None` never happens: nobody closes it.
    pub async fn enter(&self) -> Option<SemaphorePermit<'_>> {
        let place = self.at_once.acquire().await.ok();
        self.in_a_second.until_ready().await;
        place
    }
}
