//! Documents that no parent asks for: what they could belong to, and what that protects.
//!
//! Such a document was perhaps below some provider yesterday, and the line that said so is broken now, or its parent is
//! gone. So what it could belong to must not be removed for want of it: a service that it names, the services that have
//! a provider or a bundle that it names, or, when it names nothing, everything. The plans and the batches of the run
//! protect providers and their contents by the same rows of the ledger.
//!
//! Each holds the run until it is tolerated. Documents that miss the same owner are counted once, by that owner: a
//! provider that is missing is one fault, however many bundles it had.
//!
//! **Bounds.** A file in another encoding has no readable line, and its lines would fill the ledger. Of documents that
//! name the same, or nothing, only so many are listed; all are counted.

use std::collections::{BTreeMap, HashMap, HashSet};

use pipeline_model::{
    documents::{DocumentFault, FaultCode, Level},
    ids::{ProviderId, ServiceId},
};

use crate::{
    Error,
    database::Session,
    insert::{IN_LIST, in_list},
    plan::length,
    rejects::fits,
    versions::OPEN,
};

/// Documents that are listed of those that name the same owner.
const LISTED: i64 = 10;
/// Documents that are listed of those that name none.
const LISTED_OF_NOBODY: i64 = 1_000;

/// What a document names of its owner.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Owner {
    service: Option<ServiceId>,
    provider: Option<ProviderId>,
    bundle: Option<String>,
}

/// The unreachable documents of a run, counted by what they name.
#[derive(Debug, Default)]
pub(super) struct Unreachable {
    documents: HashMap<Owner, i64>,
    untold: BTreeMap<&'static str, (Level, i64)>,
}

/// How many of them hold what.
#[derive(Debug, Default)]
pub(super) struct Holding {
    /// Every service of the run.
    pub(super) anywhere: i64,
    /// One service each.
    pub(super) services: BTreeMap<ServiceId, i64>,
    /// Services that they name and that the source does not have.
    pub(super) missing: HashSet<ServiceId>,
}

// === impl Owner ===

impl Owner {
    fn of(fault: &DocumentFault) -> Self {
        // An id that has no room in its column is nobody's.
        Self {
            service: fault.service_id.clone().filter(|id| fits(id.as_str())),
            provider: fault.provider_id.clone().filter(|id| fits(id.as_str())),
            bundle: fault.bundle_id.clone().filter(|id| fits(id)),
        }
    }

    fn is_one(&self) -> bool {
        self.provider.is_some() || self.bundle.is_some()
    }
}

// === impl Unreachable ===

impl Unreachable {
    /// Counts a document; whether it is to be listed.
    pub(super) fn add(&mut self, fault: &DocumentFault) -> bool {
        let owner = Owner::of(fault);
        let listed = if owner.is_one() { LISTED } else { LISTED_OF_NOBODY };
        let count = self.documents.entry(owner).or_default();
        *count += 1;
        let told = *count <= listed;
        if !told {
            self.untold.entry(fault.level.as_str()).or_insert((fault.level, 0)).1 += 1;
        }
        told
    }

    /// What stands for the documents that are not listed, to be told to people. Each owner that is named is named by one
    /// that is listed.
    pub(super) fn summaries(&self) -> Vec<DocumentFault> {
        let summary = |(level, count): &(Level, i64)| DocumentFault {
            level: *level,
            service_id: None,
            provider_id: None,
            bundle_id: None,
            document_id: None,
            place: format!("{} more documents", count),
            code: FaultCode::Orphan,
            reason: "they name the same owners as those that are listed, or none, and are counted with them".to_owned(),
        };
        self.untold.values().map(summary).collect()
    }

    /// Nothing tells what some document could belong to.
    pub(super) fn is_anybodys(&self) -> bool {
        self.documents.contains_key(&Owner::default())
    }

    /// How many hold the run, and how many one of its services.
    pub(super) fn holding(
        &self,
        seen: impl Fn(&ServiceId) -> bool,
        in_scope: impl Fn(&ServiceId) -> bool,
        rejected: impl Fn(&ServiceId) -> bool,
    ) -> Holding {
        let mut holding = Holding::default();
        for (owner, documents) in &self.documents {
            let count = if owner.is_one() { 1 } else { *documents };
            match &owner.service {
                None => holding.anywhere = holding.anywhere.saturating_add(count),
                Some(service) if !in_scope(service) || rejected(service) => {}
                Some(service) if seen(service) => *holding.services.entry(service.clone()).or_default() += count,
                Some(service) => drop(holding.missing.insert(service.clone())),
            }
        }
        // However many documents miss it, it is one service.
        holding.anywhere = holding.anywhere.saturating_add(length(holding.missing.len()));
        holding
    }

    /// Those of these services that have a provider, or a bundle, that a document names without its service.
    pub(super) async fn protected(
        &self,
        session: &mut Session,
        services: &[ServiceId],
    ) -> Result<HashSet<ServiceId>, Error> {
        let mut protected = HashSet::new();
        if services.is_empty() {
            return Ok(protected);
        }
        let anywhere = || self.documents.keys().filter(|owner| owner.service.is_none());
        let providers: Vec<&str> = anywhere().filter_map(|o| o.provider.as_ref()).map(ProviderId::as_str).collect();
        let bundles: Vec<&str> = anywhere().filter_map(|o| o.bundle.as_deref()).collect();
        let by_provider = "SELECT 1 AS found FROM sluice_provider_version p WHERE p.service_id = ? AND p.valid_to = ? \
                           AND p.provider_id IN ({marks}) LIMIT 1";
        let by_bundle = "SELECT 1 AS found FROM sluice_provider_content c JOIN sluice_content_bundle b \
                         ON b.content_id = c.content_id \
                         WHERE c.service_id = ? AND c.valid_to = ? AND b.bundle_id IN ({marks}) LIMIT 1";
        for service in services {
            for (sql, ids) in [(by_provider, &providers), (by_bundle, &bundles)] {
                for ids in ids.chunks(IN_LIST) {
                    let (marks, list) = in_list(ids);
                    let mut values = vec![service.into(), OPEN.into()];
                    values.extend(list);
                    if session.fetch_optional(sql.replace("{marks}", &marks), &values).await?.is_some() {
                        protected.insert(service.clone());
                    }
                }
            }
        }
        Ok(protected)
    }
}
