//! Going back: readers see again what they saw before the last switch.
//!
//! Readers are moved first, by one short transaction; then others are told, as the activator tells them. Whoever cannot
//! be told does not keep readers from going back: the answer says so.

use std::time::Duration;

use pipeline_model::{
    contracts::{Activated, Message as _},
    ids::ServiceId,
};
use pipeline_store::{Move, RolledBack};
use serde::Serialize;

use crate::{By, Error, Installation, Operation, open, outbox::Outbox};

/// How long a broker or registry may keep a rollback from ending.
const ANNOUNCE_TIMEOUT: Duration = Duration::from_secs(10);

/// Which services.
#[derive(Clone, Debug, Default)]
pub struct RollBack {
    /// Only these; empty means all that the newest generation switched.
    pub services: Vec<ServiceId>,
}

/// Where readers go.
#[derive(Debug, Serialize)]
pub struct Moves {
    /// The services, each with where readers are and where they go.
    pub services: Vec<Move>,
    /// Why the moves were not announced, when they were not.
    #[serde(skip)]
    pub unannounced: Option<Unannounced>,
}

/// Why nobody was told.
#[derive(Debug)]
pub enum Unannounced {
    /// Somebody failed.
    Failed(Error),
    /// There was no acknowledgement in this time.
    TimedOut(Duration),
}

impl Operation for RollBack {
    type Answer = Moves;

    async fn preview(&self, at: &Installation<'_>) -> Result<Moves, Error> {
        let plan = at.store.plan_rollback(&self.services).await?;
        if let Some(id) = self.services.iter().find(|id| !plan.iter().any(|each| each.service_id == **id)) {
            return Err(Error::NeverActivated { service: id.clone() });
        }
        open::refuse(at.store).await?;
        if plan.is_empty() {
            return Err(Error::NothingActivated { target: at.store.describe() });
        }
        Ok(Moves { services: plan, unannounced: None })
    }

    async fn carry_out(&self, at: &Installation<'_>, shown: Option<&Moves>, by: &By) -> Result<Moves, Error> {
        let services = match shown {
            Some(shown) => shown.services.clone(),
            None => self.preview(at).await?.services,
        };
        match at.store.roll_back(&services, &by.who, &by.why).await? {
            RolledBack::Done => {
                let unannounced = announce(at, &services).await.err();
                Ok(Moves { services, unannounced })
            }
            RolledBack::RunOpen(run) => {
                Err(Error::Changed { what: format!("run {run} was opened meanwhile: nothing was moved") })
            }
            RolledBack::Moved(service) => {
                Err(Error::Changed { what: format!("service `{service}` was switched meanwhile: nothing was moved") })
            }
        }
    }
}

/// Tells others as the activator does.
async fn announce(at: &Installation<'_>, plan: &[Move]) -> Result<(), Unannounced> {
    let telling = async {
        let moved = at.store.rolled_back(plan).await?;
        let outbox = Outbox::prepare_for(at, &[(Activated::TOPIC, Activated::SCHEMA)]).await?;
        let messages = moved.into_iter().map(|each| outbox.outbound(&Activated::from(each)));
        outbox.send(messages.collect::<Result<Vec<_>, Error>>()?).await
    };
    match tokio::time::timeout(ANNOUNCE_TIMEOUT, telling).await {
        Ok(told) => told.map(drop).map_err(Unannounced::Failed),
        Err(_) => Err(Unannounced::TimedOut(ANNOUNCE_TIMEOUT)),
    }
}
