//! Any number of documents out of a seed: `generator:?services=40&providers=10000&bundles=20&fields=5&seed=1`.
//!
//! Every document is computed when it is asked for, from the seed and its place in the hierarchy alone, so a source of
//! any size needs no memory, answers in any order, and gives the same documents to every process. With `revision=2` it
//! is the same source after `changed_percent` of its providers got new content.

use std::time::Duration;

use async_trait::async_trait;
use futures::{FutureExt, StreamExt, stream, stream::BoxStream};
use pipeline_model::{
    documents::{DocumentFault, Found, Provider, Service, Subtree, SubtreeContent},
    ids::{ProviderId, ServiceId},
};

pub use self::parameters::Parameters;
use crate::{Counts, Error, Source};

mod dice;
mod documents;
mod parameters;
#[cfg(test)]
mod tests;

/// Bundles of the one provider that is far larger than the others, when the source is skewed.
pub const BUNDLES_OF_THE_LARGEST: u64 = 20_000;

/// The source `generator:?…`.
#[derive(Clone, Copy, Debug)]
pub struct Generator {
    parameters: Parameters,
}

// === impl Generator ===

impl Generator {
    /// The source with these parameters.
    pub fn new(parameters: Parameters) -> Self {
        Self { parameters }
    }

    /// Reads what follows the question mark of the URL. A parameter that is absent has its default.
    pub fn from_query(query: &str) -> Result<Self, Error> {
        Parameters::parse(query).map(Self::new)
    }

    /// How the source answers: after a while, like a server.
    async fn latency(&self) {
        if self.parameters.latency_ms > 0 {
            tokio::time::sleep(Duration::from_millis(self.parameters.latency_ms)).await;
        }
    }

    /// Numbers of the providers of a service: every so many from the first.
    fn providers_of(&self, service: u64) -> impl Iterator<Item = u64> + Send + use<> {
        let Parameters { services, providers, skew, .. } = self.parameters;
        let half = providers.div_ceil(2);
        let (from, to, step) = match (skew && services > 1, service) {
            (false, _) => (service, providers, services),
            (true, 0) => (0, half, 1),
            (true, _) => (half + service - 1, providers, services - 1),
        };
        (from..to.max(from)).step_by(usize::try_from(step).unwrap_or(usize::MAX).max(1))
    }

    /// The service that a provider belongs to.
    fn service_of(&self, provider: u64) -> u64 {
        let Parameters { services, providers, skew, .. } = self.parameters;
        let half = providers.div_ceil(2);
        match (skew && services > 1, provider < half) {
            (false, _) => provider % services.max(1),
            (true, true) => 0,
            (true, false) => 1 + (provider - half) % (services - 1),
        }
    }

    fn bundles_of(&self, provider: u64) -> u64 {
        if self.parameters.skew && provider == 0 { BUNDLES_OF_THE_LARGEST } else { self.parameters.bundles }
    }

    fn service_number(&self, id: &ServiceId) -> Option<u64> {
        documents::service_number(id).filter(|number| *number < self.parameters.services)
    }

    fn subtree(&self, service: Option<u64>, provider_id: ProviderId) -> Subtree {
        let number = documents::provider_number(&provider_id).filter(|number| *number < self.parameters.providers);
        let content = match number {
            Some(provider) if Some(self.service_of(provider)) == service => {
                let version = self.parameters.version_of(provider);
                let Parameters { seed, fields, .. } = self.parameters;
                let bundle = |bundle| documents::bundle(seed, provider, version, bundle, fields);
                SubtreeContent::Complete((0..self.bundles_of(provider)).map(bundle).collect())
            }
            _ => SubtreeContent::Vanished,
        };
        Subtree { provider_id, content, etag: None }
    }
}

#[async_trait]
impl Source for Generator {
    fn services(&self) -> BoxStream<'_, Result<Found<Service>, Error>> {
        let Parameters { seed, services, .. } = self.parameters;
        let all = (0..services).map(move |service| Ok(Found::Document(documents::service(seed, service))));
        self.latency().map(|()| stream::iter(all)).flatten_stream().boxed()
    }

    fn providers<'a>(&'a self, service_id: &'a ServiceId) -> BoxStream<'a, Result<Found<Provider>, Error>> {
        let seed = self.parameters.seed;
        let numbers = self.service_number(service_id).map(|service| self.providers_of(service));
        let document = move |provider| documents::provider(seed, service_id, provider);
        let all = numbers.into_iter().flatten().map(move |provider| Ok(Found::Document(document(provider))));
        self.latency().map(|()| stream::iter(all)).flatten_stream().boxed()
    }

    async fn subtrees(&self, service_id: &ServiceId, provider_ids: &[ProviderId]) -> Result<Vec<Subtree>, Error> {
        self.latency().await;
        let (this, service, provider_ids) = (*self, self.service_number(service_id), provider_ids.to_vec());
        // A batch can be a million documents: too many for a thread that drives others.
        let work = move || provider_ids.into_iter().map(|id| this.subtree(service, id)).collect();
        tokio::task::spawn_blocking(work).await.map_err(|source| Error::Stopped { source })
    }

    fn unreachable(&self) -> BoxStream<'_, Result<DocumentFault, Error>> {
        stream::empty().boxed()
    }

    async fn counts(&self) -> Result<Counts, Error> {
        let Parameters { services, providers, bundles: per_provider, fields, .. } = self.parameters;
        let largest = u64::from(providers > 0);
        let bundles = (providers - largest) * per_provider + largest * self.bundles_of(0);
        let count = |number| i64::try_from(number).unwrap_or(i64::MAX);
        Ok(Counts {
            services: count(services),
            providers: count(providers),
            bundles: count(bundles),
            subscription_fields: count(bundles.saturating_mul(fields)),
        })
    }
}
