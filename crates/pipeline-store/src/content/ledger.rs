//! The row of a batch in the ledger, and what a batch has to know of its service.

use pipeline_model::ids::{Generation, ProviderId};

use super::{BatchKey, StoredBatch};
use crate::{
    Error,
    clock::now_ms,
    database::{Row, Session},
    plan::{not_in_ledger, provider_ids},
};

/// A batch's row, locked.
#[derive(Debug)]
pub(super) struct Locked {
    pub(super) state: String,
    pub(super) provider_ids: Vec<ProviderId>,
    pub(super) first_ordinal: i64,
    pub(super) recorded: StoredBatch,
    pub(super) of_service: OfService,
}

/// What a batch has to know of its service.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OfService {
    pub(super) first_ordinal: Option<i64>,
    /// The generation that readers see.
    pub(super) visible_at: Option<Generation>,
    /// A document without a parent could belong to one of its providers.
    pub(super) unreachable: bool,
    /// A retry has set it back to before its plan: messages and workers of an older plan may still be about.
    pub(super) set_back: bool,
}

/// The batch; none when its plan was set back and there is no such batch, or not yet.
pub(super) async fn read_batch(
    session: &mut Session,
    key: &BatchKey,
    lock: &'static str,
) -> Result<Option<Locked>, Error> {
    // The service's row is read apart: a join would lock it too, and batches of one service would wait for each other.
    // After the batch: whoever holds no lock and does not find it, since a retry has just taken it away, then sees that
    // the service was set back.
    let run_id = key.run_id.to_string();
    let row = session
        .fetch_optional(
            format!("SELECT * FROM sluice_run_batch WHERE run_id = ? AND service_id = ? AND batch_no = ?{lock}"),
            &[(&run_id).into(), (&key.service_id).into(), key.batch_no.into()],
        )
        .await?;
    let batch = row.map(|row| Locked::from_row(&row)).transpose()?;
    let row = session
        .fetch_optional(
            "SELECT first_ordinal, set_back, unreachable + (SELECT r.unreachable FROM sluice_run r \
             WHERE r.run_id = sluice_run_service.run_id) AS unreachable, (SELECT a.generation \
             FROM sluice_active_generation a \
             WHERE a.service_id = sluice_run_service.service_id) AS visible_at \
             FROM sluice_run_service WHERE run_id = ? AND service_id = ?",
            &[(&run_id).into(), (&key.service_id).into()],
        )
        .await?;
    let of_service = row.map(|row| OfService::from_row(&row)).transpose()?.unwrap_or_default();
    match (batch, of_service.first_ordinal) {
        (Some(batch), Some(first)) => Ok(Some(batch.of(of_service, first))),
        (_, None) | (None, _) if of_service.set_back => Ok(None),
        (Some(_), None) => Err(Error::broken(session.operation(), "a service with batches is not planned")),
        (None, _) => Err(not_in_ledger(session.operation(), "batch")),
    }
}

impl OfService {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            first_ordinal: row.optional_int("first_ordinal")?,
            visible_at: row.optional_int("visible_at")?.map(Generation),
            unreachable: row.int("unreachable")? > 0,
            set_back: row.int("set_back")? > 0,
        })
    }
}

impl Locked {
    /// Without its service.
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            of_service: OfService::default(),
            state: row.text("state")?,
            provider_ids: provider_ids(row)?,
            first_ordinal: row.int("first_ordinal")?,
            recorded: StoredBatch {
                providers: row.int("providers")?,
                stored: row.int("stored")?,
                unchanged: row.int("unchanged")?,
                rejected: row.int("rejected")?,
                skipped: row.int("skipped")?,
                bundles: row.int("bundles")?,
                fields: row.int("fields")?,
                bundles_written: row.int("bundles_written")?,
                fields_written: row.int("fields_written")?,
                removed_bundles: row.int("removed_bundles")?,
                removed_fields: row.int("removed_fields")?,
            },
        })
    }

    /// With its service, whose ordinals begin at this one.
    fn of(self, of_service: OfService, first_ordinal: i64) -> Self {
        Self { of_service, first_ordinal: first_ordinal.saturating_add(self.first_ordinal), ..self }
    }
}

pub(super) async fn record(session: &mut Session, key: &BatchKey, stored: &StoredBatch) -> Result<(), Error> {
    session
        .execute_one(
            "UPDATE sluice_run_batch SET state = 'stored', stored = ?, unchanged = ?, rejected = ?, skipped = ?, \
             bundles = ?, fields = ?, bundles_written = ?, fields_written = ?, removed_bundles = ?, removed_fields = ?, \
             stored_at_ms = ? \
             WHERE run_id = ? AND service_id = ? AND batch_no = ? AND state = 'planned'",
            &[
                stored.stored.into(),
                stored.unchanged.into(),
                stored.rejected.into(),
                stored.skipped.into(),
                stored.bundles.into(),
                stored.fields.into(),
                stored.bundles_written.into(),
                stored.fields_written.into(),
                stored.removed_bundles.into(),
                stored.removed_fields.into(),
                now_ms().into(),
                (&key.run_id.to_string()).into(),
                (&key.service_id).into(),
                key.batch_no.into(),
            ],
        )
        .await
}
