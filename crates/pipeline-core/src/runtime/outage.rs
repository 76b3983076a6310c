//! A dependency that is away: the stage pauses as a whole and says so.
//!
//! An outage is not a message's fault, so no message becomes a dead letter for it. The messages in hand wait and try
//! again, no new one is taken up, `/readyz` answers 503 with the cause, and all of it ends by itself when the dependency
//! answers the probe again, or when one of the waiting messages gets through.

use std::sync::{Arc, Mutex, PoisonError};

use pipeline_telemetry::events::StageEvents;
use tokio::sync::watch;

use crate::admin::Component;

/// Shared by the probes and all messages of a stage.
pub(crate) struct Outage {
    events: StageEvents,
    waiting: Mutex<usize>,
    away: watch::Sender<bool>,
    component: Component,
}

/// Held while a dependency is away.
pub(crate) struct Waiting {
    outage: Arc<Outage>,
}

impl Outage {
    pub(crate) fn new(events: StageEvents, component: Component) -> Arc<Self> {
        component.up();
        Arc::new(Self { events, waiting: Mutex::new(0), away: watch::Sender::new(false), component })
    }

    /// A dependency was found away. The outage lasts until everybody who found one has dropped the guard.
    pub(crate) fn enter(self: &Arc<Self>, cause: &str) -> Waiting {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        *waiting += 1;
        // Held before it is shown: who sees the outage can rely on the pause.
        self.away.send_replace(true);
        self.component.down(cause);
        self.events.paused();
        Waiting { outage: Arc::clone(self) }
    }

    /// The cause may change while waiting: what is shown is the newest.
    pub(crate) fn still(&self, cause: &str) {
        self.component.down(cause);
    }

    /// Returns when nothing is known to be away.
    pub(crate) async fn over(&self) {
        // The sender lives as long as `self`, so waiting cannot fail.
        self.away.subscribe().wait_for(|away| !away).await.map(drop).unwrap_or_default();
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut waiting = self.outage.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        *waiting -= 1;
        if *waiting == 0 {
            self.outage.component.up();
            self.outage.away.send_replace(false);
            self.outage.events.available();
        }
    }
}
