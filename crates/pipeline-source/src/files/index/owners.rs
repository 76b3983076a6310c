//! Which provider has a bundle with an id; needed while the fields are indexed, and dropped then.

use std::hash::{BuildHasher, RandomState};

use super::Hierarchy;
use crate::files::{
    peek::{Named, Seen},
    ranges::{AMBIGUOUS, Group, LAST, ORPHAN, UNREADABLE},
};

/// The bundles' ids, each with its provider.
///
/// Ids are kept as 64-bit hashes under a random key. Should two ids ever share a hash, the field that is hit is
/// refused, here as ambiguous or at its provider as an orphan; it is never given to another bundle.
#[derive(Debug, Default)]
pub(super) struct Owners {
    hashes: RandomState,
    owners: Vec<Owner>,
}

/// In the order in which they are searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Owner {
    /// Of the bundle's id, or of this and the provider's id.
    hash: u64,
    /// The provider's.
    service: Group,
    provider: Group,
}

impl Owners {
    pub(super) fn add(&mut self, hierarchy: &Hierarchy, bundle_id: Seen<'_>, provider: Group) {
        let (Some(bundle_id), Some(service)) = (bundle_id.id(), hierarchy.service_of(provider)) else { return };
        let mut push = |hash| self.owners.push(Owner { hash, service, provider });
        push(self.hashes.hash_one(&*bundle_id));
        // Where the provider's id is not enough, the two ids together may be.
        if let Some(entry) = hierarchy.provider_entry(provider)
            && hierarchy.providers.is_shared(provider)
        {
            push(self.hashes.hash_one((&*bundle_id, entry.id)));
        }
    }

    /// An empty one, to be appended.
    pub(super) fn part(&self) -> Self {
        Self { hashes: self.hashes.clone(), owners: Vec::new() }
    }

    pub(super) fn append(&mut self, mut part: Self) {
        self.owners.append(&mut part.owners);
    }

    pub(super) fn sort(&mut self) {
        self.owners.sort_unstable();
        self.owners.dedup();
    }

    /// The provider that a field belongs to: the one that it names, or the one that has its bundle; of the service that
    /// it names, if it names one. A field that names a provider but none of its bundles still belongs to that provider,
    /// where it is a fault. A name that cannot be read could be any.
    pub(super) fn owner(&self, hierarchy: &Hierarchy, [bundle_id, provider_id, service_id]: [Seen<'_>; 3]) -> Group {
        match (provider_id.named(), bundle_id.id()) {
            (Named::As(provider), bundle) => match (hierarchy.provider_named(provider_id, service_id), bundle) {
                (AMBIGUOUS, Some(bundle)) => self.only_owner(self.hashes.hash_one((&*bundle, &*provider)), None),
                (named, None) if named > LAST => UNREADABLE,
                (named, _) => named,
            },
            (Named::Unreadable, _) | (Named::Not, None) => UNREADABLE,
            (Named::Not, Some(bundle)) => {
                let hash = self.hashes.hash_one(&*bundle);
                match service_id.named() {
                    Named::Not => self.only_owner(hash, None),
                    Named::As(service) => {
                        hierarchy.service(&service).map_or(ORPHAN, |s| self.only_owner(hash, Some(s)))
                    }
                    Named::Unreadable => UNREADABLE,
                }
            }
        }
    }

    /// The only provider, of a service or of all, that has something with this hash.
    fn only_owner(&self, hash: u64, service: Option<Group>) -> Group {
        let from =
            self.owners.partition_point(|owner| (owner.hash, owner.service) < (hash, service.unwrap_or_default()));
        let is_one = |owner: &&Owner| owner.hash == hash && service.is_none_or(|service| owner.service == service);
        let mut owners = self.owners.get(from..).unwrap_or_default().iter().take_while(is_one);
        match (owners.next(), owners.next()) {
            (None, _) => ORPHAN,
            (Some(only), None) => only.provider,
            (Some(_), Some(_)) => AMBIGUOUS,
        }
    }
}
