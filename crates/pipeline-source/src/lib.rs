//! Where documents come from.
//!
//! A source answers three questions, one per stage: which services are there, which providers has a service, and what
//! is below these providers. It maps its own field names to [`pipeline_model::documents`], keeps what it does not know
//! in `attributes`, and reports a broken document as a [`Found::Fault`] instead of failing, so that one bad document
//! never hides the others. Only an answer that cannot be had at all is an [`Error`].
//!
//! | module | holds |
//! |---|---|
//! | `couchbase` | a scope of a Couchbase bucket, when this crate is built with its client |
//! | [`files`] | a folder of JSON lines, as `cbexport json -f lines` writes it |
//! | [`generator`] | any number of documents out of a seed, for tests and measurements |
//! | [`sample`] | the catalogue that ships with Sluice |
//! | [`export`] | any source, written as such a folder |
//! | [`spool`] | what was read and waits to be written |
//! | [`json`], [`mapping`], [`subtree`] | bytes to documents; shared by all sources that read JSON |

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use futures::stream::BoxStream;
use pipeline_model::{
    documents::{Bundle, DocumentFault, Found, Known, Provider, Service, Subtree},
    ids::{ProviderId, ServiceId},
    needs::Needs,
};
use pipeline_settings::settings::Mapping;

#[cfg(feature = "couchbase")]
pub mod couchbase;
mod error;
pub mod export;
pub mod files;
pub mod generator;
pub mod json;
pub mod mapping;
mod open;
pub mod sample;
pub mod spool;
pub mod subtree;
#[cfg(test)]
mod testing;
mod traced;
mod url;

pub use error::Error;
pub use open::{examine, open};
pub use pipeline_model::counts::Counts;

/// A place that documents are read from. Cheap to clone behind an `Arc`; all methods may run side by side.
#[async_trait]
pub trait Source: Send + Sync {
    /// All provider services, in any order. A stream that ends without an error was complete.
    fn services(&self) -> BoxStream<'_, Result<Found<Service>, Error>>;

    /// All providers of one service, in any order. A service that is not there has none.
    fn providers<'a>(&'a self, service_id: &'a ServiceId) -> BoxStream<'a, Result<Found<Provider>, Error>>;

    /// What is below these providers of one service: one subtree for each, in the order asked.
    async fn subtrees(&self, service_id: &ServiceId, provider_ids: &[ProviderId]) -> Result<Vec<Subtree>, Error>;

    /// Those of these providers of one service whose content still has the tag that the asker knows it by. A source that
    /// gives no tags can say it of none.
    async fn unchanged(&self, _service_id: &ServiceId, _known: Vec<Known>) -> Result<Vec<ProviderId>, Error> {
        Ok(Vec::new())
    }

    /// What the fields of its documents are called.
    async fn names(&self) -> Result<Arc<Mapping>, Error> {
        Ok(Arc::default())
    }

    /// The sound bundles below a provider whose subtree is rejected as a whole, with their sound fields: what can be saved
    /// of it by hand, and never what is copied. A source whose documents have no faults has none.
    async fn sound_bundles(&self, _service_id: &ServiceId, _provider_id: &ProviderId) -> Result<Vec<Bundle>, Error> {
        Ok(Vec::new())
    }

    /// Documents that no parent will ever ask for: unreadable ones and orphans. Read once per run, by the root stage.
    ///
    /// Each names as much of its owner as it says, whether that owner exists or not: its service, its provider, both, or
    /// the bundle of a subscription field. What it does not name it could belong to, and the target keeps what it has of
    /// all that.
    fn unreachable(&self) -> BoxStream<'_, Result<DocumentFault, Error>>;

    /// How many documents have their place in the hierarchy, sound or not; what a complete copy of a source without
    /// faults holds.
    async fn counts(&self) -> Result<Counts, Error>;

    /// Where what was read and waits to be written may be kept when it is much.
    fn spool_dir(&self) -> PathBuf {
        std::env::temp_dir()
    }

    /// Whether the source is there, without reading it: asked every few seconds by stages that have nothing to do.
    async fn ready(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Proves that the source can be read, and says in a few words what was found.
    async fn check(&self) -> Result<String, Error> {
        Ok(self.counts().await?.to_string())
    }
}

/// What a stage reads from: it keeps no notes.
impl Needs for dyn Source {
    type Error = Error;

    async fn ready(&self) -> Result<(), Error> {
        Source::ready(self).await
    }
}

/// What was found about one thing that a source needs.
#[derive(Debug)]
pub struct Finding {
    /// What was looked at.
    pub name: &'static str,
    /// What was found, or what is wrong.
    pub result: Result<String, Error>,
    /// What would be better still, where nothing is wrong.
    pub advice: Option<String>,
}

// === impl Finding ===

impl Finding {
    pub(crate) fn new(name: &'static str, result: Result<String, Error>) -> Self {
        Self { name, result, advice: None }
    }
}
