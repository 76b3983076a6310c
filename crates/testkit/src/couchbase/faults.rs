//! What is wrong with the double, switched while it runs.

use std::{sync::Mutex, time::Duration};

/// A service of the double that can misbehave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Key-value: bootstrap and document operations.
    Kv,
    /// SQL++ over HTTP.
    Query,
}

/// A way to misbehave. Rows are those of one answer; where a fault speaks of rows, key-value operations take it as "in
/// mid-answer".
#[derive(Clone, Debug, PartialEq)]
pub enum Misbehaviour {
    /// Every call takes so much longer, and every row after it.
    Slow {
        /// Before the answer begins.
        call: Duration,
        /// Between two rows.
        row: Duration,
    },
    /// Connections are accepted and nothing is ever answered.
    Silent,
    /// The answer stops after so many rows and the connection stays open.
    Stalled {
        /// Rows before.
        rows: usize,
    },
    /// The connection is closed within the row that follows so many others.
    Cut {
        /// Whole rows before.
        rows: usize,
    },
    /// The answer ends after so many rows, well-formed, with status `stopped` and without an error. Queries only.
    Stopped {
        /// Rows before.
        rows: usize,
    },
    /// The answer ends after so many rows with an error at its end, under HTTP 200. Queries only.
    Failed {
        /// Rows before.
        rows: usize,
        /// The server's error code.
        code: u32,
        /// Its text.
        message: String,
    },
    /// The server's time-out strikes after so many rows: error 1080. Queries only.
    TimedOut {
        /// Rows before.
        rows: usize,
    },
    /// A temporary failure that asks to be tried again: HTTP 503 with `retry: true`, or status 0x86.
    Unavailable,
    /// Too much to do: HTTP 429 with error 1201, or status 0x85.
    Overloaded,
    /// The user's quota is used up: HTTP 429 with error 1192, or status 0x33.
    RateLimited,
    /// No password is right.
    WrongPassword,
    /// The user may not read: error 13014, or status 0x24.
    Forbidden,
    /// No index serves any condition: error 4000. Queries only.
    MissingIndex,
    /// The planned index is gone when it is scanned: error 12016. Queries only.
    DroppedIndex,
    /// Lists have no row and counts are right, as where an index lacks documents. Queries only.
    Blind,
    /// This collection is not there: error 12003, or status 0x88.
    MissingCollection(String),
}

/// The faults in force.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<[Option<Armed>; 2]>);

#[derive(Clone, Debug)]
struct Armed {
    misbehaviour: Misbehaviour,
    /// Calls that it is still good for; `None` for all.
    calls: Option<usize>,
}

// === impl Faults ===

impl Faults {
    pub fn set(&self, service: Service, misbehaviour: Misbehaviour, calls: Option<usize>) {
        self.change(service, |armed| *armed = Some(Armed { misbehaviour, calls }));
    }

    pub fn heal(&self) {
        self.change(Service::Kv, |armed| *armed = None);
        self.change(Service::Query, |armed| *armed = None);
    }

    /// The fault that one call meets, counted.
    pub fn meet(&self, service: Service) -> Option<Misbehaviour> {
        self.change(service, |armed| {
            let Armed { misbehaviour, calls } = armed.as_mut()?;
            let met = misbehaviour.clone();
            if let Some(calls) = calls {
                *calls = calls.saturating_sub(1);
                if *calls == 0 {
                    *armed = None;
                }
            }
            Some(met)
        })
    }

    /// The fault in force, not counted.
    pub fn see(&self, service: Service) -> Option<Misbehaviour> {
        self.change(service, |armed| armed.as_ref().map(|armed| armed.misbehaviour.clone()))
    }

    fn change<T>(&self, service: Service, change: impl FnOnce(&mut Option<Armed>) -> T) -> T {
        let mut faults = self.0.lock().expect("nobody panics while a fault is changed");
        let [kv, query] = &mut *faults;
        change(match service {
            Service::Kv => kv,
            Service::Query => query,
        })
    }
}
