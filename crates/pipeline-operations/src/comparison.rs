//! Source and copy side by side.
//!
//! Services are taken in byte order, the providers of each in the order in which the source gives them, in chunks;
//! everything below the providers of a chunk is read from both sides and compared by digest, and looked at row by row only where digests
//! differ. Memory holds the ids of one service's providers, one chunk, and the differences that are to be listed.
//!
//! The copy's digests are recomputed from its rows. The stored ones are compared too: the next run decides by them
//! what has changed, so that a damaged row whose stored digest is the source's would never be written again.
//!
//! **What cannot be compared.** A document that breaks a rule was rejected, and what it stands for keeps its last good
//! state. Such a document is reported as [`Kind::Rejected`], which is no difference; what it excuses is what a plan
//! does not remove either.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use futures::StreamExt as _;
use pipeline_compare::{
    CopiedProvider, CopiedService,
    difference::{self, Difference, Kind},
    excused::Excused,
};
use pipeline_model::{
    documents::{DocumentFault, Found, Level, Provider, Service, SubtreeContent},
    ids::{Generation, ProviderId, ServiceId},
};
use pipeline_source::Source;
use pipeline_store::Store;
use serde::Serialize;

use crate::Error;

pub use cursor::Cursor;

mod cursor;
pub mod preview;

/// Providers compared at a time.
const CHUNK: usize = 100;
/// Ids of the copy read at a time when looking for what the source does not have.
const PAGE: u32 = 5_000;

/// What to compare.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// Only these services; empty means all.
    pub services: BTreeSet<ServiceId>,
    /// Only what comes after this: what is before was compared by an earlier call.
    pub after: Option<Cursor>,
    /// The copy at this generation; otherwise what readers see.
    pub generation: Option<Generation>,
}

/// What was compared and found so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Services of either side.
    pub services: i64,
    /// Providers of the source.
    pub providers: i64,
    /// Bundles of the source.
    pub bundles: i64,
    /// Subscription fields of the source.
    pub subscription_fields: i64,
    /// In the source, and not in the copy.
    pub missing: i64,
    /// In the copy, and not in the source.
    pub extra: i64,
    /// In both, and not the same.
    pub changed: i64,
    /// Rows of the copy that contradict each other.
    pub damaged: i64,
    /// Documents of the source that break rules, and were not compared.
    pub rejected: i64,
    /// The first differences.
    pub differences: Vec<Difference>,
    /// The first rejects.
    pub rejects: Vec<Difference>,
    /// The last service that was compared to its end.
    pub last_service: Option<ServiceId>,
    /// Providers that an earlier call has compared, in the service that this one went on in.
    pub skipped: i64,
    /// Where to go on should this call end here.
    pub reached: Option<Cursor>,
}

/// One comparison under way.
pub struct Comparison<'a> {
    source: &'a dyn Source,
    store: &'a Store,
    part: Part,
    /// Differences, and rejects, listed at most.
    limit: usize,
    tally: Tally,
    excused: Excused,
}

// === impl Tally ===

impl Tally {
    /// Differences of all kinds; rejects are none.
    pub fn total(&self) -> i64 {
        self.missing.saturating_add(self.extra).saturating_add(self.changed).saturating_add(self.damaged)
    }
}

// === impl Comparison ===

impl<'a> Comparison<'a> {
    /// A comparison that has not begun.
    pub fn new(source: &'a dyn Source, store: &'a Store, part: Part, limit: usize) -> Self {
        Self { source, store, part, limit, tally: Tally::default(), excused: Excused::default() }
    }

    /// What was found so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Compares; `progress` is called after each chunk. May be dropped at any time: what was found until then is in
    /// [`Comparison::tally`], and `reached` says where another comparison goes on.
    pub async fn run(&mut self, mut progress: impl FnMut(&Tally)) -> Result<(), Error> {
        let copied = self.store.copied_services(self.part.generation).await;
        let mut copied: BTreeMap<ServiceId, CopiedService> =
            copied?.into_iter().map(|service| (service.service_id.clone(), service)).collect();
        self.read_unreachable().await?;
        let mut documents = self.read_services().await?;

        let mut ids: BTreeSet<ServiceId> = copied.keys().chain(documents.keys()).cloned().collect();
        ids.retain(|id| self.part.contains(id));
        for id in ids {
            let resumed = self.part.inside(&id).is_some();
            self.tally.services = self.tally.services.saturating_add(i64::from(!resumed));
            match (documents.remove(&id), copied.remove(&id)) {
                (Some(document), Some(copied)) => {
                    if !resumed {
                        self.note(difference::service(&document, &copied));
                    }
                    self.compare_providers(&id, copied.generation, &mut progress).await?;
                }
                (Some(_), None) => self.note([Difference::of_service(Kind::Missing, &id)]),
                (None, Some(_)) if self.excused.keeps_service(&id) => {}
                (None, Some(_)) => self.note([Difference::of_service(Kind::Extra, &id)]),
                (None, None) => {}
            }
            self.tally.reached = Some(Cursor::behind(id.clone()));
            self.tally.last_service = Some(id);
            progress(&self.tally);
        }
        Ok(())
    }

    /// Documents that no parent asks for.
    async fn read_unreachable(&mut self) -> Result<(), Error> {
        let source = self.source;
        let mut faults = source.unreachable();
        while let Some(fault) = faults.next().await {
            let fault = fault?;
            if fault.service_id.as_ref().is_none_or(|id| self.part.contains(id)) {
                self.excused.add_unreachable(&fault);
                self.tally_one(Difference::rejected(&fault, None));
            }
        }
        Ok(())
    }

    async fn read_services(&mut self) -> Result<BTreeMap<ServiceId, Service>, Error> {
        let source = self.source;
        let (mut documents, mut broken) = (BTreeMap::new(), HashSet::new());
        let mut services = source.services();
        while let Some(found) = services.next().await {
            match found? {
                Found::Document(service) => {
                    documents.entry(service.id.clone()).or_insert(service);
                }
                Found::Fault(fault) => {
                    broken.extend(fault.service_id.clone());
                    self.reject(&fault, None);
                }
            }
        }
        documents.retain(|id, _| !broken.contains(id));
        Ok(documents)
    }

    async fn compare_providers(
        &mut self,
        service: &ServiceId,
        generation: Generation,
        progress: &mut impl FnMut(&Tally),
    ) -> Result<(), Error> {
        let source = self.source;
        let mut seen = HashSet::new();
        let mut unidentified = false;
        // Everything up to this one was compared by an earlier call; still it has been seen.
        let mut last_known = self.part.inside(service).cloned();
        let mut chunks = source.providers(service).chunks(CHUNK);
        while let Some(chunk) = chunks.next().await {
            let mut documents = Vec::with_capacity(chunk.len());
            for found in chunk {
                match found? {
                    Found::Document(provider) => {
                        let new = seen.insert(provider.id.clone());
                        if last_known.is_some() {
                            self.tally.skipped = self.tally.skipped.saturating_add(i64::from(new));
                            last_known = last_known.filter(|last| *last != provider.id);
                        } else if new {
                            documents.push(provider);
                        }
                    }
                    Found::Fault(fault) => {
                        match (&fault.provider_id, fault.level) {
                            (Some(id), _) => drop(seen.insert(id.clone())),
                            (None, Level::Provider) => unidentified = true,
                            (None, _) => {}
                        }
                        self.excused.add(&fault, Some(service));
                        if last_known.is_none() {
                            self.tally_one(Difference::rejected(&fault, Some(service)));
                        }
                    }
                }
            }
            self.compare_chunk(service, generation, &documents).await?;
            progress(&self.tally);
        }
        if let Some(last) = last_known {
            return Err(Error::PlaceGone { service: service.clone(), provider: last });
        }
        if unidentified || self.excused.keeps_all_providers(service) {
            // Any provider of the copy may be the one whose document cannot be read.
            return Ok(());
        }
        self.find_extra(service, generation, &seen).await
    }

    async fn compare_chunk(
        &mut self,
        service: &ServiceId,
        generation: Generation,
        documents: &[Provider],
    ) -> Result<(), Error> {
        let Some(last) = documents.last() else { return Ok(()) };
        let ids: Vec<ProviderId> = documents.iter().map(|provider| provider.id.clone()).collect();
        let subtrees = self.source.subtrees(service, &ids).await?;
        let copied = self.store.copied_providers(service, generation, &ids).await;
        let mut copied = copied?;
        for (document, subtree) in documents.iter().zip(subtrees) {
            self.tally.providers = self.tally.providers.saturating_add(1);
            let copied = copied.remove(&document.id);
            match subtree.content {
                SubtreeContent::Complete(bundles) => {
                    self.tally.bundles = self.tally.bundles.saturating_add(difference::count(&bundles).0);
                    self.tally.subscription_fields =
                        self.tally.subscription_fields.saturating_add(difference::count(&bundles).1);
                    match copied {
                        None => self.note([Difference::of_provider(Kind::Missing, service, &document.id)]),
                        Some(copied) => {
                            let differences = difference::provider(service, document, &bundles, &copied);
                            if self.excused.keeps_content(service, &document.id, &differences) {
                                self.note(difference::provider_row(service, document, &copied));
                            } else {
                                self.note(differences);
                            }
                        }
                    }
                }
                SubtreeContent::Rejected(faults) => self.rejected(service, document, &faults, copied.as_ref()),
                SubtreeContent::Vanished if copied.is_some() => {
                    self.note([Difference::of_provider(Kind::Extra, service, &document.id)]);
                }
                SubtreeContent::Vanished => {}
            }
        }
        self.tally.reached = Some(Cursor::inside(service.clone(), last.id.clone()));
        Ok(())
    }

    async fn find_extra(
        &mut self,
        service: &ServiceId,
        generation: Generation,
        seen: &HashSet<ProviderId>,
    ) -> Result<(), Error> {
        let mut after: Option<ProviderId> = None;
        loop {
            let page = self.store.copied_provider_ids(service, generation, after.as_ref(), PAGE).await;
            let page = page?;
            after = page.last().cloned();
            if after.is_none() {
                return Ok(());
            }
            for id in page {
                if !seen.contains(&id) && !self.excused.keeps_provider(service, &id) {
                    self.tally_one(Difference::of_provider(Kind::Extra, service, &id));
                }
            }
        }
    }

    /// A provider with a broken document below it: it keeps its last good content, so only its own row is compared.
    fn rejected(
        &mut self,
        service: &ServiceId,
        document: &Provider,
        faults: &[DocumentFault],
        copied: Option<&CopiedProvider>,
    ) {
        for fault in faults {
            let fault = DocumentFault { provider_id: Some(document.id.clone()), ..fault.clone() };
            self.reject(&fault, Some(service));
        }
        if let Some(copied) = copied {
            self.note(difference::provider_row(service, document, copied));
        }
    }

    fn reject(&mut self, fault: &DocumentFault, service: Option<&ServiceId>) {
        self.excused.add(fault, service);
        self.tally_one(Difference::rejected(fault, service));
    }

    fn note(&mut self, differences: impl IntoIterator<Item = Difference>) {
        for difference in differences {
            self.tally_one(difference);
        }
    }

    fn tally_one(&mut self, difference: Difference) {
        let count = match difference.kind {
            Kind::Missing => &mut self.tally.missing,
            Kind::Extra => &mut self.tally.extra,
            Kind::Changed => &mut self.tally.changed,
            Kind::Damaged => &mut self.tally.damaged,
            Kind::Rejected => &mut self.tally.rejected,
        };
        *count = count.saturating_add(1);
        let listed =
            if difference.kind == Kind::Rejected { &mut self.tally.rejects } else { &mut self.tally.differences };
        if listed.len() < self.limit {
            listed.push(difference);
        }
    }
}

// === impl Part ===

impl Part {
    /// Whether anything of the service is to be compared.
    pub fn contains(&self, id: &ServiceId) -> bool {
        let ahead = self.after.as_ref().is_none_or(|after| *id > after.service || self.inside(id).is_some());
        ahead && (self.services.is_empty() || self.services.contains(id))
    }

    /// The provider to go on behind, when the comparison goes on within this service.
    fn inside(&self, id: &ServiceId) -> Option<&ProviderId> {
        self.after.as_ref().filter(|after| after.service == *id)?.provider.as_ref()
    }
}
