//! What of a run is not done, and what of it moves.

use pipeline_model::{
    contracts::{BatchPlanned, Message, RunRequested, ServiceDiscovered},
    ids::{BatchNo, ServiceId},
};

use super::{Cursor, Part, Undone};
use crate::{Error, PlannedBatch, Run, database::Session, plan::provider_ids};

/// A text that changes whenever something of the run does: it is discovered, planned, stored, switched or set back, or
/// a dead letter comes or is replayed. Counts what is left, by an index.
pub(crate) async fn movement(session: &mut Session, run_id: &str) -> Result<String, Error> {
    let row = session
        .fetch_one(
            "SELECT (SELECT discovered FROM sluice_run WHERE run_id = ?) AS discovered, \
             (SELECT COUNT(*) FROM sluice_run_service WHERE run_id = ? AND state = 'discovered') AS unplanned, \
             (SELECT COUNT(*) FROM sluice_run_service WHERE run_id = ? AND state = 'activated') AS activated, \
             (SELECT COUNT(*) FROM sluice_run_batch WHERE run_id = ? AND state = 'planned') AS unstored, \
             (SELECT COUNT(*) FROM sluice_dead_letter WHERE run_id = ? AND state = 'open') AS letters, \
             (SELECT CAST(COALESCE(SUM(replays), 0) AS SIGNED) FROM sluice_dead_letter WHERE run_id = ?) AS replays",
            &[run_id.into(); 6],
        )
        .await?;
    let counted = ["discovered", "unplanned", "activated", "unstored", "letters", "replays"];
    let counted = counted.iter().map(|column| Ok(row.optional_int(column)?.unwrap_or(0).to_string()));
    Ok(counted.collect::<Result<Vec<_>, Error>>()?.join("/"))
}

/// The next items behind the cursor that no open dead letter holds; `None` when there are none.
pub(super) async fn read(
    session: &mut Session,
    run: &Run,
    part: Part,
    after: &Cursor,
    items: i64,
) -> Result<Option<Undone>, Error> {
    let run_id = run.run_id.to_string();
    match part {
        Part::Services if !run.discovered => request(session, &run_id).await,
        Part::Services => services(session, &run_id, after, items).await,
        Part::Batches => batches(session, &run_id, after, items).await,
    }
}

async fn request(session: &mut Session, run_id: &str) -> Result<Option<Undone>, Error> {
    let letter = session
        .fetch_optional(
            "SELECT 1 AS found FROM sluice_dead_letter WHERE run_id = ? AND state = 'open' AND source_topic = ? \
             LIMIT 1",
            &[run_id.into(), RunRequested::TOPIC.into()],
        )
        .await?;
    Ok(letter.is_none().then_some(Undone::Request))
}

async fn services(session: &mut Session, run_id: &str, after: &Cursor, items: i64) -> Result<Option<Undone>, Error> {
    let rows = session
        .fetch_all(
            "SELECT p.service_id FROM sluice_run_service p WHERE p.run_id = ? AND p.state = 'discovered' \
             AND p.service_id > ? AND NOT EXISTS (SELECT 1 FROM sluice_dead_letter d WHERE d.run_id = p.run_id \
             AND d.service_id = p.service_id AND d.state = 'open' AND d.source_topic = ?) \
             ORDER BY p.service_id LIMIT ?",
            &[run_id.into(), (&after.service).into(), ServiceDiscovered::TOPIC.into(), items.into()],
        )
        .await?;
    let ids = rows.into_iter().map(|row| Ok(ServiceId(row.text("service_id")?))).collect::<Result<Vec<_>, Error>>()?;
    Ok((!ids.is_empty()).then_some(Undone::Services(ids)))
}

async fn batches(session: &mut Session, run_id: &str, after: &Cursor, items: i64) -> Result<Option<Undone>, Error> {
    let rows = session
        .fetch_all(
            "SELECT p.service_id, p.batch_no, p.provider_ids FROM sluice_run_batch p WHERE p.run_id = ? \
             AND p.state = 'planned' AND (p.service_id > ? OR (p.service_id = ? AND p.batch_no > ?)) \
             AND NOT EXISTS (SELECT 1 FROM sluice_dead_letter d WHERE d.run_id = p.run_id \
             AND d.service_id = p.service_id AND d.batch_no = p.batch_no AND d.state = 'open' AND d.source_topic = ?) \
             ORDER BY p.service_id, p.batch_no LIMIT ?",
            &[
                run_id.into(),
                (&after.service).into(),
                (&after.service).into(),
                after.batch.into(),
                BatchPlanned::TOPIC.into(),
                items.into(),
            ],
        )
        .await?;
    let batches = rows.into_iter().map(|row| {
        let batch_no = i32::try_from(row.int("batch_no")?).map_err(|error| row.broken(error.to_string()))?;
        let batch = PlannedBatch { batch_no: BatchNo(batch_no), provider_ids: provider_ids(&row)?, stored: false };
        Ok((ServiceId(row.text("service_id")?), batch))
    });
    let batches = batches.collect::<Result<Vec<_>, Error>>()?;
    Ok((!batches.is_empty()).then_some(Undone::Batches(batches)))
}
