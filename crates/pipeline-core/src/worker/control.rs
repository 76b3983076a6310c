//! What has to go on whatever the rest of a process does, on a thread and a runtime of its own: signals, the deadline of
//! the end, and the admin endpoint.
//!
//! The threads of the stage's runtime are as many as the machine has processors. As many handlers that compute without a
//! pause take them all, and with them every timer, signal and socket of that runtime.

use std::{io, time::Duration};

use tokio::{
    runtime::{Builder, Handle},
    signal::unix::{Signal, SignalKind, signal},
    task::JoinHandle,
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use super::exit;

/// The running thread. It ends with the process.
pub(super) struct Control {
    runtime: Handle,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

// === impl Control ===

impl Control {
    /// Starts the thread. From the first signal on, or from when `shutdown` is cancelled otherwise, the process has
    /// `patience` to end; the second signal ends it at once.
    pub(super) fn start(shutdown: CancellationToken, patience: Duration) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let signals = {
            let _entered = runtime.enter();
            Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? }
        };
        let watch = move || runtime.block_on(watch(signals, shutdown, patience));
        std::thread::Builder::new().name("control".to_owned()).spawn(watch)?;
        Ok(Self { runtime: handle })
    }

    /// Starts a task on the thread.
    pub(super) fn spawn<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.runtime.spawn(task)
    }
}

async fn watch(mut signals: Signals, shutdown: CancellationToken, patience: Duration) {
    tokio::select! {
        () = signals.next() => {
            tracing::info!("stopping: finishing what is in hand");
            shutdown.cancel();
        }
        () = shutdown.cancelled() => {}
    }
    let code = tokio::select! {
        () = signals.next() => {
            tracing::warn!("second signal: ending at once; what is in hand will be repeated");
            exit::FAILED
        }
        () = sleep(patience) => {
            tracing::warn!("the time for stopping is over: ending at once; what is in hand will be repeated");
            exit::OK
        }
    };
    std::process::exit(i32::from(code));
}

// === impl Signals ===

impl Signals {
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
