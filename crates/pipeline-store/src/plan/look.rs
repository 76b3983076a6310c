//! What the ledger says of a plan without a lock: before anything is read for it, and when it is made.

use pipeline_model::{
    documents::{Known, Provider},
    ids::{BatchNo, Generation, ProviderId, RunId, ServiceId},
};

use super::{PlannedBatch, not_in_ledger, provider_ids};
use crate::{
    Begin, Error, Store,
    content::{Open, open_contents},
    operation::Operation,
};

impl Store {
    /// Whether a service of an open run is still to be planned, before anything is read for it: [`Begin::Work`] says
    /// whether it is gone from the source. Without a lock: this only spares a reading of the source.
    /// [`Error::NotInLedger`] as in [`Store::begin_plan`].
    pub async fn plan_state(
        &self,
        run: RunId,
        generation: Generation,
        service: &ServiceId,
    ) -> Result<Begin<bool>, Error> {
        let operation = Operation::new("read the state of service", format!("{run}/{service}"));
        let mut session = self.database.session(operation).await?;
        let run_id = run.to_string();
        let row = session
            .fetch_optional(
                "SELECT s.state, s.removed FROM sluice_run r LEFT JOIN sluice_run_service s \
                 ON s.run_id = r.run_id AND s.service_id = ? \
                 WHERE r.run_id = ? AND r.state = 'running' AND r.generation = ?",
                &[service.into(), (&run_id).into(), generation.into()],
            )
            .await?;
        let Some(row) = row else { return Ok(Begin::NotOpen) };
        match row.optional_text("state")?.as_deref() {
            None => Err(not_in_ledger(session.operation(), "service")),
            Some("discovered") => Ok(Begin::Work(row.int("removed")? != 0)),
            Some("rejected") => Ok(Begin::Rejected),
            Some(_) => Ok(Begin::DoneBefore),
        }
    }

    /// What the target knows of these providers' contents, to ask the source which of them are unchanged.
    pub async fn known(&self, service: &ServiceId, providers: &[Provider]) -> Result<Vec<Known>, Error> {
        let operation = Operation::new("read the tags of service", service.to_string());
        let mut session = self.database.session(operation).await?;
        let ids = providers.iter().map(|provider| &provider.id);
        let open = open_contents(&mut session, service, ids).await?;
        let known = |(provider_id, open): (ProviderId, Open)| Some(Known { provider_id, etag: open.etag? });
        Ok(open.into_iter().filter_map(known).collect())
    }

    /// The batches of a planned service, from the ledger, in order.
    pub async fn planned_batches(&self, run: RunId, service: &ServiceId) -> Result<Vec<PlannedBatch>, Error> {
        let operation = Operation::new("list batches of service", format!("{run}/{service}"));
        let mut session = self.database.session(operation).await?;
        let rows = session
            .fetch_all(
                "SELECT batch_no, provider_ids, state FROM sluice_run_batch WHERE run_id = ? AND service_id = ? \
                 ORDER BY batch_no",
                &[(&run.to_string()).into(), service.into()],
            )
            .await?;
        rows.into_iter()
            .map(|row| {
                let batch_no = i32::try_from(row.int("batch_no")?).map_err(|error| row.broken(error.to_string()))?;
                Ok(PlannedBatch {
                    batch_no: BatchNo(batch_no),
                    provider_ids: provider_ids(&row)?,
                    stored: row.text("state")? == "stored",
                })
            })
            .collect()
    }
}
