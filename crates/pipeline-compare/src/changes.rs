//! What readers would see change: two generations of the copy side by side, row by row.

use std::collections::BTreeMap;

use pipeline_model::documents::{Bundle, SubscriptionField};
use serde::Serialize;

use crate::copied::{CopiedProvider, CopiedService};

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
    /// Adds what changes of a service's own row.
    pub fn add_service(&mut self, before: Option<&CopiedService>, after: Option<&CopiedService>) {
        let own = |service: &CopiedService| (service.name.clone(), service.attributes.clone());
        self.services.note(before.map(own), after.map(own));
    }

    /// Adds what changes of a provider and of everything below it.
    pub fn add_provider(&mut self, before: Option<&CopiedProvider>, after: Option<&CopiedProvider>) {
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

fn by_id(provider: Option<&CopiedProvider>) -> BTreeMap<&str, &Bundle> {
    provider.into_iter().flat_map(|provider| &provider.bundles).map(|bundle| (bundle.id.as_str(), bundle)).collect()
}

fn fields(bundle: Option<&Bundle>) -> BTreeMap<&str, &SubscriptionField> {
    bundle.into_iter().flat_map(|bundle| &bundle.fields).map(|field| (field.id.as_str(), field)).collect()
}
