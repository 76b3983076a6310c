//! Which provider has a bundle with an id; needed while the fields are indexed, and dropped then.

use std::hash::{BuildHasher, RandomState};

use super::Hierarchy;
use crate::files::{
    peek::Seen,
    ranges::{AMBIGUOUS, Group, LAST, ORPHAN, UNREADABLE},
};

/// The bundles' ids, each with its provider.
///
/// Ids are kept as 64-bit hashes under a random key. Should two ids ever share a hash, the field that is hit is
/// refused, here as ambiguous or at its provider as an orphan; it is never given to another bundle.
#[derive(Debug, Default)]
pub(super) struct Owners {
    hashes: RandomState,
    owners: Vec<(u64, Group)>,
}

impl Owners {
    pub(super) fn add(&mut self, hierarchy: &Hierarchy, bundle_id: Seen<'_>, provider: Group) {
        let Some(bundle_id) = bundle_id.id() else { return };
        self.owners.push((self.hashes.hash_one(&*bundle_id), provider));
        // Where the provider's id is not enough, the two ids together may be.
        if let Some(entry) = hierarchy.provider_entry(provider)
            && hierarchy.providers.is_shared(provider)
        {
            self.owners.push((self.hashes.hash_one((&*bundle_id, entry.id)), provider));
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

    /// The provider that a field belongs to: the one that it names, or the one that has its bundle. A field that names
    /// a provider but none of its bundles still belongs to that provider, where it is a fault.
    pub(super) fn owner(&self, hierarchy: &Hierarchy, bundle_id: Seen<'_>, provider_id: Seen<'_>) -> Group {
        let named = match provider_id {
            Seen::Once("null") | Seen::Absent => None,
            provider_id => Some(hierarchy.provider_named(provider_id, Seen::Absent)),
        };
        match (named, bundle_id.id(), provider_id.id()) {
            (Some(AMBIGUOUS), Some(bundle_id), Some(provider_id)) => {
                self.only_owner(self.hashes.hash_one((&*bundle_id, &*provider_id)))
            }
            (Some(named), Some(_), _) => named,
            (Some(named), None, _) if named <= LAST => named,
            (_, None, _) => UNREADABLE,
            (None, Some(bundle_id), _) => self.only_owner(self.hashes.hash_one(&*bundle_id)),
        }
    }

    fn only_owner(&self, hash: u64) -> Group {
        let from = self.owners.partition_point(|owner| owner.0 < hash);
        let mut owners = self.owners.iter().skip(from).take_while(|owner| owner.0 == hash);
        match (owners.next(), owners.next()) {
            (None, _) => ORPHAN,
            (Some((_, only)), None) => *only,
            (Some(_), Some(_)) => AMBIGUOUS,
        }
    }
}
