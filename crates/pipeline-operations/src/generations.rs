//! What two generations have in common and what not, for whoever decides about going back or forgetting. Only looks.

use std::collections::{BTreeMap, BTreeSet};

use pipeline_compare::{
    CopiedService,
    changes::{Preview, Row},
};
use pipeline_model::ids::{Generation, ServiceId};
use pipeline_store::{BEFORE_THE_FIRST, Store};
use serde::Serialize;

use crate::{
    Error,
    comparison::preview::{self, Side},
};

/// What to compare.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The generation to begin with.
    pub from: Generation,
    /// The one to end with; nothing stands for what readers see now.
    pub to: Option<Generation>,
    /// Only these services; empty means all.
    pub services: BTreeSet<ServiceId>,
}

/// A service that is not the same at both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServiceDifference {
    /// The service.
    pub service_id: ServiceId,
    /// The generation that it ends with.
    pub to: Generation,
    /// Rows that were added, changed and removed.
    pub changes: Preview,
}

// === impl Difference ===

impl Difference {
    /// The services that differ, in byte order; `row` is told every row that does.
    ///
    /// # Errors
    /// [`Error::NotKept`] for a generation that was never activated or was pruned since.
    pub async fn read(
        &self,
        store: &Store,
        row: &mut (impl FnMut(&ServiceId, &Row<'_>) + Send),
    ) -> Result<Vec<ServiceDifference>, Error> {
        self.refuse_pruned(store).await?;
        let before = by_id(store.copied_services(Some(self.from)).await?);
        let after = by_id(store.copied_services(self.to).await?);
        let pointers = match self.to {
            Some(_) => BTreeMap::new(),
            None => pointers(store).await?,
        };
        let ids: BTreeSet<&ServiceId> = before.keys().chain(after.keys()).collect();
        let mut found = Vec::new();
        for id in ids.into_iter().filter(|id| self.services.is_empty() || self.services.contains(*id)) {
            let to = self.to.or_else(|| pointers.get(id).copied()).unwrap_or(BEFORE_THE_FIRST);
            let mut changes = Preview::default();
            let sides = (
                Side { service: before.get(id), generation: self.from },
                Side { service: after.get(id), generation: to },
            );
            preview::rows(store, id, sides.0, sides.1, &mut |each| {
                changes.add(each);
                row(id, each);
            })
            .await?;
            if !changes.is_empty() {
                found.push(ServiceDifference { service_id: id.clone(), to, changes });
            }
        }
        Ok(found)
    }

    async fn refuse_pruned(&self, store: &Store) -> Result<(), Error> {
        let kept: BTreeSet<Generation> =
            store.generations().await?.into_iter().filter(|each| each.whole).map(|each| each.generation).collect();
        match [Some(self.from), self.to].into_iter().flatten().find(|generation| !kept.contains(generation)) {
            None => Ok(()),
            Some(generation) => Err(Error::NotKept { generation, target: store.describe() }),
        }
    }
}

fn by_id(services: Vec<CopiedService>) -> BTreeMap<ServiceId, CopiedService> {
    services.into_iter().map(|service| (service.service_id.clone(), service)).collect()
}

/// What readers see of each service, also where they see nothing.
async fn pointers(store: &Store) -> Result<BTreeMap<ServiceId, Generation>, Error> {
    Ok(store.pointers().await?.into_iter().collect())
}
