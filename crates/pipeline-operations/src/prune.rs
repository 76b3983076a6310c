//! Forgetting old generations: what no kept one can see is deleted, in small steps.

use pipeline_store::Pruned;

use crate::{By, Error, Installation, Operation, open};

/// What to keep.
#[derive(Clone, Copy, Debug)]
pub struct Prune {
    /// Activated generations to keep; what readers see, and what a rollback would show, is kept besides.
    pub keep: u32,
}

impl Operation for Prune {
    type Answer = Pruned;

    async fn preview(&self, at: &Installation<'_>) -> Result<Pruned, Error> {
        open::refuse(at.store).await?;
        Ok(at.store.plan_prune(self.keep).await?)
    }

    async fn carry_out(&self, at: &Installation<'_>, shown: Option<&Pruned>, by: &By) -> Result<Pruned, Error> {
        open::refuse(at.store).await?;
        if let Some(shown) = shown
            && at.store.plan_prune(self.keep).await? != *shown
        {
            let what = "other versions would be deleted by now than were shown: nothing was deleted".to_owned();
            return Err(Error::Changed { what });
        }
        Ok(at.store.prune(self.keep, (&by.who, &by.why)).await?)
    }
}
