//! A sink: what is in a topic stands in a store of its own, each record once.
//!
//! It is a sibling of [`crate::stage::Stage`], not a mode of it. A stage handles messages side by side and each of them
//! twice if need be. A sink writes one partition in order, in batches, and its effect is exact by one rule: **the effect
//! of a batch and the offset at its end are written in one transaction of the target, on condition that the offset which
//! the target holds is the one at its beginning.** So whatever is written twice, too late, or by somebody who no longer
//! owns the partition, changes nothing; and whoever takes a partition over goes on at the offset that the target holds.
//! What Kafka knows as the group's offset follows, for whoever watches the lag, and decides nothing.

use std::{future::Future, time::Duration};

use pipeline_model::{disposition::Classify, needs::Needs, place::Partition};

use crate::intake::Intake;

/// One store that records of topics are written to.
pub trait Sink: Send + Sync + 'static {
    /// The sink's name: part of the consumer group, of metrics and of span names, such as `postgres`.
    const NAME: &'static str;

    /// What it consumes.
    type Input: Intake;
    /// What can go wrong, classified by type.
    type Error: Classify;

    /// The offset that the target holds for each of these partitions: the first that it has not written. A partition
    /// that it has never seen begins at 0, and is put down with it here. Called when partitions are assigned, and again
    /// when a write was fenced.
    fn claim(&self, partitions: &[Partition]) -> impl Future<Output = Result<Vec<Claim>, Self::Error>> + Send;

    /// Writes the records and `batch.end`, in one transaction, if the target still holds `batch.begin`; otherwise it
    /// changes nothing and says [`Written::Fenced`]. A batch may be without records: then only the offset moves.
    ///
    /// A refusal of *reject* may be about one record of many. The batch is halved then, until the record is alone; its
    /// dead letter is acknowledged before anything behind it is written.
    fn write(&self, batch: &Batch<Self::Input>) -> impl Future<Output = Result<Written, Self::Error>> + Send;

    /// What it needs besides Kafka and the registry.
    fn needs(&self) -> impl Needs;

    /// How much is gathered before it is written.
    fn limits(&self) -> Limits {
        Limits::default()
    }
}

/// Where the target stands in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The partition.
    pub partition: Partition,
    /// The first offset that is not written.
    pub offset: i64,
}

/// Records of one partition in their order.
#[derive(Clone, Debug)]
pub struct Batch<I> {
    /// The partition.
    pub partition: Partition,
    /// The offset that the target has to hold.
    pub begin: i64,
    /// The offset that it holds afterwards. Offsets in between may have no record here: compacted, or a dead letter.
    pub end: i64,
    /// The records.
    pub records: Vec<Placed<I>>,
}

/// A record and its offset.
#[derive(Clone, Debug)]
pub struct Placed<I> {
    /// The offset.
    pub offset: i64,
    /// The record.
    pub record: I,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// The target has it.
    Done,
    /// The target holds another offset than the batch begins at: nothing was changed.
    Fenced,
}

/// How much is gathered before it is written; whichever comes first.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Records in one batch.
    pub records: usize,
    /// Bytes of their messages.
    pub bytes: usize,
    /// How long the first of them may wait.
    pub wait: Duration,
}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self { records: 500, bytes: 1024 * 1024, wait: Duration::from_millis(200) }
    }
}
