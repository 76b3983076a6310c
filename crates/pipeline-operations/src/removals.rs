//! Accepting what a held run would take out of the views.
//!
//! The counts that were shown are accepted, and no others. Should the run take away more later, the guard holds it
//! again.

use pipeline_model::ids::{RunId, ServiceId};
use pipeline_store::{Counts, Store};
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

/// What one service loses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// The service.
    pub service_id: ServiceId,
    /// Rows that leave the views.
    pub removed: Counts,
    /// Rows that readers see now.
    pub visible: Counts,
}

impl Operation for AcceptRemovals {
    type Answer = Removals;

    async fn preview(&self, at: &Installation<'_>) -> Result<Removals, Error> {
        open::required(at.store, self.run).await?;
        self.read(at.store).await
    }

    async fn carry_out(&self, at: &Installation<'_>, shown: Option<&Removals>, by: &By) -> Result<Removals, Error> {
        open::still(at.store, self.run, shown.is_some()).await?;
        let now = self.read(at.store).await?;
        if shown.is_some_and(|shown| now != *shown) {
            let what = format!("run {} would take away something else by now: nothing was accepted", self.run);
            return Err(Error::Changed { what });
        }
        let accepted = at.store.accept_removals(self.run, (&by.who, &by.why)).await?;
        let accepted = accepted.ok_or_else(|| Error::ended(self.run))?;
        Ok(Removals { accepted: accepted.rows, ..now })
    }
}

// === impl AcceptRemovals ===

impl AcceptRemovals {
    async fn read(&self, store: &Store) -> Result<Removals, Error> {
        let removals = store.removals(self.run).await?.into_iter();
        let services: Vec<Loss> =
            removals.map(|(service_id, removed, visible)| Loss { service_id, removed, visible }).collect();
        let accepted = services.iter().fold(Counts::default(), |sum, loss| sum.plus(loss.removed));
        Ok(Removals { run_id: self.run, accepted, services })
    }
}
