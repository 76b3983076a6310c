//! The one place that asks whether a dependency is there, for everybody who wants to know.
//!
//! A failure alone does not tell an outage from a message that is slow by itself: a statement that times out looks the
//! same in both. So whoever failed asks here, and all that ask within a second share one question and its answer. There
//! is never more than one question to a dependency on its way: one that hangs is answered with "away" meanwhile.

use std::time::Duration;

use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use super::failure::{Dependency, Failure};

/// How long an answer holds. Many messages that fail together ask once.
const FRESH: Duration = Duration::from_secs(1);

/// A question to each dependency.
#[derive(Debug, Default)]
pub(crate) struct Questions {
    stage: Question,
    cluster: Question,
    registry: Question,
}

/// A question that is asked again and again.
#[derive(Debug, Default)]
pub(crate) struct Question {
    wanted: Notify,
    answer: watch::Sender<Option<Answer>>,
}

#[derive(Clone, Debug)]
struct Answer {
    at: Instant,
    /// The question is still on its way: this holds until it comes back.
    hanging: bool,
    is_there: Result<(), Failure>,
}

// === impl Questions ===

impl Questions {
    /// The question to one of them.
    pub(crate) fn to(&self, dependency: Dependency) -> &Question {
        match dependency {
            Dependency::Stage => &self.stage,
            Dependency::Cluster => &self.cluster,
            Dependency::Registry => &self.registry,
        }
    }
}

// === impl Question ===

impl Question {
    /// Whether the dependency is there now, or why it is not. Waits for the answer of [`super::probe`].
    pub(crate) async fn ask(&self) -> Result<(), Failure> {
        let mut answers = self.answer.subscribe();
        if !answers.borrow().as_ref().is_some_and(Answer::holds) {
            self.wanted.notify_one();
        }
        let answer = answers.wait_for(|answer| answer.as_ref().is_some_and(Answer::holds)).await;
        // The sender lives as long as `self`, so there is an answer.
        answer.ok().and_then(|answer| answer.clone()).map_or(Ok(()), |answer| answer.is_there)
    }

    /// Returns when somebody wants an answer.
    pub(crate) async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// The dependency has answered, or cannot be reached.
    pub(crate) fn answer(&self, is_there: Result<(), Failure>) {
        self.answer.send_replace(Some(Answer { at: Instant::now(), hanging: false, is_there }));
    }

    /// The dependency has not answered for long, and is still waited for.
    pub(crate) fn hangs(&self, failure: Failure) {
        self.answer.send_replace(Some(Answer { at: Instant::now(), hanging: true, is_there: Err(failure) }));
    }
}

// === impl Answer ===

impl Answer {
    fn holds(&self) -> bool {
        self.hanging || self.at.elapsed() < FRESH
    }
}
