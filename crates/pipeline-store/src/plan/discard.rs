//! The end of a plan whose dead letter a person gave up.

use pipeline_model::ids::{Generation, RunId, ServiceId};

use crate::{
    Begin, Error, Store,
    dead_letters::{DISCARDED_CODE, Discard, Discarded},
};

impl Store {
    /// Closes a service's plan without a provider, and removes nothing; `false` when the service or its run does not
    /// wait. A service that is gone from the source is closed as it would have been: nothing has to be read for it.
    pub(crate) async fn discard_plan(
        &self,
        run: RunId,
        generation: Generation,
        service: &ServiceId,
        discard: &Discard<'_>,
    ) -> Result<bool, Error> {
        let mut plan = match self.begin_plan(run, generation, service).await {
            Ok(Begin::Work(plan)) => plan,
            // The letter's key is only a hint.
            Ok(Begin::DoneBefore | Begin::NotOpen | Begin::Rejected) | Err(Error::NotInLedger { .. }) => {
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        // As if a broken document could be any provider's: all that are there are kept.
        plan.protection.all = true;
        plan.session
            .execute_one(
                "INSERT INTO sluice_run_reject \
                 (run_id, service_id, provider_id, level, document_id, place, code, reason) \
                 VALUES (?, ?, NULL, 'provider_service', ?, ?, ?, ?)",
                &[
                    (&run.to_string()).into(),
                    service.into(),
                    service.into(),
                    (&discard.place).into(),
                    DISCARDED_CODE.into(),
                    (&discard.reason).into(),
                ],
            )
            .await?;
        discard.settle(&mut plan.session, Discarded::Plan).await?;
        if !discard.rehearsal {
            plan.finish().await?;
        }
        Ok(true)
    }
}
