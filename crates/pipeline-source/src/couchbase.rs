//! A scope of a Couchbase bucket: one collection for each level, read by SQL++ in pages, or children by their keys.
//!
//! | module | holds |
//! |---|---|
//! | [`address`], [`credentials`] | which cluster, which scope, and who we are to it |
//! | [`connection`], [`preflight`], [`patience`] | the one connection, how it is made, and when it is given up |
//! | [`statements`] | what is asked |
//! | [`page`], [`limits`], [`fault`] | one answer: bounded in time, size and rate; complete or an error |
//! | [`subtrees`], [`keys`] | what is below the providers of a batch |
//! | [`unreachable`] | what no parent asks for |
//! | [`health`] | what an operator wants to know before the first run |
//! | [`export`] | copying a scope into a folder |
//!
//! The source only reads, and asks for no more than it is allowed to: so many requests at once and in a second. It
//! holds no document longer than an answer takes. No wait is without end, no answer is taken for complete that the
//! server does not call so, and every failure says what it was about and what to do.

use std::{path::PathBuf, sync::atomic::AtomicUsize};

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream, stream::BoxStream};
use pipeline_model::{
    documents::{DocumentFault, Found, Level, Provider, Service, Subtree},
    ids::{ProviderId, ServiceId},
};
use pipeline_settings::settings::{self, Mapping};

use self::{
    address::Address,
    connection::Connection,
    limits::Limits,
    page::{Parameters, Reader, Row},
    statements::{Statement, Statements},
    subtrees::with_id,
};
use crate::{Counts, Error, Source, mapping};

mod address;
mod connection;
mod credentials;
mod export;
mod fault;
mod health;
mod keys;
mod limits;
mod page;
mod patience;
mod place;
mod preflight;
mod statements;
mod subtrees;
#[cfg(test)]
mod tests;
mod unreachable;

/// The source `couchbase://host/bucket.scope`.
pub struct Couchbase {
    reader: Reader,
    statements: Statements,
    mapping: Mapping,
    spool_dir: PathBuf,
}

// === impl Couchbase ===

impl Couchbase {
    /// Reads certificates and credentials, and makes the statements; connects to nothing.
    pub fn open(settings: &settings::Source) -> Result<Self, Error> {
        let address = Address::parse(&settings.url)?;
        let statements = Statements::new(settings)?;
        let connection = Connection::new(address, &settings.couchbase)?;
        let limits = Limits::new(&settings.couchbase);
        let reader =
            Reader { connection, limits, settings: settings.couchbase.clone(), forgotten: AtomicUsize::new(0) };
        let spool_dir = settings.spool_dir.clone().unwrap_or_else(std::env::temp_dir);
        Ok(Self { reader, statements, mapping: settings.mapping.clone(), spool_dir })
    }

    fn settings(&self) -> &settings::Couchbase {
        &self.reader.settings
    }

    /// All rows of a statement, page after page, one page in memory.
    fn rows<'a>(&'a self, statement: &'a Statement, parameters: Parameters<'a>) -> BoxStream<'a, Result<Row, Error>> {
        let page_size = self.settings().page_size;
        let step = move |from: Option<(String, u32)>| async move {
            let Some((after, limit)) = from else { return Ok(None) };
            let page = self.reader.page(statement, parameters, &after, limit).await?;
            let next = match page.last_key() {
                Some(key) => Some((key.to_owned(), page_size)),
                // Rows without a key are all that there is.
                None if !page.rows.is_empty() => None,
                None => self.beyond(statement, parameters, &after, limit).await?.map(|limit| (after, limit)),
            };
            Ok(Some((stream::iter(page.rows.into_iter().map(Ok)), next)))
        };
        stream::try_unfold(Some((String::new(), page_size)), step).try_flatten().boxed()
    }

    /// The limit to ask with again after an empty page; `None` when nothing stands behind the key.
    ///
    /// An index that lags behind still lists documents that are deleted or expired, and the server counts them against
    /// the limit before it looks for them: a page may be empty although documents follow. What the index lists says
    /// whether the limit covered it all.
    async fn beyond(
        &self,
        statement: &Statement,
        parameters: Parameters<'_>,
        after: &str,
        limit: u32,
    ) -> Result<Option<u32>, Error> {
        let Some(count) = statements::count_like(statement) else { return Ok(None) };
        let listed = self.reader.count(&count, parameters, after).await?;
        let listed = u32::try_from(listed).unwrap_or(u32::MAX);
        Ok((listed > limit).then_some(listed))
    }

    fn service(&self, row: &Row) -> Found<Service> {
        let names = &self.mapping.provider_services;
        let document = row.bytes();
        let read = row.whole(Level::Service).and_then(|whole| mapping::service(whole, names));
        match read {
            Ok(service) => Found::Document(Service { source_cas: row.cas, ..service }),
            Err(violation) => {
                let violation = with_id(violation, Level::Service, document, &names.id);
                let service_id = violation.document_id.clone().map(ServiceId);
                let place = row.place(&self.settings().collections.provider_services);
                Found::Fault(violation.at(place.to_string(), service_id.as_ref(), None))
            }
        }
    }

    fn provider(&self, service_id: &ServiceId, row: &Row) -> Found<Provider> {
        let names = &self.mapping.providers;
        let document = row.bytes();
        let read = row.whole(Level::Provider).and_then(|whole| mapping::provider(whole, names));
        match read {
            Ok(provider) => Found::Document(Provider { source_cas: row.cas, ..provider }),
            Err(violation) => {
                let violation = with_id(violation, Level::Provider, document, &names.id);
                let provider_id = violation.document_id.clone().map(ProviderId);
                let place = row.place(&self.settings().collections.providers);
                Found::Fault(violation.at(place.to_string(), Some(service_id), provider_id.as_ref()))
            }
        }
    }

    async fn count_all(&self, collection: &str) -> Result<i64, Error> {
        self.reader.count(&statements::count(collection), Parameters::default(), "").await
    }
}

#[async_trait]
impl Source for Couchbase {
    fn services(&self) -> BoxStream<'_, Result<Found<Service>, Error>> {
        self.rows(&self.statements.services, Parameters::default()).map_ok(|row| self.service(&row)).boxed()
    }

    fn providers<'a>(&'a self, service_id: &'a ServiceId) -> BoxStream<'a, Result<Found<Provider>, Error>> {
        let parameters = Parameters { service: Some(service_id.as_str()), providers: None };
        self.rows(&self.statements.providers, parameters).map_ok(|row| self.provider(service_id, &row)).boxed()
    }

    async fn subtrees(&self, service_id: &ServiceId, provider_ids: &[ProviderId]) -> Result<Vec<Subtree>, Error> {
        self.read_subtrees(service_id, provider_ids).await
    }

    fn unreachable(&self) -> BoxStream<'_, Result<DocumentFault, Error>> {
        self.find_unreachable()
    }

    /// All documents of the collections, as the indexes have them. Nested fields are counted by the server, which reads
    /// every bundle for it.
    async fn counts(&self) -> Result<Counts, Error> {
        let settings::Collections { provider_services, providers, bundles, subscription_fields } =
            &self.settings().collections;
        let subscription_fields = if subscription_fields.is_empty() {
            let statement = statements::count_nested(bundles, &self.mapping.bundles.subscription_fields);
            self.reader.count(&statement, Parameters::default(), "").await?
        } else {
            self.count_all(subscription_fields).await?
        };
        Ok(Counts {
            services: self.count_all(provider_services).await?,
            providers: self.count_all(providers).await?,
            bundles: self.count_all(bundles).await?,
            subscription_fields,
        })
    }

    fn spool_dir(&self) -> PathBuf {
        self.spool_dir.clone()
    }

    /// One question to the query service that touches no document.
    async fn ready(&self) -> Result<(), Error> {
        self.reader.now(statements::CLOCK).await.map(drop)
    }
}
