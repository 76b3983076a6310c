//! What leaves the views when a batch is switched: bundles and fields that readers see below a provider, and that its new
//! content does not have.
//!
//! They are told by their ids, so that a bundle that takes the place of another counts as one that is gone and one that
//! is new. What readers see is compared, and not the open content: after a rollback the two differ, and after an earlier
//! try of the same run. So a provider that keeps its open content may lose rows too.
//!
//! A provider that loses rows while some document without a parent could be one of them keeps its last good content:
//! the line that is missing may be the one that nobody could read.

use std::collections::{HashMap, HashSet};

use pipeline_model::{
    documents::{Bundle, DocumentFault, FaultCode, Level},
    ids::{Generation, ProviderId},
};

use super::{BatchKey, Content, compare::Open};
use crate::{
    Error,
    database::{Session, Value},
    insert::{IN_LIST, in_list, placeholders},
    plan::length,
    versions::Table,
};

/// Contents whose ids are read at a time.
const CONTENTS: usize = 128;

/// What one provider loses.
#[derive(Debug, Default)]
pub(super) struct Lost {
    pub(super) bundles: i64,
    pub(super) fields: i64,
    /// The bundles that are gone, or that a field is gone from.
    of_bundles: HashSet<String>,
}

/// What the providers of these contents lose; those that lose nothing are not in the answer.
pub(super) async fn find(
    session: &mut Session,
    key: &BatchKey,
    visible_at: Option<Generation>,
    contents: &[Content],
    open: &HashMap<ProviderId, Open>,
) -> Result<HashMap<ProviderId, Lost>, Error> {
    let mut all = HashMap::new();
    let Some(seen) = visible_at else { return Ok(all) };
    let mut compared: Vec<(i64, &Content)> = Vec::new();
    let mut elsewhere: Vec<&Content> = Vec::new();
    for content in contents {
        match open.get(&content.provider_id) {
            Some(open) if open.valid_from <= seen.0 && open.digest == content.digest => {}
            Some(open) if open.valid_from <= seen.0 => compared.push((open.content_id, content)),
            _ => elsewhere.push(content),
        }
    }
    let ids: Vec<&ProviderId> = elsewhere.iter().map(|content| &content.provider_id).collect();
    let visible = visible_contents(session, key, seen, &ids).await?;
    compared.extend(elsewhere.into_iter().filter_map(|each| Some((*visible.get(each.provider_id.as_str())?, each))));
    for compared in compared.chunks(CONTENTS) {
        let numbers: Vec<i64> = compared.iter().map(|(number, _)| *number).collect();
        let mut rows = rows_of(session, &numbers).await?;
        for (number, content) in compared {
            let lost = rows.remove(number).unwrap_or_default().without(&ids_of(content));
            if lost.bundles > 0 || lost.fields > 0 {
                all.insert(content.provider_id.clone(), lost);
            }
        }
    }
    Ok(all)
}

/// What is lost with providers that keep their open content: nothing where readers see that one. They see another after
/// a rollback, and when an earlier try of the run has written the open one.
pub(super) async fn with_kept<'p>(
    session: &mut Session,
    key: &BatchKey,
    visible_at: Option<Generation>,
    kept: impl Iterator<Item = &'p ProviderId>,
    open: &HashMap<ProviderId, Open>,
) -> Result<Lost, Error> {
    let mut all = Lost::default();
    let Some(seen) = visible_at else { return Ok(all) };
    let is_seen = |id: &&ProviderId| open.get(*id).is_some_and(|open| open.valid_from <= seen.0);
    let elsewhere: Vec<&ProviderId> = kept.filter(|id| !is_seen(id)).collect();
    let visible = visible_contents(session, key, seen, &elsewhere).await?;
    let pairs: Vec<(i64, Option<i64>)> = elsewhere
        .into_iter()
        .filter_map(|id| Some((*visible.get(id.as_str())?, open.get(id).map(|open| open.content_id))))
        .collect();
    for pairs in pairs.chunks(CONTENTS / 2) {
        let numbers: Vec<i64> = pairs.iter().flat_map(|(visible, open)| [Some(*visible), *open]).flatten().collect();
        let mut rows = rows_of(session, &numbers).await?;
        for (visible, open) in pairs {
            let kept = open.and_then(|open| rows.remove(&open)).unwrap_or_default().ids();
            let lost = rows.remove(visible).unwrap_or_default().without(&kept);
            all.bundles = all.bundles.saturating_add(lost.bundles);
            all.fields = all.fields.saturating_add(lost.fields);
        }
    }
    Ok(all)
}

/// The faults of providers that keep their content because a document without a parent could be what they lose.
pub(super) async fn protected(
    session: &mut Session,
    key: &BatchKey,
    lost: &HashMap<ProviderId, Lost>,
) -> Result<Vec<DocumentFault>, Error> {
    let mut faults = Vec::new();
    if lost.is_empty() {
        return Ok(faults);
    }
    let run_id = key.run_id.to_string();
    let which = "SELECT place FROM sluice_run_reject WHERE run_id = ? AND (service_id IS NULL OR service_id = ?) \
                 AND unreachable = 1 AND level IN ('bundle', 'subscription_field')";
    let anybodys = {
        let sql = format!("{which} AND provider_id IS NULL AND bundle_id IS NULL ORDER BY reject_id LIMIT 1");
        place(session, sql, &[(&run_id).into(), (&key.service_id).into()]).await?
    };
    let mut ids: Vec<(&ProviderId, &Lost)> = lost.iter().collect();
    ids.sort_unstable_by_key(|(id, _)| *id);
    for (id, lost) in ids {
        let place = match &anybodys {
            Some(place) => Some(place.clone()),
            None => named(session, which, key, id, lost).await?,
        };
        faults.extend(place.map(|place| fault(key, id, lost, place)));
    }
    Ok(faults)
}

/// Where a document stands that names this provider, or one of the bundles that lose something.
async fn named(
    session: &mut Session,
    which: &str,
    key: &BatchKey,
    id: &ProviderId,
    lost: &Lost,
) -> Result<Option<String>, Error> {
    let run_id = key.run_id.to_string();
    let begin: [Value<'_>; 2] = [(&run_id).into(), (&key.service_id).into()];
    let mut values = begin.to_vec();
    values.push(id.into());
    let found = place(session, format!("{which} AND provider_id = ? ORDER BY reject_id LIMIT 1"), &values).await?;
    if found.is_some() {
        return Ok(found);
    }
    let bundles: Vec<&str> = lost.of_bundles.iter().map(String::as_str).collect();
    for bundles in bundles.chunks(IN_LIST) {
        let (marks, list) = in_list(bundles);
        let mut values = begin.to_vec();
        values.extend(list);
        let sql = format!("{which} AND provider_id IS NULL AND bundle_id IN ({marks}) ORDER BY reject_id LIMIT 1");
        let found = place(session, sql, &values).await?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

async fn place(session: &mut Session, sql: String, values: &[Value<'_>]) -> Result<Option<String>, Error> {
    session.fetch_optional(sql, values).await?.map(|row| row.text("place")).transpose()
}

fn fault(key: &BatchKey, id: &ProviderId, lost: &Lost, place: String) -> DocumentFault {
    let Lost { bundles, fields, .. } = lost;
    DocumentFault {
        level: Level::Provider,
        service_id: Some(key.service_id.clone()),
        provider_id: Some(id.clone()),
        bundle_id: None,
        document_id: Some(id.to_string()),
        reason: format!(
            "it would lose {bundles} bundles and {fields} subscription fields, and {place}, whose owner cannot be told, \
             could be among them: it keeps its last good content"
        ),
        place,
        code: FaultCode::Withheld,
    }
}

/// The numbers of the contents that readers see of these providers.
async fn visible_contents(
    session: &mut Session,
    key: &BatchKey,
    seen: Generation,
    providers: &[&ProviderId],
) -> Result<HashMap<String, i64>, Error> {
    let ids: Vec<&str> = providers.iter().map(|id| id.as_str()).collect();
    let mut found = HashMap::new();
    for ids in ids.chunks(IN_LIST) {
        let (condition, mut values) = Table::Contents(&key.service_id).condition(ids);
        let at: [Value<'_>; 2] = [seen.into(), seen.into()];
        values.extend(at);
        let sql = format!(
            "SELECT provider_id, content_id FROM sluice_provider_content {condition} AND valid_from <= ? \
             AND valid_to > ?"
        );
        for row in session.fetch_all(sql, &values).await?.into_iter() {
            found.insert(row.text("provider_id")?, row.int("content_id")?);
        }
    }
    Ok(found)
}

/// The ids of a content's rows.
#[derive(Debug, Default)]
struct Rows {
    bundles: HashMap<i64, String>,
    /// With the ordinals of their bundles.
    fields: Vec<(i64, String)>,
}

/// The ids of bundles, each with those of its fields.
type Ids = HashMap<String, HashSet<String>>;

fn ids_of(content: &Content) -> Ids {
    let fields = |bundle: &Bundle| bundle.fields.iter().map(|field| field.id.to_string()).collect();
    content.bundles.iter().map(|bundle| (bundle.id.to_string(), fields(bundle))).collect()
}

impl Rows {
    fn ids(self) -> Ids {
        let mut ids: Ids = self.bundles.values().map(|bundle| (bundle.clone(), HashSet::new())).collect();
        for (ordinal, field) in self.fields {
            if let Some(fields) = self.bundles.get(&ordinal).and_then(|bundle| ids.get_mut(bundle)) {
                fields.insert(field);
            }
        }
        ids
    }

    /// Those that another content does not have.
    fn without(self, new: &Ids) -> Lost {
        let gone = |id: &&String| !new.contains_key(id.as_str());
        let mut lost = Lost { bundles: length(self.bundles.values().filter(gone).count()), ..Lost::default() };
        lost.of_bundles.extend(self.bundles.values().filter(gone).cloned());
        for (ordinal, field) in &self.fields {
            let Some(bundle) = self.bundles.get(ordinal) else { continue };
            if new.get(bundle.as_str()).is_none_or(|fields| !fields.contains(field)) {
                lost.fields = lost.fields.saturating_add(1);
                lost.of_bundles.insert(bundle.clone());
            }
        }
        lost
    }
}

async fn rows_of(session: &mut Session, contents: &[i64]) -> Result<HashMap<i64, Rows>, Error> {
    // Filled up as `in_list` does, for the same reason.
    let mut values: Vec<Value<'_>> = contents.iter().map(|number| (*number).into()).collect();
    let filler = values.last().copied().unwrap_or(Value::Null);
    values.resize(contents.len().next_power_of_two(), filler);
    let marks = placeholders(values.len());
    let mut rows: HashMap<i64, Rows> = HashMap::new();
    let sql = format!("SELECT content_id, ordinal, bundle_id FROM sluice_content_bundle WHERE content_id IN ({marks})");
    for row in session.fetch_all(sql, &values).await?.into_iter() {
        let of = rows.entry(row.int("content_id")?).or_default();
        of.bundles.insert(row.int("ordinal")?, row.text("bundle_id")?);
    }
    let sql =
        format!("SELECT content_id, bundle_ordinal, field_id FROM sluice_content_field WHERE content_id IN ({marks})");
    for row in session.fetch_all(sql, &values).await?.into_iter() {
        let of = rows.entry(row.int("content_id")?).or_default();
        of.fields.push((row.int("bundle_ordinal")?, row.text("field_id")?));
    }
    Ok(rows)
}
