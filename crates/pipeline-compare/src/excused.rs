//! What rejected documents keep in the copy although the source does not show it: the same as what a run does not remove.
//!
//! A document without a parent protects what it names, or everything: the store's plan and batches decide so, and what
//! they have kept is no difference.

use std::collections::HashSet;

use pipeline_model::{
    documents::{DocumentFault, Level},
    ids::{ProviderId, ServiceId},
};

use crate::difference::{Difference, Kind};

/// Collected from the faults of the source.
#[derive(Debug, Default)]
pub struct Excused {
    services: HashSet<ServiceId>,
    all_services: bool,
    /// With their services, or of whichever service.
    providers: HashSet<(Option<ServiceId>, ProviderId)>,
    all_providers: bool,
    /// Bundles that a subscription field without a parent names.
    bundles: HashSet<String>,
    /// A bundle or a field that names nothing of its owner, or only a service.
    contents: HashSet<Option<ServiceId>>,
}

// === impl Excused ===

impl Excused {
    /// A document that a service or a provider asks for.
    pub fn add(&mut self, fault: &DocumentFault, service: Option<&ServiceId>) {
        match (fault.level, fault.service_id.as_ref().or(service), &fault.provider_id) {
            (Level::Service, Some(id), _) => drop(self.services.insert(id.clone())),
            (Level::Service, None, _) => self.all_services = true,
            (Level::Provider, None, Some(id)) => drop(self.providers.insert((None, id.clone()))),
            (Level::Provider, None, None) => self.all_providers = true,
            _ => {}
        }
    }

    /// A document that no parent asks for.
    pub fn add_unreachable(&mut self, fault: &DocumentFault) {
        let service = fault.service_id.clone();
        self.services.extend(service.clone());
        match (&fault.provider_id, &fault.bundle_id) {
            (Some(provider), _) => drop(self.providers.insert((service, provider.clone()))),
            (None, Some(bundle)) => drop(self.bundles.insert(bundle.clone())),
            (None, None) => {
                self.all_services |= service.is_none();
                self.all_providers |= service.is_none();
                self.contents.insert(service);
            }
        }
    }

    /// A service that is only in the copy. What names a provider or a bundle without its service could be of any.
    pub fn keeps_service(&self, id: &ServiceId) -> bool {
        let of_any = self.providers.iter().any(|(service, _)| service.is_none()) || !self.bundles.is_empty();
        self.all_services || of_any || self.services.contains(id)
    }

    /// Providers that are only in the copy need not be looked for.
    pub fn keeps_all_providers(&self, service: &ServiceId) -> bool {
        self.all_providers || self.contents.contains(&Some(service.clone()))
    }

    /// A provider that is only in the copy.
    pub fn keeps_provider(&self, service: &ServiceId, id: &ProviderId) -> bool {
        self.names(service, id) || !self.bundles.is_empty()
    }

    /// Whether a provider that differs so keeps its last good content: something is gone that could be what the document
    /// says.
    pub fn keeps_content(&self, service: &ServiceId, id: &ProviderId, differences: &[Difference]) -> bool {
        let is_lost = |difference: &&Difference| difference.kind == Kind::Extra && difference.bundle_id.is_some();
        let mut lost = differences.iter().filter(is_lost).peekable();
        let all = [None, Some(service.clone())].iter().any(|of| self.contents.contains(of)) || self.names(service, id);
        lost.peek().is_some()
            && (all || lost.any(|each| each.bundle_id.as_ref().is_some_and(|id| self.bundles.contains(id))))
    }

    fn names(&self, service: &ServiceId, id: &ProviderId) -> bool {
        [None, Some(service.clone())].into_iter().any(|of| self.providers.contains(&(of, id.clone())))
    }
}

#[cfg(test)]
mod tests {
    use pipeline_model::documents::FaultCode;

    use super::*;

    fn fault(service: Option<&str>, provider: Option<&str>, bundle: Option<&str>) -> DocumentFault {
        DocumentFault {
            level: Level::SubscriptionField,
            service_id: service.map(Into::into),
            provider_id: provider.map(Into::into),
            bundle_id: bundle.map(str::to_owned),
            document_id: None,
            place: "subscription_fields.jsonl:1".to_owned(),
            code: FaultCode::Orphan,
            reason: "test".to_owned(),
        }
    }

    fn excused(fault: &DocumentFault) -> Excused {
        let mut excused = Excused::default();
        excused.add_unreachable(fault);
        excused
    }

    fn of_bundle(kind: Kind, bundle: &str) -> Difference {
        let of_provider = Difference::of_provider(kind, &"s".into(), &"p".into());
        Difference { level: Level::Bundle.as_str(), bundle_id: Some(bundle.to_owned()), ..of_provider }
    }

    #[test]
    fn a_document_keeps_what_it_names_and_one_that_names_nothing_keeps_all() {
        let (service, provider) = ("s".into(), "p".into());
        let lost = [of_bundle(Kind::Extra, "b")];
        for (fault, of_service, of_provider, of_content) in [
            (fault(None, None, None), true, true, true),
            (fault(Some("s"), None, None), true, true, true),
            (fault(Some("s"), Some("p"), None), true, true, true),
            (fault(Some("s"), Some("q"), None), true, false, false),
            (fault(None, Some("q"), None), true, false, false),
            (fault(None, None, Some("b")), true, true, true),
            (fault(None, None, Some("c")), true, true, false),
            (fault(Some("t"), None, None), false, false, false),
        ] {
            let excused = excused(&fault);
            assert_eq!(excused.keeps_service(&service), of_service, "{fault:?}");
            let keeps = excused.keeps_all_providers(&service) || excused.keeps_provider(&service, &provider);
            assert_eq!(keeps, of_provider, "{fault:?}");
            assert_eq!(excused.keeps_content(&service, &provider, &lost), of_content, "{fault:?}");
        }
    }

    #[test]
    fn what_is_missing_or_changed_is_a_difference_all_the_same() {
        let excused = excused(&fault(None, None, None));
        let differences = [of_bundle(Kind::Missing, "b"), of_bundle(Kind::Changed, "c")];
        assert!(!excused.keeps_content(&"s".into(), &"p".into(), &differences));
    }
}
