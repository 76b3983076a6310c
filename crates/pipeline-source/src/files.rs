//! A folder of JSON lines: `provider_services.jsonl`, `providers.jsonl`, `bundles.jsonl` and, if fields are not nested
//! in their bundles or only some are, `subscription_fields.jsonl`. It is the shape that `cbexport json -f lines` writes.
//! Each may be compressed, as `bundles.jsonl.gz` or `bundles.jsonl.zst`.
//!
//! Documents are never held: one pass over the files remembers where the children of each parent stand ([`index`]), and
//! an answer is read from there. Memory grows with the number of providers, and with how scattered their children are
//! in the files, not with the size of documents.
//!
//! Stage processes live longer than a run, so each call looks whether the files are still those that were indexed; if
//! not, they are opened and indexed anew. A file that is replaced (written elsewhere and renamed) is safe at any time:
//! who reads the old one reads it to its end. A file that is written to in place while it is read is noticed, and the
//! call fails as one to repeat. A file that is there and does not answer, as on a mount whose server is gone, is left
//! after a while, and the next call opens the files anew ([`threads`]).

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream, stream::BoxStream};
use pipeline_model::{
    documents::{Bundle, DocumentFault, Found, Known, Provider, Service, Subtree},
    ids::{ProviderId, ServiceId},
};
use pipeline_settings::settings::{self, Mapping};
use tokio::sync::Mutex;

use self::{snapshot::Snapshot, threads::Threads};
use crate::{Counts, Error, Finding, Source};

mod answers;
pub(crate) mod collection;
mod count;
pub(crate) mod digest;
mod etag;
mod index;
mod input;
pub(crate) mod lines;
pub(crate) mod manifest;
mod names;
mod packed;
pub(crate) mod peek;
mod ranges;
mod snapshot;
#[cfg(test)]
mod tests;
mod threads;

/// File of the provider services.
pub const PROVIDER_SERVICES: &str = "provider_services.jsonl";
/// File of the providers.
pub const PROVIDERS: &str = "providers.jsonl";
/// File of the bundles.
pub const BUNDLES: &str = "bundles.jsonl";
/// File of the subscription fields that are not nested in their bundles; optional.
pub const SUBSCRIPTION_FIELDS: &str = "subscription_fields.jsonl";

/// What the fields of this folder's documents are called, as `source.mapping` says it: written by an export of a source
/// with other than the default names, and used where the settings say nothing themselves.
pub const NAMES: &str = "sluice-mapping.json";

/// What the file of each collection may be called: plain, and as gzip and Zstandard compress it.
pub const COLLECTIONS: [[&str; 3]; 4] = [
    [PROVIDER_SERVICES, "provider_services.jsonl.gz", "provider_services.jsonl.zst"],
    [PROVIDERS, "providers.jsonl.gz", "providers.jsonl.zst"],
    [BUNDLES, "bundles.jsonl.gz", "bundles.jsonl.zst"],
    [SUBSCRIPTION_FIELDS, "subscription_fields.jsonl.gz", "subscription_fields.jsonl.zst"],
];

/// The source `file:///folder`.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    mapping: Arc<Mapping>,
    /// A folder without a manifest is refused.
    require_manifest: bool,
    /// Where compressed files are unpacked to.
    spool: Arc<Path>,
    threads: Threads,
    /// The files as last seen. All calls share one index, and the first of them builds it.
    current: Mutex<Option<Seen>>,
}

/// Open files, and how many reads had been in vain when they were opened: since another was, they are opened anew.
#[derive(Clone, Debug)]
struct Seen {
    snapshot: Arc<Snapshot>,
    in_vain: u64,
}

// === impl Folder ===

impl Folder {
    /// A folder that exists; its files are looked at by the first call that needs them.
    pub fn open(path: PathBuf, settings: &settings::Source) -> Result<Self, Error> {
        let threads = Threads::of(&path, Duration::from_millis(settings.read_timeout_ms.into()));
        let looked_at: Arc<Path> = path.as_path().into();
        let metadata = threads.run_here(&path, move || input::metadata(&looked_at))?;
        if !metadata.is_some_and(|metadata| metadata.is_dir()) {
            return Err(Error::MissingFolder { path: path.display().to_string() });
        }
        let spool = settings.spool_dir.clone().unwrap_or_else(std::env::temp_dir).into();
        let (mapping, require_manifest) = (Arc::new(settings.mapping.clone()), settings.require_manifest);
        Ok(Self { path, mapping, require_manifest, spool, threads, current: Mutex::default() })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The files as they are now; the same snapshot as long as none of them changes.
    async fn snapshot(&self) -> Result<Arc<Snapshot>, Error> {
        let asked = Instant::now();
        let mut current = self.current.lock().await;
        let in_vain = self.threads.in_vain();
        let last = current.clone().filter(|last| last.in_vain == in_vain).map(|last| last.snapshot);
        let (path, mapping) = (self.path.clone(), Arc::clone(&self.mapping));
        let (spool, threads) = (Arc::clone(&self.spool), self.threads.clone());
        let look = move || match last {
            Some(last) if last.is_current(&path, &mapping)? => Ok(last),
            _ => Snapshot::open(&path, mapping, &spool, threads).map(Arc::new),
        };
        let snapshot = self.threads.run(asked, look).await?;
        if self.require_manifest && !snapshot.has_manifest() {
            return Err(Error::NoManifest { folder: self.path.display().to_string() });
        }
        *current = Some(Seen { snapshot: Arc::clone(&snapshot), in_vain });
        Ok(snapshot)
    }
}

impl Folder {
    /// Looks at everything, for an operator.
    pub(crate) async fn examine(&self) -> Vec<Finding> {
        let checked = self.check().await;
        let mut findings = vec![Finding::new("source", checked)];
        if findings.iter().all(|finding| finding.result.is_ok()) {
            findings.push(match self.snapshot().await {
                Ok(snapshot) => snapshot.describe_manifest(),
                Err(error) => Finding::new("manifest", Err(error)),
            });
        }
        findings
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

    async fn names(&self) -> Result<Arc<Mapping>, Error> {
        Ok(Arc::clone(&self.snapshot().await?.mapping))
    }

    async fn sound_bundles(&self, service_id: &ServiceId, provider_id: &ProviderId) -> Result<Vec<Bundle>, Error> {
        answers::sound_bundles(self.snapshot().await?, service_id.clone(), provider_id.clone()).await
    }

    fn unreachable(&self) -> BoxStream<'_, Result<DocumentFault, Error>> {
        let answer = async move { answers::unreachable(self.snapshot().await?).await };
        stream::once(answer).try_flatten().boxed()
    }

    fn spool_dir(&self) -> PathBuf {
        self.spool.to_path_buf()
    }

    /// Looks at the files' names and times only; what they were found to lack is still missing until one changes.
    async fn ready(&self) -> Result<(), Error> {
        self.snapshot().await?.known_difference()
    }

    async fn counts(&self) -> Result<Counts, Error> {
        self.snapshot().await?.counts().await
    }
}
