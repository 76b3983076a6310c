//! What the loop drives: a stage or a sink.
//!
//! Both share the group, the drain, outages, dead letters and telemetry. They differ in how a partition is worked
//! through, see [`super::handling`] and [`super::writing`].

use std::{sync::Arc, time::Duration};

use pipeline_kafka::{Delivery, Partition, Position, consumer::PartitionQueue, local::Budget};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::{engine::Engine, failure::Failure, heads::Heads, work::Work};
use crate::admin::Health;

/// A stage or a sink, as the loop sees it.
pub(crate) trait Driven: Work {
    /// How often [`Driven::tick`] is wanted.
    fn tick_interval(&self) -> Option<Duration>;

    /// Work that no message triggers.
    fn tick(engine: &Engine<Self>) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Works through one partition until `stopping` is cancelled, then lets what is in hand settle.
    ///
    /// Gives the offset to commit, if it has moved. To break off at once, drop the future: what was in hand is repeated
    /// by the next owner.
    fn partition(
        shared: Arc<Shared<Self>>,
        queue: PartitionQueue,
        partition: Partition,
        stopping: CancellationToken,
    ) -> impl Future<Output = Option<Position>> + Send;
}

/// What all partitions of a process share.
pub(crate) struct Shared<W: Work> {
    pub(crate) engine: Engine<W>,
    /// Bounds what is in hand over all partitions.
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) heads: Heads,
    pub(crate) halts: mpsc::UnboundedSender<Failure>,
    pub(crate) budget: Option<Arc<Budget>>,
    /// A topic that is read was deleted and is there again: the group is to be joined anew.
    pub(crate) rejoin: Notify,
    pub(crate) health: Health,
}

// === impl Shared ===

impl<W: Work> Shared<W> {
    /// Waits until nothing is away and less than the bound is in hand. `None` only when the process ends.
    pub(crate) async fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.engine.outage.over().await;
        Arc::clone(&self.permits).acquire_owned().await.ok()
    }

    /// The stage must stop.
    pub(crate) fn halt(&self, failure: Failure) {
        // The driver is gone only when the stage is ending anyway.
        self.halts.send(failure).unwrap_or_default();
    }

    /// Nobody needs this message of the local broker any more.
    pub(crate) fn forget(&self, delivery: &Delivery) {
        if let Some(budget) = &self.budget {
            budget.settled(delivery);
        }
    }
}
