//! What the double was asked, and how much at once: so a test can show that its client keeps to its bounds.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Map, Value};

/// A statement as it reached the double.
#[derive(Clone, Debug)]
pub struct SeenQuery {
    /// The statement; of a prepared one, what was prepared, without `PREPARE`.
    pub statement: String,
    /// The arguments by name, with `$`; positional ones as `$1` and so on.
    pub arguments: Map<String, Value>,
    /// Every other parameter of the request, such as `readonly` and `scan_consistency`.
    pub parameters: Map<String, Value>,
    /// When it came.
    pub at: Instant,
}

/// Counts of one service.
#[derive(Debug, Default)]
pub(super) struct Meter {
    running: AtomicUsize,
    peak: AtomicUsize,
    starts: Mutex<Vec<Instant>>,
}

/// One call, running until this is dropped.
pub(super) struct Call(Arc<Meter>);

// === impl Meter ===

impl Meter {
    pub fn begin(self: &Arc<Self>) -> Call {
        self.starts.lock().expect("nobody panics while a call is counted").push(Instant::now());
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.peak.fetch_max(running, Ordering::SeqCst);
        Call(Arc::clone(self))
    }

    pub fn total(&self) -> usize {
        self.starts.lock().expect("nobody panics while a call is counted").len()
    }

    pub fn running(&self) -> usize {
        self.running.load(Ordering::SeqCst)
    }

    pub fn peak(&self) -> usize {
        self.peak.load(Ordering::SeqCst)
    }

    /// The largest number of calls that began within one second.
    pub fn peak_per_second(&self) -> usize {
        let starts = self.starts.lock().expect("nobody panics while a call is counted");
        let second = |begun: &Instant| starts.partition_point(|start| *start < *begun + Duration::from_secs(1));
        starts.iter().enumerate().map(|(index, begun)| second(begun) - index).max().unwrap_or(0)
    }

    /// Forgets all but what is running.
    pub fn reset(&self) {
        self.starts.lock().expect("nobody panics while a call is counted").clear();
        self.peak.store(self.running(), Ordering::SeqCst);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}
