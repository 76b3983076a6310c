//! What the ledger says of a run that goes on, and of those before it: the times are in rows that are there anyway.

use super::{Earlier, Estimate, Recent, Sight, estimate};
use crate::{
    Error, Run, Store,
    clock::now_ms,
    database::{Session, Value},
    operation::Operation,
};

/// Earlier runs that are learnt from.
const RUNS: i64 = 5;
/// The rate is that of the last so many milliseconds.
const RECENT_MS: i64 = 60_000;
/// A batch that somebody had to read; one that was planned as stored has both times alike.
const READ: &str = "(stored_at_ms IS NULL OR stored_at_ms > planned_at_ms)";

impl Store {
    /// What is seen of a run now; `None` when the run is not open. Partitions are not the ledger's to know: `skew` is 1.
    pub(super) async fn sight(&self, run: &Run) -> Result<Option<Sight>, Error> {
        if run.finished_at_ms.is_some() {
            return Ok(None);
        }
        let run_id = run.run_id.to_string();
        let now_ms = now_ms();
        let since = |time: Option<i64>| time.map(|time| time - run.started_at_ms);
        let mut session = self.database.session(Operation::new("estimate the end of run", run_id.as_str())).await?;
        let services = services(&mut session, &run_id).await?;
        let sql = format!(
            "SELECT COALESCE({}, 0) AS providers, COALESCE({}, 0) AS stored, MAX(stored_at_ms) AS stored_ms, \
             COALESCE({}, 0) AS recent_batches, COALESCE({}, 0) AS recent_providers, \
             MIN(CASE WHEN stored_at_ms >= ? THEN stored_at_ms END) AS first_ms \
             FROM sluice_run_batch WHERE run_id = ? AND {READ}",
            sum("providers"),
            sum("CASE WHEN stored_at_ms IS NULL THEN 0 ELSE providers END"),
            sum("CASE WHEN stored_at_ms >= ? THEN 1 ELSE 0 END"),
            sum("CASE WHEN stored_at_ms >= ? THEN providers ELSE 0 END"),
        );
        let from: Value<'_> = (now_ms - RECENT_MS).into();
        let batches = session.fetch_one(sql, &[from, from, from, (&run_id).into()]).await?;
        Ok(Some(Sight {
            elapsed_ms: now_ms - run.started_at_ms,
            discovered_ms: since(services.discovered_at_ms).filter(|_| run.discovered),
            services: services.all,
            planned_services: services.planned,
            planned_ms: since(services.planned_at_ms),
            providers: batches.int("providers")?,
            stored: batches.int("stored")?,
            stored_ms: since(batches.optional_int("stored_ms")?),
            recent: Recent {
                batches: batches.int("recent_batches")?,
                providers: batches.int("recent_providers")?,
                first_ms: since(batches.optional_int("first_ms")?).unwrap_or_default(),
            },
            skew: 1.0,
        }))
    }

    /// When a run and its stages will be done, seen with what earlier runs took; all unknown when the run is not open. `skew`
    /// is [`Sight::skew`].
    pub async fn estimate(&self, run: &Run, earlier: &[Earlier], skew: f64) -> Result<Estimate, Error> {
        let sight = self.sight(run).await?;
        Ok(sight.map(|sight| estimate(&Sight { skew, ..sight }, earlier)).unwrap_or_default())
    }

    /// The last runs before this one that ended as they should, over the same services.
    pub async fn earlier_runs(&self, run: &Run) -> Result<Vec<Earlier>, Error> {
        let mut session = self.database.session(Operation::new("read runs before", run.run_id.to_string())).await?;
        let sql = format!(
            "SELECT {} FROM sluice_run WHERE state = 'activated' AND generation < ? ORDER BY generation DESC LIMIT ?",
            Run::COLUMNS
        );
        let generation = run.generation.map_or(i64::MAX, |generation| generation.0);
        let rows = session.fetch_all(sql, &[generation.into(), RUNS.into()]).await?;
        let before: Vec<Run> = rows.into_iter().map(|row| Run::from_row(&row)).collect::<Result<_, _>>()?;
        let mut found = Vec::new();
        for run in before.into_iter().filter(|before| before.scope == run.scope) {
            found.extend(earlier(&mut session, &run).await?);
        }
        Ok(found)
    }
}

/// What a run took; `None` when it has not ended.
async fn earlier(session: &mut Session, run: &Run) -> Result<Option<Earlier>, Error> {
    let Some(finished_at_ms) = run.finished_at_ms else { return Ok(None) };
    let run_id = run.run_id.to_string();
    let services = services(session, &run_id).await?;
    let sql = format!(
        "SELECT COALESCE({}, 0) AS providers, MAX(stored_at_ms) AS stored_ms FROM sluice_run_batch WHERE run_id = ? AND {READ}",
        sum("providers")
    );
    let batches = session.fetch_one(sql, &[(&run_id).into()]).await?;
    let since = |time: Option<i64>| time.map_or(0, |time| time - run.started_at_ms);
    Ok(Some(Earlier {
        services: services.all,
        discovered_ms: since(services.discovered_at_ms),
        planned_ms: since(services.planned_at_ms),
        providers: batches.int("providers")?,
        stored_ms: since(batches.optional_int("stored_ms")?),
        took_ms: finished_at_ms - run.started_at_ms,
    }))
}

struct Services {
    all: i64,
    planned: i64,
    discovered_at_ms: Option<i64>,
    planned_at_ms: Option<i64>,
}

/// Services that are part of the work.
async fn services(session: &mut Session, run_id: &str) -> Result<Services, Error> {
    let sql = format!(
        "SELECT COUNT(*) AS services, COALESCE({}, 0) AS planned, MAX(discovered_at_ms) AS discovered_ms, \
         MAX(planned_at_ms) AS planned_ms FROM sluice_run_service WHERE run_id = ? AND state <> 'rejected'",
        sum("CASE WHEN state = 'discovered' THEN 0 ELSE 1 END")
    );
    let row = session.fetch_one(sql, &[run_id.into()]).await?;
    Ok(Services {
        all: row.int("services")?,
        planned: row.int("planned")?,
        discovered_at_ms: row.optional_int("discovered_ms")?,
        planned_at_ms: row.optional_int("planned_ms")?,
    })
}

/// A sum as an integer: MySQL's sums are decimals.
fn sum(expression: &str) -> String {
    format!("CAST(SUM({expression}) AS SIGNED)")
}
