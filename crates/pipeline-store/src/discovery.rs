//! The root stage's transaction: which services a run has.
//!
//! One transaction under the exclusive lock on the run's row: the only other writers of a run that is not discovered
//! yet are a second root stage, which then finds the discovery done, and an abort.
//!
//! What is not seen is removed, so a discovery must be sure of what it has seen:
//! - a run over a part of the services removes nothing outside its part;
//! - a service whose document is broken counts as seen: it keeps its last good row and is not planned;
//! - a broken document that could be any service's keeps all services from being removed in this run, and documents
//!   that no parent asks for keep what they could belong to ([`unreachable`]);
//! - a source without any service ends the run as failed, whatever its scope: an empty folder must not empty the copy;
//! - so does a scope with a name that neither the source nor the copy has.
//!
//! The source is read before the transaction begins: nothing waits for a source under the lock.

use std::collections::HashSet;

use pipeline_model::{
    documents::{DocumentFault, Level, Service},
    ids::{Generation, RunId, ServiceId},
};

use crate::{
    Begin, Error, Run, RunState, Store,
    clock::now_ms,
    database::Session,
    ending::undo,
    fence,
    insert::Insert,
    operation::Operation,
    plan::length,
    rejects,
    versions::{self, Document, Table},
};

use unreachable::{Holding, Unreachable};

mod unreachable;

/// Ids read at a time when looking for what has vanished.
const PAGE: i64 = 5_000;

/// An open discovery: one transaction. Dropping it without [`Discovery::finish`] rolls back.
#[derive(Debug)]
pub struct Discovery {
    session: Session,
    packet_limit: usize,
    run: Run,
    generation: Generation,
    /// Empty means all.
    scope: HashSet<ServiceId>,
    seen: HashSet<ServiceId>,
    rejected: HashSet<ServiceId>,
    /// Broken documents that could be those of any service.
    unidentified: i64,
    /// The source has a service, of the scope or not.
    any: bool,
    unreachable: Unreachable,
}

/// What a discovery found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovered {
    /// Services to be planned, without the removed ones.
    pub services: i64,
    /// Services that are gone from the source.
    pub removed: i64,
    /// Why the run was ended as failed instead: there was no service, and an empty source must not empty the copy.
    pub failed: Option<String>,
}

impl Store {
    /// Begins the discovery of a run: [`Begin::Work`] once, [`Begin::DoneBefore`] when it was finished before.
    pub async fn begin_discovery(&self, run: RunId) -> Result<Begin<Discovery>, Error> {
        let mut session = self.database.begin(Operation::new("discover services of run", run.to_string())).await?;
        let Some((run, generation)) = fence::close(&mut session, run).await? else {
            return Ok(Begin::NotOpen);
        };
        if run.discovered {
            return Ok(Begin::DoneBefore);
        }
        Ok(Begin::Work(Discovery {
            session,
            packet_limit: self.packet_limit,
            generation,
            scope: run.scope.iter().cloned().collect(),
            run,
            seen: HashSet::new(),
            rejected: HashSet::new(),
            unidentified: 0,
            any: false,
            unreachable: Unreachable::default(),
        }))
    }

    /// The services of a run that are to be planned, removed ones included, from the ledger, in byte order.
    pub async fn discovered_services(&self, run: RunId) -> Result<Vec<ServiceId>, Error> {
        let mut session = self.database.session(Operation::new("list services of run", run.to_string())).await?;
        let rows = session
            .fetch_all(
                "SELECT service_id FROM sluice_run_service WHERE run_id = ? AND state <> 'rejected' \
                 ORDER BY service_id",
                &[(&run.to_string()).into()],
            )
            .await?;
        rows.into_iter().map(|row| Ok(ServiceId(row.text("service_id")?))).collect()
    }
}

impl Discovery {
    /// Records services that were read, in chunks of any size. Services outside the run's scope are ignored.
    pub async fn put(&mut self, services: &[Service]) -> Result<(), Error> {
        self.any |= !services.is_empty();
        let too_large: Vec<DocumentFault> = services
            .iter()
            .filter(|service| in_scope(&self.scope, &service.id))
            .filter_map(|service| {
                let document = (service.name.as_deref(), &service.attributes);
                rejects::too_large(self.packet_limit, &service.id, None, document)
            })
            .collect();
        if !too_large.is_empty() {
            self.reject(&too_large).await?;
        }
        let mut accepted: Vec<&Service> = Vec::with_capacity(services.len());
        let mut duplicates = Vec::new();
        for service in services.iter().filter(|service| in_scope(&self.scope, &service.id)) {
            if self.rejected.contains(&service.id) {
                continue;
            }
            if self.seen.insert(service.id.clone()) {
                accepted.push(service);
            } else {
                duplicates.push(rejects::duplicate(&service.id, None));
            }
        }
        let documents: Vec<Document<'_>> = accepted
            .iter()
            .map(|service| Document {
                id: service.id.as_str(),
                name: service.name.as_deref(),
                attributes: &service.attributes,
                source_cas: service.source_cas,
            })
            .collect();
        versions::write(&mut self.session, self.packet_limit, Table::Services, self.generation, &documents).await?;
        self.insert_services(accepted.iter().map(|service| &service.id), "discovered", false).await?;
        if duplicates.is_empty() { Ok(()) } else { self.reject(&duplicates).await }
    }

    /// Records documents that break rules: services' own, and those of other levels that no parent asks for.
    pub async fn reject(&mut self, faults: &[DocumentFault]) -> Result<(), Error> {
        let (of_services, others): (Vec<DocumentFault>, Vec<DocumentFault>) =
            faults.iter().cloned().partition(|fault| fault.level == Level::Service);
        rejects::record(&mut self.session, self.packet_limit, self.run.run_id, None, &of_services).await?;
        for fault in &of_services {
            match &fault.service_id {
                None => self.unidentified = self.unidentified.saturating_add(1),
                Some(id) if in_scope(&self.scope, id) => self.reject_service(id).await?,
                Some(_) => {}
            }
        }
        let listed: Vec<&DocumentFault> = others.iter().filter(|fault| self.unreachable.add(fault)).collect();
        let listed = listed.into_iter();
        rejects::record_unreachable(&mut self.session, self.packet_limit, self.run.run_id, listed).await
    }

    /// Closes vanished services and commits.
    pub async fn finish(mut self) -> Result<Discovered, Error> {
        if let Some(unknown) = self.unknown_in_scope().await? {
            let reason = format!(
                "the scope names the service `{unknown}`, which neither the source nor the copy has: is it misspelt?"
            );
            return self.fail(&reason).await;
        }
        // Only for people: what they stand for is protected by those that are listed.
        let summaries = self.unreachable.summaries();
        rejects::record(&mut self.session, self.packet_limit, self.run.run_id, None, &summaries).await?;
        let holding = self.unreachable.holding(
            |id| self.seen.contains(id),
            |id| in_scope(&self.scope, id),
            |id| self.rejected.contains(id),
        );
        let discovered = self.seen.difference(&self.rejected).count();
        let vanished =
            if self.nothing_to_trust(discovered) { Vec::new() } else { self.vanished(&holding.missing).await? };
        if discovered == 0 && vanished.is_empty() {
            let reason = self.nothing_found();
            return self.fail(reason).await;
        }

        let ids: Vec<&str> = vanished.iter().map(ServiceId::as_str).collect();
        versions::close(&mut self.session, Table::Services, self.generation, &ids).await?;
        self.insert_services(vanished.iter(), "discovered", true).await?;
        self.record_holding(&holding).await?;
        self.session.commit().await?;
        Ok(Discovered { services: length(discovered), removed: length(vanished.len()), failed: None })
    }

    /// A service that the run is to synchronise and that nobody knows.
    async fn unknown_in_scope(&mut self) -> Result<Option<ServiceId>, Error> {
        let known = |id: &&ServiceId| self.seen.contains(id) || self.rejected.contains(id);
        let mut missing: Vec<ServiceId> = self.scope.iter().filter(|id| !known(id)).cloned().collect();
        missing.sort();
        for id in missing {
            let sql = "SELECT 1 AS found FROM sluice_provider_service_version WHERE service_id = ? LIMIT 1";
            if self.session.fetch_optional(sql, &[(&id).into()]).await?.is_none() {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    async fn record_holding(&mut self, holding: &Holding) -> Result<(), Error> {
        let run_id = self.run.run_id.to_string();
        self.session
            .execute_one(
                "UPDATE sluice_run SET discovered = 1, unreachable = ? WHERE run_id = ? AND state = 'running'",
                &[holding.anywhere.saturating_add(self.unidentified).into(), (&run_id).into()],
            )
            .await?;
        for (service, count) in &holding.services {
            self.session
                .execute_one(
                    "UPDATE sluice_run_service SET unreachable = ? WHERE run_id = ? AND service_id = ?",
                    &[(*count).into(), (&run_id).into(), service.into()],
                )
                .await?;
        }
        Ok(())
    }

    /// Whether the absence of a service says nothing.
    fn nothing_to_trust(&self, discovered: usize) -> bool {
        let nothing_seen = discovered == 0 && (self.scope.is_empty() || !self.any);
        self.unidentified > 0 || self.unreachable.is_anybodys() || nothing_seen
    }

    /// The services that are gone, but for those that documents without a parent could belong to.
    async fn vanished(&mut self, named: &HashSet<ServiceId>) -> Result<Vec<ServiceId>, Error> {
        let mut gone = self.not_seen().await?;
        gone.retain(|id| !named.contains(id));
        let protected = self.unreachable.protected(&mut self.session, &gone).await?;
        gone.retain(|id| !protected.contains(id));
        Ok(gone)
    }

    async fn not_seen(&mut self) -> Result<Vec<ServiceId>, Error> {
        let mut vanished = Vec::new();
        let mut after = None;
        loop {
            let page = versions::open_ids(&mut self.session, Table::Services, after.as_deref(), PAGE).await?;
            after = page.last().cloned();
            let Some(_) = after else {
                vanished.extend(self.seen_again().await?);
                return Ok(vanished);
            };
            vanished.extend(
                page.into_iter()
                    .map(ServiceId)
                    .filter(|id| in_scope(&self.scope, id) && !self.seen.contains(id) && !self.rejected.contains(id)),
            );
        }
    }

    /// Services that are gone since an earlier run and that a rollback shows again: they have no open row, and without
    /// this run nothing would ever move their pointers on.
    async fn seen_again(&mut self) -> Result<Vec<ServiceId>, Error> {
        let rows = self
            .session
            .fetch_all(
                "SELECT a.service_id FROM sluice_active_generation a JOIN sluice_provider_service_version s \
                 ON s.service_id = a.service_id \
                 AND s.valid_from <= a.generation AND s.valid_to > a.generation \
                 WHERE NOT EXISTS (SELECT 1 FROM sluice_provider_service_version o \
                 WHERE o.service_id = a.service_id AND o.valid_to = ?) ORDER BY a.service_id",
                &[versions::OPEN.into()],
            )
            .await?;
        let ids = rows.into_iter().map(|row| Ok(ServiceId(row.text("service_id")?))).collect::<Result<Vec<_>, _>>()?;
        Ok(ids
            .into_iter()
            .filter(|id| in_scope(&self.scope, id) && !self.seen.contains(id) && !self.rejected.contains(id))
            .collect())
    }

    async fn reject_service(&mut self, id: &ServiceId) -> Result<(), Error> {
        if !self.rejected.insert(id.clone()) {
            return Ok(());
        }
        if !self.seen.contains(id) {
            return self.insert_services([id].into_iter(), "rejected", false).await;
        }
        versions::take_back(&mut self.session, Table::Services, self.generation, &[id.as_str()]).await?;
        let run_id = self.run.run_id.to_string();
        self.session
            .execute_one(
                "UPDATE sluice_run_service SET state = 'rejected' WHERE run_id = ? AND service_id = ?",
                &[(&run_id).into(), id.into()],
            )
            .await
    }

    async fn insert_services<'s>(
        &mut self,
        ids: impl Iterator<Item = &'s ServiceId> + Send,
        state: &'static str,
        removed: bool,
    ) -> Result<(), Error> {
        let run_id = self.run.run_id.to_string();
        let now = now_ms();
        let into = "INSERT INTO sluice_run_service (run_id, service_id, state, removed, discovered_at_ms)";
        let mut insert = Insert::new(&self.session, self.packet_limit, into);
        for id in ids {
            let row = [(&run_id).into(), id.into(), state.into(), removed.into(), now.into()];
            insert.row(&mut self.session, row).await?;
        }
        insert.finish(&mut self.session).await?;
        Ok(())
    }

    fn nothing_found(&self) -> &'static str {
        if !self.rejected.is_empty() || self.unidentified > 0 || self.unreachable.is_anybodys() {
            "no document of a service could be used: see the rejects"
        } else if !self.any || self.scope.is_empty() {
            "the source has no service; an empty source does not empty the copy"
        } else {
            "neither the source nor the copy has a service of the run's scope"
        }
    }

    /// Ends the run as failed, and takes back the rows of services. The rejects stay, because they may say why.
    async fn fail(mut self, reason: &str) -> Result<Discovered, Error> {
        let run_id = self.run.run_id.to_string();
        undo(&mut self.session, &run_id, self.generation).await?;
        self.session
            .execute("DELETE FROM sluice_run_service WHERE run_id = ? AND state = 'discovered'", &[(&run_id).into()])
            .await?;
        self.session
            .execute_one(
                "UPDATE sluice_run SET state = ?, open_slot = NULL, reason = ?, finished_at_ms = ? \
                 WHERE run_id = ? AND state = 'running'",
                &[RunState::Failed.as_str().into(), reason.into(), now_ms().into(), (&run_id).into()],
            )
            .await?;
        self.session.commit().await?;
        Ok(Discovered { services: 0, removed: 0, failed: Some(reason.to_owned()) })
    }
}

fn in_scope(scope: &HashSet<ServiceId>, id: &ServiceId) -> bool {
    scope.is_empty() || scope.contains(id)
}
