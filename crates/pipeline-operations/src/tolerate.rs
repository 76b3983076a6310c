//! How many rejected providers an open run may have.

use pipeline_model::ids::RunId;
use pipeline_store::Tolerance;
use serde::Serialize;

use crate::{By, Error, Installation, Operation, open};

/// Which run, and how much.
#[derive(Clone, Copy, Debug)]
pub struct Tolerate {
    /// The run.
    pub run: RunId,
    /// What it is to tolerate.
    pub tolerance: Tolerance,
}

/// What a run tolerates.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tolerated {
    /// The run.
    pub run_id: RunId,
    /// What it tolerated.
    pub before: Tolerance,
    /// What it tolerates then.
    pub after: Tolerance,
}

impl Operation for Tolerate {
    type Answer = Tolerated;

    async fn preview(&self, at: &Installation<'_>) -> Result<Tolerated, Error> {
        let (run, _) = open::required(at.store, self.run).await?;
        Ok(Tolerated { run_id: self.run, before: run.tolerance, after: self.tolerance })
    }

    async fn carry_out(&self, at: &Installation<'_>, shown: Option<&Tolerated>, by: &By) -> Result<Tolerated, Error> {
        let (run, _) = open::still(at.store, self.run, shown.is_some()).await?;
        if shown.is_some_and(|shown| run.tolerance != shown.before) {
            let what = format!("what run {} tolerates was changed meanwhile: it was left so", self.run);
            return Err(Error::Changed { what });
        }
        if !at.store.set_tolerance(self.run, &self.tolerance, (&by.who, &by.why)).await? {
            return Err(Error::ended(self.run));
        }
        Ok(Tolerated { run_id: self.run, before: run.tolerance, after: self.tolerance })
    }
}
