//! The rows of new content.

use std::collections::HashMap;

use pipeline_model::{
    documents::{Bundle, DocumentFault, FaultCode, Level, SubscriptionField},
    ids::ProviderId,
};

use super::{BatchKey, Content};
use crate::{
    Error,
    database::{Session, Value},
    insert::Insert,
    load::{Load, Unwritten},
    plan::length,
    versions::OPEN,
};

/// Rows that were written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) bundles: i64,
    pub(super) fields: i64,
}

/// A row that no statement can carry.
#[derive(Debug)]
pub(super) struct TooLarge<'b> {
    level: Level,
    id: &'b str,
    bytes: usize,
    limit: usize,
}

/// Collects the rows of one table of content and writes them: loaded where the session can load, else inserted.
enum Writer<'v, const N: usize> {
    Load(Load),
    Insert(Insert<'v, N>),
}

impl<'v, const N: usize> Writer<'v, N> {
    fn new(session: &Session, packet_limit: usize, table: &'static str, columns: &'static str) -> Self {
        if session.can_load() {
            Self::Load(Load::new(table, columns))
        } else {
            Self::Insert(Insert::new(session, packet_limit, format!("INSERT INTO {table} ({columns})")))
        }
    }

    async fn row(&mut self, session: &mut Session, row: [Value<'v>; N]) -> Result<(), Unwritten> {
        match self {
            Self::Load(load) => load.row(session, &row).await,
            Self::Insert(insert) => Ok(insert.row(session, row).await?),
        }
    }

    async fn finish(self, session: &mut Session) -> Result<i64, Unwritten> {
        let rows = match self {
            Self::Load(load) => load.finish(session).await?,
            Self::Insert(insert) => insert.finish(session).await?,
        };
        Ok(i64::try_from(rows).unwrap_or(i64::MAX))
    }
}

/// Writes the contents, and the rows that point to them.
pub(super) async fn write(
    session: &mut Session,
    packet_limit: usize,
    key: &BatchKey,
    contents: &[&Content],
    numbers: &HashMap<&ProviderId, i64>,
) -> Result<Written, Unwritten> {
    let mut bundles = Writer::new(
        session,
        packet_limit,
        "sluice_content_bundle",
        "content_id, ordinal, bundle_id, name, attributes, source_cas",
    );
    let mut fields = Writer::new(
        session,
        packet_limit,
        "sluice_content_field",
        "content_id, bundle_ordinal, ordinal, field_id, name, value, data_type, required, position, attributes",
    );
    let mut pointers = Insert::new(
        session,
        packet_limit,
        "INSERT INTO sluice_provider_content (service_id, provider_id, valid_from, valid_to, content_id, digest, etag, \
         bundle_count, field_count)",
    );
    for content in contents {
        let number = *numbers.get(&content.provider_id).ok_or_else(|| {
            Error::broken(session.operation(), format!("provider `{}` is not in the batch", content.provider_id))
        })?;
        for (ordinal, bundle) in (0_i64..).zip(&content.bundles) {
            bundles.row(session, bundle_row(number, ordinal, bundle)).await?;
            for (field_ordinal, field) in (0_i64..).zip(&bundle.fields) {
                fields.row(session, field_row(number, ordinal, field_ordinal, field)).await?;
            }
        }
        let row = [
            (&key.service_id).into(),
            (&content.provider_id).into(),
            key.generation.into(),
            OPEN.into(),
            number.into(),
            (&content.digest).into(),
            content.etag.as_ref().into(),
            length(content.bundles.len()).into(),
            content.bundles.iter().map(|bundle| length(bundle.fields.len())).sum::<i64>().into(),
        ];
        pointers.row(session, row).await?;
    }
    let written = Written { bundles: bundles.finish(session).await?, fields: fields.finish(session).await? };
    pointers.finish(session).await?;
    Ok(written)
}

/// The first row that would be larger than the limit, which is a part of what the server accepts as one packet. Found
/// before the transaction, so that it rejects one provider and not the batch.
pub(super) fn too_large(bundles: &[Bundle], limit: usize) -> Option<TooLarge<'_>> {
    for bundle in bundles {
        let bytes = size(&bundle_row(0, 0, bundle));
        if bytes > limit {
            return Some(TooLarge { level: Level::Bundle, id: &bundle.id, bytes, limit });
        }
        for field in &bundle.fields {
            let bytes = size(&field_row(0, 0, 0, field));
            if bytes > limit {
                return Some(TooLarge { level: Level::SubscriptionField, id: &field.id, bytes, limit });
            }
        }
    }
    None
}

impl TooLarge<'_> {
    pub(super) fn of(&self, provider_id: &ProviderId) -> DocumentFault {
        DocumentFault {
            level: self.level,
            service_id: None,
            provider_id: Some(provider_id.clone()),
            bundle_id: None,
            document_id: Some(self.id.to_owned()),
            place: format!("{} `{}`", self.level.as_str(), self.id),
            code: FaultCode::TooLarge,
            reason: format!("its row has {} bytes, the target accepts {}", self.bytes, self.limit),
        }
    }
}

fn bundle_row(number: i64, ordinal: i64, bundle: &Bundle) -> [Value<'_>; 6] {
    [
        number.into(),
        ordinal.into(),
        bundle.id.as_str().into(),
        bundle.name.as_deref().into(),
        (&bundle.attributes).into(),
        bundle.source_cas.into(),
    ]
}

fn field_row(number: i64, bundle_ordinal: i64, ordinal: i64, field: &SubscriptionField) -> [Value<'_>; 10] {
    [
        number.into(),
        bundle_ordinal.into(),
        ordinal.into(),
        field.id.as_str().into(),
        field.name.as_deref().into(),
        field.value.as_deref().into(),
        field.data_type.as_str().into(),
        field.required.into(),
        field.position.into(),
        (&field.attributes).into(),
    ]
}

fn size(row: &[Value<'_>]) -> usize {
    row.iter().map(Value::size).sum()
}
