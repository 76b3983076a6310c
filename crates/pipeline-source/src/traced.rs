//! A source whose calls stand in the trace: each has a span below the message that asks.

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use futures::{StreamExt as _, stream::BoxStream};
use pipeline_model::{
    disposition::Classify as _,
    documents::{Bundle, DocumentFault, Found, Known, Provider, Service, Subtree},
    ids::{ProviderId, ServiceId},
};
use pipeline_settings::settings::Mapping;
use pipeline_telemetry::span::SourceSpan;
use tracing::Instrument as _;

use crate::{Counts, Error, Source};

/// A source, with the word that spans have for its kind.
pub(crate) struct Traced<S> {
    pub(crate) source: S,
    pub(crate) system: &'static str,
}

impl<S: Source> Traced<S> {
    fn span(&self, operation: &'static str, service: Option<&ServiceId>) -> SourceSpan {
        let collection = operation.rsplit(' ').next().unwrap_or_default();
        SourceSpan::new(self.system, operation, collection, service.map(ServiceId::as_str))
    }
}

#[async_trait]
impl<S: Source> Source for Traced<S> {
    fn services(&self) -> BoxStream<'_, Result<Found<Service>, Error>> {
        counted(self.source.services(), self.span("read provider_services", None))
    }

    fn providers<'a>(&'a self, service_id: &'a ServiceId) -> BoxStream<'a, Result<Found<Provider>, Error>> {
        counted(self.source.providers(service_id), self.span("read providers", Some(service_id)))
    }

    async fn subtrees(&self, service_id: &ServiceId, provider_ids: &[ProviderId]) -> Result<Vec<Subtree>, Error> {
        let span = self.span("read bundles", Some(service_id));
        let answer = self.source.subtrees(service_id, provider_ids).instrument(span.span().clone()).await;
        noted(answer, &span)
    }

    async fn unchanged(&self, service_id: &ServiceId, known: Vec<Known>) -> Result<Vec<ProviderId>, Error> {
        let span = self.span("compare bundles", Some(service_id));
        let answer = self.source.unchanged(service_id, known).instrument(span.span().clone()).await;
        noted(answer, &span)
    }

    async fn names(&self) -> Result<Arc<Mapping>, Error> {
        self.source.names().await
    }

    async fn sound_bundles(&self, service_id: &ServiceId, provider_id: &ProviderId) -> Result<Vec<Bundle>, Error> {
        self.source.sound_bundles(service_id, provider_id).await
    }

    fn unreachable(&self) -> BoxStream<'_, Result<DocumentFault, Error>> {
        counted(self.source.unreachable(), self.span("read unreachable documents", None))
    }

    async fn counts(&self) -> Result<Counts, Error> {
        self.source.counts().await
    }

    fn spool_dir(&self) -> PathBuf {
        self.source.spool_dir()
    }

    async fn ready(&self) -> Result<(), Error> {
        self.source.ready().await
    }

    async fn check(&self) -> Result<String, Error> {
        self.source.check().await
    }
}

/// A stream whose span ends with it, and says how many documents came.
fn counted<'a, T: Send + 'a>(
    stream: BoxStream<'a, Result<T, Error>>,
    span: SourceSpan,
) -> BoxStream<'a, Result<T, Error>> {
    let mut documents = 0;
    stream
        .inspect(move |found| match found {
            Ok(_) => {
                documents += 1;
                span.returned(documents);
            }
            Err(error) => span.failed(error.code()),
        })
        .boxed()
}

fn noted<T>(answer: Result<Vec<T>, Error>, span: &SourceSpan) -> Result<Vec<T>, Error> {
    match &answer {
        Ok(found) => span.returned(found.len() as u64),
        Err(error) => span.failed(error.code()),
    }
    answer
}
