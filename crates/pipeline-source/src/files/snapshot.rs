//! The files of a folder as they were at one moment, with the index of what is in them.

use std::{path::Path, sync::Arc};

use pipeline_core::settings::Mapping;
use tokio::sync::OnceCell;

use super::{
    BUNDLES, PROVIDER_SERVICES, PROVIDERS, SUBSCRIPTION_FIELDS,
    collection::{Collection, fingerprint},
    etag::Reading,
    index::{Content, Hierarchy},
};
use crate::{Counts, Error};

/// Open files, and what is known of them. Each part of the index is built by the first call that needs it; calls that
/// come meanwhile wait for that one.
#[derive(Debug)]
pub struct Snapshot {
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
    hierarchy: OnceCell<Arc<Hierarchy>>,
    content: OnceCell<Arc<Content>>,
    counts: OnceCell<Counts>,
}

/// Runs what waits for a disk on a thread that may wait.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|source| Error::Stopped { source })?
}

// === impl Snapshot ===

impl Snapshot {
    /// Opens the files; reads nothing yet.
    pub fn open(folder: &Path, mapping: Arc<Mapping>) -> Result<Self, Error> {
        let required = |name: &'static str| {
            let missing = || Error::MissingFile { path: folder.join(name).display().to_string() };
            Collection::open(folder, name)?.ok_or_else(missing)
        };
        Ok(Self {
            reading: Reading::with(&mapping),
            mapping,
            services: required(PROVIDER_SERVICES)?,
            providers: required(PROVIDERS)?,
            bundles: required(BUNDLES)?,
            fields: Collection::open(folder, SUBSCRIPTION_FIELDS)?,
            hierarchy: OnceCell::new(),
            content: OnceCell::new(),
            counts: OnceCell::new(),
        })
    }

    /// Whether the folder still has these files, unchanged.
    pub fn is_current(&self, folder: &Path) -> Result<bool, Error> {
        for collection in [&self.services, &self.providers, &self.bundles] {
            if fingerprint(collection.path())? != Some(collection.fingerprint()) {
                return Ok(false);
            }
        }
        let fields = fingerprint(&folder.join(SUBSCRIPTION_FIELDS))?;
        Ok(fields == self.fields.as_ref().map(Collection::fingerprint))
    }

    /// The services and providers.
    pub async fn hierarchy(self: &Arc<Self>) -> Result<Arc<Hierarchy>, Error> {
        let build = || {
            let this = Arc::clone(self);
            blocking(move || Hierarchy::build(&this.services, &this.providers, &this.mapping).map(Arc::new))
        };
        self.hierarchy.get_or_try_init(build).await.cloned()
    }

    /// The bundles and fields.
    pub async fn content(self: &Arc<Self>) -> Result<Arc<Content>, Error> {
        let hierarchy = self.hierarchy().await?;
        let build = || {
            let this = Arc::clone(self);
            blocking(move || {
                Content::build(&hierarchy, &this.bundles, this.fields.as_ref(), &this.mapping).map(Arc::new)
            })
        };
        self.content.get_or_try_init(build).await.cloned()
    }

    /// How many documents there are.
    pub async fn counts(self: &Arc<Self>) -> Result<Counts, Error> {
        let content = self.content().await?;
        let count = || {
            let this = Arc::clone(self);
            blocking(move || content.count(&this.bundles, &this.mapping.bundles.subscription_fields))
        };
        self.counts.get_or_try_init(count).await.copied()
    }
}
