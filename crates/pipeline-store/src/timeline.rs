//! Where the time of a run went, from the times that the ledger keeps anyway.

use pipeline_model::ids::{RunId, ServiceId};
use serde::Serialize;

use crate::{Error, Run, Store, clock::now_ms, operation::Operation};

/// A run's times. All in milliseconds; durations begin where the one before ends.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Timeline {
    /// The run.
    pub run: Run,
    /// When it ended; for an open run, now.
    pub end_ms: i64,
    /// When its services were in the ledger.
    pub discovered_at_ms: Option<i64>,
    /// Its services, in byte order of their ids.
    pub services: Vec<ServiceTimes>,
}

/// The times of a service, in milliseconds since 1970-01-01 UTC; those that are still to come are not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServiceTimes {
    /// The service.
    pub service_id: ServiceId,
    /// Its batches.
    pub batches: i64,
    /// In the ledger.
    pub discovered_at_ms: i64,
    /// Read and planned.
    pub planned_at_ms: Option<i64>,
    /// Its first batch was stored.
    pub first_stored_at_ms: Option<i64>,
    /// Its last batch was stored, when all are.
    pub stored_at_ms: Option<i64>,
    /// Readers see it.
    pub activated_at_ms: Option<i64>,
}

impl Store {
    /// Where the time of a run went; `None` when the ledger does not have it.
    pub async fn timeline(&self, id: RunId) -> Result<Option<Timeline>, Error> {
        let Some(run) = self.run(id).await? else {
            return Ok(None);
        };
        let mut session = self.database.session(Operation::new("read the times of run", id.to_string())).await?;
        let rows = session
            .fetch_all(
                "SELECT s.service_id, s.discovered_at_ms, s.planned_at_ms, s.activated_at_ms, COUNT(b.batch_no) AS batches, \
                 COUNT(b.stored_at_ms) AS stored, MIN(b.stored_at_ms) AS first_stored, MAX(b.stored_at_ms) AS last_stored \
                 FROM sluice_run_service s \
                 LEFT JOIN sluice_run_batch b ON b.run_id = s.run_id AND b.service_id = s.service_id WHERE s.run_id = ? \
                 GROUP BY s.service_id, s.discovered_at_ms, s.planned_at_ms, s.activated_at_ms ORDER BY s.service_id",
                &[(&id.to_string()).into()],
            )
            .await?;
        let services = rows
            .into_iter()
            .map(|row| {
                let batches = row.int("batches")?;
                let last = row.optional_int("last_stored")?;
                let is_stored = row.int("stored")? == batches;
                Ok(ServiceTimes {
                    service_id: ServiceId(row.text("service_id")?),
                    batches,
                    discovered_at_ms: row.int("discovered_at_ms")?,
                    planned_at_ms: row.optional_int("planned_at_ms")?,
                    first_stored_at_ms: row.optional_int("first_stored")?,
                    stored_at_ms: last.filter(|_| is_stored),
                    activated_at_ms: row.optional_int("activated_at_ms")?,
                })
            })
            .collect::<Result<Vec<_>, Error>>()?;
        Ok(Some(Timeline {
            end_ms: run.finished_at_ms.unwrap_or_else(now_ms),
            discovered_at_ms: services.iter().map(|service| service.discovered_at_ms).max(),
            run,
            services,
        }))
    }
}
