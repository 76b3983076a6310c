//! Any source, written as a folder of JSON lines.
//!
//! Makes files of any size out of the generator, for measurements with the source on disk, and a folder to change by
//! hand out of any source. Values and attributes are written as they were read, so a source and its export give the
//! same documents.
//!
//! Fields are called what the source calls them, since the default names may be taken: a document whose id is `sid` may
//! have an attribute `id`. Where these are not the default names, the folder says so in a file of its own
//! ([`crate::files::NAMES`]), and is read by them.
//!
//! A document is written whole or left out, and what is left out is told: a fault keeps back the document that it is
//! in, not the others below the same provider.

use std::path::Path;

use futures::{StreamExt, TryStreamExt};
use pipeline_model::{
    documents::{Bundle, DocumentFault, Found, Provider, Service, SubscriptionField, SubtreeContent},
    ids::{ProviderId, ServiceId},
};
use pipeline_settings::settings::{self, Mapping};
use serde::{Deserialize, de::IgnoredAny};
use tokio::fs;

use self::{
    line::Line,
    output::{Output, publish, write_manifest},
};
#[cfg(feature = "couchbase")]
use crate::url;
use crate::{
    Counts, Error, Source,
    files::{BUNDLES, PROVIDER_SERVICES, PROVIDERS, SUBSCRIPTION_FIELDS, manifest::Listed},
    mapping::MAX_DOCUMENT,
};

mod line;
mod output;
#[cfg(test)]
mod tests;

#[cfg(feature = "couchbase")]
pub(crate) use output::{Output as File, publish as publish_files, write_manifest as write_files_manifest};

/// Where the subscription fields are written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Into their bundles.
    Nested,
    /// Into `subscription_fields.jsonl`.
    Separate,
}

/// What an export has written, and what it has not.
#[derive(Debug, Default)]
pub struct Exported {
    /// Documents written.
    pub written: Counts,
    /// Documents of the source that have their place in the hierarchy and were not written: they, or those above them,
    /// have a fault.
    pub left_out: Counts,
    /// Faults found, those of documents without a place among them.
    pub faults: u64,
    /// The first of them.
    pub listed: Vec<DocumentFault>,
    /// The files, for a manifest.
    pub(crate) files: Vec<Listed>,
}

/// Providers whose subtrees are read at once.
const BATCH: usize = 50;
/// Faults that are listed; all are counted.
const LISTED: usize = 1_000;

/// Told of every document that Couchbase gives: the file it is in, and how many of it were written.
pub type Progress<'a> = dyn Fn(&'static str, i64) + Send + Sync + 'a;

/// Writes the source that the settings name into a folder. Documents of Couchbase are written as they are; of other
/// sources, the sound ones are, and the others told. A manifest says that the folder is complete.
pub async fn export(
    settings: &settings::Source,
    folder: &Path,
    #[cfg_attr(not(feature = "couchbase"), expect(unused_variables, reason = "only Couchbase tells it"))]
    progress: &Progress<'_>,
) -> Result<Exported, Error> {
    #[cfg(feature = "couchbase")]
    if url::parse(&settings.url)? == url::Location::Couchbase {
        fs::create_dir_all(folder).await.map_err(Error::write(folder))?;
        let written = crate::couchbase::Couchbase::open(settings)?.export(folder, progress).await?;
        return Ok(Exported { written, ..Exported::default() });
    }
    to_complete_folder(&*crate::open(settings)?, folder, Shape::Nested).await
}

/// Writes all sound documents of a source into a folder, and says how many there were.
pub async fn to_folder(source: &dyn Source, folder: &Path, shape: Shape) -> Result<Counts, Error> {
    Ok(write(source, folder, shape).await?.written)
}

/// The same with a manifest, which is written when everything else is there.
pub async fn to_complete_folder(source: &dyn Source, folder: &Path, shape: Shape) -> Result<Exported, Error> {
    let mut exported = write(source, folder, shape).await?;
    write_manifest(folder, std::mem::take(&mut exported.files)).await?;
    Ok(exported)
}

/// Writes all sound documents of a source into a folder, in the place of an earlier export.
pub async fn write(source: &dyn Source, folder: &Path, shape: Shape) -> Result<Exported, Error> {
    let names = &*source.names().await?;
    fs::create_dir_all(folder).await.map_err(Error::write(folder))?;
    let mut export = Export {
        folder,
        names,
        shape,
        services: Output::create(folder, PROVIDER_SERVICES).await?,
        providers: Output::create(folder, PROVIDERS).await?,
        bundles: Output::create(folder, BUNDLES).await?,
        fields: None,
        exported: Exported::default(),
    };
    if shape == Shape::Separate {
        export.separate_fields().await?;
    }
    let mut services = source.services();
    while let Some(service) = services.try_next().await? {
        match service {
            Found::Document(service) => {
                export.service(&service).await?;
                export.providers(source, &service.id).await?;
            }
            Found::Fault(fault) => export.exported.fault(fault),
        }
    }
    let mut unreachable = source.unreachable();
    while let Some(fault) = unreachable.try_next().await? {
        export.exported.fault(fault);
    }
    let Export { services, providers, bundles, fields, mut exported, .. } = export;
    exported.left_out = source.counts().await?.without(exported.written);
    let outputs = [services, providers, bundles].into_iter().chain(fields).collect();
    exported.files = publish(folder, outputs, names).await?;
    Ok(exported)
}

struct Export<'e> {
    folder: &'e Path,
    names: &'e Mapping,
    shape: Shape,
    services: Output,
    providers: Output,
    bundles: Output,
    fields: Option<Output>,
    exported: Exported,
}

impl Export<'_> {
    async fn service(&mut self, service: &Service) -> Result<(), Error> {
        self.exported.written.services += 1;
        let (Service { id, name, attributes, .. }, names) = (service, &self.names.provider_services);
        let line = Line::new().text(&names.id, id.as_str()).optional_text(&names.name, name.as_deref());
        self.services.line(&line.rest(attributes).finish()).await
    }

    async fn providers(&mut self, source: &dyn Source, service_id: &ServiceId) -> Result<(), Error> {
        let mut batches = source.providers(service_id).chunks(BATCH);
        while let Some(batch) = batches.next().await {
            let mut ids: Vec<ProviderId> = Vec::with_capacity(BATCH);
            for found in batch {
                match found? {
                    Found::Document(provider) => {
                        self.provider(&provider).await?;
                        ids.push(provider.id);
                    }
                    Found::Fault(fault) => self.exported.fault(fault),
                }
            }
            for subtree in source.subtrees(service_id, &ids).await? {
                let provider_id = &subtree.provider_id;
                let bundles = match subtree.content {
                    SubtreeContent::Complete(bundles) => bundles,
                    SubtreeContent::Rejected(faults) => {
                        faults.into_iter().for_each(|fault| self.exported.fault(fault));
                        source.sound_bundles(service_id, provider_id).await?
                    }
                    SubtreeContent::Vanished => Vec::new(),
                };
                for bundle in &bundles {
                    self.bundle(service_id, provider_id, bundle).await?;
                }
            }
        }
        Ok(())
    }

    async fn provider(&mut self, provider: &Provider) -> Result<(), Error> {
        self.exported.written.providers += 1;
        let (Provider { service_id, id, name, attributes, .. }, names) = (provider, &self.names.providers);
        let line = Line::new().text(&names.id, id.as_str()).text(&names.service_id, service_id.as_str());
        self.providers.line(&line.optional_text(&names.name, name.as_deref()).rest(attributes).finish()).await
    }

    async fn bundle(&mut self, service_id: &ServiceId, provider_id: &ProviderId, bundle: &Bundle) -> Result<(), Error> {
        self.exported.written.bundles += 1;
        self.exported.written.subscription_fields += i64::try_from(bundle.fields.len()).unwrap_or(i64::MAX);
        let (Bundle { id, name, attributes, fields, .. }, names) = (bundle, &self.names.bundles);
        let line = || {
            let line = Line::new().text(&names.id, id).text(&names.provider_id, provider_id.as_str());
            let line = line.text(&names.service_id, service_id.as_str());
            line.optional_text(&names.name, name.as_deref()).rest(attributes)
        };
        if self.shape == Shape::Nested || fields.iter().any(|field| self.must_be_nested(field)) {
            let nested: Vec<String> =
                fields.iter().map(|field| Line::new().field(field, &self.names.subscription_fields).finish()).collect();
            let text = line().raw(&names.subscription_fields, &format!("[{}]", nested.join(","))).finish();
            if text.len() <= MAX_DOCUMENT {
                return self.bundles.line(&text).await;
            }
        }
        self.bundles.line(&line().finish()).await?;
        let names = &self.names.subscription_fields;
        for field in fields {
            let line = Line::new().text(&names.bundle_id, id).text(&names.provider_id, provider_id.as_str());
            let line = line.text(&names.service_id, service_id.as_str()).field(field, names);
            self.separate_fields().await?.line(&line.finish()).await?;
        }
        Ok(())
    }

    /// Nested, a field does not say whose it is, and may call something else by these names.
    fn must_be_nested(&self, field: &SubscriptionField) -> bool {
        let names = &self.names.subscription_fields;
        has_key(field.attributes.as_str(), &[&names.bundle_id, &names.provider_id, &names.service_id])
    }

    async fn separate_fields(&mut self) -> Result<&mut Output, Error> {
        let output = match self.fields.take() {
            Some(output) => output,
            None => Output::create(self.folder, SUBSCRIPTION_FIELDS).await?,
        };
        Ok(self.fields.insert(output))
    }
}

impl Exported {
    /// Whether the folder has everything that the source has.
    pub fn is_complete(&self) -> bool {
        self.faults == 0 && self.left_out == Counts::default()
    }

    fn fault(&mut self, fault: DocumentFault) {
        self.faults += 1;
        if self.listed.len() < LISTED {
            self.listed.push(fault);
        }
    }
}

fn has_key(object: &str, names: &[&String]) -> bool {
    let mut deserializer = serde_json::Deserializer::from_str(object);
    let members = std::collections::HashMap::<String, IgnoredAny>::deserialize(&mut deserializer).unwrap_or_default();
    names.iter().any(|name| members.contains_key(*name))
}
