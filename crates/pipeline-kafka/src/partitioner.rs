//! Which partition a message goes to: its key alone decides, whoever produces it.
//!
//! One key stays on one partition as long as the topic keeps its number of partitions. Keys are hashed as librdkafka
//! does by itself, except those of batches. A hash deals like dice: of 1,200 batches the fullest of twelve partitions
//! gets 119 and the emptiest 81, and the worker with the fullest partitions is the last. The batches of a service are
//! numbered, so they are dealt in turn instead: each partition gets as many of them as any other, or one more. Which
//! messages are dealt out, a rule says that the contracts give.
//!
//! This is a partitioner of the client, not a partition that is chosen before the client gets the message, because the
//! client knows best how many partitions there are: it calls when the cluster has told it, and learns of added ones.

use std::hash::Hasher as _;

use fnv::FnvHasher;
use rdkafka::producer::Partitioner;

#[cfg(test)]
mod tests;

/// Which messages are dealt out in turn: from a topic's name on the cluster and a key, what a message belongs to and its
/// number there, from 0. All others are placed by their key alone. Contracts know it, so they give the rule; a place for
/// each message would be too early, since a client learns of a new partition at any time.
pub type Dealing = for<'a> fn(&str, &'a [u8]) -> Option<(&'a [u8], u32)>;

/// Places messages by their keys.
pub(super) struct KeyPartitioner(pub(super) Dealing);

impl Partitioner for KeyPartitioner {
    fn partition(&self, topic: &str, key: Option<&[u8]>, count: i32, _: impl Fn(i32) -> bool) -> i32 {
        let partitions = u64::try_from(count).unwrap_or_default().max(1);
        let partition = match key {
            // What has no key may lie anywhere.
            None | Some([]) => fastrand::u64(..partitions),
            Some(key) => place(self.0(topic, key), key, partitions),
        };
        i32::try_from(partition).unwrap_or_default()
    }
}

/// The partition of a key; `partitions` is at least 1.
fn place(dealt: Option<(&[u8], u32)>, key: &[u8], partitions: u64) -> u64 {
    match dealt {
        None => hash(key) % partitions,
        // Services begin at different partitions, or else all that end in the middle of a turn would fill the first.
        Some((group, number)) => (start(group) % partitions + u64::from(number) * stride(partitions)) % partitions,
    }
}

/// The CRC-32 that librdkafka hashes keys with.
fn hash(key: &[u8]) -> u64 {
    u64::from(crc32fast::hash(key))
}

/// Where the batches of a service begin. FNV-1a, because names that differ in their last digit, as ids often do, then have
/// remainders that differ in even steps, and so begin more evenly than by chance.
fn start(service: &[u8]) -> u64 {
    let mut hasher = FnvHasher::default();
    hasher.write(service);
    hasher.finish()
}

/// How many partitions further the next number goes. Prime to their number, so that each gets its turn; and near the
/// golden section of it, so that a last turn that ends in the middle, or a first, is not all with neighbours: a worker
/// that was there before the others keeps the last partitions in a row.
fn stride(partitions: u64) -> u64 {
    (partitions * 5 / 8..partitions).find(|stride| gcd(*stride, partitions) == 1).unwrap_or(1)
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
