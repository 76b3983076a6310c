//! Documents that break rules, as the ledger keeps them.

use pipeline_model::{
    code,
    documents::{Attributes, DocumentFault, FaultCode, Level},
    ids::{ProviderId, RunId, ServiceId},
};
use serde::Serialize;

use crate::{
    Error, Store,
    database::{Row, Session, Value},
    insert::Insert,
    operation::Operation,
};

/// Characters of an id column. A longer id is not the id of any row; it is kept as the document's id.
const MAX_ID: usize = 255;

/// A document that could not be stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reject {
    /// The run.
    pub run_id: RunId,
    /// The service concerned, when known.
    pub service_id: Option<ServiceId>,
    /// The provider concerned, when known.
    pub provider_id: Option<ProviderId>,
    /// The document's level: `provider_service`, `provider`, `bundle` or `subscription_field`.
    pub level: String,
    /// The document's own id, when it has a readable one.
    pub document_id: Option<String>,
    /// Where the document stands.
    pub place: String,
    /// The rule that it breaks, such as `SLUICE-DOCUMENT-004`.
    pub code: String,
    /// What was found and what was expected.
    pub reason: String,
}

impl Store {
    /// The rejects of a run, in the order they were recorded.
    pub async fn rejects(&self, id: RunId, limit: u32) -> Result<Vec<Reject>, Error> {
        let mut session = self.database.session(Operation::new("list rejects of run", id.to_string())).await?;
        let rows = session
            .fetch_all(
                "SELECT service_id, provider_id, level, document_id, place, code, reason FROM sluice_run_reject \
                 WHERE run_id = ? ORDER BY reject_id LIMIT ?",
                &[(&id.to_string()).into(), i64::from(limit).into()],
            )
            .await?;
        rows.into_iter().map(|row| Reject::from_row(id, &row)).collect()
    }
}

impl Reject {
    fn from_row(run_id: RunId, row: &Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            run_id,
            service_id: row.optional_text("service_id")?.map(ServiceId),
            provider_id: row.optional_text("provider_id")?.map(ProviderId),
            level: row.text("level")?,
            document_id: row.optional_text("document_id")?,
            place: row.text("place")?,
            code: code::today(&row.text("code")?),
            reason: row.text("reason")?,
        })
    }
}

/// Records faults. A fault that names no service belongs to `service`, when one is given.
pub(crate) async fn record(
    session: &mut Session,
    packet_limit: usize,
    run: RunId,
    service: Option<&ServiceId>,
    faults: &[DocumentFault],
) -> Result<(), Error> {
    record_all(session, packet_limit, (run, service, false), faults.iter()).await
}

/// Records faults of documents that no parent asks for, with what they name.
pub(crate) async fn record_unreachable<'f>(
    session: &mut Session,
    packet_limit: usize,
    run: RunId,
    faults: impl Iterator<Item = &'f DocumentFault> + Send,
) -> Result<(), Error> {
    record_all(session, packet_limit, (run, None, true), faults).await
}

async fn record_all<'f>(
    session: &mut Session,
    packet_limit: usize,
    (run, service, unreachable): (RunId, Option<&ServiceId>, bool),
    faults: impl Iterator<Item = &'f DocumentFault> + Send,
) -> Result<(), Error> {
    let run_id = run.to_string();
    let into = "INSERT INTO sluice_run_reject \
                (run_id, service_id, provider_id, bundle_id, level, document_id, place, code, reason, unreachable)";
    let mut insert = Insert::new(session, packet_limit, into);
    for fault in faults {
        let service_id = fault.service_id.as_ref().or(service).map(ServiceId::as_str);
        let provider_id = fault.provider_id.as_ref().map(ProviderId::as_str);
        let row: [Value<'_>; 10] = [
            (&run_id).into(),
            service_id.filter(|id| fits(id)).into(),
            provider_id.filter(|id| fits(id)).into(),
            fault.bundle_id.as_deref().filter(|id| fits(id)).into(),
            fault.level.as_str().into(),
            fault.document_id.as_deref().into(),
            fault.place.as_str().into(),
            fault.code.as_str().into(),
            fault.reason.as_str().into(),
            unreachable.into(),
        ];
        insert.row(session, row).await?;
    }
    insert.finish(session).await?;
    Ok(())
}

/// The fault of a second document with the same id, which the source did not notice.
pub(crate) fn duplicate(service: &ServiceId, provider: Option<&ProviderId>) -> DocumentFault {
    let id = provider.map_or(service.as_str(), ProviderId::as_str);
    fault(service, provider, FaultCode::DuplicateId, format!("a second document has the id `{id}`"))
}

/// The fault of a service's or provider's own document whose row the target cannot take; `None` when it can. Found
/// before it is sent, so that it costs that service or provider and not the transaction.
pub(crate) fn too_large(
    packet_limit: usize,
    service: &ServiceId,
    provider: Option<&ProviderId>,
    (name, attributes): (Option<&str>, &Attributes),
) -> Option<DocumentFault> {
    let id = provider.map_or(service.as_str(), ProviderId::as_str);
    let texts = [service.as_str(), id, name.unwrap_or_default(), attributes.as_str()];
    let bytes: usize = texts.into_iter().map(str::len).sum();
    let limit = row_limit(packet_limit);
    let reason = || format!("its row has {bytes} bytes, the target accepts {limit}");
    (bytes > limit).then(|| fault(service, provider, FaultCode::TooLarge, reason()))
}

/// A fault of a service's or provider's own document.
fn fault(service: &ServiceId, provider: Option<&ProviderId>, code: FaultCode, reason: String) -> DocumentFault {
    let level = if provider.is_some() { Level::Provider } else { Level::Service };
    DocumentFault {
        level,
        service_id: Some(service.clone()),
        provider_id: provider.cloned(),
        bundle_id: None,
        document_id: Some(provider.map_or(service.as_str(), ProviderId::as_str).to_owned()),
        place: level.as_str().to_owned(),
        code,
        reason,
    }
}

/// Bytes that one row may have: half of a packet, so that keys, types and lengths find room too.
pub(crate) fn row_limit(packet_limit: usize) -> usize {
    packet_limit / 2
}

pub(crate) fn fits(id: &str) -> bool {
    id.chars().count() <= MAX_ID
}
