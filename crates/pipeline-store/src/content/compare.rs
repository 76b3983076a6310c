//! What is there before a batch is written: the open contents of its providers, and whether they differ.

use std::collections::{HashMap, HashSet};

use pipeline_model::{
    documents::Etag,
    ids::{ProviderId, ServiceId},
};

use super::{BatchKey, Content};
use crate::{
    Error,
    database::{Row, Session, Value},
    insert::IN_LIST,
    versions::{self, OPEN, Table},
};

/// The open content of a provider.
#[derive(Clone, Debug)]
pub(crate) struct Open {
    pub(super) content_id: i64,
    pub(crate) valid_from: i64,
    pub(super) digest: Vec<u8>,
    pub(crate) etag: Option<Etag>,
    pub(crate) bundles: i64,
    pub(crate) fields: i64,
}

/// The open contents of these providers, by one query for a batch of ordinary size. Not locked: only the batch that
/// has a provider writes its content, and the batch is locked.
pub(crate) async fn open_contents(
    session: &mut Session,
    service_id: &ServiceId,
    ids: impl IntoIterator<Item = &ProviderId>,
) -> Result<HashMap<ProviderId, Open>, Error> {
    let ids: Vec<&str> = ids.into_iter().map(ProviderId::as_str).collect();
    let mut open = HashMap::with_capacity(ids.len());
    for ids in ids.chunks(IN_LIST) {
        let (condition, mut values) = Table::Contents(service_id).condition(ids);
        values.push(OPEN.into());
        let sql = format!(
            "SELECT provider_id, content_id, valid_from, digest, etag, bundle_count, field_count \
             FROM sluice_provider_content {condition} AND valid_to = ?"
        );
        for row in session.fetch_all(sql, &values).await?.into_iter() {
            let content = Open {
                content_id: row.int("content_id")?,
                valid_from: row.int("valid_from")?,
                digest: row.bytes("digest")?,
                etag: etag(&row)?,
                bundles: row.int("bundle_count")?,
                fields: row.int("field_count")?,
            };
            open.insert(ProviderId(row.text("provider_id")?), content);
        }
    }
    Ok(open)
}

/// Those of these providers that the run has rejected already.
pub(super) async fn rejected_before(
    session: &mut Session,
    key: &BatchKey,
    ids: &[ProviderId],
) -> Result<HashSet<ProviderId>, Error> {
    let mut rejected = HashSet::new();
    let run_id = key.run_id.to_string();
    let ids: Vec<&str> = ids.iter().map(ProviderId::as_str).collect();
    for ids in ids.chunks(IN_LIST) {
        let (condition, part) = Table::Contents(&key.service_id).condition(ids);
        let mut values: Vec<Value<'_>> = part;
        values.push((&run_id).into());
        let sql = format!("SELECT DISTINCT provider_id FROM sluice_run_reject {condition} AND run_id = ?");
        for row in session.fetch_all(sql, &values).await?.into_iter() {
            rejected.insert(ProviderId(row.text("provider_id")?));
        }
    }
    Ok(rejected)
}

pub(super) fn is_unchanged(content: &Content, open: &HashMap<ProviderId, Open>) -> bool {
    open.get(&content.provider_id).is_some_and(|open| open.digest == content.digest)
}

/// Puts the tags of contents that were read and found unchanged into their rows, so that the next run need not read
/// them. The row stays what it is for readers, in every generation that sees it: the tag names what is stored in it.
pub(super) async fn remember_etags(
    session: &mut Session,
    key: &BatchKey,
    unchanged: &[&Content],
    open: &HashMap<ProviderId, Open>,
) -> Result<(), Error> {
    for content in unchanged {
        let (Some(etag), Some(open)) = (&content.etag, open.get(&content.provider_id)) else { continue };
        if open.etag.as_ref() == Some(etag) {
            continue;
        }
        let sql =
            "UPDATE sluice_provider_content SET etag = ? WHERE service_id = ? AND provider_id = ? AND valid_from = ?";
        let row = [etag.into(), (&key.service_id).into(), (&content.provider_id).into(), open.valid_from.into()];
        session.execute_one(sql, &row).await?;
    }
    Ok(())
}

/// Closes the open rows of providers whose content changed. A row of this very generation was written for a document
/// that is replaced within the run; no reader has seen it, and its content goes too.
pub(super) async fn close_old(
    session: &mut Session,
    key: &BatchKey,
    changed: &[&Content],
    open: &HashMap<ProviderId, Open>,
) -> Result<(), Error> {
    let mut replaced = Vec::with_capacity(changed.len());
    for content in changed {
        let Some(old) = open.get(&content.provider_id) else {
            continue;
        };
        if old.valid_from > key.generation.0 {
            let broken = format!("provider `{}` has content of a later generation", content.provider_id);
            return Err(Error::broken(session.operation(), broken));
        }
        if old.valid_from == key.generation.0 {
            let number = [old.content_id.into()];
            session.execute("DELETE FROM sluice_content_field WHERE content_id = ?", &number).await?;
            session.execute("DELETE FROM sluice_content_bundle WHERE content_id = ?", &number).await?;
        }
        replaced.push(content.provider_id.as_str());
    }
    let closed = versions::close(session, Table::Contents(&key.service_id), key.generation, &replaced).await?;
    if usize::try_from(closed).ok() == Some(replaced.len()) {
        return Ok(());
    }
    let broken = format!("{closed} contents were closed instead of {}", replaced.len());
    Err(Error::broken(session.operation(), broken))
}

/// One of another length is of no use, and as good as none.
fn etag(row: &Row<'_>) -> Result<Option<Etag>, Error> {
    let bytes = row.optional_bytes("etag")?;
    Ok(bytes.and_then(|bytes| bytes.try_into().ok()).map(Etag))
}
