//! Two documents, and what differs between them: pure functions.

use std::collections::BTreeMap;

use pipeline_model::{
    documents::{Attributes, Bundle, DocumentFault, Level, Provider, Service, SubscriptionField},
    ids::{ProviderId, ServiceId},
};
use serde::Serialize;

use crate::{
    copied::{CopiedProvider, CopiedService},
    digest,
};

/// Characters of a value that a difference shows.
const SHOWN: usize = 60;

/// In which way two sides differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// In the source, and not in the copy.
    Missing,
    /// In the copy, and not in the source.
    Extra,
    /// In both, and not the same.
    Changed,
    /// Rows of the copy that contradict each other.
    Damaged,
    /// A document of the source that breaks a rule; not compared.
    Rejected,
}

/// One difference between source and copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// In which way.
    pub kind: Kind,
    /// At which level: `provider_service`, `provider`, `bundle` or `subscription_field`.
    pub level: &'static str,
    /// The service, when known.
    pub service_id: Option<ServiceId>,
    /// The provider.
    pub provider_id: Option<ProviderId>,
    /// The bundle.
    pub bundle_id: Option<String>,
    /// The subscription field.
    pub field_id: Option<String>,
    /// What differs, or what is wrong.
    pub what: Option<String>,
}

// === impl Difference ===

impl Difference {
    /// A difference of a whole service.
    pub fn of_service(kind: Kind, service: &ServiceId) -> Self {
        Self {
            kind,
            level: Level::Service.as_str(),
            service_id: Some(service.clone()),
            provider_id: None,
            bundle_id: None,
            field_id: None,
            what: None,
        }
    }

    /// A difference of a whole provider.
    pub fn of_provider(kind: Kind, service: &ServiceId, provider: &ProviderId) -> Self {
        let level = Level::Provider.as_str();
        Self { level, provider_id: Some(provider.clone()), ..Self::of_service(kind, service) }
    }

    /// A document that was not compared.
    pub fn rejected(fault: &DocumentFault, service: Option<&ServiceId>) -> Self {
        let document = fault.document_id.clone();
        let (bundle_id, field_id) = match fault.level {
            Level::Bundle => (document, None),
            Level::SubscriptionField => (None, document),
            Level::Service | Level::Provider => (None, None),
        };
        Self {
            kind: Kind::Rejected,
            level: fault.level.as_str(),
            service_id: fault.service_id.as_ref().or(service).cloned(),
            provider_id: fault.provider_id.clone(),
            bundle_id,
            field_id,
            what: Some(fault.to_string()),
        }
    }

    fn what(self, what: String) -> Self {
        Self { what: Some(what), ..self }
    }

    /// The ids from the service down, as `s1/p1/b1/f1`.
    pub fn path(&self) -> String {
        let ids = [
            self.service_id.as_ref().map(ServiceId::as_str),
            self.provider_id.as_ref().map(ProviderId::as_str),
            self.bundle_id.as_deref(),
            self.field_id.as_deref(),
        ];
        ids.into_iter().flatten().collect::<Vec<_>>().join("/")
    }
}

/// Bundles and fields.
pub fn count(bundles: &[Bundle]) -> (i64, i64) {
    let length = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    (length(bundles.len()), bundles.iter().map(|bundle| length(bundle.fields.len())).sum())
}

/// The differences of a service's own row.
pub fn service(document: &Service, copied: &CopiedService) -> Vec<Difference> {
    let at = Difference::of_service(Kind::Changed, &document.id);
    let own = (document.name.as_deref(), &document.attributes);
    versioned_row(&at, own, (copied.name.as_deref(), &copied.attributes), &copied.digest)
}

/// The differences of a provider's own row.
pub fn provider_row(service: &ServiceId, document: &Provider, copied: &CopiedProvider) -> Vec<Difference> {
    let at = Difference::of_provider(Kind::Changed, service, &document.id);
    let own = (document.name.as_deref(), &document.attributes);
    versioned_row(&at, own, (copied.name.as_deref(), &copied.attributes), &copied.digest)
}

/// What a document says itself: its name and its other fields.
type Own<'a> = (Option<&'a str>, &'a Attributes);

/// A row that has a digest stored beside it.
fn versioned_row(at: &Difference, source: Own<'_>, copy: Own<'_>, stored: &[u8]) -> Vec<Difference> {
    let mut found: Vec<Difference> = named(source, copy).map(|what| at.clone().what(what)).collect();
    if found.is_empty() && stored != digest::of_row(source.0, source.1) {
        found.push(Difference { kind: Kind::Damaged, ..at.clone() }.what(STALE_DIGEST.to_owned()));
    }
    found
}

/// The differences of a provider with everything below it.
pub fn provider(
    service: &ServiceId,
    document: &Provider,
    bundles: &[Bundle],
    copied: &CopiedProvider,
) -> Vec<Difference> {
    let mut found = provider_row(service, document, copied);
    let at = Difference::of_provider(Kind::Changed, service, &document.id);
    let damaged = |what: String| Difference { kind: Kind::Damaged, ..at.clone() }.what(what);
    found.extend(copied.damage.iter().cloned().map(damaged));
    if count(&copied.bundles) != copied.counted && copied.damage.is_empty() {
        let (bundles, fields) = copied.counted;
        let now = count(&copied.bundles);
        found.push(damaged(format!(
            "{} bundles and {} fields are there, {bundles} and {fields} were written",
            now.0, now.1
        )));
    }
    let expected = digest::of(bundles);
    if digest::of(&copied.bundles) != expected {
        let before = found.len();
        compare_bundles(&at, bundles, &copied.bundles, &mut found);
        if found.len() == before {
            found.push(at.clone().what("the bundles or fields are the same in another order".to_owned()));
        }
    } else if copied.content_digest != expected {
        found.push(damaged(STALE_DIGEST.to_owned()));
    }
    found
}

const STALE_DIGEST: &str = "the rows are right and the digest stored for them is not";

fn compare_bundles(at: &Difference, source: &[Bundle], copy: &[Bundle], found: &mut Vec<Difference>) {
    let below = |kind: Kind, id: &str| Difference {
        kind,
        level: Level::Bundle.as_str(),
        bundle_id: Some(id.to_owned()),
        ..at.clone()
    };
    pair_up(
        (source, copy),
        |bundle| &bundle.id,
        below,
        found,
        |bundle, other, found| {
            let own = named((bundle.name.as_deref(), &bundle.attributes), (other.name.as_deref(), &other.attributes));
            found.extend(own.map(|what| below(Kind::Changed, &bundle.id).what(what)));
            compare_fields(&below(Kind::Changed, &bundle.id), &bundle.fields, &other.fields, found);
        },
    );
}

fn compare_fields(
    at: &Difference,
    source: &[SubscriptionField],
    copy: &[SubscriptionField],
    found: &mut Vec<Difference>,
) {
    let below = |kind: Kind, id: &str| Difference {
        kind,
        level: Level::SubscriptionField.as_str(),
        field_id: Some(id.to_owned()),
        ..at.clone()
    };
    pair_up(
        (source, copy),
        |field| &field.id,
        below,
        found,
        |field, other, found| {
            found.extend(field_values(field, other).map(|what| below(Kind::Changed, &field.id).what(what)));
        },
    );
}

/// Brings the rows of one level together by their ids: `both` compares two that belong together, `below` makes the
/// differences of those that stand alone.
fn pair_up<T>(
    (source, copy): (&[T], &[T]),
    id: impl Fn(&T) -> &str,
    below: impl Fn(Kind, &str) -> Difference,
    found: &mut Vec<Difference>,
    both: impl Fn(&T, &T, &mut Vec<Difference>),
) {
    let mut copied: BTreeMap<&str, &T> = BTreeMap::new();
    for row in copy {
        if copied.insert(id(row), row).is_some() {
            found.push(below(Kind::Extra, id(row)).what("there more than once".to_owned()));
        }
    }
    for row in source {
        match copied.remove(id(row)) {
            None => found.push(below(Kind::Missing, id(row))),
            Some(other) => both(row, other, found),
        }
    }
    found.extend(copied.into_keys().map(|id| below(Kind::Extra, id)));
}

fn named(source: Own<'_>, copy: Own<'_>) -> impl Iterator<Item = String> {
    [differs("name", source.0, copy.0), differs("attributes", Some(source.1.as_str()), Some(copy.1.as_str()))]
        .into_iter()
        .flatten()
}

fn field_values(field: &SubscriptionField, copied: &SubscriptionField) -> impl Iterator<Item = String> {
    let required = |field: &SubscriptionField| field.required.map(|required| required.to_string());
    [
        differs("name", field.name.as_deref(), copied.name.as_deref()),
        differs("value", field.value.as_deref(), copied.value.as_deref()),
        differs("data_type", Some(field.data_type.as_str()), Some(copied.data_type.as_str())),
        differs("required", required(field).as_deref(), required(copied).as_deref()),
        differs("position", Some(&field.position.to_string()), Some(&copied.position.to_string())),
        differs("attributes", Some(field.attributes.as_str()), Some(copied.attributes.as_str())),
    ]
    .into_iter()
    .flatten()
}

fn differs(what: &str, source: Option<&str>, copy: Option<&str>) -> Option<String> {
    (source != copy).then(|| format!("{what}: source {}, copy {}", shown(source), shown(copy)))
}

/// A value as JSON text, so that no control character reaches a terminal, and not too much of it.
fn shown(value: Option<&str>) -> String {
    let Some(value) = value else {
        return "none".to_owned();
    };
    let short: String = value.chars().take(SHOWN).collect();
    let more = if short.len() < value.len() { "…" } else { "" };
    format!("{}{more}", serde_json::Value::String(short))
}

#[cfg(test)]
#[path = "difference/tests.rs"]
mod tests;
