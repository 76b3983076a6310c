//! Ending a run before it is activated: what readers do not see yet is taken back.
//!
//! One transaction under the exclusive lock on the run's row, which no writer of the run passes afterwards:
//! 1. in the three small tables, rows that begin at the run's generation are deleted, and rows that end at it are
//!    opened again; then the copy is what it was before the run;
//! 2. the run's state changes and its slot becomes free.
//!
//! Both together, because the next run compares with the open rows and must not begin while they are half undone.
//! Services that the run has activated already (mode *per-service*) are left alone: readers see them, and the next run
//! compares with them.
//!
//! Bundles and fields of the generation are unreachable from then on, and are deleted afterwards, batch by batch, each
//! in a small transaction. Should the process die in between, they cost space and nothing else, and ending the run
//! again, or [`Store::sweep`], deletes the rest.

use pipeline_model::ids::{Generation, RunId};
use serde::Serialize;

use crate::{
    Error, RunState, Store,
    audit::{self, Deed},
    clock::now_ms,
    content::content_id,
    database::Session,
    fence,
    operation::Operation,
    versions::OPEN,
};

/// What an abort did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Aborted {
    /// Services that were active before the abort, and stay so.
    pub services_kept_active: i64,
    /// Rows of services, providers and contents that were taken back.
    pub rows_undone: i64,
    /// Rows of bundles and subscription fields that were deleted.
    pub rows_deleted: i64,
}

/// Contents of one batch, by number.
#[derive(Clone, Copy, Debug)]
struct Numbers {
    first: i64,
    end: i64,
}

/// The services of a run whose rows are to be taken back.
const NOT_ACTIVE: &str = "SELECT s.service_id FROM sluice_run_service s WHERE s.run_id = ? AND s.state <> 'activated'";

impl Store {
    /// Ends an open run as failed and undoes what is not active; `false` when it was not open.
    pub async fn fail_run(&self, id: RunId, reason: &str) -> Result<bool, Error> {
        Ok(self.end_run(id, RunState::Failed, reason, None).await?.is_some())
    }

    /// Ends an open run as aborted and undoes what is not active; `None` when it was not open. When an earlier abort
    /// was cut off, deletes the rest of its content.
    pub async fn abort_run(&self, id: RunId, reason: &str) -> Result<Option<Aborted>, Error> {
        self.end_run(id, RunState::Aborted, reason, None).await
    }

    /// The same for a person, whose deed is written down.
    pub async fn abort_run_by(&self, id: RunId, who: &str, why: &str) -> Result<Option<Aborted>, Error> {
        self.end_run(id, RunState::Aborted, why, Some(who)).await
    }

    /// Deletes the content of ended runs whose deletion was cut off; gives the number of rows.
    pub async fn sweep(&self) -> Result<i64, Error> {
        let mut session = self.database.session(Operation::new("look for", "undone content")).await?;
        let rows = session.fetch_all("SELECT run_id FROM sluice_run WHERE content_pending = 1", &[]).await?;
        let ids = rows.into_iter().map(|row| row.text("run_id")).collect::<Result<Vec<_>, _>>()?;
        drop(session);
        let mut deleted = 0_i64;
        for id in ids {
            deleted = deleted.saturating_add(self.delete_content(&id).await?);
        }
        Ok(deleted)
    }

    async fn end_run(
        &self,
        id: RunId,
        state: RunState,
        reason: &str,
        who: Option<&str>,
    ) -> Result<Option<Aborted>, Error> {
        let run_id = id.to_string();
        let mut session = self.database.begin(Operation::new("end run", run_id.as_str())).await?;
        let mut aborted = Aborted::default();
        match fence::close(&mut session, id).await? {
            Some((_, generation)) => {
                aborted.rows_undone = undo(&mut session, &run_id, generation).await?;
                session
                    .execute_one(
                        "UPDATE sluice_run SET state = ?, open_slot = NULL, reason = ?, finished_at_ms = ?, \
                         content_pending = 1 WHERE run_id = ? AND state = 'running'",
                        &[state.as_str().into(), reason.into(), now_ms().into(), (&run_id).into()],
                    )
                    .await?;
            }
            None if !is_pending(&mut session, &run_id).await? => return Ok(None),
            None => {}
        }
        aborted.services_kept_active = session
            .fetch_one(
                "SELECT COUNT(*) AS services FROM sluice_run_service WHERE run_id = ? AND state = 'activated'",
                &[(&run_id).into()],
            )
            .await?
            .int("services")?;
        if let Some(who) = who {
            let Aborted { rows_undone, services_kept_active, .. } = aborted;
            let result = format!("{rows_undone} versions were taken back, {services_kept_active} services stay active");
            let deed = Deed { who, what: "run abort", subject: &run_id, why: reason, result: &result };
            audit::record(&mut session, &deed).await?;
        }
        session.commit().await?;
        aborted.rows_deleted = self.delete_content(&run_id).await?;
        Ok(Some(aborted))
    }

    /// Deletes the bundles and fields that the run wrote for services it did not activate.
    async fn delete_content(&self, run_id: &str) -> Result<i64, Error> {
        let operation = Operation::new("delete undone content of run", run_id);
        let mut session = self.database.session(operation.clone()).await?;
        let batches = undone_batches(&mut session, run_id).await?;
        drop(session);
        let mut deleted = 0_u64;
        for Numbers { first, end } in batches {
            let mut session = self.database.begin(operation.clone()).await?;
            for table in ["sluice_content_field", "sluice_content_bundle"] {
                let sql = format!("DELETE FROM {table} WHERE content_id >= ? AND content_id < ?");
                deleted = deleted.saturating_add(session.execute(sql, &[first.into(), end.into()]).await?);
            }
            session.commit().await?;
        }
        let mut session = self.database.begin(operation).await?;
        session.execute("UPDATE sluice_run SET content_pending = 0 WHERE run_id = ?", &[run_id.into()]).await?;
        session.commit().await?;
        Ok(i64::try_from(deleted).unwrap_or(i64::MAX))
    }
}

/// Takes back the run's versions of services that are not active; gives the number of rows.
pub(crate) async fn undo(session: &mut Session, run_id: &str, generation: Generation) -> Result<i64, Error> {
    let mut rows = 0_u64;
    for table in ["sluice_provider_content", "sluice_provider_version", "sluice_provider_service_version"] {
        let sql = format!("DELETE FROM {table} WHERE valid_from = ? AND service_id IN ({NOT_ACTIVE})");
        rows = rows.saturating_add(session.execute(sql, &[generation.into(), run_id.into()]).await?);
        let sql = format!("UPDATE {table} SET valid_to = ? WHERE valid_to = ? AND service_id IN ({NOT_ACTIVE})");
        rows = rows.saturating_add(session.execute(sql, &[OPEN.into(), generation.into(), run_id.into()]).await?);
    }
    Ok(i64::try_from(rows).unwrap_or(i64::MAX))
}

async fn is_pending(session: &mut Session, run_id: &str) -> Result<bool, Error> {
    let row = session
        .fetch_optional("SELECT run_id FROM sluice_run WHERE run_id = ? AND content_pending = 1", &[run_id.into()])
        .await?;
    Ok(row.is_some())
}

/// The content numbers of batches of services that are not active; those that are not stored too, because a retry may
/// have set them back.
async fn undone_batches(session: &mut Session, run_id: &str) -> Result<Vec<Numbers>, Error> {
    let rows = session
        .fetch_all(
            "SELECT r.generation, s.first_ordinal + b.first_ordinal AS first_ordinal, b.providers \
             FROM sluice_run r JOIN sluice_run_service s ON s.run_id = r.run_id \
             JOIN sluice_run_batch b ON b.run_id = s.run_id AND b.service_id = s.service_id \
             WHERE r.run_id = ? AND s.state <> 'activated'",
            &[run_id.into()],
        )
        .await?;
    rows.into_iter()
        .map(|row| {
            let first = content_id(Generation(row.int("generation")?), row.int("first_ordinal")?);
            Ok(Numbers { first, end: first.saturating_add(row.int("providers")?) })
        })
        .collect()
}
