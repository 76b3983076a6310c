//! Whether a service, or a whole run, may be switched: what the ledger says at this moment.
//!
//! An activator asks twice. First without a lock, because most calls come while batches are missing and must not be in
//! anybody's way. Then again in the transaction that moves the pointer, under the lock on the run's row: a person may
//! have set batches or a plan back in between, with [`Store::retry_run`], or may have changed what the run tolerates.
//! Both times it is this module that answers, so that there is nothing which only the first look asks.
//!
//! [`Store::retry_run`]: crate::Store::retry_run

use pipeline_model::{
    contracts::{BatchPlanned, Message, ServiceDiscovered},
    ids::{RunId, ServiceId},
};

use crate::{
    Error, Run,
    database::{Session, Value},
    facts::{self, Service, State},
    guard,
    operation::Operation,
    proof::{self, Waiting},
};

/// Waiting batches that are counted at most: whether there are any decides, and how many is for people.
const COUNTED: i64 = 100;

/// What the ledger says about a switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is due.
    Switch,
    /// It has to wait.
    NotYet(Waiting),
    /// It has happened.
    Done,
    /// The run does not have the service, or its own document is broken.
    Closed,
}

/// About one service of a run that switches each by itself.
pub(super) async fn of_service(session: &mut Session, run: &Run, service_id: &ServiceId) -> Result<Verdict, Error> {
    // Most calls come while batches are missing, and cost one look into an index.
    if let Some(waiting) = unstored(session, run.run_id, Some(service_id)).await? {
        return Ok(Verdict::NotYet(waiting));
    }
    let services = facts::read(session, run.run_id, Some(service_id)).await?;
    let Some(service) = services.first() else {
        return Ok(Verdict::Closed);
    };
    match service.state {
        State::Rejected => return Ok(Verdict::Closed),
        State::Activated => return Ok(Verdict::Done),
        State::Discovered | State::Planned => {}
    }
    // The rejects of the whole run matter only to a service that has some of its own, or may have.
    let own = facts::rejects(run, &services);
    let rejects = if service.facts.all_rejected() > 0 || own.unreachable > 0 {
        facts::rejects(run, &facts::read(session, run.run_id, None).await?)
    } else {
        own
    };
    if let Err(waiting) = proof::service_closes(&service.facts, &rejects, &run.tolerance) {
        return not_yet(session.operation(), waiting);
    }
    Ok(held_by_guard(session, run, service).await?.map_or(Verdict::Switch, Verdict::NotYet))
}

/// About all services of a run that switches them at once; `service_id` is the one that was asked for.
pub(super) async fn of_run(session: &mut Session, run: &Run, service_id: &ServiceId) -> Result<Verdict, Error> {
    if !run.discovered {
        return Ok(Verdict::NotYet(Waiting::Discovery));
    }
    if let Some(waiting) = unstored(session, run.run_id, None).await? {
        return Ok(Verdict::NotYet(waiting));
    }
    let services = facts::read(session, run.run_id, None).await?;
    if !services.iter().any(|service| service.service_id == *service_id) {
        return Ok(Verdict::Closed);
    }
    let rejects = facts::rejects(run, &services);
    let open: Vec<proof::ServiceFacts> = services
        .iter()
        .filter(|service| matches!(service.state, State::Discovered | State::Planned))
        .map(|service| service.facts)
        .collect();
    if let Err(waiting) = proof::run_closes(run.discovered, &open, &rejects, &run.tolerance) {
        return not_yet(session.operation(), waiting);
    }
    let exceeded = run.max_removed.and_then(|bounds| guard::of_whole_run(&bounds, &services));
    Ok(exceeded.map_or(Verdict::Switch, |exceeded| Verdict::NotYet(Waiting::Removals(exceeded))))
}

/// Why the guard lets a complete service wait that takes rows away; see [`guard`].
async fn held_by_guard(session: &mut Session, run: &Run, service: &Service) -> Result<Option<Waiting>, Error> {
    let Some(bounds) = run.max_removed.filter(|bounds| !bounds.is_off()) else { return Ok(None) };
    if service.facts.unaccepted().is_zero() {
        return Ok(None);
    }
    if let Some(exceeded) = guard::service(&bounds, &service.service_id, &service.facts) {
        return Ok(Some(Waiting::Removals(exceeded)));
    }
    if !run.discovered || moving(session, run.run_id).await? {
        return Ok(Some(Waiting::Rest));
    }
    let services = facts::read(session, run.run_id, None).await?;
    let in_all = guard::in_all(&bounds, services.iter().map(|service| &service.facts));
    Ok(in_all.map(Waiting::Removals))
}

/// Whether a part of the run is still to be planned or stored and waits for nobody. What open dead letters hold does
/// not count: it may never move, and must not stop the others.
async fn moving(session: &mut Session, run: RunId) -> Result<bool, Error> {
    let run_id = run.to_string();
    let letter = "SELECT 1 FROM sluice_dead_letter d WHERE d.run_id = p.run_id AND d.service_id = p.service_id \
                  AND d.state = 'open' AND d.source_topic = ?";
    let parts = [
        (
            format!(
                "SELECT 1 AS found FROM sluice_run_service p WHERE p.run_id = ? AND p.state = 'discovered' \
                 AND NOT EXISTS ({letter}) LIMIT 1"
            ),
            ServiceDiscovered::TOPIC,
        ),
        (
            format!(
                "SELECT 1 AS found FROM sluice_run_batch p WHERE p.run_id = ? AND p.state = 'planned' \
                 AND NOT EXISTS ({letter} AND d.batch_no = p.batch_no) LIMIT 1"
            ),
            BatchPlanned::TOPIC,
        ),
    ];
    for (sql, topic) in parts {
        if session.fetch_optional(sql, &[(&run_id).into(), topic.into()]).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The batches that are still to be stored, when there are any; counted no further than [`COUNTED`]. This is asked once
/// for each batch that is stored, so that counting all that wait would cost the square of their number.
async fn unstored(session: &mut Session, run: RunId, only: Option<&ServiceId>) -> Result<Option<Waiting>, Error> {
    let run_id = run.to_string();
    let mut values: Vec<Value<'_>> = vec![(&run_id).into()];
    values.extend(only.map(Value::from));
    let which = if only.is_some() { " AND service_id = ?" } else { "" };
    let batches = session
        .fetch_one(
            format!(
                "SELECT COUNT(*) AS batches FROM \
                 (SELECT 1 FROM sluice_run_batch WHERE run_id = ? AND state = 'planned'{which} LIMIT {COUNTED}) waiting"
            ),
            &values,
        )
        .await?
        .int("batches")?;
    Ok((batches > 0).then_some(Waiting::Batches { batches }))
}

/// Counts that do not add up although everything is stored will never add up: that is not a reason to wait.
fn not_yet(operation: &Operation, waiting: Waiting) -> Result<Verdict, Error> {
    match waiting {
        Waiting::Unaccounted { .. } => Err(Error::broken(operation, waiting.to_string())),
        waiting => Ok(Verdict::NotYet(waiting)),
    }
}
