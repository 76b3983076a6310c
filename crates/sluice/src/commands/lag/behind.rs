//! From one or two looks at a group to what a person wants to know. Pure: it asks nobody and reads no clock.

use std::time::Duration;

use pipeline_kafka::lag::{GroupLag, PartitionLag};
use serde::Serialize;

/// Messages that a hot partition has at least: a few more in one than in another mean nothing.
const HOT: i64 = 10;

/// What bounds how long a message may wait, or how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// `retention.ms` of the topic.
    Age(Duration),
    /// Bytes that the broker of local mode keeps in a partition.
    Bytes(usize),
    /// Messages are kept for ever.
    None,
    /// This account may not see it.
    Unknown,
}

/// Whether messages are in danger; the worst comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// None is.
    Fine,
    /// The topic is not there, or not to be seen.
    NoTopic,
    /// The oldest message that waits is close to being taken away.
    WouldLose,
    /// Messages were taken away before the group had passed them.
    HasLost,
}

/// What became of the lag between two looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trend {
    /// More waits.
    Growing,
    /// As much waits.
    Steady,
    /// Less waits.
    Shrinking,
}

/// An earlier look.
#[derive(Clone, Copy, Debug)]
pub struct Look<'l> {
    /// What it found.
    pub partitions: &'l [PartitionLag],
    /// How long before the later one.
    pub ago: Duration,
}

/// How far a stage is behind.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StageBehind {
    /// The stage.
    pub stage: &'static str,
    /// Its group.
    pub group: String,
    /// What it reads, by the name on the cluster.
    pub topic: String,
    /// Workers in the group; `None` where the broker does not say.
    pub members: Option<usize>,
    /// All partitions together; the age is that of the oldest message of any.
    #[serde(flatten)]
    pub behind: Behind,
    /// How long messages are kept, in seconds; `None` when for ever, or not to be seen.
    pub retention_seconds: Option<u64>,
    /// The worst of its partitions.
    pub verdict: Verdict,
    /// Each partition.
    pub partitions: Vec<PartitionBehind>,
}

/// How far a group is behind in one partition.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PartitionBehind {
    /// Its number.
    pub partition: i32,
    #[serde(flatten)]
    pub behind: Behind,
    /// Messages that were taken away before the group had passed them.
    pub lost: i64,
    /// Much more waits here than elsewhere.
    pub hot: bool,
    pub verdict: Verdict,
}

/// Messages that wait, and how that changes.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Behind {
    /// Messages that the group has not passed.
    pub messages: i64,
    /// Age of the oldest of them; 0 when none waits, `None` when it could not be read.
    pub seconds: Option<f64>,
    /// Messages that came per second; `None` after one look.
    pub rate_in: Option<f64>,
    /// Messages that the group passed per second; `None` after one look.
    pub rate_out: Option<f64>,
    pub trend: Option<Trend>,
}

// === impl StageBehind ===

impl StageBehind {
    /// What two looks tell of a stage, its group and its topic; the later one was at `now_ms`, in milliseconds since 1970.
    pub fn new(
        (stage, group, topic): (&'static str, String, String),
        now: &GroupLag,
        before: Option<Look<'_>>,
        bound: Bound,
        now_ms: i64,
    ) -> Self {
        let mean = mean(&now.partitions);
        let partition = |lag: &PartitionLag| {
            let earlier = before.and_then(|look| {
                let earlier = look.partitions.iter().find(|earlier| earlier.number == lag.number)?;
                Some((vec![*earlier], look.ago))
            });
            PartitionBehind {
                partition: lag.number,
                behind: Behind::of(&[*lag], earlier.as_ref().map(|(lags, ago)| (lags.as_slice(), *ago)), now_ms),
                lost: lag.lost(),
                hot: now.partitions.len() > 1 && lag.messages() >= HOT && lag.messages() as f64 >= 2.0 * mean,
                verdict: verdict(lag, bound, now_ms),
            }
        };
        let partitions: Vec<PartitionBehind> = now.partitions.iter().map(partition).collect();
        let worst = partitions.iter().map(|partition| partition.verdict).max();
        Self {
            stage,
            group,
            topic,
            members: now.members,
            behind: Behind::of(&now.partitions, before.map(|look| (look.partitions, look.ago)), now_ms),
            retention_seconds: if let Bound::Age(kept) = bound { Some(kept.as_secs()) } else { None },
            verdict: worst.unwrap_or(Verdict::NoTopic),
            partitions,
        }
    }
}

fn mean(partitions: &[PartitionLag]) -> f64 {
    let messages: i64 = partitions.iter().map(PartitionLag::messages).sum();
    messages as f64 / partitions.len().max(1) as f64
}

/// Whether messages of a partition are in danger: lost already, or the oldest one that waits is older than four fifths of
/// the time for which messages are kept. The broker of local mode keeps bytes instead, and refuses what is more.
pub fn verdict(lag: &PartitionLag, bound: Bound, now_ms: i64) -> Verdict {
    if lag.lost() > 0 {
        return Verdict::HasLost;
    }
    let Some(oldest) = lag.oldest else { return Verdict::Fine };
    let (used, of) = match bound {
        Bound::Age(kept) => ((now_ms - oldest.made_at_ms).max(0) as f64, kept.as_millis() as f64),
        // Messages of one topic are about as large as each other.
        Bound::Bytes(kept) => (lag.messages() as f64 * oldest.bytes as f64, kept as f64),
        Bound::None | Bound::Unknown => return Verdict::Fine,
    };
    if used > 0.8 * of { Verdict::WouldLose } else { Verdict::Fine }
}

// === impl Behind ===

impl Behind {
    fn of(now: &[PartitionLag], before: Option<(&[PartitionLag], Duration)>, now_ms: i64) -> Self {
        let messages = sum(now, PartitionLag::messages);
        let is_unread = now.iter().any(|lag| lag.messages() > 0 && lag.oldest.is_none());
        let oldest = now.iter().filter_map(|lag| lag.oldest).map(|oldest| oldest.made_at_ms).min();
        let seconds = match oldest {
            _ if is_unread => None,
            Some(made_at_ms) => Some((now_ms - made_at_ms).max(0) as f64 / 1e3),
            None => Some(0.0),
        };
        let before = before.filter(|(lags, ago)| lags.len() == now.len() && !ago.is_zero());
        let Some((earlier, ago)) = before else { return Self { messages, seconds, ..Self::default() } };
        let per_second =
            |of: fn(&PartitionLag) -> i64| Some((sum(now, of) - sum(earlier, of)).max(0) as f64 / ago.as_secs_f64());
        let trend = match messages.cmp(&sum(earlier, PartitionLag::messages)) {
            std::cmp::Ordering::Greater => Trend::Growing,
            std::cmp::Ordering::Equal => Trend::Steady,
            std::cmp::Ordering::Less => Trend::Shrinking,
        };
        Self {
            messages,
            seconds,
            rate_in: per_second(|lag| lag.end),
            rate_out: per_second(PartitionLag::next),
            trend: Some(trend),
        }
    }
}

fn sum(lags: &[PartitionLag], of: fn(&PartitionLag) -> i64) -> i64 {
    lags.iter().map(of).sum()
}

#[cfg(test)]
mod tests {
    use pipeline_kafka::lag::Oldest;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);
    const NOW: i64 = 1_000_000_000;

    fn lag(number: i32, next: i64, end: i64, age_s: Option<i64>) -> PartitionLag {
        let oldest = age_s.map(|age| Oldest { made_at_ms: NOW - age * 1_000, bytes: 1_000 });
        PartitionLag { number, first: 0, end, committed: Some(next), oldest }
    }

    #[test]
    fn a_message_that_waits_for_four_fifths_of_the_retention_is_in_danger() {
        let told = |age, bound| verdict(&lag(0, 5, 9, age), bound, NOW);
        assert_eq!(told(Some(2_880), Bound::Age(HOUR)), Verdict::Fine);
        assert_eq!(told(Some(2_881), Bound::Age(HOUR)), Verdict::WouldLose);
        assert_eq!(told(None, Bound::Age(HOUR)), Verdict::Fine, "nothing waits");
        assert_eq!(told(Some(-5), Bound::Age(HOUR)), Verdict::Fine, "a producer's clock is ahead");
        assert_eq!(told(Some(i64::from(i32::MAX)), Bound::None), Verdict::Fine);
        assert_eq!(told(Some(i64::from(i32::MAX)), Bound::Unknown), Verdict::Fine);
    }

    #[test]
    fn local_mode_keeps_bytes() {
        let told = |end| verdict(&lag(0, 0, end, Some(9)), Bound::Bytes(10_000), NOW);
        assert_eq!(told(8), Verdict::Fine);
        assert_eq!(told(9), Verdict::WouldLose);
    }

    #[test]
    fn what_was_taken_away_unread_is_lost_however_young_the_rest_is() {
        let lost = PartitionLag { first: 7, ..lag(0, 5, 9, Some(1)) };
        assert_eq!(verdict(&lost, Bound::None, NOW), Verdict::HasLost);
    }

    #[test]
    fn two_looks_tell_rates_trend_and_the_hot_partition() {
        let before = [lag(0, 100, 110, Some(3)), lag(1, 50, 50, None), lag(2, 7, 8, Some(90))];
        let now = [lag(0, 120, 180, Some(4)), lag(1, 70, 70, None), lag(2, 7, 8, Some(100))];
        let group = GroupLag { members: Some(2), partitions: now.to_vec() };
        let names = || ("bundles", "sluice-bundles".to_owned(), "t".to_owned());
        let look = Look { partitions: &before, ago: Duration::from_secs(10) };
        let stage = StageBehind::new(names(), &group, Some(look), Bound::Age(HOUR), NOW);
        assert_eq!((stage.behind.messages, stage.behind.seconds), (61, Some(100.0)));
        assert_eq!((stage.behind.rate_in, stage.behind.rate_out), (Some(9.0), Some(4.0)));
        let told = stage.partitions.iter().map(|it| (it.behind.messages, it.behind.seconds, it.behind.trend, it.hot));
        let (growing, steady) = (Some(Trend::Growing), Some(Trend::Steady));
        let expected = [(60, Some(4.0), growing, true), (0, Some(0.0), steady, false), (1, Some(100.0), steady, false)];
        assert_eq!(told.collect::<Vec<_>>(), expected);
        assert_eq!(stage.verdict, Verdict::Fine);

        let once = StageBehind::new(names(), &group, None, Bound::Age(Duration::from_secs(120)), NOW);
        assert_eq!((once.behind.rate_in, once.behind.trend), (None, None));
        assert_eq!(once.verdict, Verdict::WouldLose, "the worst partition counts");
        let nothing = GroupLag { members: Some(0), partitions: Vec::new() };
        assert_eq!(StageBehind::new(names(), &nothing, None, Bound::Unknown, NOW).verdict, Verdict::NoTopic);
    }

    #[test]
    fn an_age_that_could_not_be_read_is_unknown_and_not_zero() {
        let group = GroupLag { members: None, partitions: vec![lag(0, 1, 2, None), lag(1, 1, 2, Some(5))] };
        let names = ("root", "g".to_owned(), "t".to_owned());
        assert_eq!(StageBehind::new(names, &group, None, Bound::None, NOW).behind.seconds, None);
    }
}
