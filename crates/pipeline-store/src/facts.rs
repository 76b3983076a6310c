//! The ledger's facts about the services of a run, read for the proof and for progress.

use pipeline_core::ids::{RunId, ServiceId};

use crate::{
    Counts, Error, Run,
    database::{Row, Session, Value},
    dead_letters::WAIVED_CODE,
    proof::{RejectFacts, ServiceFacts},
};

/// A service of a run, with its facts and its sums.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) service_id: ServiceId,
    pub(crate) state: State,
    pub(crate) removed: bool,
    pub(crate) facts: ServiceFacts,
    pub(crate) sums: Sums,
}

/// Where a service stands within its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Found by the root stage, or found missing.
    Discovered,
    /// Its batches are in the ledger.
    Planned,
    /// Switched.
    Activated,
    /// Its own document is broken: it stays as it was.
    Rejected,
}

/// Rows of a service in this generation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) bundles: i64,
    pub(crate) fields: i64,
    pub(crate) bundles_written: i64,
    pub(crate) fields_written: i64,
}

const VISIBLE: [&str; 4] = ["visible_services", "visible_providers", "visible_bundles", "visible_fields"];
const REMOVED: [&str; 4] = ["removed_services", "removed_providers", "removed_bundles", "removed_fields"];
const ACCEPTED: [&str; 4] = ["accepted_services", "accepted_providers", "accepted_bundles", "accepted_fields"];

/// All services of a run; or only one of them.
///
/// The services are read before the batches. Both only ever advance while the run is open, so that what is read in
/// this order can be too early but never too late: a closing proof is true.
pub(crate) async fn read(session: &mut Session, run: RunId, only: Option<&ServiceId>) -> Result<Vec<Service>, Error> {
    let run_id = run.to_string();
    let mut values: Vec<Value<'_>> = vec![(&run_id).into()];
    values.extend(only.map(Value::from));
    let which = if only.is_some() { "WHERE run_id = ? AND service_id = ?" } else { "WHERE run_id = ?" };
    let rows = session
        .fetch_all(
            format!(
                "SELECT service_id, state, removed, COALESCE(expected_batches, 0) AS expected_batches, \
                 COALESCE(expected_providers, 0) AS expected_providers, \
                 COALESCE(rejected_providers, 0) AS rejected_providers, COALESCE(kept_bundles, 0) AS kept_bundles, \
                 COALESCE(kept_fields, 0) AS kept_fields, unreachable, {}, {}, {} FROM sync_service {which} ORDER BY service_id",
                or_zero(VISIBLE),
                or_zero(REMOVED),
                or_zero(ACCEPTED),
            ),
            &values,
        )
        .await?;
    let mut services = rows.into_iter().map(|row| Service::from_row(&row)).collect::<Result<Vec<_>, _>>()?;

    // Waived providers are read by the same statement, so that they are seen with their batch or not at all.
    let mut values_of_batches: Vec<Value<'_>> = vec![(&run_id).into()];
    values_of_batches.extend(&values);
    let rows = session
        .fetch_all(
            format!(
                "SELECT service_id, COUNT(*) AS batches, \
                 (SELECT COUNT(*) FROM sync_reject w WHERE w.run_id = ? AND w.service_id = sync_batch.service_id \
                 AND w.provider_id IS NOT NULL AND w.code = '{WAIVED_CODE}') AS waived, \
                 {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {} \
                 FROM sync_batch {which} GROUP BY service_id ORDER BY service_id",
                sum("CASE WHEN state = 'stored' THEN 1 ELSE 0 END", "batches_stored"),
                sum("stored", "stored"),
                sum("unchanged", "unchanged"),
                sum("rejected", "rejected"),
                sum("skipped", "skipped"),
                sum("bundles", "bundles"),
                sum("fields", "fields"),
                sum("bundles_written", "bundles_written"),
                sum("fields_written", "fields_written"),
                sum("removed_bundles", "removed_bundles"),
                sum("removed_fields", "removed_fields"),
            ),
            &values_of_batches,
        )
        .await?;
    for row in rows.into_iter() {
        let service_id = ServiceId(row.text("service_id")?);
        // Both lists are in the database's order of bytes, which is also that of Rust.
        let found = services.binary_search_by(|service| service.service_id.cmp(&service_id));
        if let Some(service) = found.ok().and_then(|index| services.get_mut(index)) {
            service.add_batches(&row)?;
        }
    }
    Ok(services)
}

/// The rejects that the run's tolerance is held against.
pub(crate) fn rejects(run: &Run, services: &[Service]) -> RejectFacts {
    let none = RejectFacts {
        unreachable: unreachable(run, services),
        unreachable_anywhere: run.unreachable,
        ..RejectFacts::default()
    };
    services.iter().fold(none, |sum, service| RejectFacts {
        rejected: sum
            .rejected
            .saturating_add(service.facts.holding())
            .saturating_add(i64::from(service.state == State::Rejected)),
        planned: sum.planned.saturating_add(service.facts.expected_providers),
        ..sum
    })
}

/// Documents, or their missing owners, whose place cannot be told, of the whole run.
pub(crate) fn unreachable(run: &Run, services: &[Service]) -> i64 {
    services.iter().fold(run.unreachable, |sum, service| sum.saturating_add(service.facts.unreachable))
}

impl Service {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        let state = match row.text("state")?.as_str() {
            "discovered" => State::Discovered,
            "planned" => State::Planned,
            "activated" => State::Activated,
            "rejected" => State::Rejected,
            other => return Err(row.broken(format!("`{other}` is not a state of a service"))),
        };
        Ok(Self {
            service_id: ServiceId(row.text("service_id")?),
            state,
            removed: row.int("removed")? != 0,
            facts: ServiceFacts {
                planned: matches!(state, State::Planned | State::Activated),
                expected_batches: row.int("expected_batches")?,
                expected_providers: row.int("expected_providers")?,
                plan_rejected: row.int("rejected_providers")?,
                unreachable: row.int("unreachable")?,
                visible: counts(row, VISIBLE)?,
                removed: counts(row, REMOVED)?,
                accepted: counts(row, ACCEPTED)?,
                ..ServiceFacts::default()
            },
            sums: Sums { bundles: row.int("kept_bundles")?, fields: row.int("kept_fields")?, ..Sums::default() },
        })
    }

    fn add_batches(&mut self, row: &Row<'_>) -> Result<(), Error> {
        self.facts.batches = row.int("batches")?;
        self.facts.batches_stored = row.int("batches_stored")?;
        self.facts.stored = row.int("stored")?;
        self.facts.unchanged = row.int("unchanged")?;
        self.facts.rejected = row.int("rejected")?;
        self.facts.skipped = row.int("skipped")?;
        self.facts.waived = row.int("waived")?;
        self.facts.removed.bundles = self.facts.removed.bundles.saturating_add(row.int("removed_bundles")?);
        let removed = &mut self.facts.removed.subscription_fields;
        *removed = removed.saturating_add(row.int("removed_fields")?);
        self.sums.bundles = self.sums.bundles.saturating_add(row.int("bundles")?);
        self.sums.fields = self.sums.fields.saturating_add(row.int("fields")?);
        self.sums.bundles_written = row.int("bundles_written")?;
        self.sums.fields_written = row.int("fields_written")?;
        Ok(())
    }
}

/// The columns of counts; 0 while nothing is known.
fn or_zero(columns: [&str; 4]) -> String {
    columns.map(|column| format!("COALESCE({column}, 0) AS {column}")).join(", ")
}

fn counts(row: &Row<'_>, [services, providers, bundles, fields]: [&'static str; 4]) -> Result<Counts, Error> {
    Ok(Counts {
        services: row.int(services)?,
        providers: row.int(providers)?,
        bundles: row.int(bundles)?,
        subscription_fields: row.int(fields)?,
    })
}

/// A sum as an integer: MySQL's sums are decimals.
fn sum(expression: &str, name: &str) -> String {
    format!("CAST(SUM({expression}) AS SIGNED) AS {name}")
}
