//! What the fan-in rests on, as names: each can be taken out, to see that the search misses it.
//!
//! A model that finds nothing says little: it may not look where the fault would be. So each condition of the store
//! that an interleaving could need has a name here, the transactions of the model ask whether it is kept, and
//! `mutants` shows for each that without it an invariant breaks.

/// A condition of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Whoever plans or stores finds the run open, under the generation of its message.
    Fence,
    /// The switch asks again, under the lock, whether everything is planned and stored.
    SwitchAsksAgain,
    /// The switch asks again what the run tolerates by now, and what is rejected by now.
    SwitchAsksTolerance,
    /// The switch asks the guard again: what was taken away may have become more.
    SwitchAsksGuard,
    /// A retry holds the run's row exclusively from its first look to its commit.
    RetryLocks,
    /// A retry forgets what was discarded in the batches that it sets back.
    RetryTakesDiscardBack,
    /// A retry plans a service again only when no worker can hold a batch of its plan.
    RetryWaitsForBatches,
    /// A batch is stored by a worker that has read the very providers that the batch has by now.
    StoreKnowsItsPlan,
    /// A batch that is stored is not stored again.
    StoredOnce,
    /// The providers of a batch that a person gave up are counted as rejected.
    DiscardIsAccounted,
    /// Who gives a plan up removes nothing.
    DiscardKeepsProviders,
    /// Who accepts removals holds the run's row exclusively from the first look to the commit.
    AcceptanceLocks,
    /// A person accepts the counts that stand, and nothing that comes later.
    AcceptanceCounts,
    /// Rows that leave the views with a provider kept from an earlier try are counted too.
    KeptAreCompared,
}
