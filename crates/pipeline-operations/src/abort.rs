//! Ending an open run: what it has not activated is undone.

use pipeline_model::ids::RunId;
use pipeline_store::{Aborted, Progress};
use pipeline_telemetry::run_events::RunEvents;

use crate::{By, Error, Installation, Operation, open};

/// Which run.
#[derive(Clone, Copy, Debug)]
pub struct Abort {
    /// The run.
    pub run: RunId,
}

/// A run, and what of it was undone.
#[derive(Clone, Debug)]
pub struct Aborting {
    /// The run: in a preview as it is, otherwise as it was left.
    pub progress: Progress,
    /// What was undone; nothing in a preview.
    pub aborted: Option<Aborted>,
}

impl Operation for Abort {
    type Answer = Aborting;

    async fn preview(&self, at: &Installation<'_>) -> Result<Aborting, Error> {
        open::required(at.store, self.run).await?;
        self.read(at, None).await
    }

    async fn carry_out(&self, at: &Installation<'_>, shown: Option<&Aborting>, by: &By) -> Result<Aborting, Error> {
        open::still(at.store, self.run, shown.is_some()).await?;
        let aborted = at.store.abort_run_by(self.run, &by.who, &by.why).await?;
        let aborted = aborted.ok_or_else(|| Error::ended(self.run))?;
        at.store.tell_ends(&RunEvents::new(), None).await;
        self.read(at, Some(aborted)).await
    }
}

// === impl Abort ===

impl Abort {
    async fn read(&self, at: &Installation<'_>, aborted: Option<Aborted>) -> Result<Aborting, Error> {
        let progress = at.store.progress(self.run).await?;
        let progress = progress.ok_or_else(|| Error::NoSuchRun { run: self.run, target: at.store.describe() })?;
        Ok(Aborting { progress, aborted })
    }
}
