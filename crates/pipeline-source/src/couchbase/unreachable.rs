//! The documents that no parent asks for, and why: every page of every collection is looked at once.
//!
//! What a statement asks by must be in a document, or it is never read: a bundle without the id of its provider, or of
//! a provider that does not exist, would be lost without a word. Only ids are kept, of services and providers.
//!
//! It is also where a collection is held against its own count: fewer documents than there are mean that every other
//! answer may lack some too.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};

use futures::{StreamExt, TryStreamExt, future, stream, stream::BoxStream};
use pipeline_model::documents::{DocumentFault, FaultCode, Level};
use pipeline_settings::settings::Children;

use super::{
    Couchbase,
    page::{Parameters, Row},
    statements::{self, Statement},
};
use crate::{
    Error,
    files::peek::peek,
    json::quoted,
    mapping::{Owner, Violation},
};

/// Services, each with its providers.
type Known = Arc<Mutex<HashMap<String, HashSet<String>>>>;

/// How the documents of a level name their parents.
struct Links<'a> {
    level: Level,
    collection: &'a str,
    id: &'a str,
    service: &'a str,
    provider: &'a str,
    /// `None` for bundles.
    bundle: Option<&'a str>,
    /// The statement asks by the service too.
    by_service: bool,
}

impl Couchbase {
    pub(super) fn find_unreachable(&self) -> BoxStream<'_, Result<DocumentFault, Error>> {
        if !self.settings().find_unreachable {
            return stream::empty().boxed();
        }
        let known = Known::default();
        let services = stream::once(self.learn_services(Arc::clone(&known))).try_filter_map(|()| async { Ok(None) });
        let providers = self.lost_providers(Arc::clone(&known));
        let mut parts = vec![services.boxed(), providers];
        if self.settings().children == Children::Statement {
            let (bundle, field) = (&self.mapping.bundles, &self.mapping.subscription_fields);
            let collections = &self.settings().collections;
            let links = Links {
                level: Level::Bundle,
                collection: &collections.bundles,
                id: &bundle.id,
                service: &bundle.service_id,
                provider: &bundle.provider_id,
                bundle: None,
                by_service: self.statements.bundles.uses("$service"),
            };
            parts.push(self.lost_children(&self.statements.everything.bundles, links, Arc::clone(&known)));
            if let (Some(all), Some(asked)) = (&self.statements.everything.fields, &self.statements.fields) {
                let links = Links {
                    level: Level::SubscriptionField,
                    collection: &collections.subscription_fields,
                    id: &field.id,
                    service: &field.service_id,
                    provider: &field.provider_id,
                    bundle: Some(&field.bundle_id),
                    by_service: asked.uses("$service"),
                };
                parts.push(self.lost_children(all, links, known));
            }
        }
        stream::iter(parts).flatten().boxed()
    }

    async fn learn_services(&self, known: Known) -> Result<(), Error> {
        let name = &self.mapping.provider_services.id;
        let mut rows = self.rows(&self.statements.services, Parameters::default());
        while let Some(row) = rows.try_next().await? {
            let [id] = peek(row.bytes(), [name.as_str()]);
            if let Some(id) = id.id() {
                locked(&known).entry(id.into_owned()).or_default();
            }
        }
        Ok(())
    }

    fn lost_providers(&self, known: Known) -> BoxStream<'_, Result<DocumentFault, Error>> {
        let names = &self.mapping.providers;
        let collection = self.settings().collections.providers.as_str();
        let look = move |row: Row| {
            let [id, service] = peek(row.bytes(), [names.id.as_str(), names.service_id.as_str()]);
            let (code, reason) = match service.id() {
                None => (FaultCode::MissingId, format!("the provider has no readable `{}`", names.service_id)),
                Some(service) => {
                    if let Some(providers) = locked(&known).get_mut(&*service) {
                        providers.extend(id.id().map(Cow::into_owned));
                        return None;
                    }
                    let service = quoted(&service);
                    let reason = format!("the provider belongs to the service {service}, which does not exist");
                    (FaultCode::Orphan, reason)
                }
            };
            let owner = Owner::of(service.id(), id.id(), None);
            let place = row.place(collection);
            Some(violation(Level::Provider, id.id(), code, reason).of(place.to_string(), owner))
        };
        self.everything(&self.statements.everything.providers)
            .try_filter_map(move |row| future::ready(Ok(look(row))))
            .boxed()
    }

    /// All documents of a collection, as many as there were at the beginning and are still.
    fn everything<'a>(&'a self, all: &'a Statement) -> BoxStream<'a, Result<Row, Error>> {
        let counts = Arc::new((AtomicI64::new(0), AtomicI64::new(0)));
        let [before, each, behind] = std::array::from_fn(|_| Arc::clone(&counts));
        let count = async move {
            before.0.store(self.count_all(&all.collection).await?, Ordering::Relaxed);
            Ok(())
        };
        let compare = async move {
            let (counted, read) = (behind.0.load(Ordering::Relaxed), behind.1.load(Ordering::Relaxed));
            if read >= counted { Ok(()) } else { self.check_read(&all.collection, read).await }
        };
        let nothing = |()| future::ready(Ok(None));
        let rows = self.rows(all, Parameters::default()).inspect_ok(move |_| {
            each.1.fetch_add(1, Ordering::Relaxed);
        });
        let (count, compare) =
            (stream::once(count).try_filter_map(nothing), stream::once(compare).try_filter_map(nothing));
        count.chain(rows).chain(compare).boxed()
    }

    /// Documents may have been deleted meanwhile, so those are counted that are there.
    pub(super) async fn check_read(&self, collection: &str, read: i64) -> Result<(), Error> {
        let exactly = statements::count_exactly(collection);
        let counted = self.reader.count(&exactly, Parameters::default(), "").await?;
        if read >= counted {
            return Ok(());
        }
        Err(Error::Fewer { operation: format!("read the collection `{collection}`"), read, counted })
    }

    fn lost_children<'a>(
        &'a self,
        all: &'a Statement,
        links: Links<'a>,
        known: Known,
    ) -> BoxStream<'a, Result<DocumentFault, Error>> {
        self.everything(all).try_filter_map(move |row| future::ready(Ok(links.lost(&row, &locked(&known))))).boxed()
    }
}

impl Links<'_> {
    fn lost(&self, row: &Row, known: &HashMap<String, HashSet<String>>) -> Option<DocumentFault> {
        let [id, service, provider] = peek(row.bytes(), [self.id, self.service, self.provider]);
        let what = self.level.as_str().replace('_', " ");
        let missing = |name: &str| format!("the {what} has no readable `{name}`, which it is asked for by");
        let (code, reason) = match (service.id(), provider.id()) {
            (_, None) => (FaultCode::MissingId, missing(self.provider)),
            (None, Some(_)) if self.by_service => (FaultCode::MissingId, missing(self.service)),
            (Some(service), Some(provider)) => {
                if known.get(&*service).is_some_and(|providers| providers.contains(&*provider)) {
                    return None;
                }
                let whose = format!("the provider {} of the service {}", quoted(&provider), quoted(&service));
                (FaultCode::Orphan, format!("the {what} belongs to {whose}, which does not exist"))
            }
            (None, Some(provider)) => {
                if known.values().any(|providers| providers.contains(&*provider)) {
                    return None;
                }
                let reason = format!("the {what} belongs to the provider {}, which does not exist", quoted(&provider));
                (FaultCode::Orphan, reason)
            }
        };
        let bundle = self.bundle.and_then(|name| peek(row.bytes(), [name])[0].id());
        let owner = Owner::of(service.id(), provider.id(), bundle);
        let place = row.place(self.collection);
        Some(violation(self.level, id.id(), code, reason).of(place.to_string(), owner))
    }
}

fn violation(level: Level, id: Option<Cow<'_, str>>, code: FaultCode, reason: String) -> Violation {
    Violation { level, document_id: id.map(Cow::into_owned), code, reason }
}

fn locked(known: &Known) -> std::sync::MutexGuard<'_, HashMap<String, HashSet<String>>> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}
