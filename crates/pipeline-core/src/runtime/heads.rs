//! How far each partition may be committed, and how far it is.
//!
//! A commit is asked for and answered later, and may fail: a coordinator that moves, a group that is rebalanced. What
//! was asked for and not acknowledged is asked for again, whether or not another message comes. Otherwise the lag would
//! stand still at the end of a run, and the next owner would repeat what is long done.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use pipeline_kafka::{Partition, Position};

/// The next offset to commit, and how many messages have settled up to there since the partition was assigned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Head {
    offset: i64,
    messages: u64,
}

/// The commits of one partition.
#[derive(Debug, Default)]
struct Commits {
    head: Head,
    /// Asked for, in order, and not answered yet.
    asked: VecDeque<Head>,
    acknowledged: Head,
}

/// Next offsets that may be committed, of all partitions of the process.
#[derive(Debug, Default)]
pub(crate) struct Heads(Mutex<HashMap<Partition, Commits>>);

// === impl Heads ===

impl Heads {
    /// So many more messages have settled, up to this offset.
    pub(crate) fn moved(&self, partition: &Partition, offset: i64, messages: u64) {
        self.with(|heads| {
            // The lookup by reference saves a copy of the topic's name for each message.
            if let Some(commits) = heads.get_mut(partition) {
                commits.head = Head { offset, messages: commits.head.messages + messages };
            } else if messages > 0 {
                let head = Head { offset, messages };
                heads.insert(partition.clone(), Commits { head, ..Commits::default() });
            }
        });
    }

    /// What is to be committed and has not been asked for.
    pub(crate) fn ask(&self) -> Vec<Position> {
        self.with(|heads| {
            let due = heads.iter_mut().filter(|(_, commits)| commits.is_due());
            let asked = due.map(|(partition, commits)| {
                commits.asked.push_back(commits.head);
                Position { partition: partition.clone(), offset: commits.head.offset }
            });
            asked.collect()
        })
    }

    /// The brokers have this offset. Gives how many messages that settles since the last one they had.
    pub(crate) fn acknowledged(&self, position: &Position) -> u64 {
        self.with(|heads| {
            let Some(commits) = heads.get_mut(&position.partition) else { return 0 };
            let Some(head) = commits.asked.iter().copied().find(|asked| asked.offset == position.offset) else {
                return 0;
            };
            commits.asked.retain(|asked| asked.offset > head.offset);
            let before = std::mem::replace(&mut commits.acknowledged, head);
            head.messages - before.messages
        })
    }

    /// The brokers do not have this offset: it is due again, unless a later one is on its way.
    pub(crate) fn failed(&self, position: &Position) {
        self.with(|heads| {
            if let Some(commits) = heads.get_mut(&position.partition) {
                commits.asked.retain(|asked| asked.offset != position.offset);
            }
        });
    }

    /// The partition is being given up: its last head is committed with the rebalance. Gives how many messages that
    /// settles since the last commit.
    pub(crate) fn forget(&self, partition: &Partition) -> u64 {
        let commits = self.with(|heads| heads.remove(partition)).unwrap_or_default();
        commits.head.messages - commits.acknowledged.messages
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<Partition, Commits>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

// === impl Commits ===

impl Commits {
    fn is_due(&self) -> bool {
        self.head.offset > self.asked.back().unwrap_or(&self.acknowledged).offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_that_failed_is_due_again_without_another_message() {
        let heads = Heads::default();
        let partition = Partition { topic: "t".to_owned(), number: 1 };
        let at = |offset| Position { partition: partition.clone(), offset };
        heads.moved(&partition, 5, 5);
        assert_eq!(heads.ask(), [at(5)]);
        assert_eq!(heads.ask(), [], "asked for already");
        heads.failed(&at(5));
        assert_eq!(heads.ask(), [at(5)]);
        heads.moved(&partition, 8, 3);
        assert_eq!(heads.ask(), [at(8)]);
        heads.failed(&at(5));
        assert_eq!(heads.ask(), [], "a later one is on its way");
        assert_eq!(heads.acknowledged(&at(8)), 8);
        assert_eq!(heads.acknowledged(&at(8)), 0);
        assert_eq!(heads.ask(), []);
        heads.moved(&partition, 9, 1);
        assert_eq!(heads.forget(&partition), 1);
        heads.failed(&at(9));
        assert_eq!(heads.ask(), [], "somebody else's by now");
    }
}
