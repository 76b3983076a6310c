//! One assigned partition: takes messages up to a bound, lets them settle side by side, moves the head.

use std::{ops::ControlFlow, sync::Arc};

use pipeline_kafka::{Delivery, Partition, Position, consumer::PartitionQueue, local::Budget};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc},
    task::{JoinError, JoinSet},
};
use tokio_util::sync::CancellationToken;

use super::{
    failure::Failure,
    heads::Heads,
    offsets::OffsetTracker,
    process::{Processor, Settlement},
    tasks::PANICKED,
};
use crate::{
    admin::{Health, MAX_WAITING},
    stage::Stage,
};

/// What all partitions of a process share.
pub(crate) struct Shared<S: Stage> {
    pub(crate) processor: Processor<S>,
    /// Bounds the messages in hand over all partitions.
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) heads: Heads,
    pub(crate) halts: mpsc::UnboundedSender<Failure>,
    pub(crate) budget: Option<Arc<Budget>>,
    /// The topic that is read was deleted and is there again: the group is to be joined anew.
    pub(crate) rejoin: Notify,
    pub(crate) health: Health,
}

/// A message that has been handed to the stage, when it comes back.
struct Returned {
    delivery: Delivery,
    settlement: Settlement,
    /// Gives the place to another message when dropped.
    _permit: OwnedSemaphorePermit,
}

/// Works through one partition until `stopping` is cancelled, then lets what is in hand settle.
///
/// Gives the offset to commit, if it has moved. To break off at once, drop the future: what was in hand is repeated
/// by the next owner.
pub(crate) async fn work<S: Stage>(
    shared: Arc<Shared<S>>,
    queue: PartitionQueue,
    partition: Partition,
    stopping: CancellationToken,
) -> Option<Position> {
    let mut tracker = OffsetTracker::default();
    let mut in_hand: JoinSet<Returned> = JoinSet::new();
    // The one message that has been received and found no place yet. It is not in the tracker, so dropping it when
    // the partition is given up skips nothing: it was never before the head.
    let mut pending: Option<Delivery> = None;
    loop {
        tokio::select! {
            biased;
            Some(returned) = in_hand.join_next() => {
                if settle(&shared, &mut tracker, &partition, returned).is_break() {
                    break;
                }
            }
            () = stopping.cancelled() => break,
            permit = place(&shared), if pending.is_some() => {
                if let (Some(delivery), Some(permit)) = (pending.take(), permit) {
                    tracker.arrived(delivery.position.offset);
                    in_hand.spawn(hand_over(Arc::clone(&shared), delivery, permit, stopping.clone()));
                }
            }
            received = queue.recv(), if pending.is_none() => match received {
                Ok(delivery) => pending = Some(delivery),
                // The group member sees the same trouble and reports it; the queue itself stays usable.
                Err(error) => tracing::debug!("{partition}: {error}"),
            },
        }
    }
    // Not one more is taken; what is in hand may finish.
    drop(queue);
    while let Some(returned) = in_hand.join_next().await {
        if settle(&shared, &mut tracker, &partition, returned).is_break() {
            break;
        }
    }
    tracker.head().map(|offset| Position { partition, offset })
}

/// Waits until nothing is away and fewer messages than the bound are in hand. `None` only when the process ends.
async fn place<S: Stage>(shared: &Shared<S>) -> Option<OwnedSemaphorePermit> {
    shared.processor.outage.over().await;
    Arc::clone(&shared.permits).acquire_owned().await.ok()
}

async fn hand_over<S: Stage>(
    shared: Arc<Shared<S>>,
    delivery: Delivery,
    permit: OwnedSemaphorePermit,
    stopping: CancellationToken,
) -> Returned {
    let _in_flight = shared.processor.events.begin();
    let Position { partition, offset } = &delivery.position;
    let name = format!("{}: the message at {partition}, offset {offset}", S::NAME);
    let processed = shared.processor.process(&delivery, &stopping);
    let settlement = shared.health.watched(name, MAX_WAITING, processed).await;
    Returned { delivery, settlement, _permit: permit }
}

/// Notes what became of a message. Breaks when the stage must stop: then the head stays where it is for good.
fn settle<S: Stage>(
    shared: &Shared<S>,
    tracker: &mut OffsetTracker,
    partition: &Partition,
    returned: Result<Returned, JoinError>,
) -> ControlFlow<()> {
    let returned = match returned {
        Ok(returned) => returned,
        Err(error) => {
            let text = format!("a message of {partition} ended the handler: {error}");
            return halt(shared, Failure::halt(PANICKED, text));
        }
    };
    match returned.settlement {
        Settlement::Halted(failure) => return halt(shared, failure),
        Settlement::Unsettled => return ControlFlow::Continue(()),
        Settlement::Settled => {}
    }
    let moved = tracker.settled(returned.delivery.position.offset);
    if let Some(budget) = &shared.budget {
        budget.settled(&returned.delivery);
    }
    if let Some(offset) = tracker.head() {
        shared.heads.moved(partition, offset, moved);
    }
    ControlFlow::Continue(())
}

fn halt<S: Stage>(shared: &Shared<S>, failure: Failure) -> ControlFlow<()> {
    // The driver is gone only when the stage is ending anyway.
    shared.halts.send(failure).unwrap_or_default();
    ControlFlow::Break(())
}
