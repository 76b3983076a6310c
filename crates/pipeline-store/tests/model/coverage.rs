//! Where an exploration went: one that never meets a situation proves nothing about it.

use std::fmt;

/// What can come up on a way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Situation {
    Activated,
    ActivatedWholeRun,
    ActivatedRemoval,
    /// Another activator switched between this one's look and its switch.
    LostRace,
    /// Rejects, and nothing else, kept a proof from closing.
    HeldByRejects,
    /// Only the end of the run was missing, and the timer found it.
    EndedByTimer,
    /// A run ended early, with some of its services switched.
    EndedHalfActive,
    /// A worker died between its effect and its emissions.
    DiedAfterEffect,
    /// A message was handled that had been handled before.
    Repeated,
    /// A worker wrote for a run that was closed.
    Fenced,
    /// A plan found providers that have not changed, and stored them itself.
    StoredByPlan,
    Refused,
    RolledBack,
    /// A rollback came too late: a run was open, or a pointer had moved.
    RolledBackLate,
    /// The switch asked again and found that it must wait.
    SetBackBeforeSwitch,
    /// The guard kept a complete service from being switched.
    HeldByRemovals,
    /// How much goes in all was not known yet.
    HeldByTheRest,
    /// A retry set batches back.
    StoredAgain,
    /// A retry took a plan back.
    PlannedAgain,
    /// A batch of a plan that was taken back was handled.
    StalePlan,
    /// A person accepted removals.
    Accepted,
    /// A batch was closed without its content.
    DiscardedBatch,
    /// A plan was closed without a provider.
    DiscardedPlan,
}

/// How often each situation came up.
#[derive(Clone, Copy, Default)]
pub struct Coverage([u32; SITUATIONS.len()]);

const SITUATIONS: [Situation; 23] = [
    Situation::Activated,
    Situation::ActivatedWholeRun,
    Situation::ActivatedRemoval,
    Situation::LostRace,
    Situation::HeldByRejects,
    Situation::EndedByTimer,
    Situation::EndedHalfActive,
    Situation::DiedAfterEffect,
    Situation::Repeated,
    Situation::Fenced,
    Situation::StoredByPlan,
    Situation::Refused,
    Situation::RolledBack,
    Situation::RolledBackLate,
    Situation::SetBackBeforeSwitch,
    Situation::HeldByRemovals,
    Situation::HeldByTheRest,
    Situation::StoredAgain,
    Situation::PlannedAgain,
    Situation::StalePlan,
    Situation::Accepted,
    Situation::DiscardedBatch,
    Situation::DiscardedPlan,
];

impl Coverage {
    pub fn note(&mut self, situation: Situation) {
        self.0[situation as usize] += 1;
    }

    pub fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, more)| *sum += more);
    }

    /// Fails when a situation came up less often than this.
    pub fn require(&self, times: u32) {
        assert!(self.0.iter().all(|found| *found >= times), "some situations hardly came up: {self:?}");
    }
}

impl fmt::Debug for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(SITUATIONS.iter().zip(self.0)).finish()
    }
}
