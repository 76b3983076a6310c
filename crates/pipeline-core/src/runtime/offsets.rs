//! The commit rule: of each partition, only the contiguous head of settled messages is committed.
//!
//! Messages of a partition are handled side by side and settle in any order. Committing offset *n* says "everything
//! before *n* is done", so a message that settled early has to wait for those before it. After a crash the group
//! starts at the last commit and repeats what was settled beyond it, which is harmless because handling twice leaves
//! the same state; what it must never do is skip a message that had not settled.
//!
//! Offsets in a partition may have gaps (compaction, markers), so the head is contiguous in the order of *arrival*.

use std::collections::VecDeque;

/// The messages of one partition between arrival and commit.
#[derive(Debug, Default)]
pub(crate) struct OffsetTracker {
    /// In order of arrival, which is the order of offsets; the front has not settled, or the deque is empty.
    open: VecDeque<Entry>,
    /// The next offset to be committed, once it has moved.
    head: Option<i64>,
}

#[derive(Debug)]
struct Entry {
    offset: i64,
    settled: bool,
}

impl OffsetTracker {
    /// A message arrived. Offsets of a partition only grow, until its topic is deleted and made anew: then it begins
    /// again, and what is still in hand of the old one says nothing about the new one.
    pub(crate) fn arrived(&mut self, offset: i64) {
        let last = self.open.back().map(|last| last.offset).or(self.head.map(|head| head - 1));
        if last.is_some_and(|last| last >= offset) {
            *self = Self::default();
        }
        self.open.push_back(Entry { offset, settled: false });
    }

    /// A message is settled: handled and acknowledged, or dead-lettered. Gives by how many messages the head moved.
    pub(crate) fn settled(&mut self, offset: i64) -> u64 {
        if let Ok(index) = self.open.binary_search_by_key(&offset, |entry| entry.offset)
            && let Some(entry) = self.open.get_mut(index)
        {
            entry.settled = true;
        }
        let mut moved = 0;
        while self.open.front().is_some_and(|entry| entry.settled) {
            if let Some(entry) = self.open.pop_front() {
                self.head = Some(entry.offset + 1);
                moved += 1;
            }
        }
        moved
    }

    /// The offset to commit: every message before it is settled. `None` while no message has settled.
    pub(crate) fn head(&self) -> Option<i64> {
        self.head
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_message_that_settles_early_waits_for_those_before_it() {
        let mut tracker = OffsetTracker::default();
        for offset in [10, 11, 14] {
            tracker.arrived(offset);
        }
        tracker.settled(14);
        tracker.settled(11);
        assert_eq!(tracker.head(), None);
        tracker.settled(10);
        assert_eq!(tracker.head(), Some(15));
    }

    #[test]
    fn a_partition_of_a_topic_that_was_made_anew_begins_again() {
        let mut tracker = OffsetTracker::default();
        [57, 58].into_iter().for_each(|offset| tracker.arrived(offset));
        tracker.settled(57);
        assert_eq!(tracker.head(), Some(58));
        tracker.arrived(0);
        assert_eq!(tracker.settled(58), 0, "it is of the old topic");
        assert_eq!(tracker.head(), None);
        tracker.arrived(1);
        tracker.settled(1);
        tracker.settled(0);
        assert_eq!(tracker.head(), Some(2));
        tracker.arrived(0);
        tracker.settled(0);
        assert_eq!(tracker.head(), Some(1), "also when nothing of the old one was in hand");
    }

    proptest! {
        /// At every moment, nothing before the head is unsettled, and the head is as far as it can be.
        #[test]
        fn the_head_is_the_longest_settled_prefix(
            gaps in prop::collection::vec(1i64..4, 1..40),
            order in any::<prop::sample::Index>(),
            seed in any::<u64>(),
        ) {
            let offsets: Vec<i64> = gaps.iter().scan(0, |offset, gap| { *offset += gap; Some(*offset) }).collect();
            let mut tracker = OffsetTracker::default();
            offsets.iter().for_each(|offset| tracker.arrived(*offset));
            let mut waiting = offsets.clone();
            let mut random = seed ^ order.index(1 << 20) as u64;
            while !waiting.is_empty() {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let next = waiting.remove((random >> 33) as usize % waiting.len());
                tracker.settled(next);
                let expected = offsets.iter().take_while(|offset| !waiting.contains(offset)).last().map(|last| last + 1);
                prop_assert_eq!(tracker.head(), expected);
            }
        }
    }
}
