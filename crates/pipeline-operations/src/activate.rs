//! Switching what is ready, as the activator does by itself; looked at first, what that changes for readers.

use std::collections::BTreeMap;

use pipeline_compare::{CopiedService, changes::Preview};
use pipeline_model::ids::{Generation, RunId, ServiceId};
use pipeline_store::{BEFORE_THE_FIRST, Counts, Deed, Outcome, Progress, Store};
use pipeline_telemetry::run_events::RunEvents;
use serde::Serialize;

use crate::{
    By, Error, Installation, Operation,
    comparison::preview::{self, Side},
    open,
};

/// Which run.
#[derive(Clone, Copy, Debug)]
pub struct Activate {
    /// The run.
    pub run: RunId,
}

/// What a run changes for readers.
#[derive(Clone, Debug, Serialize)]
pub struct Activating {
    /// The run.
    pub run_id: RunId,
    /// Everything is planned and stored: the numbers will not change any more.
    pub complete: bool,
    /// Why only people can help the run on, when that is so.
    pub held: Option<String>,
    /// Rows that the run takes out of the views, as far as it is planned and stored.
    pub removed: Counts,
    /// What would change; only in a preview.
    pub changes: Option<Preview>,
    /// Services that were switched.
    pub activated: Vec<ServiceId>,
}

impl Operation for Activate {
    type Answer = Activating;

    async fn preview(&self, at: &Installation<'_>) -> Result<Activating, Error> {
        let (_, generation) = open::required(at.store, self.run).await?;
        let changes = changes(at.store, self.run, generation).await?;
        Ok(Activating { changes: Some(changes), ..self.read(at.store).await? })
    }

    /// More may be ready than when it was looked at; what is not ready is not switched.
    async fn carry_out(&self, at: &Installation<'_>, shown: Option<&Activating>, by: &By) -> Result<Activating, Error> {
        open::still(at.store, self.run, shown.is_some()).await?;
        let mut activated = Vec::new();
        for (run, service) in at.store.activatable().await?.due() {
            if run != self.run {
                return Err(Error::ended(self.run));
            }
            if let Outcome::Activated(services) = at.store.activate(run, &service).await? {
                activated.extend(services.into_iter().map(|each| each.service_id));
            }
        }
        let (subject, result) = (self.run.to_string(), format!("{} services were switched", activated.len()));
        let deed = Deed { who: &by.who, what: "run activate", subject: &subject, why: &by.why, result: &result };
        at.store.audit(&deed).await?;
        at.store.tell_ends(&RunEvents::new(), None).await;
        Ok(Activating { activated, ..self.read(at.store).await? })
    }
}

// === impl Activate ===

impl Activate {
    async fn read(&self, store: &Store) -> Result<Activating, Error> {
        let progress = store.progress(self.run).await?;
        let complete = progress.as_ref().is_some_and(is_complete);
        let (held, removed) = progress.map(|progress| (progress.held, progress.removed)).unwrap_or_default();
        Ok(Activating { run_id: self.run, complete, held, removed, changes: None, activated: Vec::new() })
    }
}

fn is_complete(progress: &Progress) -> bool {
    progress.planning_complete && progress.batches.planned == progress.batches.stored
}

/// What the services that are planned and not activated would change.
async fn changes(store: &Store, run: RunId, generation: Generation) -> Result<Preview, Error> {
    let by_id = |services: Vec<CopiedService>| -> BTreeMap<ServiceId, CopiedService> {
        services.into_iter().map(|service| (service.service_id.clone(), service)).collect()
    };
    let now = by_id(store.copied_services(None).await?);
    let then = by_id(store.copied_services(Some(generation)).await?);
    let mut changes = Preview::default();
    for id in store.unfinished_services(run).await? {
        let before = now.get(&id);
        let older = before.map_or(BEFORE_THE_FIRST, |service| service.generation);
        let before = Side { service: before, generation: older };
        let after = Side { service: then.get(&id), generation };
        preview::rows(store, &id, before, after, &mut |row| changes.add(row)).await?;
    }
    Ok(changes)
}
