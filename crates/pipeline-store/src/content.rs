//! The bundles stage's transaction: the content of one batch.
//!
//! The transaction passes the fence, locks the batch's row, compares digests, writes what changed, and records the
//! counts in the batch's row. A message that comes again finds the batch stored and gets the same counts; two workers
//! with the same message wait for each other on the row. A provider's content is written completely or not at all:
//! one broken document rejects its provider, which keeps its last good content, and no other provider of the batch.
//!
//! A retry may set a plan back while a worker sleeps over a batch of it, or while its message is on its way. Whoever
//! comes with a batch of the old plan then ends quietly: nothing is wrong, and the new plan has messages of its own.
//!
//! What readers see of a provider and would not see any more is counted, and kept where a document without a parent could
//! be what is missing ([`loss`]).
//!
//! Old content is never changed. New content is inserted under a number of its own, and the provider's open row is
//! closed and followed by one that points to the new number; readers see neither before the activation.

use std::collections::{HashMap, HashSet};

use pipeline_compare::digest::{self, Digest};
use pipeline_model::{
    documents::{Bundle, DocumentFault, Etag, Subtree, SubtreeContent},
    ids::{BatchNo, Generation, ProviderId, RunId, ServiceId},
};
use pipeline_telemetry::{
    metrics::RowPath,
    run_events::{RunEvents, StoredProviders},
};

use crate::{Error, Store, database::Session, fence, load::Unwritten, operation::Operation, plan::length, rejects};

pub(crate) use compare::{Open, open_contents};
use ledger::{Locked, read_batch, record};

mod compare;
mod discard;
mod ledger;
mod loss;
mod rows;

/// Which batch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BatchKey {
    /// The run.
    pub run_id: RunId,
    /// The generation that the run fills.
    pub generation: Generation,
    /// The service.
    pub service_id: ServiceId,
    /// The batch's number within the service.
    pub batch_no: BatchNo,
}

/// Where a batch stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchState {
    /// To be read and stored.
    Planned {
        /// Its providers, in plan order.
        providers: Vec<ProviderId>,
    },
    /// Done.
    Stored(StoredBatch),
    /// Its run is not open, or not under this generation, or its plan was set back: do nothing.
    Closed,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoredBatch {
    /// Providers of the batch: the sum of the next four.
    pub providers: i64,
    /// Content written.
    pub stored: i64,
    /// Content the same as before.
    pub unchanged: i64,
    /// Broken; the last good content stays.
    pub rejected: i64,
    /// Gone between the plan and the reading.
    pub skipped: i64,
    /// Bundles of the batch in this generation, written or kept.
    pub bundles: i64,
    /// Subscription fields of the batch in this generation, written or kept.
    pub fields: i64,
    /// Rows of bundles written.
    pub bundles_written: i64,
    /// Rows of subscription fields written.
    pub fields_written: i64,
    /// Bundles that leave the views.
    pub removed_bundles: i64,
    /// Subscription fields that leave the views, those of removed bundles included.
    pub removed_fields: i64,
}

/// A provider's complete content, before it is known whether it changed.
#[derive(Debug)]
struct Content {
    provider_id: ProviderId,
    bundles: Vec<Bundle>,
    digest: Digest,
    etag: Option<Etag>,
}

/// The subtrees of a batch, sorted by what became of reading them.
#[derive(Debug, Default)]
struct Read {
    contents: Vec<Content>,
    rejected: HashSet<ProviderId>,
    faults: Vec<DocumentFault>,
    vanished: Vec<ProviderId>,
}

impl Store {
    /// Where a batch stands, before anything is read for it. [`Error::NotInLedger`] when the run is open and never had
    /// such a batch.
    pub async fn batch_state(&self, key: &BatchKey) -> Result<BatchState, Error> {
        let mut session = self.database.session(key.operation("read the state of batch")).await?;
        // Without a lock: this only spares a reading of the source; `store_batch` decides.
        let run_id = key.run_id.to_string();
        let open = session
            .fetch_optional(
                "SELECT run_id FROM sluice_run WHERE run_id = ? AND state = 'running' AND generation = ?",
                &[(&run_id).into(), key.generation.into()],
            )
            .await?
            .is_some();
        if !open {
            return Ok(BatchState::Closed);
        }
        Ok(match read_batch(&mut session, key, "").await? {
            None => BatchState::Closed,
            Some(batch) if batch.state == "stored" => BatchState::Stored(batch.recorded),
            Some(batch) => BatchState::Planned { providers: batch.provider_ids },
        })
    }

    /// Stores a batch in one transaction; or gives what was recorded, when it is stored already. `subtrees` has
    /// one entry for each provider of the batch, in any order. `None` when nothing was written and nothing is to be: the
    /// run is not open under this generation any more, or the batch is of a plan that was set back.
    pub async fn store_batch(&self, key: &BatchKey, subtrees: Vec<Subtree>) -> Result<Option<StoredBatch>, Error> {
        // Digests and checks first: nothing is locked while they are computed.
        let mut read = Read::sort(subtrees, &key.service_id, rejects::row_limit(self.packet_limit));

        // Few at a time: writers that meet inside the server cost it up to half as much again for each row.
        let _turn = self.writers.acquire().await;
        let operation = key.operation("store batch");
        let loading = self.begin_loading(operation.clone()).await?;
        let loads = loading.is_some();
        if let Some(session) = loading {
            match self.store_in(session, key, &mut read).await {
                Ok(stored) => return Ok(stored),
                Err(Unwritten::Failed(error)) => return Err(error),
                // That transaction is gone. Inserts succeed, or say which value is wrong.
                Err(Unwritten::NotLoaded) => {}
            }
        }
        let session = self.database.begin(operation.clone()).await?;
        let stored = self.store_in(session, key, &mut read).await.map_err(|unwritten| match unwritten {
            Unwritten::Failed(error) => error,
            Unwritten::NotLoaded => Error::broken(&operation, "rows that were inserted count as not loaded"),
        })?;
        if loads && stored.is_some() {
            tracing::warn!("a batch was inserted, since the server warned of rows that were loaded");
        }
        Ok(stored)
    }

    /// The whole transaction.
    async fn store_in(
        &self,
        mut session: Session,
        key: &BatchKey,
        read: &mut Read,
    ) -> Result<Option<StoredBatch>, Unwritten> {
        if !fence::pass(&mut session, key.run_id, key.generation).await? {
            return Ok(None);
        }
        let lock = session.dialect().exclusive_lock();
        let Some(batch) = read_batch(&mut session, key, lock).await? else {
            return Ok(None);
        };
        if batch.state == "stored" {
            return Ok(Some(batch.recorded));
        }
        match read.check_complete(session.operation(), &batch.provider_ids) {
            Ok(()) => {}
            // They were read for a plan that a retry has replaced. The new one has a message of its own.
            Err(_) if batch.of_service.set_back => return Ok(None),
            Err(error) => return Err(error.into()),
        }

        let stored = self.write_batch(&mut session, key, &batch, read).await?;
        record(&mut session, key, &stored).await?;
        let path = if session.can_load() { RowPath::LoadData } else { RowPath::Insert };
        session.commit().await?;
        let events = RunEvents::new();
        events.written(path, stored.bundles_written.saturating_add(stored.fields_written));
        events.stored(&StoredProviders {
            written: stored.stored,
            unchanged: stored.unchanged,
            rejected: stored.rejected,
            skipped: stored.skipped,
        });
        Ok(Some(stored))
    }

    async fn write_batch(
        &self,
        session: &mut Session,
        key: &BatchKey,
        batch: &Locked,
        read: &mut Read,
    ) -> Result<StoredBatch, Unwritten> {
        // Earlier transactions of the run may have rejected some of these providers too: a duplicate found after the
        // batch was cut, or a document that only the root stage saw.
        read.reject(compare::rejected_before(session, key, &batch.provider_ids).await?);

        let open = open_contents(session, &key.service_id, &batch.provider_ids).await?;
        let lost = loss::find(session, key, batch.of_service.visible_at, &read.contents, &open).await?;
        if batch.of_service.unreachable {
            let faults = loss::protected(session, key, &lost).await?;
            read.reject(faults.iter().filter_map(|fault| fault.provider_id.clone()).collect());
            read.faults.extend(faults);
        }
        rejects::record(session, self.packet_limit, key.run_id, Some(&key.service_id), &read.faults).await?;
        let mut stored = StoredBatch {
            providers: length(batch.provider_ids.len()),
            rejected: length(read.rejected.len()),
            skipped: length(read.vanished.len()),
            ..StoredBatch::default()
        };
        for id in read.rejected.iter().chain(&read.vanished) {
            stored.keep(open.get(id));
        }
        read.contents.iter().filter_map(|content| lost.get(&content.provider_id)).for_each(|lost| stored.lose(lost));
        let kept = read.rejected.iter().chain(&read.vanished);
        stored.lose(&loss::with_kept(session, key, batch.of_service.visible_at, kept, &open).await?);
        let (unchanged, changed): (Vec<&Content>, Vec<&Content>) =
            read.contents.iter().partition(|content| compare::is_unchanged(content, &open));
        for content in &unchanged {
            stored.unchanged += 1;
            stored.keep(open.get(&content.provider_id));
        }
        compare::remember_etags(session, key, &unchanged, &open).await?;

        let numbers = content_numbers(key.generation, batch);
        compare::close_old(session, key, &changed, &open).await?;
        let written = rows::write(session, self.packet_limit, key, &changed, &numbers).await?;
        stored.stored = length(changed.len());
        stored.bundles_written = written.bundles;
        stored.fields_written = written.fields;
        stored.bundles = stored.bundles.saturating_add(written.bundles);
        stored.fields = stored.fields.saturating_add(written.fields);
        Ok(stored)
    }
}

// === impl BatchKey ===

impl BatchKey {
    fn operation(&self, operation: &'static str) -> Operation {
        Operation::new(operation, format!("{}/{}/{}", self.run_id, self.service_id, self.batch_no))
    }
}

// === impl StoredBatch ===

impl StoredBatch {
    fn keep(&mut self, open: Option<&compare::Open>) {
        if let Some(open) = open {
            self.bundles = self.bundles.saturating_add(open.bundles);
            self.fields = self.fields.saturating_add(open.fields);
        }
    }

    fn lose(&mut self, lost: &loss::Lost) {
        self.removed_bundles = self.removed_bundles.saturating_add(lost.bundles);
        self.removed_fields = self.removed_fields.saturating_add(lost.fields);
    }
}

// === impl Read ===

impl Read {
    fn sort(subtrees: Vec<Subtree>, service: &ServiceId, row_limit: usize) -> Self {
        let mut read = Self::default();
        for Subtree { provider_id, content, etag } in subtrees {
            match content {
                SubtreeContent::Complete(bundles) => match rows::too_large(&bundles, row_limit) {
                    None => {
                        let digest = digest::of(&bundles);
                        read.contents.push(Content { provider_id, bundles, digest, etag });
                    }
                    Some(fault) => {
                        read.faults.push(DocumentFault { service_id: Some(service.clone()), ..fault.of(&provider_id) });
                        read.rejected.insert(provider_id);
                    }
                },
                SubtreeContent::Rejected(faults) => {
                    // Whatever the fault says, it is this provider's subtree that cannot be stored.
                    read.faults.extend(faults.into_iter().map(|fault| DocumentFault {
                        service_id: Some(service.clone()),
                        provider_id: Some(provider_id.clone()),
                        ..fault
                    }));
                    read.rejected.insert(provider_id);
                }
                SubtreeContent::Vanished => read.vanished.push(provider_id),
            }
        }
        read
    }

    /// Every provider of the batch once, and no other.
    fn check_complete(&self, operation: &Operation, planned: &[ProviderId]) -> Result<(), Error> {
        let given: HashSet<&ProviderId> = self
            .contents
            .iter()
            .map(|content| &content.provider_id)
            .chain(&self.rejected)
            .chain(&self.vanished)
            .collect();
        let counts = [self.contents.len(), self.rejected.len(), self.vanished.len()];
        let count: usize = counts.into_iter().sum();
        if count == planned.len() && planned.iter().all(|id| given.contains(id)) {
            return Ok(());
        }
        Err(Error::broken(operation, format!("{count} subtrees were given for a batch of {} providers", planned.len())))
    }

    fn reject(&mut self, ids: HashSet<ProviderId>) {
        self.contents.retain(|content| !ids.contains(&content.provider_id));
        self.vanished.retain(|id| !ids.contains(id));
        self.rejected.extend(ids);
    }
}

/// The number of each provider's content, from its place in the plan.
fn content_numbers(generation: Generation, batch: &Locked) -> HashMap<&ProviderId, i64> {
    let first = content_id(generation, batch.first_ordinal);
    batch.provider_ids.iter().zip(first..).collect()
}

/// `generation × 2³² + ordinal`.
pub(crate) fn content_id(generation: Generation, ordinal: i64) -> i64 {
    (generation.0 << 32).saturating_add(ordinal)
}
