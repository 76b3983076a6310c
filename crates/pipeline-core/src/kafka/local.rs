//! The in-process broker of local mode: librdkafka's own, on a random loopback port.
//!
//! It speaks the real protocol, so stages run the same code against it as against a cluster. It keeps nothing on disk
//! and 5 MiB per partition, and beyond that **drops the oldest message silently**. [`Budget`] counts what waits in
//! each partition and stops with an error before the limit, so that local mode loses nothing either.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

use rdkafka::mocking::MockCluster;

use super::{Error, Partition};

/// Bytes that may wait in one partition: what the broker keeps, less a margin for what is already on its way.
const PARTITION_LIMIT: usize = 4 * 1024 * 1024;

/// What the broker's own framing of a message takes, at most.
const MESSAGE_OVERHEAD: usize = 256;

/// Partitions per topic: many, so that the bound per partition is far away.
const PARTITIONS: i32 = 12;

/// A running broker; ends when dropped.
pub struct LocalBroker {
    bootstrap_servers: String,
    budget: Arc<Budget>,
    // Dropping the sender ends the broker's thread: the broker's handle may not change threads.
    _alive: mpsc::Sender<()>,
}

/// Bytes that wait in each partition of the local broker.
#[derive(Debug, Default)]
pub struct Budget {
    waiting: Mutex<HashMap<Partition, usize>>,
}

// === impl LocalBroker ===

impl LocalBroker {
    /// Starts a broker with these topics.
    ///
    /// # Errors
    /// [`Error::Local`] when the broker cannot listen or a topic cannot be created.
    pub fn start(topics: &[&str]) -> Result<Self, Error> {
        let topics: Vec<String> = topics.iter().map(|topic| (*topic).to_owned()).collect();
        let (report, started) = mpsc::channel();
        let (alive, ended) = mpsc::channel::<()>();
        thread::Builder::new()
            .name("local-broker".to_owned())
            .spawn(move || match start_cluster(&topics) {
                Ok(cluster) => {
                    if report.send(Ok(cluster.bootstrap_servers())).is_ok() {
                        // Ends with an error when the sender is dropped, which is the signal.
                        ended.recv().unwrap_or_default();
                    }
                }
                Err(error) => report.send(Err(error)).unwrap_or_default(),
            })
            .map_err(|error| Error::Local { reason: error.to_string() })?;
        let bootstrap_servers =
            started.recv().map_err(|_| Error::Local { reason: "its thread ended at once".to_owned() })??;
        Ok(Self { bootstrap_servers, budget: Arc::new(Budget::default()), _alive: alive })
    }

    /// Where clients find it, `127.0.0.1:port`.
    pub fn bootstrap_servers(&self) -> &str {
        &self.bootstrap_servers
    }

    /// The guard that every producer and stage of this process shares.
    pub fn budget(&self) -> Arc<Budget> {
        Arc::clone(&self.budget)
    }
}

fn start_cluster(topics: &[String]) -> Result<MockCluster<'static, rdkafka::producer::DefaultProducerContext>, Error> {
    let cluster = MockCluster::new(1).map_err(|error| Error::Local { reason: error.to_string() })?;
    for topic in topics {
        cluster
            .create_topic(topic, PARTITIONS, 1)
            .map_err(|error| Error::Local { reason: format!("topic `{topic}`: {error}") })?;
    }
    Ok(cluster)
}

// === impl Budget ===

impl Budget {
    /// Refuses when any partition of the topic is nearly full.
    pub(crate) fn check(&self, topic: &str) -> Result<(), Error> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let full = waiting.iter().find(|(partition, bytes)| partition.topic == topic && **bytes >= PARTITION_LIMIT);
        match full {
            None => Ok(()),
            Some((partition, _)) => Err(Error::LocalPartitionFull {
                topic: topic.to_owned(),
                partition: partition.number,
                limit: PARTITION_LIMIT,
            }),
        }
    }

    /// A message arrived in a partition.
    pub(crate) fn produced(&self, topic: &str, partition: i32, bytes: usize) {
        let partition = Partition { topic: topic.to_owned(), number: partition };
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        *waiting.entry(partition).or_default() += bytes + MESSAGE_OVERHEAD;
    }

    /// A message is settled: the broker may forget it.
    pub(crate) fn settled(&self, partition: &Partition, bytes: usize) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiting) = waiting.get_mut(partition) {
            *waiting = waiting.saturating_sub(bytes + MESSAGE_OVERHEAD);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_partition_refuses_before_the_broker_drops() {
        let budget = Budget::default();
        let partition = Partition { topic: "t".to_owned(), number: 3 };
        while budget.check("t").is_ok() {
            budget.produced("t", 3, 100_000);
        }
        let held = *budget.waiting.lock().unwrap().get(&partition).unwrap();
        assert!(held < 5 * 1024 * 1024, "refused only at {held} bytes");
        assert!(budget.check("other").is_ok());
        budget.settled(&partition, 100_000);
        assert!(budget.check("t").is_ok());
    }
}
