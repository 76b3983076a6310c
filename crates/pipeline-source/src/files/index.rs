//! Who belongs to whom, and where it stands: what a folder needs in memory to answer without holding its documents.
//!
//! [`Hierarchy`] knows the ids of services and providers, and is all that planning needs. [`Content`] adds the places of
//! bundles and fields; it is built for the stages that read subtrees or count. Both are built by one pass over each
//! file that parses nothing but ids ([`Peek`]); who counts reads the bundles once more.
//!
//! Links are decided here, once, so that a document has exactly one place: below its parent, or among those that no
//! parent will ask for. A document that is broken but says whose it is goes to that parent, because that parent cannot
//! be copied completely.

use std::{
    collections::{HashMap, hash_map},
    sync::Arc,
};

use pipeline_core::settings::Mapping;

use self::owners::Owners;
use super::{
    collection::{Collection, Text},
    count::elements,
    lines::is_blank,
    peek::{Peek, Seen},
    ranges::{AMBIGUOUS, Group, LAST, MAX_FILE, ORPHAN, Ranges, RangesBuilder, UNREADABLE},
};
use crate::{Counts, Error};

mod owners;

/// A service or provider that others can belong to: its id could be read, whatever else is wrong with it.
#[derive(Debug)]
pub struct Entry {
    /// Its id.
    pub id: Arc<str>,
    /// The line that has the id first.
    pub line: u32,
    /// The next line with the same id, if there is one.
    pub repeated_on: Option<u32>,
}

/// Services and providers.
#[derive(Debug)]
pub struct Hierarchy {
    services: Vec<Entry>,
    service_by_id: HashMap<Arc<str>, Group>,
    /// All lines of the services' file, as one group.
    pub service_lines: Ranges,
    providers: Vec<Entry>,
    /// For each service, its providers.
    provider_by_id: Vec<HashMap<Arc<str>, Group>>,
    /// The provider with this id, or `None` when several services have one.
    provider_by_id_alone: HashMap<Arc<str>, Option<Group>>,
    /// Lines of the providers' file, by service.
    pub provider_lines: Ranges,
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
        let mut this = Self {
            services: Vec::new(),
            service_by_id: HashMap::new(),
            service_lines: Ranges::default(),
            providers: Vec::new(),
            provider_by_id: Vec::new(),
            provider_by_id_alone: HashMap::new(),
            provider_lines: Ranges::default(),
        };
        let ids = Peek::new([&mapping.provider_services.id]);
        this.service_lines = scan(services, |line, text| {
            let [id] = ids.look(text);
            if let Some(id) = id.id() {
                this.add_service(&id, line);
            }
            ALL
        })?;
        let ids = Peek::new([&mapping.providers.id, &mapping.providers.service_id]);
        this.provider_lines = scan(providers, |line, text| {
            let [id, service_id] = ids.look(text);
            let Some(service_id) = service_id.id() else { return UNREADABLE };
            let Some(service) = this.service(&service_id) else { return ORPHAN };
            if let Some(id) = id.id() {
                this.add_provider(service, &id, line);
            }
            service
        })?;
        let (services, providers) = (this.services.len(), this.providers.len());
        tracing::debug!(services, providers, "indexed the services and providers of the source folder");
        Ok(this)
    }

    /// The number of the service with an id.
    pub fn service(&self, id: &str) -> Option<Group> {
        self.service_by_id.get(id).copied()
    }

    /// The number of the provider of a service with an id.
    pub fn provider(&self, service: Group, id: &str) -> Option<Group> {
        self.provider_by_id.get(index(service))?.get(id).copied()
    }

    /// What is known of a service.
    pub fn service_entry(&self, service: Group) -> Option<&Entry> {
        self.services.get(index(service))
    }

    /// What is known of a provider.
    pub fn provider_entry(&self, provider: Group) -> Option<&Entry> {
        self.providers.get(index(provider))
    }

    /// How many services and providers there are.
    fn counts(&self) -> Counts {
        Counts { services: count(self.services.len()), providers: count(self.providers.len()), ..Counts::default() }
    }

    /// The provider that a document names: by its id alone where only one service has such a provider, otherwise by
    /// the service that the document names too. A service that is named must be the right one in any case.
    fn provider_named(&self, provider_id: Seen<'_>, service_id: Seen<'_>) -> Group {
        let Some(provider_id) = provider_id.id() else { return UNREADABLE };
        if let Some(service_id) = service_id.id() {
            let service = self.service(&service_id);
            return service.and_then(|service| self.provider(service, &provider_id)).unwrap_or(ORPHAN);
        }
        match self.provider_by_id_alone.get(&*provider_id) {
            None => ORPHAN,
            Some(None) => AMBIGUOUS,
            Some(Some(provider)) => *provider,
        }
    }

    fn add_service(&mut self, id: &str, line: u32) {
        let (id, number) = (Arc::<str>::from(id), number(self.services.len()));
        match self.service_by_id.entry(Arc::clone(&id)) {
            hash_map::Entry::Occupied(first) => repeat(self.services.get_mut(index(*first.get())), line),
            hash_map::Entry::Vacant(vacant) => {
                vacant.insert(number);
                self.services.push(Entry { id, line, repeated_on: None });
                self.provider_by_id.push(HashMap::new());
            }
        }
    }

    fn add_provider(&mut self, service: Group, id: &str, line: u32) {
        let (id, number) = (Arc::<str>::from(id), number(self.providers.len()));
        let Some(siblings) = self.provider_by_id.get_mut(index(service)) else { return };
        match siblings.entry(Arc::clone(&id)) {
            hash_map::Entry::Occupied(first) => repeat(self.providers.get_mut(index(*first.get())), line),
            hash_map::Entry::Vacant(vacant) => {
                vacant.insert(number);
                let alone = self.provider_by_id_alone.entry(Arc::clone(&id));
                alone.and_modify(|others| *others = None).or_insert(Some(number));
                self.providers.push(Entry { id, line, repeated_on: None });
            }
        }
    }
}

fn repeat(first: Option<&mut Entry>, line: u32) {
    if let Some(first) = first {
        first.repeated_on.get_or_insert(line);
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
        let ids = Peek::new([&names.id, &names.provider_id, &names.service_id]);
        // Nested fields tend to have a key of the same name: searching for it costs most.
        let ids = if fields.is_some() { ids } else { ids.without(&names.id) };
        let bundle_lines = scan(bundles, |_, text| {
            let [id, provider_id, service_id] = ids.look(text);
            let provider = hierarchy.provider_named(provider_id, service_id);
            if provider <= LAST {
                counts.bundles += 1;
                if fields.is_some() {
                    owners.add(hierarchy, id, provider);
                }
            }
            provider
        })?;
        let Some(fields) = fields else {
            return Ok(Self { bundle_lines, field_lines: Ranges::default(), counts }.logged());
        };
        owners.sort();
        let names = &mapping.subscription_fields;
        let ids = Peek::new([&names.bundle_id, &names.provider_id]);
        let field_lines = scan(fields, |_, text| {
            let [bundle_id, provider_id] = ids.look(text);
            let provider = owners.owner(hierarchy, bundle_id, provider_id);
            counts.subscription_fields += i64::from(provider <= LAST);
            provider
        })?;
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

// === one pass over a file ===

/// Calls `group` with the number and text of each line that holds something, and keeps where the lines of each group
/// stand. A line that is too long comes as its beginning.
fn scan(collection: &Collection, mut group: impl FnMut(u32, &[u8]) -> Group) -> Result<Ranges, Error> {
    let mut ranges = RangesBuilder::default();
    let mut lines = collection.lines();
    while let Some(line) = lines.next().map_err(Error::read(collection.path()))? {
        if !line.too_long && is_blank(line.text) {
            continue;
        }
        if line.offset + line.length > MAX_FILE {
            return Err(too_big(collection, "512 GiB"));
        }
        let number = u32::try_from(line.number).map_err(|_| too_big(collection, "four thousand million lines"))?;
        ranges.add(group(number, line.text), number, line.offset, line.length, line.too_long);
    }
    collection.check_unchanged()?;
    Ok(ranges.finish())
}

fn too_big(collection: &Collection, limit: &'static str) -> Error {
    Error::TooBig { path: collection.path().display().to_string(), limit }
}

fn index(number: Group) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Lines are bounded to what a `u32` holds, and with them the entries of a table.
fn number(length: usize) -> Group {
    Group::try_from(length).unwrap_or(LAST)
}

fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}
