//! Everything that the runtime starts beside its drive loop, in one table; nothing is spawned and forgotten.
//!
//! | task | what it does | when it ends by itself | when it panics |
//! |---|---|---|---|
//! | [`Kind::Timer`] | calls the stage's tick | a stage without a timer, a Halt that it has reported, or the stop | Halt |
//! | [`Kind::Probe`] | asks whether a dependency is there; three of them, and one for the topics | only after a Halt that it has reported; else Halt | Halt |
//! | [`Kind::Partition`] | works through one assigned partition | drained, or after a Halt that it has reported | Halt |
//! | [`Kind::Drain`] | waits for partitions that are given up | it has answered the group | Halt |
//! | [`Kind::Commit`] | waits for the answer to one commit | the answer is there; the loop sends again what failed | Halt |
//! | [`Kind::Reconnect`] | asks a cluster that gave trouble until it is back | the cluster is back | Halt |
//! | a message of a stage | [`super::handling`], inside its partition's task | settled | Halt |
//! | a batch of a sink | [`super::writing`], the partition's task itself | settled | Halt |
//!
//! *Halt* stops the stage in order, the process ends with a non-zero code, and nothing past what was settled is
//! committed. A panic is a fault of our own wherever it happens: without the task the stage would look well and do half
//! of its work, such as a partition whose lag stands still. The drive loop itself is the future that the process waits
//! for; its end is the stage's. When it ends, what still runs is ended with it; what cannot be ended, since it computes
//! without a pause, is left behind. `/livez` notices it before, see [`Health::watched`].

use std::{collections::HashMap, time::Duration};

use tokio::task::{AbortHandle, Id, JoinError, JoinSet};

use super::failure::Failure;
use crate::admin::Health;
use pipeline_telemetry::process_events;

/// Code of a task that panicked.
pub(crate) const PANICKED: &str = "SLUICE-RUNTIME-001";

/// Code of a task that ended and must not.
const ENDED: &str = "SLUICE-RUNTIME-002";

/// What a task is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Calls the stage's own timer.
    Timer,
    /// Asks whether a dependency is there.
    Probe,
    /// Works through one partition.
    Partition,
    /// Lets partitions settle that are given up.
    Drain,
    /// Waits for the answer to a commit.
    Commit,
    /// Waits for the cluster to answer again.
    Reconnect,
}

/// What it means that a task has returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Its work is done.
    Expected,
    /// It never returns while the stage is well.
    Halts,
}

/// How long tasks that were told to end are waited for: a task ends at its next pause, and one that makes none never.
const MAX_ENDING: Duration = Duration::from_secs(1);

/// The tasks of one stage. Dropping it ends them.
#[derive(Default)]
pub(crate) struct Tasks {
    health: Health,
    stage: &'static str,
    set: JoinSet<()>,
    kinds: HashMap<Id, Kind>,
}

// === impl Kind ===

impl Kind {
    /// What people call it.
    fn name(self) -> &'static str {
        match self {
            Self::Timer => "the stage's timer",
            Self::Probe => "the probe of a dependency",
            Self::Partition => "the work on a partition",
            Self::Drain => "the draining of partitions",
            Self::Commit => "the commit of offsets",
            Self::Reconnect => "the wait for the cluster",
        }
    }

    fn end(self) -> End {
        match self {
            Self::Timer | Self::Partition | Self::Drain | Self::Commit | Self::Reconnect => End::Expected,
            Self::Probe => End::Halts,
        }
    }
}

// === impl Tasks ===

impl Tasks {
    /// No tasks yet, of this stage in this process.
    pub(crate) fn of(stage: &'static str, health: Health) -> Self {
        Self { health, stage, ..Self::default() }
    }

    /// Starts a task.
    pub(crate) fn start(&mut self, kind: Kind, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        let (health, name) = (self.health.clone(), format!("{}: {}", self.stage, kind.name()));
        // A task may wait for as long as there is nothing to do.
        let handle = self.set.spawn(async move { health.watched(name, Duration::MAX, task).await });
        self.kinds.insert(handle.id(), kind);
        handle
    }

    /// Waits until a task has ended in a way that the stage must not survive. Safe to cancel.
    pub(crate) async fn failed(&mut self) -> Failure {
        loop {
            match self.set.join_next_with_id().await {
                Some(ended) => {
                    if let Some(failure) = self.judge(ended) {
                        return failure;
                    }
                }
                None => std::future::pending().await,
            }
        }
    }

    /// Ends what still runs, and waits for that: what a task holds, such as the producer, is gone afterwards. Only what
    /// never pauses is left behind.
    pub(crate) async fn end(mut self) {
        self.set.abort_all();
        let ended = tokio::time::timeout(MAX_ENDING, async {
            while let Some(ended) = self.set.join_next_with_id().await {
                if let Some(failure) = self.judge(ended) {
                    tracing::debug!(code = failure.code, "while stopping: {failure}");
                }
            }
        });
        if ended.await.is_err() {
            process_events::left_behind(self.stage, self.set.len());
        }
    }

    fn judge(&mut self, ended: Result<(Id, ()), JoinError>) -> Option<Failure> {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, ())| *id);
        let kind = self.kinds.remove(&id)?;
        match ended {
            Ok(_) if kind.end() == End::Expected => None,
            Ok(_) => Some(Failure::halt(ENDED, format!("{} has ended", kind.name()))),
            // Aborted by us.
            Err(error) if error.is_cancelled() => None,
            Err(error) => Some(Failure::halt(PANICKED, format!("{} panicked: {error}", kind.name()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_or_ends_against_the_table_is_a_failure_and_no_other() {
        let mut tasks = Tasks::default();
        tasks.start(Kind::Partition, async {});
        tasks.start(Kind::Drain, std::future::pending()).abort();
        tasks.start(Kind::Timer, std::future::pending());
        tasks.start(Kind::Probe, async {});
        let failure = tasks.failed().await;
        assert_eq!((failure.code, failure.text.as_str()), (ENDED, "the probe of a dependency has ended"));
        tasks.start(Kind::Drain, async { panic!("planted") });
        let failure = tasks.failed().await;
        assert!(failure.code == PANICKED && failure.text.contains("planted"), "{failure}");
        tasks.end().await;
    }
}
