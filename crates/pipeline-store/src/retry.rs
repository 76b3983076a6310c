//! Going on with an open run: another tolerance, or another try for what failed.
//!
//! A run that rejects hold is not lost. Either a person decides that the run tolerates them, or somebody fixes the
//! documents and the run reads them again. Both change facts that an activation judges by, so both take the exclusive lock
//! on the run's row. They wait for the writers that have passed the fence, and later writers see the new facts.
//!
//! **What is tried again.** Only what failed, in services that are not activated:
//! - A batch with rejected bundles or fields becomes *planned* again, and the rejects of its providers are deleted. Rows
//!   that the batch has stored stay. When the batch is stored again they count as unchanged, and the counts add up again.
//!   A discarded batch is tried again too: a retry takes a discard back.
//! - A service may have providers that their own documents reject. It is planned again from the beginning, and the run's
//!   rows of the service are deleted with their content. This waits until all batches of the service are stored: a worker
//!   that holds a batch of the old plan must not find a batch of the new plan in its place.
//!
//! The root stage reads once in a run. It alone finds documents without an id, documents that no parent asks for, and
//! services whose own document is broken. These wait for the next run, and the answer names the services that they hold.

use std::collections::BTreeSet;

use pipeline_model::ids::{Generation, ProviderId, RunId, ServiceId};
use serde::Serialize;

use crate::{
    Error, PlannedBatch, Store, Tolerance,
    audit::{self, Deed},
    content::content_id,
    database::Session,
    fence,
    insert::{IN_LIST, in_list},
    operation::Operation,
    plan::{length, provider_ids},
    versions::OPEN,
};

/// What a retry set back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Retried {
    /// Batches that are to be stored again.
    pub batches: i64,
    /// Services that are to be planned again.
    pub services: Vec<ServiceId>,
    /// Services with rejects that this run cannot mend.
    pub left: Vec<ServiceId>,
    /// Documents, or their missing owners, whose place in the hierarchy cannot be told: this run does not read them
    /// again.
    pub unreachable: i64,
}

/// A batch that was set back, or might be.
struct Batch {
    batch_no: i64,
    /// The number of its first provider's content.
    first: i64,
    stored: bool,
    rejected: bool,
    provider_ids: Vec<ProviderId>,
}

impl Store {
    /// Changes what an open run tolerates; `false` when it is not open. The activator's timer finds what may be
    /// activated then. A smaller tolerance does not take back what is active.
    pub async fn set_tolerance(&self, run: RunId, tolerance: &Tolerance, by: (&str, &str)) -> Result<bool, Error> {
        let mut session = self.database.begin(Operation::new("change tolerance of run", run.to_string())).await?;
        if fence::close(&mut session, run).await?.is_none() {
            return Ok(false);
        }
        let run_id = run.to_string();
        session
            .execute(
                "UPDATE sluice_run SET max_rejected_providers = ?, max_rejected_percent = ? WHERE run_id = ?",
                &[tolerance.max_providers.into(), tolerance.max_percent.into(), (&run_id).into()],
            )
            .await?;
        let (who, why) = by;
        let result = match (tolerance.max_providers, tolerance.max_percent) {
            (None, None) => "none".to_owned(),
            (Some(number), _) => format!("{number} providers"),
            (None, Some(percent)) => format!("{percent} %"),
        };
        let deed = Deed { who, what: "run tolerate", subject: &run_id, why, result: &result };
        audit::record(&mut session, &deed).await?;
        session.commit().await?;
        Ok(true)
    }

    /// Sets the failed parts of an open run back; `None` when it is not open. The messages are the caller's: what is
    /// unplanned or unstored then is in [`Store::unplanned_services`] and [`Store::planned_batches`]. Of the dead letters
    /// that these messages stand for, the caller says so when they are produced: [`Store::announced_again`].
    pub async fn retry_run(&self, run: RunId, by: (&str, &str)) -> Result<Option<Retried>, Error> {
        let mut session = self.database.begin(Operation::new("retry run", run.to_string())).await?;
        let Some((open, generation)) = fence::close(&mut session, run).await? else {
            return Ok(None);
        };
        let run_id = run.to_string();
        let mut retried = Retried { unreachable: open.unreachable, ..Retried::default() };
        for (service, unreachable) in services_with_rejects(&mut session, &run_id).await? {
            retried.unreachable = retried.unreachable.saturating_add(unreachable);
            if unreachable > 0 {
                retried.left.push(service.clone());
            }
            match trouble(&mut session, &run_id, &service).await? {
                Trouble::OutOfReach if unreachable > 0 => {}
                Trouble::OutOfReach => retried.left.push(service),
                Trouble::InPlan => {
                    if plan_again(&mut session, &run_id, generation, &service).await? {
                        retried.services.push(service);
                    } else if unreachable == 0 {
                        retried.left.push(service);
                    }
                }
                Trouble::InBatches => {
                    let batches = store_again(&mut session, &run_id, &service).await?;
                    retried.batches = retried.batches.saturating_add(batches);
                }
            }
        }
        let (who, why) = by;
        let result = format!("{} batches and {} services were set back", retried.batches, retried.services.len());
        let deed = Deed { who, what: "run retry", subject: &run_id, why, result: &result };
        audit::record(&mut session, &deed).await?;
        session.commit().await?;
        Ok(Some(retried))
    }

    /// The services of a run that are still to be planned, in byte order.
    pub async fn unplanned_services(&self, run: RunId) -> Result<Vec<ServiceId>, Error> {
        self.services_in(run, "discovered").await
    }

    /// The services of a run that are planned and not activated, in byte order.
    pub async fn unfinished_services(&self, run: RunId) -> Result<Vec<ServiceId>, Error> {
        self.services_in(run, "planned").await
    }

    /// The batches of a service that are still to be stored.
    pub async fn unstored_batches(&self, run: RunId, service: &ServiceId) -> Result<Vec<PlannedBatch>, Error> {
        let batches = self.planned_batches(run, service).await?;
        Ok(batches.into_iter().filter(|batch| !batch.stored).collect())
    }

    async fn services_in(&self, run: RunId, state: &'static str) -> Result<Vec<ServiceId>, Error> {
        let mut session = self.database.session(Operation::new("list services of run", run.to_string())).await?;
        let rows = session
            .fetch_all(
                "SELECT service_id FROM sluice_run_service WHERE run_id = ? AND state = ? ORDER BY service_id",
                &[(&run.to_string()).into(), state.into()],
            )
            .await?;
        rows.into_iter().map(|row| Ok(ServiceId(row.text("service_id")?))).collect()
    }
}

/// Where the rejects of a service come from.
enum Trouble {
    /// Bundles or fields: the batches have them.
    InBatches,
    /// Documents of providers with an id.
    InPlan,
    /// Documents that only a new run reads again.
    OutOfReach,
}

/// With the documents of each that cannot be told.
async fn services_with_rejects(session: &mut Session, run_id: &str) -> Result<Vec<(ServiceId, i64)>, Error> {
    let rows = session
        .fetch_all(
            "SELECT s.service_id, s.unreachable FROM sluice_run_service s WHERE s.run_id = ? AND \
             (s.state = 'rejected' OR \
             (s.state = 'planned' AND (s.unreachable > 0 OR s.rejected_providers > 0 OR EXISTS (SELECT 1 \
             FROM sluice_run_batch b \
             WHERE b.run_id = s.run_id AND b.service_id = s.service_id AND b.rejected > 0)))) ORDER BY s.service_id",
            &[run_id.into()],
        )
        .await?;
    rows.into_iter().map(|row| Ok((ServiceId(row.text("service_id")?), row.int("unreachable")?))).collect()
}

async fn trouble(session: &mut Session, run_id: &str, service: &ServiceId) -> Result<Trouble, Error> {
    let row = session
        .fetch_one(
            "SELECT COUNT(CASE WHEN level = 'provider_service' OR (level = 'provider' AND provider_id IS NULL) \
             THEN 1 END) AS out_of_reach, \
             COUNT(CASE WHEN level = 'provider' AND provider_id IS NOT NULL THEN 1 END) AS in_plan \
             FROM sluice_run_reject WHERE run_id = ? AND service_id = ? AND unreachable = 0",
            &[run_id.into(), service.into()],
        )
        .await?;
    Ok(match (row.int("out_of_reach")?, row.int("in_plan")?) {
        (0, 0) => Trouble::InBatches,
        (0, _) => Trouble::InPlan,
        _ => Trouble::OutOfReach,
    })
}

/// Sets the service back to before its plan; `false` when workers may hold batches of it.
async fn plan_again(
    session: &mut Session,
    run_id: &str,
    generation: Generation,
    service: &ServiceId,
) -> Result<bool, Error> {
    let batches = batches(session, run_id, service).await?;
    if batches.iter().any(|batch| !batch.stored) {
        return Ok(false);
    }
    take_back(session, generation, service, &batches).await?;
    let key = [run_id.into(), service.into()];
    session.execute("DELETE FROM sluice_run_batch WHERE run_id = ? AND service_id = ?", &key).await?;
    session
        .execute(
            "DELETE FROM sluice_run_reject WHERE run_id = ? AND service_id = ? AND provider_id IS NOT NULL \
             AND unreachable = 0",
            &key,
        )
        .await?;
    session
        .execute_one(
            "UPDATE sluice_run_service SET state = 'discovered', expected_batches = NULL, expected_providers = NULL, \
             rejected_providers = NULL, kept_bundles = NULL, kept_fields = NULL, visible_services = NULL, \
             visible_providers = NULL, visible_bundles = NULL, visible_fields = NULL, removed_services = NULL, \
             removed_providers = NULL, removed_bundles = NULL, removed_fields = NULL, first_ordinal = NULL, \
             planned_at_ms = NULL, set_back = set_back + 1 WHERE run_id = ? AND service_id = ? AND state = 'planned'",
            &key,
        )
        .await?;
    Ok(true)
}

/// Undoes what the run wrote for the providers of a service, content included.
async fn take_back(
    session: &mut Session,
    generation: Generation,
    service: &ServiceId,
    batches: &[Batch],
) -> Result<(), Error> {
    for table in ["sluice_provider_content", "sluice_provider_version"] {
        let sql = format!("DELETE FROM {table} WHERE service_id = ? AND valid_from = ?");
        session.execute(sql, &[service.into(), generation.into()]).await?;
        let sql = format!("UPDATE {table} SET valid_to = ? WHERE service_id = ? AND valid_to = ?");
        session.execute(sql, &[OPEN.into(), service.into(), generation.into()]).await?;
    }
    for batch in batches {
        let end = batch.first.saturating_add(length(batch.provider_ids.len()));
        for table in ["sluice_content_field", "sluice_content_bundle"] {
            let sql = format!("DELETE FROM {table} WHERE content_id >= ? AND content_id < ?");
            session.execute(sql, &[batch.first.into(), end.into()]).await?;
        }
    }
    Ok(())
}

/// Sets the batches with rejects back; gives how many.
async fn store_again(session: &mut Session, run_id: &str, service: &ServiceId) -> Result<i64, Error> {
    let mut count = 0_i64;
    for batch in batches(session, run_id, service).await?.into_iter().filter(|batch| batch.stored && batch.rejected) {
        let ids: BTreeSet<&str> = batch.provider_ids.iter().map(ProviderId::as_str).collect();
        let ids: Vec<&str> = ids.into_iter().collect();
        for ids in ids.chunks(IN_LIST) {
            let (marks, list) = in_list(ids);
            let mut values = vec![run_id.into(), service.into()];
            values.extend(list);
            let sql = format!(
                "DELETE FROM sluice_run_reject WHERE run_id = ? AND service_id = ? AND unreachable = 0 \
                 AND provider_id IN ({marks})"
            );
            session.execute(sql, &values).await?;
        }
        session
            .execute_one(
                "UPDATE sluice_run_batch SET state = 'planned', stored = 0, unchanged = 0, rejected = 0, skipped = 0, \
                 bundles = 0, fields = 0, bundles_written = 0, fields_written = 0, removed_bundles = 0, \
                 removed_fields = 0, stored_at_ms = NULL \
                 WHERE run_id = ? AND service_id = ? AND batch_no = ? AND state = 'stored'",
                &[run_id.into(), service.into(), batch.batch_no.into()],
            )
            .await?;
        count = count.saturating_add(1);
    }
    Ok(count)
}

async fn batches(session: &mut Session, run_id: &str, service: &ServiceId) -> Result<Vec<Batch>, Error> {
    let rows = session
        .fetch_all(
            "SELECT b.batch_no, b.state, b.rejected, b.provider_ids, r.generation, \
             s.first_ordinal + b.first_ordinal AS first_ordinal FROM sluice_run_batch b \
             JOIN sluice_run_service s ON s.run_id = b.run_id AND s.service_id = b.service_id \
             JOIN sluice_run r ON r.run_id = b.run_id WHERE b.run_id = ? AND b.service_id = ? ORDER BY b.batch_no",
            &[run_id.into(), service.into()],
        )
        .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Batch {
                batch_no: row.int("batch_no")?,
                first: content_id(Generation(row.int("generation")?), row.int("first_ordinal")?),
                stored: row.text("state")? == "stored",
                rejected: row.int("rejected")? > 0,
                provider_ids: provider_ids(&row)?,
            })
        })
        .collect()
}
