//! What readers would see change when pointers move: two generations of the copy, read in pieces.

use std::collections::HashMap;

use pipeline_compare::{
    CopiedProvider, CopiedService,
    changes::{self, Row},
};
use pipeline_model::ids::{Generation, ProviderId, ServiceId};
use pipeline_store::Store;

use crate::Error;

/// Providers read at a time.
const CHUNK: usize = 100;
/// Ids read at a time.
const PAGE: u32 = 5_000;

/// A service at one generation.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// The service, when it is seen there. A service that is not seen hides its providers.
    pub service: Option<&'a CopiedService>,
    /// The generation.
    pub generation: Generation,
}

/// Tells every row of a service that is not the same on both sides.
pub async fn rows(
    store: &Store,
    id: &ServiceId,
    before: Side<'_>,
    after: Side<'_>,
    row: &mut (impl FnMut(&Row<'_>) + Send),
) -> Result<(), Error> {
    changes::service(before.service, after.service, &mut |each| row(&each));
    for ids in ids(store, id, before, after).await?.chunks(CHUNK) {
        let old = visible(store, id, before, ids).await?;
        let new = visible(store, id, after, ids).await?;
        for id in ids {
            changes::provider(old.get(id), new.get(id), &mut |each| row(&each));
        }
    }
    Ok(())
}

/// The providers that may differ.
async fn ids(store: &Store, service: &ServiceId, before: Side<'_>, after: Side<'_>) -> Result<Vec<ProviderId>, Error> {
    let only = match (before.service, after.service) {
        (None, None) => return Ok(Vec::new()),
        (Some(_), Some(_)) => {
            let (older, newer) = (before.generation.min(after.generation), before.generation.max(after.generation));
            return Ok(store.providers_changed_between(service, older, newer).await?);
        }
        (Some(_), None) => before.generation,
        (None, Some(_)) => after.generation,
    };
    let mut ids: Vec<ProviderId> = Vec::new();
    loop {
        let page = store.copied_provider_ids(service, only, ids.last(), PAGE).await?;
        if page.is_empty() {
            return Ok(ids);
        }
        ids.extend(page);
    }
}

async fn visible(
    store: &Store,
    service: &ServiceId,
    side: Side<'_>,
    ids: &[ProviderId],
) -> Result<HashMap<ProviderId, CopiedProvider>, Error> {
    if side.service.is_none() {
        return Ok(HashMap::new());
    }
    Ok(store.copied_providers(service, side.generation, ids).await?)
}
