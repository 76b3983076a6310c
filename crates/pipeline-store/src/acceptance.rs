//! Accepting removals: a person has looked at what a run would take away, and lets it.
//!
//! A person accepts the counts of each service that were shown, and no others: where they have changed since, nothing is
//! accepted. If the run takes away more later, since a retry reads other documents or a part of it was not stored yet, the
//! guard holds it again. An acceptance takes the exclusive lock on the run's row, like every change of what an activation
//! judges by.

use pipeline_model::ids::{RunId, ServiceId};
use serde::Serialize;

use crate::{
    Counts, Error, Store,
    audit::{self, Deed},
    database::Session,
    facts::{self, Service, State},
    fence,
    operation::Operation,
};

/// What one service takes away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// The service.
    pub service_id: ServiceId,
    /// Rows that leave the views and that nobody has accepted.
    pub removed: Counts,
    /// Rows that readers see now.
    pub visible: Counts,
}

/// What an acceptance came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// All that was shown is accepted.
    Done(Accepted),
    /// The run takes away something else by now; nothing is accepted.
    Changed,
    /// The run is not open.
    NotOpen,
}

/// What was accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Accepted {
    /// Services that take rows away.
    pub services: i64,
    /// Rows that leave the views and that nobody had accepted before.
    pub rows: Counts,
}

impl Store {
    /// What the services of a run take away that are not switched yet.
    pub async fn removals(&self, run: RunId) -> Result<Vec<Loss>, Error> {
        let mut session = self.database.session(Operation::new("list removals of run", run.to_string())).await?;
        Ok(losing(&mut session, run).await?.iter().map(loss).collect())
    }

    /// Accepts what the services of an open run take away that are not switched yet; with `shown`, only if it is that.
    /// The activator's timer finds what may be switched then.
    pub async fn accept_removals(
        &self,
        run: RunId,
        shown: Option<&[Loss]>,
        by: (&str, &str),
    ) -> Result<Acceptance, Error> {
        let run_id = run.to_string();
        let mut session = self.database.begin(Operation::new("accept removals of run", run_id.as_str())).await?;
        if fence::close(&mut session, run).await?.is_none() {
            return Ok(Acceptance::NotOpen);
        }
        let losing = losing(&mut session, run).await?;
        if shown.is_some_and(|shown| !losing.iter().map(loss).eq(shown.iter().cloned())) {
            return Ok(Acceptance::Changed);
        }
        let mut accepted = Accepted::default();
        for service in losing {
            accepted.services = accepted.services.saturating_add(1);
            accepted.rows = accepted.rows.plus(service.facts.unaccepted());
            let Counts { services, providers, bundles, subscription_fields } = service.facts.removed;
            session
                .execute_one(
                    "UPDATE sluice_run_service \
                     SET accepted_services = ?, accepted_providers = ?, accepted_bundles = ?, \
                     accepted_fields = ? WHERE run_id = ? AND service_id = ? AND state = 'planned'",
                    &[
                        services.into(),
                        providers.into(),
                        bundles.into(),
                        subscription_fields.into(),
                        (&run_id).into(),
                        (&service.service_id).into(),
                    ],
                )
                .await?;
        }
        let (who, why) = by;
        let Counts { services, providers, bundles, subscription_fields } = accepted.rows;
        let result = format!(
            "{services} services, {providers} providers, {bundles} bundles, {subscription_fields} subscription fields \
             may go"
        );
        audit::record(&mut session, &Deed { who, what: "run accept-removals", subject: &run_id, why, result: &result })
            .await?;
        session.commit().await?;
        Ok(Acceptance::Done(accepted))
    }
}

/// The services that take something away that nobody has accepted, and that are not switched yet.
async fn losing(session: &mut Session, run: RunId) -> Result<Vec<Service>, Error> {
    let mut services = facts::read(session, run, None).await?;
    services.retain(|service| service.state == State::Planned && !service.facts.unaccepted().is_zero());
    Ok(services)
}

fn loss(service: &Service) -> Loss {
    let Service { service_id, facts, .. } = service;
    Loss { service_id: service_id.clone(), removed: facts.unaccepted(), visible: facts.visible }
}
