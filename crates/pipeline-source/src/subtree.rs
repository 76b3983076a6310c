//! Bundles and subscription fields, as they are read, put together to what is below one provider.
//!
//! Fields nested in their bundle and fields of a collection of their own end up in the same list, in order of
//! (position, id), so a source may use either shape, or both. One fault rejects the whole subtree: a provider is copied
//! completely or not at all.

use std::{collections::HashMap, fmt};

use pipeline_model::{
    documents::{Bundle, DocumentFault, FaultCode, Level, SubtreeContent, Text},
    ids::{ProviderId, ServiceId},
};

use crate::{
    json::{quoted, repeats},
    mapping::{FieldDocument, Violation},
};

#[cfg(test)]
mod tests;

/// Faults told of one provider; the last one says how many more there are.
pub const MAX_FAULTS: usize = 100;

/// Bundles of which one is found quicker by comparing their ids than by hashing one.
const FEW: usize = 32;

/// Collects what is below one provider. `P` says where a document stands.
#[derive(Debug)]
pub struct Builder<'i, P> {
    service_id: &'i ServiceId,
    provider_id: &'i ProviderId,
    bundles: Vec<Slot<P>>,
    /// Where the bundles stand, once there are more than a few.
    by_id: HashMap<Text, usize>,
    faults: Vec<DocumentFault>,
    faults_untold: usize,
}

/// A bundle whose later fields are separate ones, each with its place.
#[derive(Debug)]
struct Slot<P> {
    /// Its id, or that of one of its fields, stands for something else too.
    is_ambiguous: bool,
    bundle: Bundle,
    place: P,
    separate: Vec<P>,
}

// === impl Builder ===

impl<'i, P: Copy + fmt::Display> Builder<'i, P> {
    /// A subtree without bundles.
    pub fn new(service_id: &'i ServiceId, provider_id: &'i ProviderId) -> Self {
        let (bundles, by_id) = (Vec::new(), HashMap::new());
        Self { service_id, provider_id, bundles, by_id, faults: Vec::new(), faults_untold: 0 }
    }

    /// Adds a bundle of the provider as it was read.
    pub fn bundle(&mut self, read: Result<Bundle, Vec<Violation>>, place: P) {
        let bundle = match read {
            Ok(bundle) => bundle,
            Err(violations) => return violations.into_iter().for_each(|violation| self.fault(violation, place)),
        };
        if let Some(first) = self.index_of(&bundle.id).and_then(|index| self.bundles.get_mut(index)) {
            first.is_ambiguous = true;
            let reason = format!("the bundle {} of this provider stands in {} too", quoted(&bundle.id), first.place);
            let (level, code) = (Level::Bundle, FaultCode::DuplicateId);
            return self.fault(Violation { level, document_id: Some(bundle.id.into()), code, reason }, place);
        }
        self.bundles.push(Slot { is_ambiguous: false, bundle, place, separate: Vec::new() });
    }

    /// Adds a field of a collection of its own. All bundles come before the first such field.
    pub fn field(&mut self, read: Result<FieldDocument, Violation>, place: P) {
        let FieldDocument { bundle_id, has_position, mut field, .. } = match read {
            Ok(document) => document,
            Err(violation) => return self.fault(violation, place),
        };
        match self.index_of(&bundle_id).and_then(|index| self.bundles.get_mut(index)) {
            Some(slot) => {
                if !has_position {
                    field.position = i64::try_from(slot.bundle.fields.len()).unwrap_or(i64::MAX);
                }
                slot.bundle.fields.push(field);
                slot.separate.push(place);
            }
            // A bundle that could not be read is not known by its id; its fields are no orphans.
            None if !self.faults.is_empty() => {}
            None => {
                let (id, bundle) = (quoted(&field.id), quoted(&bundle_id));
                let reason =
                    format!("the field {id} belongs to the bundle {bundle}, which this provider does not have");
                let (level, code) = (Level::SubscriptionField, FaultCode::Orphan);
                self.fault(Violation { level, document_id: Some(field.id.into()), code, reason }, place);
            }
        }
    }

    /// The bundles in byte order of their ids with their fields in order of (position, id), or the faults.
    pub fn finish(mut self) -> SubtreeContent {
        let mut slots = std::mem::take(&mut self.bundles);
        slots.iter_mut().for_each(|slot| self.repeated_fields(slot));
        if self.faults_untold > 0
            && let Some(last) = self.faults.last_mut()
        {
            last.reason.push_str(&format!(" (and {} more faults below this provider)", self.faults_untold));
        }
        if !self.faults.is_empty() {
            return SubtreeContent::Rejected(self.faults);
        }
        SubtreeContent::Complete(ordered(slots))
    }

    /// The bundles without a fault, in the same order.
    pub fn sound(mut self) -> Vec<Bundle> {
        let mut slots = std::mem::take(&mut self.bundles);
        slots.iter_mut().for_each(|slot| self.repeated_fields(slot));
        slots.retain(|slot| !slot.is_ambiguous);
        ordered(slots)
    }

    fn index_of(&mut self, id: &str) -> Option<usize> {
        if self.bundles.len() <= FEW {
            return self.bundles.iter().position(|slot| slot.bundle.id == id);
        }
        for (index, slot) in self.bundles.iter().enumerate().skip(self.by_id.len()) {
            self.by_id.insert(slot.bundle.id.clone(), index);
        }
        self.by_id.get(id).copied()
    }

    fn repeated_fields(&mut self, slot: &mut Slot<P>) {
        let fields = &slot.bundle.fields;
        let nested = fields.len() - slot.separate.len();
        for index in repeats(fields, |field| &field.id) {
            slot.is_ambiguous = true;
            let Some(field) = fields.get(index) else { continue };
            let place = index.checked_sub(nested).and_then(|index| slot.separate.get(index)).unwrap_or(&slot.place);
            let (id, bundle) = (quoted(&field.id), quoted(&slot.bundle.id));
            let reason = format!("the field {id} stands more than once in bundle {bundle}");
            let (level, code) = (Level::SubscriptionField, FaultCode::DuplicateId);
            self.fault(Violation { level, document_id: Some(field.id.clone().into()), code, reason }, *place);
        }
    }

    fn fault(&mut self, violation: Violation, place: P) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(violation.at(place.to_string(), Some(self.service_id), Some(self.provider_id)));
        } else {
            self.faults_untold += 1;
        }
    }
}

fn ordered<P>(slots: Vec<Slot<P>>) -> Vec<Bundle> {
    let mut bundles: Vec<Bundle> = slots.into_iter().map(|slot| slot.bundle).collect();
    bundles.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    for bundle in &mut bundles {
        bundle.fields.sort_unstable_by(|a, b| (a.position, &a.id).cmp(&(b.position, &b.id)));
    }
    bundles
}
