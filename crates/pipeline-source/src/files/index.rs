//! Who belongs to whom, and where it stands: what a folder needs in memory to answer without holding its documents.
//!
//! [`Hierarchy`] knows the ids of services and providers, and is all that planning needs. [`Content`] adds the places of
//! bundles and fields; it is built for the stages that read subtrees or count. Both are built by one pass over each
//! file that parses nothing but ids ([`Peek`]); who counts reads the bundles once more.
//!
//! Links are decided here, once, so that a document has exactly one place: below its parent, or among those that no
//! parent will ask for. A document that is broken but says whose it is goes to that parent, because that parent cannot
//! be copied completely.

use pipeline_settings::settings::Mapping;

pub use self::ids::Entry;
use self::{
    ids::{Ids, IdsBuilder},
    owners::Owners,
};
use super::{
    collection::{Collection, Text},
    count::elements,
    peek::{Named, Peek, Seen},
    ranges::{Group, LAST, ORPHAN, Ranges, UNREADABLE},
};
use crate::{Counts, Error};

mod ids;
mod owners;
mod scan;
#[cfg(test)]
mod tests;

/// Services and providers.
#[derive(Debug)]
pub struct Hierarchy {
    /// Below no parent, so all below [`ALL`].
    services: Ids,
    /// All lines of the services' file, as one group.
    pub service_lines: Ranges,
    /// Below their services.
    providers: Ids,
    /// Lines of the providers' file, by service.
    pub provider_lines: Ranges,
}

/// The provider that the last line named. Most files keep the bundles of one provider together, and then one comparison
/// takes the place of a search for most lines.
#[derive(Debug, Default)]
struct Last {
    provider_id: String,
    service_id: Option<String>,
    provider: Option<Group>,
}

/// Bundles and subscription fields.
#[derive(Debug)]
pub struct Content {
    /// Lines of the bundles' file, by provider.
    pub bundle_lines: Ranges,
    /// Lines of the subscription fields' file, by provider.
    pub field_lines: Ranges,
    /// Documents of the whole source, but for the subscription fields nested in their bundles.
    counts: Counts,
}

/// The group of the services' lines, which have no parent.
pub const ALL: Group = 0;

// === impl Hierarchy ===

impl Hierarchy {
    /// Reads both files once.
    pub fn build(services: &Collection, providers: &Collection, mapping: &Mapping) -> Result<Self, Error> {
        let (service_lines, services) = {
            let (names, mut ids) = (Peek::new([&mapping.provider_services.id]), IdsBuilder::default());
            let lines = scan::in_order(services, |line, text| {
                let [id] = names.look(text);
                add(&mut ids, services, ALL, id, line).map(|()| ALL)
            })?;
            (lines, ids.finish())
        };
        let (names, mut ids) =
            (Peek::below([&mapping.providers.id, &mapping.providers.service_id]), IdsBuilder::default());
        let provider_lines = scan::in_order(providers, |line, text| {
            let [id, service_id] = names.look(text);
            let Some(service_id) = service_id.id() else { return Ok(UNREADABLE) };
            let Some(service) = services.find(ALL, &service_id) else { return Ok(ORPHAN) };
            add(&mut ids, providers, service, id, line).map(|()| service)
        })?;
        let this = Self { services, service_lines, providers: ids.finish(), provider_lines };
        Ok(this.logged())
    }

    /// The number of the service with an id.
    pub fn service(&self, id: &str) -> Option<Group> {
        self.services.find(ALL, id)
    }

    /// The number of the provider of a service with an id.
    pub fn provider(&self, service: Group, id: &str) -> Option<Group> {
        self.providers.find(service, id)
    }

    /// What is known of a service.
    pub fn service_entry(&self, service: Group) -> Option<Entry<'_>> {
        self.services.entry(service)
    }

    /// What is known of a provider.
    pub fn provider_entry(&self, provider: Group) -> Option<Entry<'_>> {
        self.providers.entry(provider)
    }

    /// How many services and providers there are.
    fn counts(&self) -> Counts {
        Counts { services: count(self.services.len()), providers: count(self.providers.len()), ..Counts::default() }
    }

    /// The provider that a document names: by its id alone where only one service has such a provider, otherwise by
    /// the service that the document names too. A service that is named must be the right one in any case, and one that
    /// cannot be read could be any.
    fn provider_named(&self, provider_id: Seen<'_>, service_id: Seen<'_>) -> Group {
        let Some(provider_id) = provider_id.id() else { return UNREADABLE };
        match service_id.named() {
            Named::As(service_id) => {
                let service = self.service(&service_id);
                service.and_then(|service| self.provider(service, &provider_id)).unwrap_or(ORPHAN)
            }
            Named::Not => self.providers.find_alone(&provider_id),
            Named::Unreadable => UNREADABLE,
        }
    }

    /// The service of a provider.
    fn service_of(&self, provider: Group) -> Option<Group> {
        self.providers.parent(provider)
    }

    fn logged(self) -> Self {
        let (services, providers) = (self.services.len(), self.providers.len());
        let ids = self.services.memory() + self.providers.memory();
        let memory = ids + self.service_lines.memory() + self.provider_lines.memory();
        tracing::debug!(services, providers, memory, "indexed the services and providers of the source folder");
        self
    }
}

/// Adds what was seen as the id of a document on a line of this file, if it is one.
fn add(ids: &mut IdsBuilder, file: &Collection, parent: Group, id: Seen<'_>, line: u32) -> Result<(), Error> {
    let Some(id) = id.id() else { return Ok(()) };
    ids.add(parent, &id, line).ok_or_else(|| scan::too_big(file, "4 GiB of ids"))
}

// === impl Last ===

impl Last {
    /// [`Hierarchy::provider_named`].
    fn or_named(&mut self, hierarchy: &Hierarchy, provider_id: Seen<'_>, service_id: Seen<'_>) -> Group {
        let (id, service) = match (provider_id, service_id) {
            (Seen::Once(id), Seen::Once(service)) => (id, Some(service)),
            (Seen::Once(id), Seen::Absent) => (id, None),
            _ => return hierarchy.provider_named(provider_id, service_id),
        };
        if let Some(provider) = self.provider
            && self.provider_id == id
            && self.service_id.as_deref() == service
        {
            return provider;
        }
        let provider = hierarchy.provider_named(provider_id, service_id);
        // As written, which is all that the answer depends on.
        id.clone_into(&mut self.provider_id);
        self.service_id = service.map(str::to_owned);
        self.provider = Some(provider);
        provider
    }
}

// === impl Content ===

impl Content {
    /// Reads both files once.
    pub fn build(
        hierarchy: &Hierarchy,
        bundles: &Collection,
        fields: Option<&Collection>,
        mapping: &Mapping,
    ) -> Result<Self, Error> {
        let mut counts = hierarchy.counts();
        let mut owners = Owners::default();
        let names = &mapping.bundles;
        let ids = Peek::below([&names.id, &names.provider_id, &names.service_id]);
        // Nested fields tend to have a key of the same name: searching for it costs most.
        let ids = if fields.is_some() { ids } else { ids.without(&names.id) };
        let part = || (Last::default(), 0, owners.part());
        let (bundle_lines, parts) = scan::side_by_side(bundles, part, |(last, count, owners), text| {
            let [id, provider_id, service_id] = ids.look(text);
            let provider = last.or_named(hierarchy, provider_id, service_id);
            if provider <= LAST {
                *count += 1;
                if fields.is_some() {
                    owners.add(hierarchy, id, provider);
                }
            }
            provider
        })?;
        for (_, count, part) in parts {
            counts.bundles += count;
            owners.append(part);
        }
        let Some(fields) = fields else {
            return Ok(Self { bundle_lines, field_lines: Ranges::default(), counts }.logged());
        };
        owners.sort();
        let names = &mapping.subscription_fields;
        let ids = Peek::new([&names.bundle_id, &names.provider_id, &names.service_id]);
        let (field_lines, parts) = scan::side_by_side(
            fields,
            || 0,
            |count, text| {
                let provider = owners.owner(hierarchy, ids.look(text));
                *count += i64::from(provider <= LAST);
                provider
            },
        )?;
        counts.subscription_fields = parts.into_iter().sum();
        Ok(Self { bundle_lines, field_lines, counts }.logged())
    }

    /// Documents of the whole source. Reads the bundles once more, for the subscription fields `nested` in them.
    pub fn count(&self, bundles: &Collection, nested: &str) -> Result<Counts, Error> {
        let mut counts = self.counts;
        for range in self.bundle_lines.with_parent() {
            bundles.read(*range, |_, text| {
                let (Text::Whole(text) | Text::TooLong(text)) = text;
                counts.subscription_fields += count(elements(text, nested));
            })?;
        }
        bundles.check_unchanged()?;
        Ok(counts)
    }

    fn logged(self) -> Self {
        let Counts { bundles, subscription_fields: separate_fields, .. } = self.counts;
        let memory = self.bundle_lines.memory() + self.field_lines.memory();
        tracing::debug!(bundles, separate_fields, memory, "indexed the bundles and fields of the source folder");
        self
    }
}

fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}
