//! How unevenly batches wait over the partitions of their topic: the fullest one ends last.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use pipeline_kafka::lag::{self, PartitionLag};
use pipeline_model::contracts::{BatchPlanned, Message as _};
use pipeline_settings::settings;
use tokio::task::JoinHandle;

/// How often the cluster is asked.
const INTERVAL: Duration = Duration::from_secs(5);

/// Asks the cluster beside a watch, until it is dropped or gets no answer. Without one nothing is assumed.
#[derive(Debug)]
pub struct Skew {
    /// The bits of an `f64`.
    now: Arc<AtomicU64>,
    asking: JoinHandle<()>,
}

// === impl Skew ===

impl Skew {
    /// Begins to ask about the group of the bundles stage.
    pub fn watch(settings: &settings::Kafka) -> Self {
        let now = Arc::new(AtomicU64::new(1.0_f64.to_bits()));
        let (told, settings) = (Arc::clone(&now), settings.clone());
        let asking = tokio::spawn(async move {
            let group = settings.group("bundles");
            // Whoever only has the target, or may not see the group, is not told so again and again.
            while let Ok(found) = lag::look(&settings, &group, BatchPlanned::TOPIC).await {
                told.store(skew(&found.partitions).to_bits(), Ordering::Relaxed);
                tokio::time::sleep(INTERVAL).await;
            }
        });
        Self { now, asking }
    }

    /// How much more waits in the fullest partition than in the mean one that is not empty.
    pub fn now(&self) -> f64 {
        f64::from_bits(self.now.load(Ordering::Relaxed))
    }
}

impl Drop for Skew {
    fn drop(&mut self) {
        self.asking.abort();
    }
}

fn skew(partitions: &[PartitionLag]) -> f64 {
    let waiting: Vec<i64> = partitions.iter().map(PartitionLag::messages).filter(|messages| *messages > 0).collect();
    let all: i64 = waiting.iter().sum();
    waiting.iter().max().map_or(1.0, |most| *most as f64 * waiting.len() as f64 / all as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fullest_partition_is_held_against_the_mean_of_those_that_are_not_empty() {
        let told = |waiting: &[i64]| {
            let lag = |end: &i64| PartitionLag { number: 0, first: 0, end: *end, committed: None, oldest: None };
            skew(&waiting.iter().map(lag).collect::<Vec<_>>())
        };
        assert_eq!(told(&[]), 1.0);
        assert_eq!(told(&[0, 0]), 1.0);
        assert_eq!(told(&[5, 5, 0]), 1.0);
        assert_eq!(told(&[9, 3, 0]), 1.5);
    }
}
