//! What readers would see change: two generations of the copy side by side, row by row.

use std::collections::BTreeMap;

use pipeline_model::{
    documents::{Bundle, SubscriptionField},
    ids::{Generation, ProviderId, ServiceId},
};
use pipeline_store::{CopiedProvider, CopiedService, Store};
use serde::Serialize;

use crate::{failure::Failure, session};

/// Providers read at a time.
const CHUNK: usize = 100;

/// Rows of one level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Not seen now, and seen then.
    pub added: i64,
    /// Seen now and then, with another value.
    pub changed: i64,
    /// Seen now, and not then.
    pub removed: i64,
}

/// Rows of all levels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// Provider services.
    pub services: Changes,
    /// Providers.
    pub providers: Changes,
    /// Bundles.
    pub bundles: Changes,
    /// Subscription fields.
    pub subscription_fields: Changes,
}

// === impl Changes ===

impl Changes {
    fn note<T: PartialEq>(&mut self, before: Option<T>, after: Option<T>) {
        let count = match (before, after) {
            (None, Some(_)) => &mut self.added,
            (Some(_), None) => &mut self.removed,
            (Some(before), Some(after)) if before != after => &mut self.changed,
            _ => return,
        };
        *count = count.saturating_add(1);
    }
}

// === impl Preview ===

impl Preview {
    /// Adds what changes for one service when its pointer moves.
    pub async fn add_service(
        &mut self,
        store: &Store,
        id: &ServiceId,
        before: Option<&CopiedService>,
        after: Option<&CopiedService>,
        generations: (Generation, Generation),
    ) -> Result<(), Failure> {
        let own = |service: &CopiedService| (service.name.clone(), service.attributes.clone());
        self.services.note(before.map(own), after.map(own));
        let (older, newer) = generations;
        let failed = |error: pipeline_store::Error| session::store_failure(&error);
        let ids = store.providers_changed_between(id, older, newer).await.map_err(failed)?;
        for ids in ids.chunks(CHUNK) {
            let old = visible(store, id, older, ids, before.is_some()).await?;
            let new = visible(store, id, newer, ids, after.is_some()).await?;
            for id in ids {
                self.add_provider(old.get(id), new.get(id));
            }
        }
        Ok(())
    }

    fn add_provider(&mut self, before: Option<&CopiedProvider>, after: Option<&CopiedProvider>) {
        let own = |provider: &CopiedProvider| (provider.name.clone(), provider.attributes.clone());
        self.providers.note(before.map(own), after.map(own));
        let (old, new) = (by_id(before), by_id(after));
        for (id, bundle) in &old {
            self.add_bundle(Some(bundle), new.get(id).copied());
        }
        for (_, bundle) in new.iter().filter(|(id, _)| !old.contains_key(*id)) {
            self.add_bundle(None, Some(bundle));
        }
    }

    fn add_bundle(&mut self, before: Option<&Bundle>, after: Option<&Bundle>) {
        let own = |bundle: &Bundle| (bundle.name.clone(), bundle.attributes.clone());
        self.bundles.note(before.map(own), after.map(own));
        let (old, new) = (fields(before), fields(after));
        for (id, field) in &old {
            self.subscription_fields.note(Some(*field), new.get(id).copied());
        }
        for (_, field) in new.iter().filter(|(id, _)| !old.contains_key(*id)) {
            self.subscription_fields.note(None, Some(*field));
        }
    }
}

/// A service that is not seen hides its providers.
async fn visible(
    store: &Store,
    service: &ServiceId,
    generation: Generation,
    ids: &[ProviderId],
    seen: bool,
) -> Result<std::collections::HashMap<ProviderId, CopiedProvider>, Failure> {
    if !seen {
        return Ok(std::collections::HashMap::new());
    }
    store.copied_providers(service, generation, ids).await.map_err(|error| session::store_failure(&error))
}

fn by_id(provider: Option<&CopiedProvider>) -> BTreeMap<&str, &Bundle> {
    provider.into_iter().flat_map(|provider| &provider.bundles).map(|bundle| (bundle.id.as_str(), bundle)).collect()
}

fn fields(bundle: Option<&Bundle>) -> BTreeMap<&str, &SubscriptionField> {
    bundle.into_iter().flat_map(|bundle| &bundle.fields).map(|field| (field.id.as_str(), field)).collect()
}
