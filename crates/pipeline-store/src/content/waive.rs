//! The end of a batch whose dead letter a person gave up.
//!
//! The rejects that are written here have a code of their own. They are how the proof tells waived providers from
//! others, so that a batch that is set back takes its waiver with it.

use pipeline_model::ids::{ProviderId, ServiceId};

use super::{BatchKey, StoredBatch, compare, loss, open_contents, read_batch, record};
use crate::{
    Error, Store,
    database::{Session, Value},
    dead_letters::{WAIVED_CODE, Waived, Waiver},
    fence,
    insert::Insert,
    plan::length,
};

impl Store {
    /// Closes a batch with all its providers rejected and waived; `None` when the batch or its run does not wait.
    pub(crate) async fn waive_batch(&self, key: &BatchKey, waiver: &Waiver<'_>) -> Result<Option<Waived>, Error> {
        let mut session = self.database.begin(key.context("waive batch")).await?;
        if !fence::pass(&mut session, key.run_id, key.generation).await? {
            return Ok(None);
        }
        let lock = session.dialect().exclusive_lock();
        let batch = match read_batch(&mut session, key, lock).await {
            Ok(Some(batch)) if batch.state == "planned" => batch,
            // The letter's key is only a hint.
            Ok(_) | Err(Error::NotInLedger { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let rejected_before = compare::rejected_before(&mut session, key, &batch.provider_ids).await?;
        let waived: Vec<&ProviderId> = batch.provider_ids.iter().filter(|id| !rejected_before.contains(id)).collect();
        let mut stored = StoredBatch {
            providers: length(batch.provider_ids.len()),
            rejected: length(batch.provider_ids.len()),
            ..StoredBatch::default()
        };
        let open = open_contents(&mut session, &key.service_id, &batch.provider_ids).await?;
        open.values().for_each(|open| stored.keep(Some(open)));
        let (seen, kept) = (batch.of_service.visible_at, batch.provider_ids.iter());
        stored.lose(&loss::with_kept(&mut session, key, seen, kept, &open).await?);
        let outcome = Waived::Batch { providers: length(waived.len()) };
        reject(&mut session, self.packet_limit, key, &waived, waiver).await?;
        record(&mut session, key, &stored).await?;
        waiver.settle(&mut session, outcome).await?;
        waiver.commit(session).await?;
        Ok(Some(outcome))
    }
}

async fn reject(
    session: &mut Session,
    packet_limit: usize,
    key: &BatchKey,
    providers: &[&ProviderId],
    waiver: &Waiver<'_>,
) -> Result<(), Error> {
    let run_id = key.run_id.to_string();
    let into =
        "INSERT INTO sluice_run_reject (run_id, service_id, provider_id, level, document_id, place, code, reason)";
    let mut insert = Insert::new(session, packet_limit, into);
    for provider in providers {
        let row: [Value<'_>; 8] = [
            (&run_id).into(),
            ServiceId::as_str(&key.service_id).into(),
            provider.as_str().into(),
            // Nobody has said a word against the provider's own document.
            "bundle".into(),
            Value::Null,
            (&waiver.place).into(),
            WAIVED_CODE.into(),
            (&waiver.reason).into(),
        ];
        insert.row(session, row).await?;
    }
    insert.finish(session).await.map(drop)
}
