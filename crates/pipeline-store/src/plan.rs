//! The providers stage's transaction: which providers a service has, and in which batches they are read.
//!
//! One transaction writes the changed versions of providers, closes the vanished ones, and plans the batches with their
//! counts. So a service is planned completely or not at all. The batches are the outbox: the stage makes its messages from
//! them, as often as needed.
//!
//! A plan removes the providers that it has not seen, so it must be sure of what it has seen:
//! - A provider with a broken document counts as seen. It keeps its last good row and content.
//! - A broken document may belong to any provider of the service. It then protects all of them. A broken document that no
//!   parent asks for protects those that it could belong to ([`protection`]).
//! - A service that is gone gets an empty plan, which closes all its providers. If the service comes back in a later
//!   generation, its old providers do not come back with it.
//!
//! A run costs what has changed. The target knows the tags of the contents that it has, and the source says which tags
//! still hold. Their providers go into batches that are stored from the start ([`batches`]); the bundles stage reads only
//! the others.
//!
//! The stage reads the source, and asks for the tags, before the transaction begins: it holds no lock while it waits for a
//! source. The transaction looks again at the contents that the tags name.
//!
//! When the plan is complete, the transaction counts the rows of the service that readers see, and those that leave the
//! views with a provider ([`removals`]). The guard judges by these counts.
//!
//! **Ordinals.** The content of a provider has the number `generation × 2³² + ordinal`, and ordinals are unique in the
//! run. Batches count from 0 within their service. The last statement before the commit takes the service's first ordinal
//! from the run's counter, so the counter's row is locked for one commit and not for a whole plan.
//!
//! **Memory.** A plan holds the ids of its service's providers, about a hundred bytes each, to know what has vanished.

use std::collections::{HashMap, HashSet};

use pipeline_model::{
    documents::{DocumentFault, Known, Level, Provider},
    ids::{BatchNo, Generation, ProviderId, RunId, ServiceId},
};

use crate::{
    Begin, Error, Store,
    clock::now_ms,
    content::open_contents,
    database::{Row, Session},
    fence,
    operation::Operation,
    rejects,
    versions::{self, Document, Table},
};

use batches::{Batches, Kept};
use protection::Protection;
use removals::Removals;

mod batches;
mod discard;
mod look;
mod protection;
mod removals;
mod vanish;

/// Ordinals of a run: content ids have 32 bits for them.
const MAX_ORDINAL: i64 = 1 << 32;

/// An open plan: one transaction. Dropping it without [`Plan::finish`] rolls back.
#[derive(Debug)]
pub struct Plan {
    session: Session,
    packet_limit: usize,
    run_id: String,
    run: RunId,
    generation: Generation,
    service_id: ServiceId,
    removed: bool,
    /// The generation that readers see of the service.
    visible_at: Option<Generation>,
    /// Providers in batches, and those that are to be in one.
    planned: HashSet<ProviderId>,
    batches: Batches,
    /// Those of the planned providers that have not changed, with the rows that they keep. They wait until the end: a
    /// later document may break their provider yet.
    unchanged: HashMap<ProviderId, Kept>,
    /// Providers with a broken document that are in no batch.
    rejected: HashSet<ProviderId>,
    /// Broken documents of providers without an id.
    unidentified: i64,
    protection: Protection,
}

/// What a plan came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Batches, those of unchanged providers included.
    pub batches: i64,
    /// Providers planned, rejected ones included.
    pub providers: i64,
    /// Providers that are gone from the source.
    pub removed: i64,
}

/// A batch as the plan made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedBatch {
    /// Its number within the service, from 0.
    pub batch_no: BatchNo,
    /// Its providers, in plan order.
    pub provider_ids: Vec<ProviderId>,
    /// Its content is stored.
    pub stored: bool,
}

impl Store {
    /// Begins the plan of one service: [`Begin::Work`] once, [`Begin::DoneBefore`] when it was planned before.
    /// [`Error::NotInLedger`] when the run is open and has no such service.
    pub async fn begin_plan(
        &self,
        run: RunId,
        generation: Generation,
        service: &ServiceId,
    ) -> Result<Begin<Plan>, Error> {
        let operation = Operation::new("plan service", format!("{run}/{service}"));
        let mut session = self.database.begin(operation).await?;
        let Some((open, _)) = fence::pass_open(&mut session, run).await?.filter(|(_, found)| *found == generation)
        else {
            return Ok(Begin::NotOpen);
        };
        // The lock on the service's row makes a second worker with the same message wait, and then find it planned.
        let run_id = run.to_string();
        let lock = session.dialect().exclusive_lock();
        let row = session
            .fetch_optional(
                format!(
                    "SELECT state, removed, (SELECT a.generation FROM sluice_active_generation a \
                     WHERE a.service_id = sluice_run_service.service_id) AS visible_at \
                     FROM sluice_run_service WHERE run_id = ? AND service_id = ?{lock}"
                ),
                &[(&run_id).into(), service.into()],
            )
            .await?;
        let visible_at = row.as_ref().map(|row| row.optional_int("visible_at")).transpose()?.flatten().map(Generation);
        let found = row.map(|row| Ok((row.text("state")?, row.int("removed")? != 0))).transpose()?;
        let removed = match found {
            None => return Err(not_in_ledger(session.operation(), "service")),
            Some((state, removed)) if state == "discovered" => removed,
            Some((state, _)) if state == "rejected" => return Ok(Begin::Rejected),
            Some(_) => return Ok(Begin::DoneBefore),
        };
        let mut plan = Plan {
            session,
            packet_limit: self.packet_limit,
            run_id,
            run,
            generation,
            service_id: service.clone(),
            removed,
            visible_at,
            planned: HashSet::new(),
            batches: Batches::new(usize::try_from(open.batch_size).unwrap_or(usize::MAX).max(1)),
            unchanged: HashMap::new(),
            rejected: HashSet::new(),
            unidentified: 0,
            protection: Protection::default(),
        };
        if !removed {
            plan.read_earlier_rejects().await?;
        }
        Ok(Begin::Work(plan))
    }
}

impl Plan {
    /// Providers in one batch.
    pub fn batch_size(&self) -> usize {
        self.batches.size()
    }

    /// The service is gone from the source: read nothing, just finish.
    pub fn removed(&self) -> bool {
        self.removed
    }

    /// Records providers that were read, in chunks of any size; batches are cut at [`Plan::batch_size`]. Of the
    /// `unchanged` ones the content is not read: the source says that it is what [`Store::known`] has named. A tag that
    /// is not that of the open content any more says nothing.
    pub async fn put(&mut self, providers: &[Provider], unchanged: &[Known]) -> Result<(), Error> {
        let mut unchanged = self.still_open(unchanged).await?;
        let too_large: Vec<DocumentFault> = providers
            .iter()
            .filter_map(|provider| {
                let document = (provider.name.as_deref(), &provider.attributes);
                rejects::too_large(self.packet_limit, &self.service_id, Some(&provider.id), document)
            })
            .collect();
        if !too_large.is_empty() {
            self.reject(&too_large).await?;
        }
        let mut accepted: Vec<&Provider> = Vec::with_capacity(providers.len());
        let mut duplicates = Vec::new();
        for provider in providers {
            if self.rejected.contains(&provider.id) {
                continue;
            }
            if self.planned.insert(provider.id.clone()) {
                accepted.push(provider);
            } else {
                duplicates.push(rejects::duplicate(&self.service_id, Some(&provider.id)));
            }
        }
        let documents: Vec<Document<'_>> = accepted
            .iter()
            .map(|provider| Document {
                id: provider.id.as_str(),
                name: provider.name.as_deref(),
                attributes: &provider.attributes,
                source_cas: provider.source_cas,
            })
            .collect();
        let table = Table::Providers(&self.service_id);
        versions::write(&mut self.session, self.packet_limit, table, self.generation, &documents).await?;

        for provider in accepted {
            match unchanged.remove_entry(&provider.id) {
                Some((id, kept)) => drop(self.unchanged.insert(id, kept)),
                None => self.batches.add(provider.id.clone()),
            }
        }
        if duplicates.is_empty() { Ok(()) } else { self.reject(&duplicates).await }
    }

    /// Records documents that break rules. A provider that is in a batch already stays there, and the batch will find
    /// it rejected.
    pub async fn reject(&mut self, faults: &[DocumentFault]) -> Result<(), Error> {
        rejects::record(&mut self.session, self.packet_limit, self.run, Some(&self.service_id), faults).await?;
        for fault in faults.iter().filter(|fault| fault.level == Level::Provider) {
            match &fault.provider_id {
                None => {
                    self.unidentified += 1;
                    self.protection.all = true;
                }
                Some(id) if self.planned.contains(id) => {
                    let table = Table::Providers(&self.service_id);
                    versions::take_back(&mut self.session, table, self.generation, &[id.as_str()]).await?;
                    if self.unchanged.remove(id).is_some() {
                        self.batches.add(id.clone());
                    }
                }
                Some(id) => {
                    self.rejected.insert(id.clone());
                }
            }
        }
        Ok(())
    }

    /// Closes vanished providers and commits.
    pub async fn finish(mut self) -> Result<Planned, Error> {
        self.batches.cut_rest();
        self.batches.add_unchanged(self.unchanged.drain().collect());
        let (removed, kept) = self.close_vanished().await?;
        let rejected = length(self.rejected.len()).saturating_add(self.unidentified);
        let planned = Planned {
            batches: length(self.batches.count()),
            providers: self.batches.providers().saturating_add(rejected),
            removed,
        };
        self.batches.write(&mut self.session, self.packet_limit, &self.run_id, &self.service_id).await?;
        let first_ordinal = self.take_ordinals().await?;
        let removals = self.count_removals().await?;
        self.record(&planned, rejected, &kept, &removals, first_ordinal).await?;
        self.session.commit().await?;
        Ok(planned)
    }

    /// Those of these contents that are open, with the rows that they keep.
    ///
    /// Nothing is locked: no batch of the service is planned yet, so nobody can write its contents.
    async fn still_open(&mut self, unchanged: &[Known]) -> Result<HashMap<ProviderId, Kept>, Error> {
        if unchanged.is_empty() {
            return Ok(HashMap::new());
        }
        let ids = unchanged.iter().map(|known| &known.provider_id);
        let mut open = open_contents(&mut self.session, &self.service_id, ids).await?;
        let still = |known: &Known| {
            let (id, content) = open.remove_entry(&known.provider_id)?;
            let seen = self.visible_at.is_none_or(|seen| content.valid_from <= seen.0);
            let same = content.etag.as_ref() == Some(&known.etag) && seen;
            same.then_some((id, Kept { bundles: content.bundles, fields: content.fields }))
        };
        Ok(unchanged.iter().filter_map(still).collect())
    }

    /// Takes as many ordinals as the service has providers in batches; gives the first. Must stay the last lock before
    /// the commit: all plans of the run meet here.
    async fn take_ordinals(&mut self) -> Result<i64, Error> {
        self.session
            .execute_one(
                "UPDATE sluice_run_ordinals SET next_ordinal = next_ordinal + ? WHERE run_id = ?",
                &[self.batches.providers().into(), (&self.run_id).into()],
            )
            .await?;
        let next = self
            .session
            .fetch_one("SELECT next_ordinal FROM sluice_run_ordinals WHERE run_id = ?", &[(&self.run_id).into()])
            .await?
            .int("next_ordinal")?;
        if next > MAX_ORDINAL {
            return Err(Error::broken(
                self.session.operation(),
                format!("the run has more than {MAX_ORDINAL} providers"),
            ));
        }
        Ok(next.saturating_sub(self.batches.providers()))
    }

    async fn record(
        &mut self,
        planned: &Planned,
        rejected: i64,
        kept: &Kept,
        Removals { visible, removed }: &Removals,
        first_ordinal: i64,
    ) -> Result<(), Error> {
        self.session
            .execute_one(
                "UPDATE sluice_run_service SET state = 'planned', expected_batches = ?, expected_providers = ?, \
                 rejected_providers = ?, kept_bundles = ?, kept_fields = ?, visible_services = ?, \
                 visible_providers = ?, visible_bundles = ?, visible_fields = ?, removed_services = ?, \
                 removed_providers = ?, removed_bundles = ?, removed_fields = ?, first_ordinal = ?, planned_at_ms = ? \
                 WHERE run_id = ? AND service_id = ? AND state = 'discovered'",
                &[
                    planned.batches.into(),
                    planned.providers.into(),
                    rejected.into(),
                    kept.bundles.into(),
                    kept.fields.into(),
                    visible.services.into(),
                    visible.providers.into(),
                    visible.bundles.into(),
                    visible.subscription_fields.into(),
                    removed.services.into(),
                    removed.providers.into(),
                    removed.bundles.into(),
                    removed.subscription_fields.into(),
                    first_ordinal.into(),
                    now_ms().into(),
                    (&self.run_id).into(),
                    (&self.service_id).into(),
                ],
            )
            .await
    }
}

/// The column `provider_ids` of a batch.
pub(crate) fn provider_ids(row: &Row<'_>) -> Result<Vec<ProviderId>, Error> {
    serde_json::from_str(&row.text("provider_ids")?).map_err(|error| row.broken(error.to_string()))
}

pub(crate) fn not_in_ledger(operation: &Operation, what: &'static str) -> Error {
    Error::NotInLedger { operation: operation.verb, subject: operation.subject.clone(), what }
}

pub(crate) fn length(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
