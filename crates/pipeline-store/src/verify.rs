//! The copy as documents again: what a comparison with the source reads.
//!
//! Everything is read at a generation that the caller names, so that an activation in the middle changes nothing in
//! what is seen, and any kept generation can be read. Contents are made from the rows themselves and never from the
//! digest that was stored beside them: a damaged row has to be found although its digest still says that all is well.
//! Nothing here holds more than the caller asks for in one call.

use std::collections::HashMap;

use pipeline_compare::{CopiedProvider, CopiedService};
use pipeline_model::{
    documents::{Attributes, Bundle, DataType, SubscriptionField, Text},
    ids::{Generation, ProviderId, ServiceId},
};

use crate::{
    Error, Store,
    database::{Row, Session, Value},
    insert::{IN_LIST, in_list},
    operation::Operation,
};

impl Store {
    /// All services that readers see, in byte order; at `generation`, or each where its pointer is.
    pub async fn copied_services(&self, generation: Option<Generation>) -> Result<Vec<CopiedService>, Error> {
        let mut session = self.database.session(Operation::new("read", "services of the copy")).await?;
        let (sql, values): (&str, Vec<Value<'_>>) = match generation {
            None => (
                "SELECT s.service_id, a.generation, s.name, s.attributes, s.digest FROM sluice_active_generation a \
                 JOIN sluice_provider_service_version s ON s.service_id = a.service_id \
                 AND s.valid_from <= a.generation \
                 AND s.valid_to > a.generation ORDER BY s.service_id",
                Vec::new(),
            ),
            Some(generation) => (
                "SELECT s.service_id, s.valid_from AS generation, s.name, s.attributes, s.digest \
                 FROM sluice_provider_service_version s WHERE s.valid_from <= ? AND s.valid_to > ? \
                 ORDER BY s.service_id",
                vec![generation.into(), generation.into()],
            ),
        };
        let rows = session.fetch_all(sql, &values).await?;
        rows.into_iter()
            .map(|row| {
                Ok(CopiedService {
                    service_id: ServiceId(row.text("service_id")?),
                    generation: generation.unwrap_or(Generation(row.int("generation")?)),
                    name: row.optional_text("name")?,
                    attributes: Attributes(row.text("attributes")?),
                    digest: row.bytes("digest")?,
                })
            })
            .collect()
    }

    /// How many providers readers see now, by service.
    pub async fn copied_provider_counts(&self) -> Result<Vec<(ServiceId, i64)>, Error> {
        let mut session = self.database.session(Operation::new("count", "providers of the copy")).await?;
        let sql =
            format!("SELECT service_id, COUNT(*) AS found FROM {} GROUP BY service_id", self.views.name("providers"));
        let rows = session.fetch_all(sql, &[]).await?;
        rows.into_iter().map(|row| Ok((ServiceId(row.text("service_id")?), row.int("found")?))).collect()
    }

    /// Those of these providers that readers see at the generation, with everything below them.
    pub async fn copied_providers(
        &self,
        service: &ServiceId,
        generation: Generation,
        ids: &[ProviderId],
    ) -> Result<HashMap<ProviderId, CopiedProvider>, Error> {
        let mut session = self.database.session(Operation::new("read providers of", service.to_string())).await?;
        let mut found = HashMap::with_capacity(ids.len());
        let ids: Vec<&str> = ids.iter().map(ProviderId::as_str).collect();
        for ids in ids.chunks(IN_LIST) {
            let mut providers = own_rows(&mut session, service, generation, ids).await?;
            fill(&mut session, &mut providers).await?;
            found.extend(providers.into_iter().map(|provider| (provider.provider_id.clone(), provider)));
        }
        Ok(found)
    }

    /// The providers of which a version began or ended after one generation and up to another, in byte order: only
    /// these can differ between the two.
    pub async fn providers_changed_between(
        &self,
        service: &ServiceId,
        older: Generation,
        newer: Generation,
    ) -> Result<Vec<ProviderId>, Error> {
        let mut session =
            self.database.session(Operation::new("list changed providers of", service.to_string())).await?;
        let between = |table: &str| {
            format!(
                "SELECT provider_id FROM {table} WHERE service_id = ? \
                 AND ((valid_from > ? AND valid_from <= ?) OR (valid_to > ? AND valid_to <= ?))"
            )
        };
        let sql = format!(
            "{} UNION {} ORDER BY provider_id",
            between("sluice_provider_version"),
            between("sluice_provider_content")
        );
        let once: [Value<'_>; 5] = [service.into(), older.into(), newer.into(), older.into(), newer.into()];
        let rows = session.fetch_all(sql, &[once, once].concat()).await?;
        rows.into_iter().map(|row| Ok(ProviderId(row.text("provider_id")?))).collect()
    }

    /// Up to `limit` ids of providers that readers see at the generation, after `after`, in byte order.
    pub async fn copied_provider_ids(
        &self,
        service: &ServiceId,
        generation: Generation,
        after: Option<&ProviderId>,
        limit: u32,
    ) -> Result<Vec<ProviderId>, Error> {
        let mut session = self.database.session(Operation::new("list providers of", service.to_string())).await?;
        let rows = session
            .fetch_all(
                "SELECT p.provider_id FROM sluice_provider_version p JOIN sluice_provider_content c \
                 ON c.service_id = p.service_id AND c.provider_id = p.provider_id \
                 AND c.valid_from <= ? AND c.valid_to > ? \
                 WHERE p.service_id = ? AND p.provider_id > ? AND p.valid_from <= ? AND p.valid_to > ? \
                 ORDER BY p.provider_id LIMIT ?",
                &[
                    generation.into(),
                    generation.into(),
                    service.into(),
                    // No id is empty: the empty text is before all.
                    after.map_or("", ProviderId::as_str).into(),
                    generation.into(),
                    generation.into(),
                    i64::from(limit).into(),
                ],
            )
            .await?;
        rows.into_iter().map(|row| Ok(ProviderId(row.text("provider_id")?))).collect()
    }
}

async fn own_rows(
    session: &mut Session,
    service: &ServiceId,
    generation: Generation,
    ids: &[&str],
) -> Result<Vec<CopiedProvider>, Error> {
    let (marks, list) = in_list(ids);
    let mut values: Vec<Value<'_>> = vec![generation.into(), generation.into(), service.into()];
    values.extend(list);
    values.extend([Value::from(generation), Value::from(generation)]);
    let sql = format!(
        "SELECT p.provider_id, p.name, p.attributes, p.digest, c.content_id, c.digest AS content_digest, \
         c.bundle_count, c.field_count FROM sluice_provider_version p JOIN sluice_provider_content c \
         ON c.service_id = p.service_id AND c.provider_id = p.provider_id AND c.valid_from <= ? AND c.valid_to > ? \
         WHERE p.service_id = ? AND p.provider_id IN ({marks}) AND p.valid_from <= ? AND p.valid_to > ?"
    );
    let rows = session.fetch_all(sql, &values).await?;
    rows.into_iter()
        .map(|row| {
            Ok(CopiedProvider {
                provider_id: ProviderId(row.text("provider_id")?),
                name: row.optional_text("name")?,
                attributes: Attributes(row.text("attributes")?),
                digest: row.bytes("digest")?,
                content_id: row.int("content_id")?,
                content_digest: row.bytes("content_digest")?,
                counted: (row.int("bundle_count")?, row.int("field_count")?),
                bundles: Vec::new(),
                damage: Vec::new(),
            })
        })
        .collect()
}

/// Reads the bundles and fields of these providers.
async fn fill(session: &mut Session, providers: &mut [CopiedProvider]) -> Result<(), Error> {
    let numbers: Vec<i64> = providers.iter().map(|provider| provider.content_id).collect();
    let Some(last) = numbers.last().copied() else {
        return Ok(());
    };
    // Like `in_list`: as few different statements as possible.
    let length = numbers.len().next_power_of_two();
    let mut values: Vec<Value<'_>> = numbers.iter().map(|number| Value::Int(*number)).collect();
    values.resize(length, last.into());
    let marks = crate::insert::placeholders(length);
    let mut places: HashMap<i64, Vec<usize>> = HashMap::with_capacity(providers.len());
    for (place, number) in numbers.iter().enumerate() {
        places.entry(*number).or_default().push(place);
    }

    let mut ordinals: HashMap<(i64, i64), usize> = HashMap::new();
    let sql = format!(
        "SELECT content_id, ordinal, bundle_id, name, attributes, source_cas FROM sluice_content_bundle \
         WHERE content_id IN ({marks}) \
         ORDER BY content_id, ordinal"
    );
    for row in session.fetch_all(sql, &values).await?.into_iter() {
        let content_id = row.int("content_id")?;
        let bundle = Bundle {
            id: row.text("bundle_id")?.into(),
            name: row.optional_text("name")?.map(Text::from),
            attributes: Attributes(row.text("attributes")?),
            source_cas: row.optional_int("source_cas")?,
            fields: Vec::new(),
        };
        for place in places.get(&content_id).into_iter().flatten() {
            if let Some(provider) = providers.get_mut(*place) {
                ordinals.insert((content_id, row.int("ordinal")?), provider.bundles.len());
                provider.bundles.push(bundle.clone());
            }
        }
    }
    let sql = format!(
        "SELECT content_id, bundle_ordinal, ordinal, field_id, name, value, data_type, required, position, attributes \
         FROM sluice_content_field WHERE content_id IN ({marks}) ORDER BY content_id, bundle_ordinal, ordinal"
    );
    for row in session.fetch_all(sql, &values).await?.into_iter() {
        let content_id = row.int("content_id")?;
        let parent = ordinals.get(&(content_id, row.int("bundle_ordinal")?)).copied();
        for place in places.get(&content_id).into_iter().flatten() {
            if let Some(provider) = providers.get_mut(*place) {
                add_field(provider, parent, &row)?;
            }
        }
    }
    Ok(())
}

fn add_field(provider: &mut CopiedProvider, parent: Option<usize>, row: &Row<'_>) -> Result<(), Error> {
    let id = row.text("field_id")?;
    let word = row.text("data_type")?;
    let Some(bundle) = parent.and_then(|place| provider.bundles.get_mut(place)) else {
        provider.damage.push(format!("field `{id}` belongs to no bundle (content {})", provider.content_id));
        return Ok(());
    };
    let Some(data_type) = DATA_TYPES.into_iter().find(|data_type| data_type.as_str() == word) else {
        provider.damage.push(format!("field `{id}` of bundle `{}` has the unknown data type `{word}`", bundle.id));
        return Ok(());
    };
    bundle.fields.push(SubscriptionField {
        id: id.into(),
        name: row.optional_text("name")?.map(Text::from),
        value: row.optional_text("value")?.map(Text::from),
        data_type,
        required: row.optional_int("required")?.map(|required| required != 0),
        position: row.int("position")?,
        attributes: Attributes(row.text("attributes")?),
    });
    Ok(())
}

const DATA_TYPES: [DataType; 5] =
    [DataType::String, DataType::Number, DataType::Boolean, DataType::Null, DataType::Json];
