//! Accepting what a held run would take out of the views.
//!
//! The counts that were shown are accepted, and no others. Should the run take away more later, the guard holds it
//! again.

use pipeline_model::ids::RunId;
use pipeline_store::{Acceptance, Counts, Loss};
use serde::Serialize;

use crate::{By, Error, Installation, Operation, open};

/// Which run.
#[derive(Clone, Copy, Debug)]
pub struct AcceptRemovals {
    /// The run.
    pub run: RunId,
}

/// What a run takes away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Removals {
    /// The run.
    pub run_id: RunId,
    /// Rows that leave the views with it and that nobody had accepted.
    pub accepted: Counts,
    /// The services that lose them.
    pub services: Vec<Loss>,
}

impl Operation for AcceptRemovals {
    type Answer = Removals;

    async fn preview(&self, at: &Installation<'_>) -> Result<Removals, Error> {
        open::required(at.store, self.run).await?;
        Ok(Removals::of(self.run, at.store.removals(self.run).await?))
    }

    async fn carry_out(&self, at: &Installation<'_>, shown: Option<&Removals>, by: &By) -> Result<Removals, Error> {
        open::still(at.store, self.run, shown.is_some()).await?;
        let removals = match shown {
            Some(shown) => shown.clone(),
            None => Removals::of(self.run, at.store.removals(self.run).await?),
        };
        match at.store.accept_removals(self.run, Some(&removals.services), (&by.who, &by.why)).await? {
            Acceptance::Done(_) => Ok(removals),
            Acceptance::NotOpen => Err(Error::ended(self.run)),
            Acceptance::Changed => {
                let what = format!("run {} would take away something else by now: nothing was accepted", self.run);
                Err(Error::Changed { what })
            }
        }
    }
}

// === impl Removals ===

impl Removals {
    fn of(run_id: RunId, services: Vec<Loss>) -> Self {
        let accepted = services.iter().fold(Counts::default(), |sum, loss| sum.plus(loss.removed));
        Self { run_id, accepted, services }
    }
}
