//! Asks the stage whether its dependencies are there while no message does.
//!
//! A stage without work would otherwise be ready for days beside a database that is gone, and a rollout would believe
//! it. What the probe finds away is an outage like one that a message found: `/readyz` says 503 with the cause, no
//! message is taken up, and both end by themselves. While messages get through, nothing is asked.

use std::{
    pin::pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::{sleep, timeout};

use super::{failure::Failure, outage::Waiting, partition::Shared, process::Processor};
use crate::{disposition::Disposition, stage::Stage};

/// Pause between two questions. How late an outage is noticed at most, the patience aside.
const INTERVAL: Duration = Duration::from_secs(2);

/// How long an answer may take before it counts as none: more than a dependency takes that is busy only.
const PATIENCE: Duration = Duration::from_secs(10);

/// Probes until it is dropped, or the stage must stop.
pub(crate) async fn watch<S: Stage>(shared: Arc<Shared<S>>) {
    let processor = &shared.processor;
    let mut outage = None;
    let mut seen = processor.succeeded.load(Ordering::Relaxed);
    loop {
        sleep(INTERVAL).await;
        let succeeded = processor.succeeded.load(Ordering::Relaxed);
        if std::mem::replace(&mut seen, succeeded) != succeeded {
            outage = None;
            continue;
        }
        match ask(processor, &mut outage).await {
            Ok(()) => outage = None,
            Err(failure) if failure.disposition == Disposition::Halt => {
                tracing::error!(stage = S::NAME, code = failure.code, "a dependency cannot be used: {failure}");
                // The driver is gone only when the stage is ending anyway.
                shared.halts.send(failure).unwrap_or_default();
                return;
            }
            Err(failure) => {
                if outage.is_none() {
                    tracing::warn!(stage = S::NAME, code = failure.code, "a dependency is away: {failure}");
                }
                away(processor, &mut outage, &failure.text);
            }
        }
    }
}

/// One question. One that is not answered in time is still waited for, so that questions to a dependency that hangs do
/// not pile up.
async fn ask<S: Stage>(processor: &Processor<S>, outage: &mut Option<Waiting>) -> Result<(), Failure> {
    let mut asked = pin!(processor.stage.ready());
    let answer = match timeout(PATIENCE, &mut asked).await {
        Ok(answer) => answer,
        Err(_) => {
            let cause = format!("a dependency has not answered for {} s", PATIENCE.as_secs());
            tracing::warn!(stage = S::NAME, "{cause}");
            away(processor, outage, &cause);
            asked.await
        }
    };
    Ok(answer?)
}

/// Begins the outage, or shows what is newest of it.
fn away<S: Stage>(processor: &Processor<S>, outage: &mut Option<Waiting>, cause: &str) {
    outage.get_or_insert_with(|| processor.outage.enter(cause));
    processor.outage.still(cause);
}
