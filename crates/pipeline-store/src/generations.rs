//! The generations that can still be read.
//!
//! A generation can be read whole while nothing that it shows was pruned. Pruning notes the oldest one that it keeps before
//! it deletes anything, so that a prune that was cut off leaves no generation that looks whole and is not. Older ones are
//! kept for those services alone that readers see there, or would see after a rollback.

use pipeline_model::ids::{Generation, RunId, ServiceId};
use serde::Serialize;

use crate::{
    Error, Store,
    database::{Row, Session},
    operation::Operation,
};

/// A generation that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// Its number.
    pub generation: Generation,
    /// The run that filled it.
    pub run_id: RunId,
    /// Who asked for that run.
    pub requested_by: String,
    /// When its last service was switched, in milliseconds since 1970-01-01 UTC.
    pub activated_at_ms: Option<i64>,
    /// Services that were switched to it.
    pub services: i64,
    /// Services that readers see at it now.
    pub services_seen: i64,
    /// All that it showed can still be read; otherwise only what readers see, or would see after a rollback.
    pub whole: bool,
}

impl Store {
    /// The generations that are kept, newest first.
    pub async fn generations(&self) -> Result<Vec<Kept>, Error> {
        let mut session = self.database.session(Operation::new("list", "generations")).await?;
        let floor =
            session.fetch_one("SELECT kept_from FROM sluice_target WHERE slot = 1", &[]).await?.int("kept_from")?;
        let rows = session
            .fetch_all(
                "SELECT r.generation, r.run_id, r.requested_by, \
                 (SELECT MAX(s.activated_at_ms) FROM sluice_run_service s WHERE s.run_id = r.run_id) AS activated_at_ms, \
                 (SELECT COUNT(*) FROM sluice_run_service s WHERE s.run_id = r.run_id AND s.state = 'activated') \
                  AS services, \
                 (SELECT COUNT(*) FROM sluice_active_generation a \
                  JOIN sluice_provider_service_version v ON v.service_id = a.service_id \
                  AND v.valid_from <= a.generation AND v.valid_to > a.generation WHERE a.generation = r.generation) \
                  AS services_seen, \
                 (SELECT COUNT(*) FROM sluice_active_generation a WHERE a.generation = r.generation \
                  OR a.previous = r.generation) AS pointers \
                 FROM sluice_run r WHERE r.generation IS NOT NULL ORDER BY r.generation DESC",
                &[],
            )
            .await?;
        let found = rows.into_iter().map(|row| Ok((Kept::from_row(&row, floor)?, row.int("pointers")? > 0)));
        let found = found.collect::<Result<Vec<_>, Error>>()?.into_iter();
        let kept = found.filter(|(each, pointed)| each.services > 0 && (each.whole || *pointed));
        Ok(kept.map(|(each, _)| each).collect())
    }

    /// Where readers are pointed, service by service, whether they see something there or not.
    pub async fn pointers(&self) -> Result<Vec<(ServiceId, Generation)>, Error> {
        let mut session = self.database.session(Operation::new("list", "pointers")).await?;
        let sql = "SELECT service_id, generation FROM sluice_active_generation ORDER BY service_id";
        let rows = session.fetch_all(sql, &[]).await?;
        rows.into_iter()
            .map(|row| Ok((ServiceId(row.text("service_id")?), Generation(row.int("generation")?))))
            .collect()
    }
}

/// Notes the oldest generation that is kept whole from now on.
pub(crate) async fn keep_from(session: &mut Session, oldest: Generation) -> Result<(), Error> {
    let sql = "UPDATE sluice_target SET kept_from = ? WHERE slot = 1 AND kept_from < ?";
    session.execute(sql, &[oldest.into(), oldest.into()]).await?;
    Ok(())
}

// === impl Kept ===

impl Kept {
    fn from_row(row: &Row<'_>, floor: i64) -> Result<Self, Error> {
        let generation = Generation(row.int("generation")?);
        let run_id = RunId::parse(&row.text("run_id")?).map_err(|error| row.broken(error.to_string()))?;
        Ok(Self {
            generation,
            run_id,
            requested_by: row.text("requested_by")?,
            activated_at_ms: row.optional_int("activated_at_ms")?,
            services: row.int("services")?,
            services_seen: row.int("services_seen")?,
            whole: generation.0 >= floor,
        })
    }
}
