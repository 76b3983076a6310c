//! The batches of a plan: those to be read, and those of providers that have not changed.
//!
//! A batch of unchanged providers is there from the start as a stored one, with the rows that stay visible. So every
//! provider is accounted for in the same way, and neither the proof nor anybody who counts has to know that some were
//! never read. Nobody is told of such a batch: there is nothing to do for it.

use pipeline_model::ids::{BatchNo, ProviderId, ServiceId};
use serde_json::Value as Json;

use super::length;
use crate::{
    Error,
    clock::now_ms,
    database::{Session, Value},
    insert::Insert,
};

/// Rows that stay visible without being read or written again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) bundles: i64,
    pub(super) fields: i64,
}

/// Collects batches, and numbers them and their providers from 0.
#[derive(Debug)]
pub(super) struct Batches {
    /// Providers in one batch.
    size: usize,
    /// Those waiting for their batch to fill.
    waiting: Vec<ProviderId>,
    cut: Vec<Cut>,
    providers: i64,
}

/// A batch that is not written yet.
#[derive(Debug)]
struct Cut {
    first_ordinal: i64,
    /// As the ledger has them.
    provider_ids: String,
    providers: i64,
    /// Rows of an unchanged batch.
    kept: Option<Kept>,
}

// === impl Kept ===

impl Kept {
    pub(super) fn add(&mut self, other: Self) {
        self.bundles = self.bundles.saturating_add(other.bundles);
        self.fields = self.fields.saturating_add(other.fields);
    }
}

// === impl Batches ===

impl Batches {
    pub(super) fn new(size: usize) -> Self {
        Self { size, waiting: Vec::new(), cut: Vec::new(), providers: 0 }
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Batches so far.
    pub(super) fn count(&self) -> usize {
        self.cut.len()
    }

    /// Providers so far, which is the next ordinal; those that wait are not counted.
    pub(super) fn providers(&self) -> i64 {
        self.providers
    }

    /// Adds a provider that is to be read.
    pub(super) fn add(&mut self, id: ProviderId) {
        self.waiting.push(id);
        if self.waiting.len() >= self.size {
            self.cut_rest();
        }
    }

    /// Cuts what waits, however few.
    pub(super) fn cut_rest(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        if !waiting.is_empty() {
            self.cut(waiting.iter(), None);
        }
    }

    /// Adds providers that keep their content, as batches of their own.
    pub(super) fn add_unchanged(&mut self, mut providers: Vec<(ProviderId, Kept)>) {
        providers.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        for providers in providers.chunks(self.size) {
            let mut kept = Kept::default();
            providers.iter().for_each(|(_, rows)| kept.add(*rows));
            self.cut(providers.iter().map(|(id, _)| id), Some(kept));
        }
    }

    fn cut<'p>(&mut self, ids: impl ExactSizeIterator<Item = &'p ProviderId>, kept: Option<Kept>) {
        let providers = length(ids.len());
        let provider_ids = ids.map(ProviderId::as_str).collect::<Json>().to_string();
        self.cut.push(Cut { first_ordinal: self.providers, provider_ids, providers, kept });
        self.providers = self.providers.saturating_add(providers);
    }

    /// Puts all that is cut into the ledger.
    pub(super) async fn write(
        &self,
        session: &mut Session,
        packet_limit: usize,
        run_id: &str,
        service_id: &ServiceId,
    ) -> Result<(), Error> {
        const INTO: &str = "INSERT INTO sluice_run_batch \
                            (run_id, service_id, batch_no, state, first_ordinal, provider_ids, \
            providers, stored, unchanged, rejected, skipped, bundles, fields, bundles_written, fields_written, \
            planned_at_ms, stored_at_ms)";
        let now = now_ms();
        let mut insert = Insert::new(session, packet_limit, INTO);
        for (number, batch) in self.cut.iter().enumerate() {
            let number = i32::try_from(number)
                .map_err(|_| Error::broken(session.operation(), "a service has more batches than can be numbered"))?;
            let (state, unchanged, stored_at) = match batch.kept {
                Some(_) => ("stored", batch.providers, now.into()),
                None => ("planned", 0, Value::Null),
            };
            let kept = batch.kept.unwrap_or_default();
            let row = [
                run_id.into(),
                service_id.into(),
                BatchNo(number).into(),
                state.into(),
                batch.first_ordinal.into(),
                (&batch.provider_ids).into(),
                batch.providers.into(),
                0.into(),
                unchanged.into(),
                0.into(),
                0.into(),
                kept.bundles.into(),
                kept.fields.into(),
                0.into(),
                0.into(),
                now.into(),
                stored_at,
            ];
            insert.row(session, row).await?;
        }
        insert.finish(session).await?;
        Ok(())
    }
}
