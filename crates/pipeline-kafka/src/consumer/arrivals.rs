//! How far a member is behind in the partitions that it holds: in messages, by what librdkafka counts, and in time, by the
//! age of the oldest message that is not committed.
//!
//! Every message passes a [`super::PartitionQueue`], which notes here when it was made. librdkafka tells at intervals what
//! is committed and where each partition ends; what is committed is forgotten then. So the two figures are those of the
//! group as the brokers know it, and nobody asks the brokers for them.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rdkafka::{Statistics, statistics};

/// Messages of one partition that are noted. Beyond that every second one is let go, and the age is a little too young.
const NOTED: usize = 4_096;

/// How far the group is behind in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lag {
    /// The topic's name on the cluster.
    pub topic: String,
    /// The partition's number.
    pub number: i32,
    /// Messages that are not committed.
    pub messages: u64,
    /// Age of the oldest of them, by the time it was produced. While none of them has been fetched, it is the time for
    /// which they have been seen to wait.
    pub age: Duration,
}

/// The partitions that a member holds; shared by its queues and its callback.
#[derive(Clone, Debug, Default)]
pub(super) struct Arrivals(Arc<Mutex<HashMap<(String, i32), Arrived>>>);

/// Messages of one partition that were handed out, and perhaps not committed.
#[derive(Debug, Default)]
struct Arrived {
    /// Offset, and milliseconds since 1970 at which it was produced; in the order of the offsets.
    open: VecDeque<(i64, i64)>,
    /// Messages wait and none is in hand, since this time.
    unfetched_since_ms: Option<i64>,
    /// The partition is somebody else's now: told once, so that two members never count the same messages.
    is_given_up: bool,
}

// === impl Arrivals ===

impl Arrivals {
    /// The partition is held from now on.
    pub(super) fn hold(&self, topic: &str, number: i32) {
        self.with(|held| held.insert((topic.to_owned(), number), Arrived::default()));
    }

    /// The partition is held no more.
    pub(super) fn give_up(&self, topic: &str, number: i32) {
        self.with(|held| {
            if let Some(arrived) = held.get_mut(&(topic.to_owned(), number)) {
                *arrived = Arrived { is_given_up: true, ..Arrived::default() };
            }
        });
    }

    /// A message was handed out.
    pub(super) fn arrived(&self, place: &(String, i32), offset: i64, made_at_ms: Option<i64>) {
        let Some(made_at_ms) = made_at_ms else { return };
        self.with(|held| {
            if let Some(arrived) = held.get_mut(place) {
                arrived.note(offset, made_at_ms);
            }
        });
    }

    /// What librdkafka counted, put together with what was handed out.
    pub(super) fn lags(&self, statistics: &Statistics) -> Vec<Lag> {
        self.lags_at(statistics, now_ms())
    }

    fn lags_at(&self, statistics: &Statistics, now_ms: i64) -> Vec<Lag> {
        self.with(|held| {
            let counted = |(topic, number): &(String, i32)| statistics.topics.get(topic)?.partitions.get(number);
            let lags = held.iter_mut().filter_map(|(place, arrived)| {
                let (messages, age) = match counted(place) {
                    _ if arrived.is_given_up => (0, Duration::ZERO),
                    Some(counted) => arrived.lag(counted, now_ms)?,
                    None => return None,
                };
                Some(Lag { topic: place.0.clone(), number: place.1, messages, age })
            });
            let lags = lags.collect();
            held.retain(|_, arrived| !arrived.is_given_up);
            lags
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<(String, i32), Arrived>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

// === impl Arrived ===

impl Arrived {
    fn note(&mut self, offset: i64, made_at_ms: i64) {
        // A partition that is read again from an earlier place, or whose topic was made anew, begins anew here too.
        while self.open.back().is_some_and(|(last, _)| *last >= offset) {
            self.open.pop_back();
        }
        if self.open.len() >= NOTED {
            let mut is_kept = false;
            self.open.retain(|_| {
                is_kept = !is_kept;
                is_kept
            });
        }
        self.open.push_back((offset, made_at_ms));
    }

    /// Messages and age; `None` while the client knows too little.
    fn lag(&mut self, counted: &statistics::Partition, now_ms: i64) -> Option<(u64, Duration)> {
        let end = counted.hi_offset;
        if counted.committed_offset >= 0 {
            while self.open.front().is_some_and(|(offset, _)| *offset < counted.committed_offset) {
                self.open.pop_front();
            }
        }
        // A group that has never committed has before it what it was handed first, and all behind that.
        let next = Some(counted.committed_offset).filter(|committed| (0..=end).contains(committed));
        let next = next.or_else(|| self.open.front().map(|(offset, _)| *offset))?;
        let messages = u64::try_from(end - next).unwrap_or_default();
        if messages == 0 {
            self.unfetched_since_ms = None;
            return Some((0, Duration::ZERO));
        }
        let since_ms = match self.open.front() {
            Some((_, made_at_ms)) => {
                self.unfetched_since_ms = None;
                *made_at_ms
            }
            None => *self.unfetched_since_ms.get_or_insert(now_ms),
        };
        Some((messages, Duration::from_millis(u64::try_from(now_ms - since_ms).unwrap_or_default())))
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(committed: i64, end: i64) -> Statistics {
        let partition =
            statistics::Partition { committed_offset: committed, hi_offset: end, ..statistics::Partition::default() };
        let topic = statistics::Topic { partitions: [(0, partition)].into(), ..statistics::Topic::default() };
        Statistics { topics: [("t".to_owned(), topic)].into(), ..Statistics::default() }
    }

    fn held() -> (Arrivals, (String, i32)) {
        let arrivals = Arrivals::default();
        arrivals.hold("t", 0);
        (arrivals, ("t".to_owned(), 0))
    }

    fn lag(arrivals: &Arrivals, committed: i64, end: i64, now_ms: i64) -> Option<(u64, u64)> {
        let lags = arrivals.lags_at(&counted(committed, end), now_ms);
        lags.first().map(|lag| (lag.messages, lag.age.as_secs()))
    }

    #[test]
    fn the_age_is_that_of_the_oldest_message_that_is_not_committed() {
        let (arrivals, place) = held();
        assert_eq!(lag(&arrivals, -1001, -1001, 0), None, "the client knows nothing yet");
        (0..5).for_each(|offset| arrivals.arrived(&place, offset, Some(offset * 1_000)));
        assert_eq!(lag(&arrivals, -1001, 9, 10_000), Some((9, 10)), "nothing was ever committed");
        assert_eq!(lag(&arrivals, 3, 9, 10_000), Some((6, 7)));
        assert_eq!(lag(&arrivals, 9, 9, 10_000), Some((0, 0)));
        arrivals.arrived(&place, 9, Some(99_000));
        assert_eq!(lag(&arrivals, 9, 10, 90_000), Some((1, 0)), "a producer's clock may be ahead");
    }

    #[test]
    fn messages_that_are_not_fetched_age_from_when_they_were_seen() {
        let (arrivals, place) = held();
        assert_eq!(lag(&arrivals, 2, 7, 10_000), Some((5, 0)));
        assert_eq!(lag(&arrivals, 2, 8, 15_000), Some((6, 5)));
        arrivals.arrived(&place, 2, Some(1_000));
        assert_eq!(lag(&arrivals, 2, 8, 20_000), Some((6, 19)));
    }

    #[test]
    fn a_partition_that_is_given_up_is_told_as_empty_once() {
        let (arrivals, place) = held();
        arrivals.arrived(&place, 0, Some(0));
        arrivals.give_up("t", 0);
        assert_eq!(lag(&arrivals, 0, 7, 10_000), Some((0, 0)));
        assert_eq!(lag(&arrivals, 0, 7, 10_000), None);
    }

    #[test]
    fn what_is_read_again_is_noted_once_and_many_messages_take_bounded_room() {
        let (arrivals, place) = held();
        for offset in (0..10).chain(4..8) {
            arrivals.arrived(&place, offset, Some(offset * 1_000));
        }
        assert_eq!(lag(&arrivals, 8, 10, 20_000), Some((2, 0)), "what is behind 7 has to come again");
        for offset in 8..100_000 {
            arrivals.arrived(&place, offset, Some(offset));
        }
        arrivals.with(|held| assert!(held[&place].open.len() <= NOTED));
        assert_eq!(lag(&arrivals, 8, 100_000, 100_000), Some((99_992, 99)), "the oldest is kept");
    }
}
