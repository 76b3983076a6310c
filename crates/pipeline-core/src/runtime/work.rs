//! What the loop drives: a stage or a sink.
//!
//! Both share the group, the drain, outages, dead letters and telemetry. They differ in how a partition is worked
//! through, see [`super::handling`] and [`super::writing`].

use std::{sync::Arc, time::Duration};

use pipeline_kafka::{Delivery, Partition, Position, consumer::PartitionQueue, local::Budget};
use pipeline_model::needs::Needs;
use pipeline_settings::settings::Settings;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::{engine::Engine, failure::Failure, heads::Heads};
use crate::{admin::Health, intake::Intake};

/// A stage or a sink, as the loop sees it.
pub(crate) trait Work: Send + Sync + Sized + 'static {
    const NAME: &'static str;
    type Input: Intake;

    /// The contracts that it writes, each with its schema's text.
    fn writes() -> Vec<(&'static str, &'static str)>;

    fn needs(&self) -> impl Needs;

    /// How often [`Work::tick`] is wanted.
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

/// The topics that are read and those that are written, by their contracts' names.
pub(crate) fn topics<W: Work>(settings: &Settings) -> Vec<String> {
    let written = W::writes().into_iter().map(|(topic, _)| topic.to_owned());
    let mut topics: Vec<String> = W::Input::topics(settings).into_iter().chain(written).collect();
    topics.sort_unstable();
    topics.dedup();
    topics
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
