//! What the tests of this crate share: folders made of texts, and everything that a source says.

use std::{collections::BTreeMap, fs, path::Path};

use futures::TryStreamExt;
use pipeline_model::{
    documents::{Bundle, DocumentFault, Found, Provider, Service, SubtreeContent},
    ids::{ProviderId, ServiceId},
};
use pipeline_settings::settings;
use tempfile::TempDir;

use crate::{Counts, Source, files::Folder};

/// Everything that a source says, in an order that does not depend on the source's.
#[derive(Debug, Default, PartialEq)]
pub struct All {
    pub services: BTreeMap<ServiceId, Service>,
    pub providers: BTreeMap<(ServiceId, ProviderId), Provider>,
    pub bundles: BTreeMap<(ServiceId, ProviderId), Vec<Bundle>>,
    pub found: Vec<DocumentFault>,
    pub unreachable: Vec<DocumentFault>,
}

impl All {
    pub fn counts(&self) -> Counts {
        let bundles = || self.bundles.values().flatten();
        Counts {
            services: self.services.len() as i64,
            providers: self.providers.len() as i64,
            bundles: bundles().count() as i64,
            subscription_fields: bundles().map(|bundle| bundle.fields.len() as i64).sum(),
        }
    }

    /// All faults as texts; those without a parent are marked.
    pub fn faults(&self) -> Vec<String> {
        let found = self.found.iter().map(shown);
        found.chain(self.unreachable.iter().map(|fault| format!("unreachable {}", shown(fault)))).collect()
    }
}

/// Place, code, level, service/provider/document; between the last two the bundle of a field that names one only.
fn shown(fault: &DocumentFault) -> String {
    let DocumentFault { service_id, provider_id, bundle_id, document_id, place, code, level, reason } = fault;
    assert!(!reason.is_empty());
    let service = service_id.as_ref().map_or("?", |id| id.as_str());
    let provider = provider_id.as_ref().map_or("?", |id| id.as_str());
    let document = document_id.as_deref().unwrap_or("?");
    let bundle = bundle_id.as_ref().map_or(String::new(), |id| format!("{id}/"));
    assert!(provider == "?" || bundle.is_empty(), "{fault}");
    format!("{place} {code:?} {} {service}/{provider}/{bundle}{document}", level.as_str())
}

pub async fn read_all(source: &dyn Source) -> All {
    let mut all = All::default();
    let services: Vec<_> = source.services().try_collect().await.unwrap();
    for found in services {
        match found {
            Found::Fault(fault) => all.found.push(fault),
            Found::Document(service) => assert!(all.services.insert(service.id.clone(), service).is_none()),
        }
    }
    for service_id in all.services.keys() {
        let providers: Vec<_> = source.providers(service_id).try_collect().await.unwrap();
        for found in providers {
            match found {
                Found::Fault(fault) => all.found.push(fault),
                Found::Document(provider) => {
                    let key = (service_id.clone(), provider.id.clone());
                    assert_eq!(provider.service_id, *service_id);
                    assert!(all.providers.insert(key, provider).is_none());
                }
            }
        }
    }
    for service_id in all.services.keys() {
        let of_service = all.providers.keys().filter(|(service, _)| service == service_id);
        let ids: Vec<ProviderId> = of_service.map(|(_, id)| id.clone()).collect();
        for (asked, subtree) in ids.iter().zip(source.subtrees(service_id, &ids).await.unwrap()) {
            assert_eq!(*asked, subtree.provider_id);
            match subtree.content {
                SubtreeContent::Vanished => panic!("{asked} vanished"),
                SubtreeContent::Rejected(faults) => {
                    assert!(!faults.is_empty());
                    all.found.extend(faults);
                }
                SubtreeContent::Complete(bundles) => {
                    assert!(all.bundles.insert((service_id.clone(), subtree.provider_id), bundles).is_none());
                }
            }
        }
    }
    all.unreachable = source.unreachable().try_collect().await.unwrap();
    all
}

/// A folder with these files.
pub fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

pub fn open(folder: &Path) -> Folder {
    open_with(folder, settings::Source::default())
}

pub fn open_with(folder: &Path, settings: settings::Source) -> Folder {
    Folder::open(folder.to_owned(), &settings).unwrap()
}
