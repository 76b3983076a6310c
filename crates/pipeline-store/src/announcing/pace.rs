//! When something is announced again: pure functions of what the ledger remembers.
//!
//! The first round comes when the part has stood still for as long as the setting says, the next after twice that, and so
//! on, up to a longest pause. The number of rounds is kept for the whole run: what is slow and not lost is announced a
//! few times only, however often it moves in between.

use std::time::Duration;

/// How often to look for lost messages, unless the setting is so short that this would be late.
const LOOK: Duration = Duration::from_secs(10);

/// The longest pause between two rounds, unless the first one is longer.
const LONGEST: Duration = Duration::from_secs(10 * 60);

/// So many rounds without an effect, and people are told.
pub(crate) const IN_VAIN: i64 = 4;

/// Items that are announced at a time: a few messages a second, when looked at every ten seconds.
const AT_A_TIME: i64 = 200;

/// How often a stage looks for lost messages, when a run may stand still for `after`.
pub fn announcing_interval(after: Duration) -> Duration {
    LOOK.min(after / 4).max(Duration::from_millis(100))
}

/// What the ledger remembers of a part that stands still. Times are the database's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standstill {
    /// Nothing has moved since, in milliseconds since 1970-01-01 UTC.
    pub(crate) since_ms: i64,
    /// Rounds of the run so far.
    pub(crate) rounds: i64,
    /// Rounds since something moved.
    pub(crate) in_vain: i64,
    /// When the last round began.
    pub(crate) announced_at_ms: i64,
    /// A round is under way: not all items of it are announced.
    pub(crate) round_open: bool,
}

/// What to do about a part that is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It moves, or was announced a short time ago.
    Wait,
    /// Begin a round.
    Begin,
    /// Go on with the round that is under way, since nothing has moved for a moment.
    GoOn,
}

// === impl Standstill ===

impl Standstill {
    /// What to do now; the first round comes after `after`.
    pub(crate) fn next(&self, now_ms: i64, after: Duration) -> Next {
        let still_ms = now_ms.saturating_sub(self.since_ms);
        let rested_ms = now_ms.saturating_sub(self.announced_at_ms);
        let rested = self.rounds == 0 || rested_ms >= millis(pause(self.rounds, after));
        // What was announced of the round is taken first, and may have been there all the time.
        let calm = still_ms >= millis(announcing_interval(after));
        match (still_ms >= millis(after) && rested, self.round_open && calm) {
            (true, _) => Next::Begin,
            (false, true) => Next::GoOn,
            (false, false) => Next::Wait,
        }
    }

    /// Rounds to be remembered when something moved. Who was told that nothing goes on need not wait long for the rest.
    pub(crate) fn rounds_after_a_move(&self) -> i64 {
        if self.in_vain >= IN_VAIN { 0 } else { self.rounds }
    }

    /// How many items to announce at a time. While nobody takes anything, one is enough to notice when somebody does.
    pub(crate) fn items(&self) -> i64 {
        if self.in_vain >= IN_VAIN { 1 } else { AT_A_TIME }
    }
}

/// The pause after so many rounds.
fn pause(rounds: i64, after: Duration) -> Duration {
    let doublings = u32::try_from(rounds).unwrap_or(u32::MAX).min(16);
    after.saturating_mul(1 << doublings).min(LONGEST.max(after))
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_look_is_never_late_and_never_without_a_pause() {
        assert_eq!(announcing_interval(MINUTE), LOOK);
        assert_eq!(announcing_interval(Duration::from_secs(8)), Duration::from_secs(2));
        assert_eq!(announcing_interval(Duration::ZERO), Duration::from_millis(100));
    }

    fn still(since_s: i64) -> Standstill {
        Standstill { since_ms: since_s * 1_000, rounds: 0, in_vain: 0, announced_at_ms: 0, round_open: false }
    }

    #[test]
    fn what_moved_a_short_time_ago_is_not_announced() {
        assert_eq!(still(0).next(59_999, MINUTE), Next::Wait);
        assert_eq!(still(0).next(60_000, MINUTE), Next::Begin);
        let many_rounds = Standstill { rounds: 9, ..still(30) };
        assert_eq!(many_rounds.next(60_000, MINUTE), Next::Wait);
    }

    #[test]
    fn the_pause_between_rounds_doubles_up_to_the_longest() {
        let mut standstill = still(0);
        let mut rounds = Vec::new();
        for second in 0..=(60 * 40) {
            if standstill.next(second * 1_000, MINUTE) == Next::Begin {
                rounds.push(second / 60);
                standstill.rounds += 1;
                standstill.announced_at_ms = second * 1_000;
            }
        }
        assert_eq!(rounds, [1, 3, 7, 15, 25, 35]);
        let hour = Duration::from_secs(3_600);
        assert_eq!(pause(3, hour), hour, "a longer setting is kept to");
        assert_eq!(pause(i64::MAX, MINUTE), LONGEST);
    }

    #[test]
    fn a_part_that_moves_between_rounds_keeps_the_pause_that_it_has_reached() {
        let moved = Standstill { rounds: 3, announced_at_ms: 0, ..still(10) };
        assert_eq!(moved.rounds_after_a_move(), 3);
        assert_eq!(moved.next(120_000, MINUTE), Next::Wait, "still for long enough, but announced two minutes ago");
        assert_eq!(moved.next(480_000, MINUTE), Next::Begin);
    }

    #[test]
    fn a_round_goes_on_when_what_was_announced_of_it_is_taken() {
        let open = Standstill { rounds: 1, announced_at_ms: 50_000, round_open: true, ..still(55) };
        assert_eq!(open.next(60_000, MINUTE), Next::Wait, "workers are busy");
        assert_eq!(open.next(65_000, MINUTE), Next::GoOn);
        assert_eq!(open.next(170_000, MINUTE), Next::Begin, "what was announced of it is announced again");
    }

    #[test]
    fn when_nobody_takes_anything_one_item_is_announced_until_somebody_does() {
        let told = Standstill { rounds: 9, in_vain: IN_VAIN, ..still(0) };
        assert_eq!((told.items(), told.rounds_after_a_move()), (1, 0));
        assert!(still(0).items() > 1);
    }

    #[test]
    fn a_clock_that_went_back_announces_nothing() {
        assert_eq!(still(3_600).next(0, MINUTE), Next::Wait);
    }
}
