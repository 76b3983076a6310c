//! The files of a folder as they were at one moment, with the index of what is in them.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use pipeline_settings::settings::Mapping;
use tokio::sync::OnceCell;

use super::{
    BUNDLES, PROVIDER_SERVICES, PROVIDERS, SUBSCRIPTION_FIELDS,
    collection::{Collection, find},
    etag::Reading,
    index::{Content, Hierarchy},
    manifest::Manifest,
    names::{self, Names},
    threads::Threads,
};
use crate::{Counts, Error, Finding};

/// Open files, and what is known of them. Each part of the index is built by the first call that needs it; calls that
/// come meanwhile wait for that one.
#[derive(Debug)]
pub struct Snapshot {
    threads: Threads,
    names: Names,
    /// The names of the documents' fields.
    pub mapping: Arc<Mapping>,
    /// What tags of this folder begin with.
    pub reading: Reading,
    /// The provider services.
    pub services: Collection,
    /// The providers.
    pub providers: Collection,
    /// The bundles.
    pub bundles: Collection,
    /// The subscription fields that are not nested.
    pub fields: Option<Collection>,
    folder: PathBuf,
    manifest: Option<Manifest>,
    /// In what the files are not what the manifest says; `None` when they are.
    difference: OnceCell<Option<String>>,
    hierarchy: OnceCell<Arc<Hierarchy>>,
    content: OnceCell<Arc<Content>>,
    counts: OnceCell<Counts>,
}

// === impl Snapshot ===

impl Snapshot {
    /// Opens the files; reads nothing yet.
    pub fn open(folder: &Path, mapping: Arc<Mapping>, spool: &Arc<Path>, threads: Threads) -> Result<Self, Error> {
        let open = |name| Ok::<_, Error>(Collection::open(folder, name)?.map(|file| file.unpacked_in(spool)));
        let required = |name: &'static str| {
            let missing = || Error::MissingFile { path: folder.join(name).display().to_string() };
            open(name)?.ok_or_else(missing)
        };
        let names = names::read(folder, mapping)?;
        let mapping = Arc::clone(&names.mapping);
        Ok(Self {
            threads,
            names,
            reading: Reading::with(&mapping),
            mapping,
            services: required(PROVIDER_SERVICES)?,
            providers: required(PROVIDERS)?,
            bundles: required(BUNDLES)?,
            fields: open(SUBSCRIPTION_FIELDS)?,
            folder: folder.to_owned(),
            manifest: Manifest::read(folder)?,
            difference: OnceCell::new(),
            hierarchy: OnceCell::new(),
            content: OnceCell::new(),
            counts: OnceCell::new(),
        })
    }

    /// Whether the folder still has these files, unchanged.
    pub fn is_current(&self, folder: &Path, mapping: &Mapping) -> Result<bool, Error> {
        let required = [(PROVIDER_SERVICES, &self.services), (PROVIDERS, &self.providers), (BUNDLES, &self.bundles)];
        for (name, collection) in required {
            if find(folder, name)?.as_ref() != Some(collection.found()) {
                return Ok(false);
            }
        }
        if !self.names.are_current(folder, mapping)? || !Manifest::is_current(self.manifest.as_ref(), folder)? {
            return Ok(false);
        }
        let fields = find(folder, SUBSCRIPTION_FIELDS)?;
        Ok(fields.as_ref() == self.fields.as_ref().map(Collection::found))
    }

    /// Does what waits for a disk on a thread that may wait; see [`Threads::run`].
    pub async fn run<T: Send + 'static>(
        self: Arc<Self>,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.threads.run(Instant::now(), work).await
    }

    /// Whether the folder says of itself what belongs to it.
    pub fn has_manifest(&self) -> bool {
        self.manifest.is_some()
    }

    /// Fails when the files are not what the manifest says, if there is one. The first call reads them.
    pub async fn check_complete(self: &Arc<Self>) -> Result<(), Error> {
        let asked = Instant::now();
        let compare = || {
            let this = Arc::clone(self);
            self.threads.run(asked, move || {
                let files = [&this.services, &this.providers, &this.bundles].into_iter().chain(&this.fields);
                this.manifest.as_ref().map_or(Ok(None), |manifest| manifest.difference(&files.collect::<Vec<_>>()))
            })
        };
        self.difference.get_or_try_init(compare).await?;
        self.known_difference()
    }

    /// Fails when the files are known not to be what the manifest says. Reads nothing.
    pub fn known_difference(&self) -> Result<(), Error> {
        match self.difference.get() {
            Some(Some(reason)) => {
                Err(Error::NotComplete { folder: self.folder.display().to_string(), reason: reason.clone() })
            }
            Some(None) | None => Ok(()),
        }
    }

    /// What the manifest gives, for an operator; the files have been compared with it.
    pub fn describe_manifest(&self) -> Finding {
        let Some(manifest) = &self.manifest else {
            let found = "none, so an export that was cut off looks like one with fewer documents".to_owned();
            let advice = "let the export write a `manifest.json` when it is complete (docs/folders.md), then set \
                          `source.require_manifest`";
            return Finding { advice: Some(advice.to_owned()), ..Finding::new("manifest", Ok(found)) };
        };
        let compared = if manifest.has_digests() { "documents and digests" } else { "documents" };
        Finding::new("manifest", Ok(format!("complete: the {compared} of {} files were compared", manifest.files())))
    }

    /// The services and providers.
    pub async fn hierarchy(self: &Arc<Self>) -> Result<Arc<Hierarchy>, Error> {
        self.check_complete().await?;
        let asked = Instant::now();
        let build = || {
            let this = Arc::clone(self);
            self.threads
                .run(asked, move || Hierarchy::build(&this.services, &this.providers, &this.mapping).map(Arc::new))
        };
        self.hierarchy.get_or_try_init(build).await.cloned()
    }

    /// The bundles and fields.
    pub async fn content(self: &Arc<Self>) -> Result<Arc<Content>, Error> {
        let asked = Instant::now();
        let hierarchy = self.hierarchy().await?;
        let build = || {
            let this = Arc::clone(self);
            self.threads.run(asked, move || {
                Content::build(&hierarchy, &this.bundles, this.fields.as_ref(), &this.mapping).map(Arc::new)
            })
        };
        self.content.get_or_try_init(build).await.cloned()
    }

    /// How many documents there are.
    pub async fn counts(self: &Arc<Self>) -> Result<Counts, Error> {
        let asked = Instant::now();
        let content = self.content().await?;
        let count = || {
            let this = Arc::clone(self);
            self.threads.run(asked, move || content.count(&this.bundles, &this.mapping.bundles.subscription_fields))
        };
        self.counts.get_or_try_init(count).await.copied()
    }
}
