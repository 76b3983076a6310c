//! The messages of one assigned partition, in their order.

use std::{sync::Arc, time::Duration};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{Consumer as _, StreamConsumer, stream_consumer::StreamPartitionQueue},
    error::KafkaError,
    message::{BorrowedMessage, Headers as _, Message as _},
    util::DefaultRuntime,
};

use super::{Context, arrivals::Arrivals};
use crate::{Delivery, Error, Partition, Position};

/// How long the client may take to turn to another offset.
const SEEK_TIMEOUT: Duration = Duration::from_secs(5);

/// The messages of one assigned partition.
pub struct PartitionQueue {
    queue: StreamPartitionQueue<Context, DefaultRuntime>,
    consumer: Arc<StreamConsumer<Context>>,
    partition: Partition,
    /// The topic's name on the cluster, and the partition's number.
    place: (String, i32),
    arrivals: Arrivals,
}

// === impl PartitionQueue ===

impl PartitionQueue {
    /// The queue of a partition that is held from now on; `topic` is the topic's name on the cluster.
    pub(super) fn new(
        queue: StreamPartitionQueue<Context, DefaultRuntime>,
        consumer: Arc<StreamConsumer<Context>>,
        partition: Partition,
        topic: String,
        arrivals: Arrivals,
    ) -> Self {
        arrivals.hold(&topic, partition.number);
        let place = (topic, partition.number);
        Self { queue, consumer, partition, place, arrivals }
    }

    /// Waits for the next message of the partition. Safe to cancel.
    ///
    /// # Errors
    /// [`Error::Consume`]; the queue stays usable.
    pub async fn recv(&self) -> Result<Delivery, Error> {
        match self.queue.recv().await {
            Ok(message) => {
                self.arrivals.arrived(&self.place, message.offset(), message.timestamp().to_millis());
                Ok(detach(&message, &self.partition))
            }
            Err(source) => Err(Error::Consume { topic: self.place.0.clone(), source }),
        }
    }

    /// Goes on at this offset, whatever the group has committed: the next message that is received lies there or behind.
    /// What was fetched before is thrown away. Where the log no longer has the offset, the oldest message comes next.
    ///
    /// # Errors
    /// [`Error::Consume`] while the partition is not fetched yet, which begins a moment after it was assigned, and when
    /// it is not ours any more: ask again, or give up with the partition.
    pub async fn seek(&self, offset: i64) -> Result<(), Error> {
        let (consumer, (topic, number)) = (Arc::clone(&self.consumer), self.place.clone());
        // The client answers from a thread of its own, which blocks this one.
        let seeking = tokio::task::spawn_blocking(move || {
            let mut list = TopicPartitionList::with_capacity(1);
            list.add_partition_offset(&topic, number, Offset::Offset(offset))?;
            let sought = consumer.seek_partitions(list, SEEK_TIMEOUT)?;
            sought.elements().iter().try_for_each(|element| element.error())
        });
        let sought = seeking.await.unwrap_or(Err(KafkaError::Canceled));
        sought.map_err(|source| Error::Consume { topic: self.place.0.clone(), source })
    }
}

impl Drop for PartitionQueue {
    fn drop(&mut self) {
        self.arrivals.give_up(&self.place.0, self.place.1);
    }
}

pub(crate) fn detach(message: &BorrowedMessage<'_>, partition: &Partition) -> Delivery {
    let headers = message.headers().map_or_else(Vec::new, |headers| {
        headers.iter().map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect()
    });
    Delivery {
        position: Position { partition: partition.clone(), offset: message.offset() },
        key: message.key().map(<[u8]>::to_vec),
        payload: message.payload().map(<[u8]>::to_vec),
        headers,
    }
}
