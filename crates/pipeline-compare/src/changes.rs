//! What readers would see change: two generations of the copy side by side, row by row.

use std::collections::BTreeMap;

use pipeline_model::{
    documents::{Bundle, Level, SubscriptionField},
    ids::ProviderId,
};
use serde::Serialize;

use crate::copied::{CopiedProvider, CopiedService};

/// Rows of one level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Not seen now, and seen then.
    pub added: i64,
    /// Seen now and then, with another value.
    pub changed: i64,
    /// Seen now, and not then.
    pub removed: i64,
}

/// Rows of all levels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// Provider services.
    pub services: Changes,
    /// Providers.
    pub providers: Changes,
    /// Bundles.
    pub bundles: Changes,
    /// Subscription fields.
    pub subscription_fields: Changes,
}

/// In which way a row changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// Not seen before, and seen then.
    Added,
    /// Seen before and then, with another value.
    Changed,
    /// Seen before, and not then.
    Removed,
}

/// One row of a service that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// In which way.
    pub change: Change,
    /// At which level.
    pub level: Level,
    /// The provider, below the service.
    pub provider_id: Option<&'a ProviderId>,
    /// The bundle, below the provider.
    pub bundle_id: Option<&'a str>,
    /// The subscription field, below the bundle.
    pub field_id: Option<&'a str>,
    /// The columns with another value.
    pub columns: Vec<&'static str>,
}

/// A service's own row, when it changes.
pub fn service<'a>(before: Option<&'a CopiedService>, after: Option<&'a CopiedService>, row: &mut impl FnMut(Row<'a>)) {
    let columns = |before: &CopiedService, after: &CopiedService| {
        differing([("name", before.name != after.name), ("attributes", before.attributes != after.attributes)])
    };
    tell(Level::Service, Place::default(), (before, after), columns, row);
}

/// A provider's row, and every row below it, that change.
pub fn provider<'a>(
    before: Option<&'a CopiedProvider>,
    after: Option<&'a CopiedProvider>,
    row: &mut impl FnMut(Row<'a>),
) {
    let columns = |before: &CopiedProvider, after: &CopiedProvider| {
        differing([("name", before.name != after.name), ("attributes", before.attributes != after.attributes)])
    };
    let place = Place { provider: before.or(after).map(|provider| &provider.provider_id), ..Place::default() };
    tell(Level::Provider, place, (before, after), columns, row);
    let (old, new) = (bundles(before), bundles(after));
    for (id, before, after) in both(&old, &new) {
        bundle(Place { bundle: Some(id), ..place }, before, after, row);
    }
}

fn bundle<'a>(place: Place<'a>, before: Option<&'a Bundle>, after: Option<&'a Bundle>, row: &mut impl FnMut(Row<'a>)) {
    let columns = |before: &Bundle, after: &Bundle| {
        differing([("name", before.name != after.name), ("attributes", before.attributes != after.attributes)])
    };
    tell(Level::Bundle, place, (before, after), columns, row);
    let (old, new) = (fields(before), fields(after));
    for (id, before, after) in both(&old, &new) {
        let columns = |before: &SubscriptionField, after: &SubscriptionField| {
            differing([
                ("name", before.name != after.name),
                ("value", before.value != after.value),
                ("data_type", before.data_type != after.data_type),
                ("required", before.required != after.required),
                ("position", before.position != after.position),
                ("attributes", before.attributes != after.attributes),
            ])
        };
        let place = Place { field: Some(id), ..place };
        tell(Level::SubscriptionField, place, (before, after), columns, row);
    }
}

/// Where a row is, below its service.
#[derive(Clone, Copy, Default)]
struct Place<'a> {
    provider: Option<&'a ProviderId>,
    bundle: Option<&'a str>,
    field: Option<&'a str>,
}

/// Tells of a row, unless it is the same on both sides.
fn tell<'a, T>(
    level: Level,
    place: Place<'a>,
    (before, after): (Option<&'a T>, Option<&'a T>),
    columns: impl Fn(&T, &T) -> Vec<&'static str>,
    row: &mut impl FnMut(Row<'a>),
) {
    let (change, columns) = match (before, after) {
        (None, Some(_)) => (Change::Added, Vec::new()),
        (Some(_), None) => (Change::Removed, Vec::new()),
        (Some(before), Some(after)) => (Change::Changed, columns(before, after)),
        (None, None) => return,
    };
    if change == Change::Changed && columns.is_empty() {
        return;
    }
    let Place { provider, bundle, field } = place;
    row(Row { change, level, provider_id: provider, bundle_id: bundle, field_id: field, columns });
}

fn differing<const N: usize>(columns: [(&'static str, bool); N]) -> Vec<&'static str> {
    columns.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
}

type ById<'a, T> = BTreeMap<&'a str, &'a T>;

/// The rows of both sides, by their ids.
fn both<'a, T>(
    before: &ById<'a, T>,
    after: &ById<'a, T>,
) -> impl Iterator<Item = (&'a str, Option<&'a T>, Option<&'a T>)> {
    let old = before.iter().map(|(id, row)| (*id, Some(*row), after.get(id).copied()));
    let new = after.iter().filter(|(id, _)| !before.contains_key(*id));
    old.chain(new.map(|(id, row)| (*id, None, Some(*row))))
}

fn bundles(provider: Option<&CopiedProvider>) -> ById<'_, Bundle> {
    provider.into_iter().flat_map(|provider| &provider.bundles).map(|bundle| (bundle.id.as_str(), bundle)).collect()
}

fn fields(bundle: Option<&Bundle>) -> ById<'_, SubscriptionField> {
    bundle.into_iter().flat_map(|bundle| &bundle.fields).map(|field| (field.id.as_str(), field)).collect()
}

// === impl Preview ===

impl Preview {
    /// Counts a row.
    pub fn add(&mut self, row: &Row<'_>) {
        let changes = match row.level {
            Level::Service => &mut self.services,
            Level::Provider => &mut self.providers,
            Level::Bundle => &mut self.bundles,
            Level::SubscriptionField => &mut self.subscription_fields,
        };
        let count = match row.change {
            Change::Added => &mut changes.added,
            Change::Changed => &mut changes.changed,
            Change::Removed => &mut changes.removed,
        };
        *count = count.saturating_add(1);
    }

    /// Whether no row changes.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use pipeline_model::documents::{Attributes, DataType};

    use super::*;

    fn copied(bundles: Vec<Bundle>) -> CopiedProvider {
        CopiedProvider {
            provider_id: "p".into(),
            name: None,
            attributes: Attributes::empty(),
            digest: Vec::new(),
            content_id: 1,
            content_digest: Vec::new(),
            counted: (0, 0),
            bundles,
            damage: Vec::new(),
        }
    }

    fn bundle(id: &str, value: &str) -> Bundle {
        let field = SubscriptionField {
            id: "f".into(),
            name: None,
            value: Some(value.into()),
            data_type: DataType::String,
            required: None,
            position: 0,
            attributes: Attributes::empty(),
        };
        Bundle { id: id.into(), name: None, attributes: Attributes::empty(), source_cas: None, fields: vec![field] }
    }

    #[test]
    fn each_row_that_changes_is_told_once_and_no_other() {
        let before = copied(vec![bundle("a", "1"), bundle("b", "1"), bundle("gone", "1")]);
        let after = copied(vec![bundle("a", "1"), bundle("b", "2"), bundle("new", "1")]);
        let (mut told, mut counted) = (Vec::new(), Preview::default());
        provider(Some(&before), Some(&after), &mut |row| {
            counted.add(&row);
            told.push((row.change, row.bundle_id.unwrap_or(""), row.field_id, row.columns));
        });
        assert_eq!(
            told,
            [
                (Change::Changed, "b", Some("f"), vec!["value"]),
                (Change::Removed, "gone", None, vec![]),
                (Change::Removed, "gone", Some("f"), vec![]),
                (Change::Added, "new", None, vec![]),
                (Change::Added, "new", Some("f"), vec![]),
            ]
        );
        assert_eq!(counted.bundles, Changes { added: 1, changed: 0, removed: 1 });
        assert_eq!(counted.subscription_fields, Changes { added: 1, changed: 1, removed: 1 });
        provider(Some(&before), Some(&before), &mut |row| panic!("{row:?}"));
    }
}
