//! The ledger's facts about the services of a run, read for the proof and for progress.

use pipeline_model::ids::{RunId, ServiceId};

use crate::{
    Counts, Error, Run,
    database::{Row, Session, Value},
    dead_letters::DISCARDED_CODE,
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

const PLANNED: [&str; 5] =
    ["expected_batches", "expected_providers", "rejected_providers", "kept_bundles", "kept_fields"];
const VISIBLE: [&str; 4] = ["visible_services", "visible_providers", "visible_bundles", "visible_fields"];
const REMOVED: [&str; 4] = ["removed_services", "removed_providers", "removed_bundles", "removed_fields"];
const ACCEPTED: [&str; 4] = ["accepted_services", "accepted_providers", "accepted_bundles", "accepted_fields"];

/// Sums over the batches of a service, and their names.
const OF_BATCHES: [(&str, &str); 11] = [
    ("CASE WHEN batch.state = 'stored' THEN 1 ELSE 0 END", "batches_stored"),
    ("batch.stored", "stored"),
    ("batch.unchanged", "unchanged"),
    ("batch.rejected", "rejected"),
    ("batch.skipped", "skipped"),
    ("batch.bundles", "bundles"),
    ("batch.fields", "fields"),
    ("batch.bundles_written", "bundles_written"),
    ("batch.fields_written", "fields_written"),
    ("batch.removed_bundles", "lost_bundles"),
    ("batch.removed_fields", "lost_fields"),
];

/// All services of a run; or only one of them.
///
/// One statement, so that it sees one moment. A retry sets batches back together with their service: whoever read the
/// services and the batches apart could find a service with a plan and without the plan's batches.
pub(crate) async fn read(session: &mut Session, run: RunId, only: Option<&ServiceId>) -> Result<Vec<Service>, Error> {
    let run_id = run.to_string();
    let of_run: Vec<Value<'_>> = [(&run_id).into()].into_iter().chain(only.map(Value::from)).collect();
    let values = of_run.repeat(2);
    let which = |table: &str| match only {
        Some(_) => format!("{table}.run_id = ? AND {table}.service_id = ?"),
        None => format!("{table}.run_id = ?"),
    };
    let (which_batches, which_services) = (which("batch"), which("s"));
    let rows = session
        .fetch_all(
            format!(
                "SELECT s.service_id, s.state, s.removed, s.unreachable, {}, {}, {}, {}, {}, \
                 CASE WHEN b.batches IS NULL THEN 0 ELSE (SELECT COUNT(*) FROM sluice_run_reject w \
                 WHERE w.run_id = s.run_id \
                 AND w.service_id = s.service_id AND w.provider_id IS NOT NULL AND w.code = '{DISCARDED_CODE}') END AS discarded \
                 FROM sluice_run_service s LEFT JOIN (SELECT batch.service_id, COUNT(*) AS batches, {} \
                 FROM sluice_run_batch batch WHERE {which_batches} GROUP BY batch.service_id) b \
                 ON b.service_id = s.service_id WHERE {which_services} ORDER BY s.service_id",
                or_zero(PLANNED, "s"),
                or_zero(VISIBLE, "s"),
                or_zero(REMOVED, "s"),
                or_zero(ACCEPTED, "s"),
                or_zero(["batches"].into_iter().chain(OF_BATCHES.map(|(_, name)| name)), "b"),
                OF_BATCHES.map(|(column, name)| sum(column, name)).join(", "),
            ),
            &values,
        )
        .await?;
    rows.into_iter().map(|row| Service::from_row(&row)).collect()
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
                batches: row.int("batches")?,
                batches_stored: row.int("batches_stored")?,
                stored: row.int("stored")?,
                unchanged: row.int("unchanged")?,
                rejected: row.int("rejected")?,
                skipped: row.int("skipped")?,
                discarded: row.int("discarded")?,
                unreachable: row.int("unreachable")?,
                visible: counts(row, VISIBLE)?,
                // The plan knows what goes with a provider, the batches what goes below those that stay.
                removed: counts(row, REMOVED)?.plus(Counts {
                    bundles: row.int("lost_bundles")?,
                    subscription_fields: row.int("lost_fields")?,
                    ..Counts::default()
                }),
                accepted: counts(row, ACCEPTED)?,
            },
            sums: Sums {
                bundles: row.int("kept_bundles")?.saturating_add(row.int("bundles")?),
                fields: row.int("kept_fields")?.saturating_add(row.int("fields")?),
                bundles_written: row.int("bundles_written")?,
                fields_written: row.int("fields_written")?,
            },
        })
    }
}

/// Columns of a table that may be null, as integers; 0 while nothing is known.
fn or_zero<'n>(columns: impl IntoIterator<Item = &'n str>, table: &str) -> String {
    let columns: Vec<String> =
        columns.into_iter().map(|column| format!("COALESCE({table}.{column}, 0) AS {column}")).collect();
    columns.join(", ")
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
