//! Rows with versions: what a service or a provider looked like in each generation.
//!
//! A row is visible at generation `g` when `valid_from <= g < valid_to`; the newest one is *open*: its `valid_to` is
//! [`OPEN`]. A generation that changes a row closes the open one (`valid_to = G`) and inserts another
//! (`valid_from = G`); one that does not change it writes nothing. Nothing that an older generation sees is ever
//! changed, so a run is taken back by two statements per table: delete what begins at G, reopen what ends at G.
//!
//! The open rows are the state after the newest run, whatever readers are pointed at.

use std::collections::HashMap;

use pipeline_compare::digest;
use pipeline_model::{
    documents::Attributes,
    ids::{Generation, ServiceId},
};

use crate::{
    Error,
    database::{Session, Value},
    insert::{IN_LIST, Insert, in_list},
};

/// `valid_to` of a row that no generation has closed.
pub const OPEN: i64 = i64::MAX;

/// Which rows: a table, and the part of its key that is given.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Table<'a> {
    /// `sluice_provider_service_version`.
    Services,
    /// `sluice_provider_version`, of one service.
    Providers(&'a ServiceId),
    /// `sluice_provider_content`, of one service. Its rows are written by the batches.
    Contents(&'a ServiceId),
}

/// What a document says about its own row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Document<'a> {
    pub(crate) id: &'a str,
    pub(crate) name: Option<&'a str>,
    pub(crate) attributes: &'a Attributes,
    /// Kept with the row and no part of its digest: a document that was written anew without a change costs nothing.
    pub(crate) source_cas: Option<i64>,
}

impl<'a> Table<'a> {
    fn name(self) -> &'static str {
        match self {
            Self::Services => "sluice_provider_service_version",
            Self::Providers(_) => "sluice_provider_version",
            Self::Contents(_) => "sluice_provider_content",
        }
    }

    fn id(self) -> &'static str {
        match self {
            Self::Services => "service_id",
            Self::Providers(_) | Self::Contents(_) => "provider_id",
        }
    }

    /// The condition on the given part of the key, and its value.
    fn part(self) -> (&'static str, Option<Value<'a>>) {
        match self {
            Self::Services => ("", None),
            Self::Providers(service) | Self::Contents(service) => ("service_id = ? AND ", Some(service.into())),
        }
    }

    /// `WHERE` for these ids, and its values.
    pub(crate) fn condition(self, ids: &[&'a str]) -> (String, Vec<Value<'a>>) {
        let (part, value) = self.part();
        let (marks, list) = in_list(ids);
        let values = value.into_iter().chain(list).collect();
        (format!("WHERE {part}{} IN ({marks})", self.id()), values)
    }
}

/// Makes the open rows say what the documents say; writes only what differs. Ids are distinct.
pub(crate) async fn write(
    session: &mut Session,
    packet_limit: usize,
    table: Table<'_>,
    generation: Generation,
    documents: &[Document<'_>],
) -> Result<(), Error> {
    for documents in documents.chunks(IN_LIST) {
        write_chunk(session, packet_limit, table, generation, documents).await?;
    }
    Ok(())
}

async fn write_chunk(
    session: &mut Session,
    packet_limit: usize,
    table: Table<'_>,
    generation: Generation,
    documents: &[Document<'_>],
) -> Result<(), Error> {
    let ids: Vec<&str> = documents.iter().map(|document| document.id).collect();
    let open = open_digests(session, table, &ids).await?;
    let digests: Vec<digest::Digest> =
        documents.iter().map(|document| digest::of_row(document.name, document.attributes)).collect();
    let changed: Vec<(&Document<'_>, &digest::Digest)> = documents
        .iter()
        .zip(&digests)
        .filter(|(document, digest)| open.get(document.id).is_none_or(|open| open.as_slice() != digest.as_slice()))
        .collect();
    let replaced: Vec<&str> =
        changed.iter().map(|(document, _)| document.id).filter(|id| open.contains_key(*id)).collect();
    close(session, table, generation, &replaced).await?;

    insert_open(session, packet_limit, table, generation, &changed).await
}

async fn insert_open(
    session: &mut Session,
    packet_limit: usize,
    table: Table<'_>,
    generation: Generation,
    changed: &[(&Document<'_>, &digest::Digest)],
) -> Result<(), Error> {
    let rows = changed.iter().map(|(document, digest)| open_row(document, digest, generation));
    match table {
        Table::Services => {
            let into = "INSERT INTO sluice_provider_service_version \
                        (service_id, valid_from, valid_to, name, attributes, digest, source_cas)";
            insert_all(session, packet_limit, into, rows).await
        }
        Table::Providers(service) | Table::Contents(service) => {
            let into = "INSERT INTO sluice_provider_version \
                        (service_id, provider_id, valid_from, valid_to, name, attributes, digest, source_cas)";
            let rows = rows.map(|[id, from, to, name, attributes, digest, cas]| {
                [service.into(), id, from, to, name, attributes, digest, cas]
            });
            insert_all(session, packet_limit, into, rows).await
        }
    }
}

/// What both tables say of a document from this generation on.
fn open_row<'v>(document: &Document<'v>, digest: &'v digest::Digest, generation: Generation) -> [Value<'v>; 7] {
    let Document { id, name, attributes, source_cas } = *document;
    [id.into(), generation.into(), OPEN.into(), name.into(), attributes.into(), digest.into(), source_cas.into()]
}

async fn insert_all<'v, const N: usize>(
    session: &mut Session,
    packet_limit: usize,
    into: &'static str,
    rows: impl Iterator<Item = [Value<'v>; N]>,
) -> Result<(), Error> {
    let mut insert = Insert::new(session, packet_limit, into);
    for row in rows {
        insert.row(session, row).await?;
    }
    insert.finish(session).await?;
    Ok(())
}

/// The digests of the open rows of these ids.
async fn open_digests(
    session: &mut Session,
    table: Table<'_>,
    ids: &[&str],
) -> Result<HashMap<String, Vec<u8>>, Error> {
    let (condition, mut values) = table.condition(ids);
    values.push(OPEN.into());
    let sql = format!("SELECT {} AS id, digest FROM {} {condition} AND valid_to = ?", table.id(), table.name());
    let rows = session.fetch_all(sql, &values).await?;
    rows.into_iter().map(|row| Ok((row.text("id")?, row.bytes("digest")?))).collect()
}

/// Ends the open rows of these ids at this generation; gives how many there were. A row that began at this very
/// generation was never seen by a reader and is deleted: it comes from a document that is replaced within the run.
pub(crate) async fn close(
    session: &mut Session,
    table: Table<'_>,
    generation: Generation,
    ids: &[&str],
) -> Result<u64, Error> {
    move_end(session, table, generation, ids, [OPEN, generation.0]).await
}

/// Undoes what this generation did to the rows of these ids.
pub(crate) async fn take_back(
    session: &mut Session,
    table: Table<'_>,
    generation: Generation,
    ids: &[&str],
) -> Result<(), Error> {
    move_end(session, table, generation, ids, [generation.0, OPEN]).await.map(drop)
}

/// Deletes the rows of these ids that began at this generation, and gives those that end at `from` the end `to`.
async fn move_end(
    session: &mut Session,
    table: Table<'_>,
    generation: Generation,
    ids: &[&str],
    [from, to]: [i64; 2],
) -> Result<u64, Error> {
    let mut met = 0;
    for ids in ids.chunks(IN_LIST) {
        let (condition, values) = table.condition(ids);
        let name = table.name();
        let begun_now: Vec<Value<'_>> = values.iter().cloned().chain([generation.into()]).collect();
        met += session.execute(format!("DELETE FROM {name} {condition} AND valid_from = ?"), &begun_now).await?;
        let moved: Vec<Value<'_>> = [to.into()].into_iter().chain(values).chain([from.into()]).collect();
        met += session.execute(format!("UPDATE {name} SET valid_to = ? {condition} AND valid_to = ?"), &moved).await?;
    }
    Ok(met)
}

/// Up to `limit` ids of open rows, from `after` on, in byte order.
pub(crate) async fn open_ids(
    session: &mut Session,
    table: Table<'_>,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<String>, Error> {
    let (part, value) = table.part();
    let id = table.id();
    let mut values: Vec<Value<'_>> = value.into_iter().collect();
    // No id is empty: the empty text is before all.
    let page: [Value<'_>; 3] = [after.unwrap_or("").into(), OPEN.into(), limit.into()];
    values.extend(page);
    let sql =
        format!("SELECT {id} AS id FROM {} WHERE {part}{id} > ? AND valid_to = ? ORDER BY {id} LIMIT ?", table.name());
    let rows = session.fetch_all(sql, &values).await?;
    rows.into_iter().map(|row| row.text("id")).collect()
}
