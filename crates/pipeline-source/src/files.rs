//! A folder of JSON lines: `provider_services.jsonl`, `providers.jsonl`, `bundles.jsonl` and, if fields are not nested
//! in their bundles or only some are, `subscription_fields.jsonl`. It is the shape that `cbexport json -f lines` writes.
//!
//! Documents are never held: one pass over the files remembers where the children of each parent stand ([`index`]), and
//! an answer is read from there. Memory grows with the number of providers, and with how scattered their children are
//! in the files, not with the size of documents.
//!
//! Stage processes live longer than a run, so each call looks whether the files are still those that were indexed; if
//! not, they are opened and indexed anew. A file that is replaced (written elsewhere and renamed) is safe at any time:
//! who reads the old one reads it to its end. A file that is written to in place while it is read is noticed, and the
//! call fails as one to repeat.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream, stream::BoxStream};
use pipeline_core::{
    documents::{DocumentFault, Found, Known, Provider, Service, Subtree},
    ids::{ProviderId, ServiceId},
    settings::Mapping,
};
use tokio::sync::Mutex;

use self::snapshot::{Snapshot, blocking};
use crate::{Counts, Error, Source};

mod answers;
mod collection;
mod count;
mod etag;
mod index;
pub(crate) mod lines;
pub(crate) mod peek;
mod ranges;
mod snapshot;
#[cfg(test)]
mod tests;

/// File of the provider services.
pub const PROVIDER_SERVICES: &str = "provider_services.jsonl";
/// File of the providers.
pub const PROVIDERS: &str = "providers.jsonl";
/// File of the bundles.
pub const BUNDLES: &str = "bundles.jsonl";
/// File of the subscription fields that are not nested in their bundles; optional.
pub const SUBSCRIPTION_FIELDS: &str = "subscription_fields.jsonl";

/// The source `file:///folder`.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    mapping: Arc<Mapping>,
    /// The files as last seen. All calls share one index, and the first of them builds it.
    current: Mutex<Option<Arc<Snapshot>>>,
}

// === impl Folder ===

impl Folder {
    /// A folder that exists; its files are looked at by the first call that needs them.
    pub fn open(path: PathBuf, mapping: Mapping) -> Result<Self, Error> {
        match std::fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => {
                Ok(Self { path, mapping: Arc::new(mapping), current: Mutex::default() })
            }
            Ok(_) => Err(Error::MissingFolder { path: path.display().to_string() }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(Error::MissingFolder { path: path.display().to_string() })
            }
            Err(error) => Err(Error::read(&path)(error)),
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The files as they are now; the same snapshot as long as none of them changes.
    async fn snapshot(&self) -> Result<Arc<Snapshot>, Error> {
        let mut current = self.current.lock().await;
        let (last, path, mapping) = (current.clone(), self.path.clone(), Arc::clone(&self.mapping));
        let snapshot = blocking(move || match last {
            Some(last) if last.is_current(&path)? => Ok(last),
            _ => Snapshot::open(&path, mapping).map(Arc::new),
        })
        .await?;
        *current = Some(Arc::clone(&snapshot));
        Ok(snapshot)
    }
}

#[async_trait]
impl Source for Folder {
    fn services(&self) -> BoxStream<'_, Result<Found<Service>, Error>> {
        let answer = async move { answers::services(self.snapshot().await?).await };
        stream::once(answer).try_flatten().boxed()
    }

    fn providers<'a>(&'a self, service_id: &'a ServiceId) -> BoxStream<'a, Result<Found<Provider>, Error>> {
        let answer = async move { answers::providers(self.snapshot().await?, service_id).await };
        stream::once(answer).try_flatten().boxed()
    }

    async fn subtrees(&self, service_id: &ServiceId, provider_ids: &[ProviderId]) -> Result<Vec<Subtree>, Error> {
        answers::subtrees(self.snapshot().await?, service_id.clone(), provider_ids.to_vec()).await
    }

    async fn unchanged(&self, service_id: &ServiceId, known: Vec<Known>) -> Result<Vec<ProviderId>, Error> {
        // Nobody knows anything in a first run: the bundles need not be indexed then.
        if known.is_empty() {
            Ok(Vec::new())
        } else {
            answers::unchanged(self.snapshot().await?, service_id.clone(), known).await
        }
    }

    fn unreachable(&self) -> BoxStream<'_, Result<DocumentFault, Error>> {
        let answer = async move { answers::unreachable(self.snapshot().await?).await };
        stream::once(answer).try_flatten().boxed()
    }

    /// Looks at the files' names and times only.
    async fn ready(&self) -> Result<(), Error> {
        self.snapshot().await.map(drop)
    }

    async fn counts(&self) -> Result<Counts, Error> {
        self.snapshot().await?.counts().await
    }
}
