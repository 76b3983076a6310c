//! What is below the providers of a batch.
//!
//! The children are read first, and then whether their provider is still there: a provider that is deleted with its
//! children while they are read counts as gone, and not as one that has lost its bundles.

use std::{
    borrow::Cow,
    collections::HashMap,
    fmt::{self, Display},
};

use futures::future::try_join;
use pipeline_model::{
    documents::{Bundle, FaultCode, Level, Subtree, SubtreeContent},
    ids::{ProviderId, ServiceId},
};
use pipeline_settings::settings::Children;

use super::{
    Couchbase,
    keys::{self, Child},
    page::{Parameters, Row},
    statements::Statement,
};
use crate::{
    Error,
    files::peek::peek,
    json::quoted,
    mapping::{self, FieldDocument, MAX_DOCUMENT, Violation},
    subtree::Builder,
};

/// Where a document stands: a collection and a key.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub collection: &'a str,
    pub key: &'a str,
}

/// The providers of a batch that are there.
#[derive(Default)]
struct Present {
    by_id: HashMap<String, Row>,
    /// A row that does not say which of them it is.
    unknown: Option<Row>,
}

/// The children of the providers of a batch.
#[derive(Default)]
struct Below {
    bundles: Vec<Row>,
    fields: Vec<Row>,
}

impl Couchbase {
    pub(super) async fn read_subtrees(
        &self,
        service_id: &ServiceId,
        provider_ids: &[ProviderId],
    ) -> Result<Vec<Subtree>, Error> {
        let parameters = Parameters { service: Some(service_id.as_str()), providers: Some(provider_ids) };
        match self.settings().children {
            Children::Statement => {
                let bundles = self.all_rows(&self.statements.bundles, parameters);
                let fields = async {
                    match &self.statements.fields {
                        Some(statement) => self.all_rows(statement, parameters).await,
                        None => Ok(Vec::new()),
                    }
                };
                let (bundles, fields) = try_join(bundles, fields).await?;
                let providers = self.present(parameters).await?;
                let below = Below { bundles, fields };
                Ok(self.by_statement(service_id, provider_ids, &below, &providers))
            }
            Children::Keys => {
                let providers = self.present(parameters).await?;
                let mut subtrees = Vec::with_capacity(provider_ids.len());
                for provider_id in provider_ids {
                    let content = match providers.by_id.get(provider_id.as_str()) {
                        None => self.absent(service_id, provider_id, &providers),
                        Some(row) => self.by_listed_keys(service_id, provider_id, row).await?,
                    };
                    subtrees.push(Subtree { provider_id: provider_id.clone(), content, etag: None });
                }
                Ok(subtrees)
            }
        }
    }

    /// The documents of those providers that are there.
    async fn present(&self, parameters: Parameters<'_>) -> Result<Present, Error> {
        let mut present = Present::default();
        for row in self.all_rows(&self.statements.providers_by_id, parameters).await? {
            let [id] = peek(row.bytes(), [self.mapping.providers.id.as_str()]);
            match id.id().map(Cow::into_owned) {
                Some(id) => drop(present.by_id.insert(id, row)),
                None => present.unknown = Some(row),
            }
        }
        Ok(present)
    }

    /// What a provider without a document is: gone, unless a document came that could be its own.
    fn absent(&self, service_id: &ServiceId, provider_id: &ProviderId, present: &Present) -> SubtreeContent {
        let Some(row) = &present.unknown else { return SubtreeContent::Vanished };
        let reason = row.flaw.unwrap_or("the row came for a batch of providers and its `doc` has no readable id");
        let (level, code) = (Level::Provider, FaultCode::MissingId);
        let violation = Violation { level, document_id: None, code, reason: reason.to_owned() };
        let place = row.place(&self.settings().collections.providers);
        SubtreeContent::Rejected(vec![violation.at(place.to_string(), Some(service_id), Some(provider_id))])
    }

    /// All pages of a statement whose answer is bounded by a batch.
    async fn all_rows(&self, statement: &Statement, parameters: Parameters<'_>) -> Result<Vec<Row>, Error> {
        let mut rows: Vec<Row> = Vec::new();
        loop {
            let after = rows.iter().rev().find_map(|row| row.key.as_deref()).unwrap_or_default();
            let page = self.reader.page(statement, parameters, after, self.settings().page_size).await?;
            let is_full = page.is_full;
            rows.extend(page.rows);
            if !is_full {
                return Ok(rows);
            }
        }
    }

    fn by_statement(
        &self,
        service_id: &ServiceId,
        provider_ids: &[ProviderId],
        below: &Below,
        providers: &Present,
    ) -> Vec<Subtree> {
        let mut builders: HashMap<&str, Builder<'_, Place<'_>>> = provider_ids
            .iter()
            .filter(|id| providers.by_id.contains_key(id.as_str()))
            .map(|id| (id.as_str(), Builder::new(service_id, id)))
            .collect();
        let collections = &self.settings().collections;
        for row in &below.bundles {
            let names = &self.mapping.bundles;
            let place = row.place(&collections.bundles);
            match owner(row, service_id, [&names.provider_id, &names.service_id]) {
                Whose::Of(id) => {
                    let Some(builder) = builders.get_mut(&*id) else { continue };
                    builder.bundle(
                        row.whole(Level::Bundle).map_err(|v| vec![v]).and_then(|d| self.bundle(d, row.cas)),
                        place,
                    );
                }
                Whose::Elsewhere => {}
                Whose::Unknown => builders.values_mut().for_each(|builder| {
                    builder.bundle(Err(vec![nobodys(row, Level::Bundle)]), place);
                }),
            }
        }
        for row in &below.fields {
            let names = &self.mapping.subscription_fields;
            let place = row.place(&collections.subscription_fields);
            match owner(row, service_id, [&names.provider_id, &names.service_id]) {
                Whose::Of(id) => {
                    let Some(builder) = builders.get_mut(&*id) else { continue };
                    builder.field(row.whole(Level::SubscriptionField).and_then(|document| self.field(document)), place);
                }
                Whose::Elsewhere => {}
                Whose::Unknown => builders.values_mut().for_each(|builder| {
                    builder.field(Err(nobodys(row, Level::SubscriptionField)), place);
                }),
            }
        }
        let mut subtree = |provider_id: &ProviderId| {
            let builder = builders.remove(provider_id.as_str());
            let content = builder.map_or_else(|| self.absent(service_id, provider_id, providers), Builder::finish);
            Subtree { provider_id: provider_id.clone(), content, etag: None }
        };
        provider_ids.iter().map(&mut subtree).collect()
    }

    async fn by_listed_keys(
        &self,
        service_id: &ServiceId,
        provider_id: &ProviderId,
        provider: &Row,
    ) -> Result<SubtreeContent, Error> {
        let settings = self.settings();
        let mut builder = Builder::new(service_id, provider_id);
        let provider_place = provider.place(&settings.collections.providers);
        let document = provider.document.get().as_bytes();
        let listed = match keys::listed(document, &settings.bundle_keys, Level::Provider) {
            Ok(listed) => listed,
            Err(violation) => {
                builder.bundle(Err(vec![violation]), provider_place);
                return Ok(builder.finish());
            }
        };
        let bundles = self.reader.by_keys(&settings.collections.bundles, listed).await?;
        let mut field_keys = Vec::new();
        for child in &bundles {
            let place = Place { collection: &settings.collections.bundles, key: &child.key };
            let read = match found(child, Level::Bundle) {
                Ok(document) => self.bundle(document, child.cas),
                Err(violation) => Err(vec![violation]),
            };
            if let (true, Some(document)) = (self.statements.fields.is_some(), &child.document) {
                match keys::listed(document, &settings.subscription_field_keys, Level::Bundle) {
                    Ok(listed) => field_keys.extend(listed),
                    Err(violation) if read.is_ok() => builder.bundle(Err(vec![violation]), place),
                    Err(_) => {}
                }
            }
            builder.bundle(read, place);
        }
        let fields = self.reader.by_keys(&settings.collections.subscription_fields, field_keys).await?;
        for child in &fields {
            let place = Place { collection: &settings.collections.subscription_fields, key: &child.key };
            builder.field(found(child, Level::SubscriptionField).and_then(|document| self.field(document)), place);
        }
        Ok(builder.finish())
    }

    fn bundle(&self, document: &[u8], cas: Option<i64>) -> Result<Bundle, Vec<Violation>> {
        let (names, field_names) = (&self.mapping.bundles, &self.mapping.subscription_fields);
        let whole = whole(Level::Bundle, document).map_err(|violation| vec![violation])?;
        let identified = |violation| with_id(violation, Level::Bundle, whole, &names.id);
        match mapping::bundle(whole, names, field_names) {
            Ok(bundle) => Ok(Bundle { source_cas: cas, ..bundle }),
            Err(violations) => Err(violations.into_iter().map(identified).collect()),
        }
    }

    fn field(&self, document: &[u8]) -> Result<FieldDocument, Violation> {
        let names = &self.mapping.subscription_fields;
        let level = Level::SubscriptionField;
        let read = whole(level, document).and_then(|whole| mapping::field(whole, names));
        read.map_err(|violation| with_id(violation, level, document, &names.id))
    }
}

/// Whose a child is that came for the providers of a batch.
enum Whose<'r> {
    /// The provider with this id.
    Of(Cow<'r, str>),
    /// Of another service.
    Elsewhere,
    /// It does not say, so it could be any provider's that was asked for.
    Unknown,
}

/// The provider that a child names. A child without a service belongs to every provider with the id.
fn owner<'r>(row: &'r Row, service_id: &ServiceId, [provider, service]: [&str; 2]) -> Whose<'r> {
    let [provider, service] = peek(row.bytes(), [provider, service]);
    match (service.id(), provider.id()) {
        (Some(service), _) if service != service_id.as_str() => Whose::Elsewhere,
        (_, Some(provider)) => Whose::Of(provider),
        (_, None) => Whose::Unknown,
    }
}

/// A child that does not say whose it is: only a statement of the settings gives such a row.
fn nobodys(row: &Row, level: Level) -> Violation {
    let reason = row.flaw.unwrap_or("the row came for a batch and its `doc` does not say which provider it belongs to");
    Violation { level, document_id: None, code: FaultCode::MissingId, reason: reason.to_owned() }
}

/// A child that its parent lists must be there: with a part of its bundles a provider would not be complete.
fn found(child: &Child, level: Level) -> Result<&[u8], Violation> {
    child.document.as_deref().ok_or_else(|| Violation {
        level,
        document_id: None,
        code: FaultCode::MissingChild,
        reason: format!("its parent lists the key {}, which no document has", quoted(&child.key)),
    })
}

/// A document that is not larger than any source may give.
pub fn whole(level: Level, document: &[u8]) -> Result<&[u8], Violation> {
    if document.len() <= MAX_DOCUMENT {
        return Ok(document);
    }
    let reason = format!("the document has more than {} MiB", MAX_DOCUMENT / 1024 / 1024);
    Err(Violation { level, document_id: None, code: FaultCode::TooLarge, reason })
}

/// A violation of the document itself, not of what is nested in it, has the document's id wherever it can be read.
pub fn with_id(violation: Violation, level: Level, document: &[u8], name: &str) -> Violation {
    if violation.document_id.is_some() || violation.level != level {
        return violation;
    }
    let [id] = peek(document, [name]);
    Violation { document_id: id.id().map(Cow::into_owned), ..violation }
}

impl Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.collection, self.key)
    }
}
