//! A message that waits by itself, because a dependency that is there does not answer it.
//!
//! Its time is counted from look to look: the stretch between two looks counts only when the dependency was there at
//! both, so that an outage in between uses up no patience.

use std::time::Duration;

use tokio::time::Instant;

use pipeline_telemetry::events::{StageEvents, WaitingAlone};

/// How long one message has waited by itself.
#[derive(Default)]
pub(crate) struct Alone {
    waited: Duration,
    /// The last look, when the dependency was there; the message is counted as waiting as long.
    since: Option<(Instant, WaitingAlone)>,
}

// === impl Alone ===

impl Alone {
    /// The message failed again while the dependency is there. Gives how long it has waited by now.
    pub(crate) fn waits(&mut self, now: Instant, events: &StageEvents) -> Duration {
        match &mut self.since {
            Some((since, _)) => self.waited += now - std::mem::replace(since, now),
            None => self.since = Some((now, events.waits_alone())),
        }
        self.waited
    }

    /// The dependency is away, or answered something else: what goes by until the next look does not count.
    pub(crate) fn pauses(&mut self) {
        self.since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_time_in_which_the_dependency_was_there_counts() {
        let (mut alone, events) = (Alone::default(), StageEvents::new("alone"));
        let begun = Instant::now();
        let seconds = Duration::from_secs;
        assert_eq!(alone.waits(begun, &events), Duration::ZERO);
        assert_eq!(alone.waits(begun + seconds(3), &events), seconds(3));
        alone.pauses();
        assert_eq!(alone.waits(begun + seconds(200), &events), seconds(3));
        assert_eq!(alone.waits(begun + seconds(202), &events), seconds(5));
    }
}
