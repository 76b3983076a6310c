//! What workers and people ask of the ledger, and what they are told.

use pipeline_store::{Counts as Rows, Waiting};

use crate::{
    ledger::{Counts, Levels, Request, RunState, Set},
    source::{PROVIDERS, ProviderDocuments, Reads, SERVICES, ServiceDocuments},
};

/// What somebody asks of the ledger. It carries what the asker knows, which may be old: the generation from its
/// message, and the documents that it has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    Open {
        run: usize,
        request: Request,
    },
    Discover {
        run: usize,
        documents: ServiceDocuments,
    },
    Plan {
        run: usize,
        generation: u8,
        service: usize,
        documents: ProviderDocuments,
        reads: Reads,
    },
    Store {
        run: usize,
        generation: u8,
        service: usize,
        batch: usize,
        reads: Reads,
        /// The providers that the batch had when the worker looked; none before it has looked.
        seen: Option<Set>,
    },
    Activate {
        run: usize,
        service: usize,
        next: Next,
    },
    /// Ends a run as aborted or failed.
    End {
        run: usize,
        state: RunState,
    },
    /// Moves pointers back, unless one of them has moved since a person saw these epochs. Where the epoch is 0, the
    /// pointer stays.
    RollBack {
        epochs: [u8; SERVICES],
        next: Back,
    },
    /// Sets what failed back. What it has seen is in hand only when it does not hold the lock in between.
    Retry {
        run: usize,
        seen: Option<SetBack>,
    },
    /// Changes what a run tolerates.
    Tolerate {
        run: usize,
        max_providers: Option<u8>,
    },
    /// Accepts what a run takes away. What it has seen is in hand only when it does not hold the lock in between.
    Accept {
        run: usize,
        seen: Option<[Option<Levels>; SERVICES]>,
    },
    /// The message of a batch, or of a plan where no batch is named, was given up, and so is its dead letter.
    Discard {
        run: usize,
        service: usize,
        batch: Option<usize>,
        next: Discard,
    },
}

/// Where an activation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Next {
    Look,
    /// The proof was seen to close.
    Switch,
    /// The switch is done, by this call or another: end the run when nothing is left, and answer.
    Finish(Set),
}

/// Where a rollback stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Back {
    Look,
    /// No run was open. One may be by now.
    Move,
}

/// Where the end of a dead letter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Discard {
    /// The letter is written down.
    Letter,
    /// Does the run still wait for it, and under which generation?
    Look,
    /// It did.
    Close { generation: u8 },
    /// Nothing waits for it: only the letter is settled.
    Settle,
}

/// What a retry sets back of each service: batches, or the whole plan.
pub type SetBack = [Set; SERVICES];

/// The bit of a whole plan.
pub const WHOLE_PLAN: Set = 1 << PROVIDERS;

/// What a call came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Opened(RunState),
    Discovered {
        services: u8,
        removed: u8,
    },
    /// The discovery found nothing and ended the run.
    Failed,
    Planned {
        batches: u8,
        providers: u8,
        removed: u8,
    },
    Stored(Counts),
    /// It was done before.
    Done,
    /// The run is not open under this generation, or does not have the service.
    Closed,
    /// The run has no such service or batch.
    NotInLedger,
    /// This call switched these services.
    Activated(Set),
    NotYet(Waiting),
    Ended {
        kept: u8,
        undone: u8,
        deleted: u8,
    },
    RolledBack(Set),
    /// A run is open: no rollback.
    RunOpen,
    /// A pointer has moved since: no rollback.
    Moved,
    Retried {
        batches: u8,
        /// To be planned again.
        services: Set,
        /// What this run cannot mend.
        left: Set,
    },
    /// The run tolerates something else.
    Tolerated,
    Accepted {
        services: u8,
        rows: Rows,
    },
    /// A batch was closed with so many providers discarded.
    DiscardedBatch(u8),
    DiscardedPlan,
    /// Nothing waited for the letter.
    DiscardedNothing,
}

/// A call after one step.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    Goes(Call),
    Ends(Outcome),
}

// === impl Call ===

impl Call {
    /// The run that it is about; the first for a rollback.
    pub fn run(&self) -> usize {
        match self {
            Self::Open { run, .. }
            | Self::Discover { run, .. }
            | Self::Plan { run, .. }
            | Self::Store { run, .. }
            | Self::Activate { run, .. }
            | Self::End { run, .. }
            | Self::Retry { run, .. }
            | Self::Tolerate { run, .. }
            | Self::Accept { run, .. }
            | Self::Discard { run, .. } => *run,
            Self::RollBack { .. } => 0,
        }
    }
}
