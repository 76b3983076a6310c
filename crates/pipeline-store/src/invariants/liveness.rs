//! I7: an open run whose proof closes has been switched, or will be in a moment.
//!
//! The activator looks every few seconds, so that a switch which is due for minutes means that no activator works, or
//! that it works and fails. Decided by the functions that the activation decides by.

use std::time::Duration;

use super::Violation;
use crate::{
    ActivationMode, Error, Run,
    clock::now_ms,
    database::Session,
    facts::{self, Service, State},
    guard, proof,
};

/// How long a switch may be due: far more than activators take, outages of a minute included.
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) async fn check(
    session: &mut Session,
    run: &Run,
    services: &[Service],
    violations: &mut Vec<Violation>,
) -> Result<(), Error> {
    let rejects = facts::rejects(run, services);
    let left: Vec<&Service> =
        services.iter().filter(|service| matches!(service.state, State::Discovered | State::Planned)).collect();
    let due: Vec<&Service> = match run.mode {
        ActivationMode::PerService => left
            .into_iter()
            .filter(|service| proof::service_closes(&service.facts, &rejects, &run.tolerance).is_ok())
            // What takes rows away may wait for the others, and for people.
            .filter(|service| run.max_removed.is_none() || service.facts.unaccepted().is_zero())
            .collect(),
        ActivationMode::WholeRun => {
            let facts: Vec<_> = left.iter().map(|service| service.facts).collect();
            let held = run.max_removed.is_some_and(|bounds| guard::of_whole_run(&bounds, services).is_some());
            let closes = !held && proof::run_closes(run.discovered, &facts, &rejects, &run.tolerance).is_ok();
            if closes { left } else { Vec::new() }
        }
    };
    if due.is_empty() {
        return Ok(());
    }
    let waited = now_ms().saturating_sub(last_change(session, run).await?);
    if waited <= i64::try_from(PATIENCE.as_millis()).unwrap_or(i64::MAX) {
        return Ok(());
    }
    for service in due {
        violations.push(Violation {
            invariant: "I7",
            subject: format!("run {}, service `{}`", run.run_id, service.service_id),
            detail: format!("it is complete and was not switched for {} s: is an activator at work?", waited / 1_000),
        });
    }
    Ok(())
}

/// When the ledger of the run changed last, or a person did something that may have let it go on.
async fn last_change(session: &mut Session, run: &Run) -> Result<i64, Error> {
    let id = run.run_id.to_string();
    let row = session
        .fetch_one(
            "SELECT MAX(d.at_ms) AS at_ms FROM (SELECT started_at_ms AS at_ms FROM sluice_run WHERE run_id = ? \
             UNION ALL SELECT MAX(planned_at_ms) AS at_ms FROM sluice_run_service WHERE run_id = ? \
             UNION ALL SELECT MAX(stored_at_ms) AS at_ms FROM sluice_run_batch WHERE run_id = ? \
             UNION ALL SELECT MAX(at_ms) AS at_ms FROM sluice_audit) d",
            &[(&id).into(), (&id).into(), (&id).into()],
        )
        .await?;
    row.int("at_ms")
}
