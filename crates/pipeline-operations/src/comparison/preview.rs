//! What readers would see change when pointers move: two generations of the copy, read in pieces.

use std::collections::HashMap;

use pipeline_compare::{CopiedProvider, CopiedService, changes::Preview};
use pipeline_model::ids::{Generation, ProviderId, ServiceId};
use pipeline_store::Store;

use crate::Error;

/// Providers read at a time.
const CHUNK: usize = 100;

/// Adds what changes for one service when its pointer moves.
pub async fn add_service(
    preview: &mut Preview,
    store: &Store,
    id: &ServiceId,
    (before, after): (Option<&CopiedService>, Option<&CopiedService>),
    (older, newer): (Generation, Generation),
) -> Result<(), Error> {
    preview.add_service(before, after);
    let ids = store.providers_changed_between(id, older, newer).await;
    let ids = ids?;
    for ids in ids.chunks(CHUNK) {
        let old = visible(store, id, older, ids, before.is_some()).await?;
        let new = visible(store, id, newer, ids, after.is_some()).await?;
        for id in ids {
            preview.add_provider(old.get(id), new.get(id));
        }
    }
    Ok(())
}

/// A service that is not seen hides its providers.
async fn visible(
    store: &Store,
    service: &ServiceId,
    generation: Generation,
    ids: &[ProviderId],
    seen: bool,
) -> Result<HashMap<ProviderId, CopiedProvider>, Error> {
    if !seen {
        return Ok(HashMap::new());
    }
    Ok(store.copied_providers(service, generation, ids).await?)
}
