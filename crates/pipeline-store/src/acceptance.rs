//! Accepting removals: a person has looked at what a run would take away, and lets it.
//!
//! What is accepted are the counts of each service as they stand, no more: should the run take away more later, since a
//! retry reads other documents or a part of it was not stored yet, the guard holds it again. Takes the exclusive lock
//! on the run's row, like every change of what an activation judges by.

use pipeline_model::ids::{RunId, ServiceId};
use serde::Serialize;

use crate::{
    Counts, Error, Store,
    audit::{self, Deed},
    facts::{self, State},
    fence,
    operation::Operation,
};

/// What was accepted, or would be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Accepted {
    /// Services that take rows away.
    pub services: i64,
    /// Rows that leave the views and that nobody had accepted before.
    pub rows: Counts,
}

impl Store {
    /// What the services of a run take away and nobody has accepted, each with what readers see of it.
    pub async fn removals(&self, run: RunId) -> Result<Vec<(ServiceId, Counts, Counts)>, Error> {
        let mut session = self.database.session(Operation::new("list removals of run", run.to_string())).await?;
        let services = facts::read(&mut session, run, None).await?;
        let open = services.into_iter().filter(|service| service.state == State::Planned);
        let removals = open.map(|each| (each.service_id, each.facts.unaccepted(), each.facts.visible));
        Ok(removals.filter(|(_, removed, _)| !removed.is_zero()).collect())
    }

    /// Accepts what the services of an open run take away and that is not switched yet; `None` when the run is not open.
    /// The activator's timer finds what may be switched then.
    pub async fn accept_removals(&self, run: RunId, by: (&str, &str)) -> Result<Option<Accepted>, Error> {
        let run_id = run.to_string();
        let mut session = self.database.begin(Operation::new("accept removals of run", run_id.as_str())).await?;
        if fence::close(&mut session, run).await?.is_none() {
            return Ok(None);
        }
        let mut accepted = Accepted::default();
        for service in facts::read(&mut session, run, None).await? {
            let rows = service.facts.unaccepted();
            if rows.is_zero() || service.state != State::Planned {
                continue;
            }
            accepted.services = accepted.services.saturating_add(1);
            accepted.rows = accepted.rows.plus(rows);
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
        Ok(Some(accepted))
    }
}
