//! Where documents come from.
//!
//! A source answers three questions, one per stage: which services are there, which providers has a service, and what
//! is below these providers. It maps its own field names to [`pipeline_core::documents`], keeps what it does not know
//! in `attributes`, and reports a broken document as a [`Found::Fault`] instead of failing, so that one bad document
//! never hides the others. Only an answer that cannot be had at all is an [`Error`].

use async_trait::async_trait;
use futures::stream::BoxStream;
use pipeline_core::{
    documents::{DocumentFault, Found, Provider, Service, Subtree},
    ids::{ProviderId, ServiceId},
};

mod error;

pub use error::Error;

/// A place that documents are read from. Cheap to clone behind an `Arc`; all methods may run side by side.
#[async_trait]
pub trait Source: Send + Sync {
    /// All provider services, in any order. A stream that ends without an error was complete.
    fn services(&self) -> BoxStream<'_, Result<Found<Service>, Error>>;

    /// All providers of one service, in any order. A service that is not there has none.
    fn providers<'a>(&'a self, service_id: &'a ServiceId) -> BoxStream<'a, Result<Found<Provider>, Error>>;

    /// What is below these providers of one service: one subtree for each, in the order asked.
    async fn subtrees(&self, service_id: &ServiceId, provider_ids: &[ProviderId]) -> Result<Vec<Subtree>, Error>;

    /// Documents that no parent will ever ask for: unreadable ones and orphans. Read once per run, by the root stage.
    fn unreachable(&self) -> BoxStream<'_, Result<DocumentFault, Error>>;
}
