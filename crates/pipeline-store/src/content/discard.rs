//! The end of a batch whose dead letter a person gave up.
//!
//! The rejects that are written here have a code of their own. They are how the proof tells discarded providers from
//! others, so that a batch that is set back takes its discard with it.

use pipeline_model::ids::{ProviderId, ServiceId};

use super::{BatchKey, StoredBatch, compare, loss, open_contents, read_batch, record};
use crate::{
    Error, Store,
    database::{Session, Value},
    dead_letters::{DISCARDED_CODE, Discard, Discarded},
    fence,
    insert::Insert,
    plan::length,
};

impl Store {
    /// Closes a batch with all its providers rejected and discarded; `None` when the batch or its run does not wait.
    pub(crate) async fn discard_batch(
        &self,
        key: &BatchKey,
        discard: &Discard<'_>,
    ) -> Result<Option<Discarded>, Error> {
        let mut session = self.database.begin(key.operation("discard batch")).await?;
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
        let discarded: Vec<&ProviderId> =
            batch.provider_ids.iter().filter(|id| !rejected_before.contains(id)).collect();
        let mut stored = StoredBatch {
            providers: length(batch.provider_ids.len()),
            rejected: length(batch.provider_ids.len()),
            ..StoredBatch::default()
        };
        let open = open_contents(&mut session, &key.service_id, &batch.provider_ids).await?;
        open.values().for_each(|open| stored.keep(Some(open)));
        let (seen, kept) = (batch.of_service.visible_at, batch.provider_ids.iter());
        stored.lose(&loss::with_kept(&mut session, key, seen, kept, &open).await?);
        let outcome = Discarded::Batch { providers: length(discarded.len()) };
        reject(&mut session, self.packet_limit, key, &discarded, discard).await?;
        record(&mut session, key, &stored).await?;
        discard.settle(&mut session, outcome).await?;
        discard.commit(session).await?;
        Ok(Some(outcome))
    }
}

async fn reject(
    session: &mut Session,
    packet_limit: usize,
    key: &BatchKey,
    providers: &[&ProviderId],
    discard: &Discard<'_>,
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
            (&discard.place).into(),
            DISCARDED_CODE.into(),
            (&discard.reason).into(),
        ];
        insert.row(session, row).await?;
    }
    insert.finish(session).await.map(drop)
}
