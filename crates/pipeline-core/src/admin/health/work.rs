//! Work that never comes back: it computes without giving its thread back, or waits for what nothing will bring.
//!
//! A loop that beats says nothing of the message that is handled beside it. So each message and each task is polled
//! through here, and the moment of the last poll's beginning or end is kept: two stores for a poll.

use std::{
    collections::HashMap,
    future::poll_fn,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::Health;

/// Longest that anything may compute before its thread is given back. What reads files or waits has threads of its own.
const MAX_COMPUTING: Duration = Duration::from_secs(30);

/// Longest that a message may wait without anything that wakes it. Whatever a handler waits for has a time limit, and a
/// far shorter one; an outage wakes it with each attempt.
pub const MAX_WAITING: Duration = Duration::from_secs(30 * 60);

/// All work that is under way in a process.
#[derive(Debug, Default)]
pub(super) struct Works {
    under_way: Mutex<HashMap<u64, Work>>,
    next: AtomicU64,
}

#[derive(Debug)]
struct Work {
    name: String,
    max_waiting: Duration,
    turn: Arc<Turn>,
}

/// Milliseconds from the start of the process to the last change, twice; one more while it computes.
#[derive(Debug)]
struct Turn(AtomicU64);

/// Takes a work off the list, however it ends.
struct UnderWay<'a> {
    health: &'a Health,
    number: u64,
}

// === impl Health ===

impl Health {
    /// The future's answer. While it is on its way, `/livez` notices when it computes for longer than [`MAX_COMPUTING`]
    /// at a time, or waits for longer than `max_waiting` without being woken.
    pub async fn watched<F: Future>(&self, name: String, max_waiting: Duration, future: F) -> F::Output {
        let works = &self.shared.works;
        let turn = Arc::new(Turn(AtomicU64::new(self.now() << 1)));
        let number = works.next.fetch_add(1, Ordering::Relaxed);
        works.under_way().insert(number, Work { name, max_waiting, turn: Arc::clone(&turn) });
        let _under_way = UnderWay { health: self, number };
        let mut future = pin!(future);
        poll_fn(|context| {
            turn.0.store(self.now() << 1 | 1, Ordering::Relaxed);
            let polled = future.as_mut().poll(context);
            turn.0.store(self.now() << 1, Ordering::Relaxed);
            polled
        })
        .await
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.health.shared.works.under_way().remove(&self.number);
    }
}

// === impl Works ===

impl Works {
    /// What has been stuck for too long at a time.
    pub(super) fn stuck_at(&self, now: u64) -> Vec<String> {
        self.under_way().values().filter_map(|work| work.stuck_at(now)).collect()
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<u64, Work>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Work {
    fn stuck_at(&self, now: u64) -> Option<String> {
        let turn = self.turn.0.load(Ordering::Relaxed);
        let silence = Duration::from_millis(now.saturating_sub(turn >> 1));
        let (seconds, name) = (silence.as_secs(), &self.name);
        if turn & 1 == 1 {
            return (silence > MAX_COMPUTING).then(|| format!("{name}: has computed for {seconds} s without a pause"));
        }
        (silence > self.max_waiting).then(|| format!("{name}: has waited for {seconds} s without being woken"))
    }
}
