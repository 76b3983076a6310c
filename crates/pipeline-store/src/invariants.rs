//! The promises that a target can be held to, checked by looking at the rows alone.
//!
//! | invariant | what is looked at |
//! |---|---|
//! | I1 no loss | every planned provider of a switched service is accounted for; every stored batch adds up |
//! | I2 no double effect | one version per key and generation; content as counted, and none that nothing points to |
//! | I3 atomic view | pointers point to generations that were switched, or to 0 |
//! | I4 exact fan-in | a run is activated exactly when all its services are |
//! | I5 fencing | no version of a run that was taken back; epochs only grow |
//! | I6 newest wins | each content was written by the run that its version began with; no pointer has lost its newest |
//! | I7 liveness | an open run whose proof closes was switched within two minutes |
//! | I8 honest | the ledger's columns agree with each other |
//! | I12 nothing goes unseen | what a switched service took away was within the run's bound, or accepted |
//!
//! The check reads and never writes, takes no locks, and may run beside a run under way: each fact is one statement,
//! and each holds after every commit. It reads every row of the target once or twice: minutes on a large one.
//! The other invariants of Sluice are about behaviour over time and cannot be seen in rows; [`INVARIANTS`] says of each
//! what holds it instead.

use pipeline_model::ids::Generation;
use serde::Serialize;

use crate::{
    Error, Run, RunState, Store,
    content::content_id,
    database::{Row, Session, Value},
    facts::{self, Service, State},
    guard,
    operation::Operation,
    proof,
};

mod liveness;
mod statements;

/// Violations reported of each kind, at most: a broken table would fill the screen.
const EACH: i64 = 100;

/// What Sluice promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Invariant {
    /// Its short name, such as `I2`.
    pub name: &'static str,
    /// The promise in a few words.
    pub promise: &'static str,
    /// What holds it when no target can show it.
    pub elsewhere: Option<&'static str>,
}

/// All promises, in order.
pub const INVARIANTS: [Invariant; 12] = [
    Invariant::in_rows("I1", "no loss: what was planned is stored, rejected or discarded"),
    Invariant::in_rows("I2", "no double effect: one version at a time, content as counted"),
    Invariant::in_rows("I3", "atomic view: pointers show switched generations"),
    Invariant::in_rows("I4", "exact fan-in: a run is activated with all its services"),
    Invariant::in_rows("I5", "fencing: nothing of a closed run, epochs only grow"),
    Invariant::in_rows("I6", "newest wins: nothing old overwrites what is newer"),
    Invariant::in_rows("I7", "liveness: what is complete is switched"),
    Invariant::in_rows("I8", "honest: the ledger agrees with itself"),
    Invariant::elsewhere("I9", "traceable: from a run to its trace", "tests of the telemetry"),
    Invariant::elsewhere("I10", "no secret in logs, headers and spans", "tests of the telemetry"),
    Invariant::elsewhere("I11", "bounded: memory and handles return to base", "the fault suite"),
    Invariant::in_rows("I12", "nothing goes unseen: no run removed more than its bound without acceptance"),
];

/// A promise that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Violation {
    /// Which promise, such as `I2`.
    pub invariant: &'static str,
    /// Of what: a table or a part of the ledger, with identifiers.
    pub subject: String,
    /// What was found and what was expected.
    pub detail: String,
}

// === impl Invariant ===

impl Invariant {
    const fn in_rows(name: &'static str, promise: &'static str) -> Self {
        Self { name, promise, elsewhere: None }
    }

    const fn elsewhere(name: &'static str, promise: &'static str, what: &'static str) -> Self {
        Self { name, promise, elsewhere: Some(what) }
    }
}

impl Store {
    /// Holds the target to its invariants; gives what does not hold, at most a hundred of each kind.
    pub async fn check_invariants(&self) -> Result<Vec<Violation>, Error> {
        // Some of the statements read whole tables.
        let mut session = self.database.session(Operation::new("check", "invariants")).await?.patient();
        let mut violations = Vec::new();
        for statement in statements::all() {
            let sql = format!("{} LIMIT ?", statement.sql);
            for row in session.fetch_all(sql, &[EACH.into()]).await?.into_iter() {
                violations.push(statement.violation(&row)?);
            }
        }
        unreferenced_content(&mut session, &mut violations).await?;
        for run in runs(&mut session).await? {
            let services = facts::read(&mut session, run.run_id, None).await?;
            run_adds_up(&run, &services, &mut violations);
            if run.state == RunState::Running {
                liveness::check(&mut session, &run, &services, &mut violations).await?;
            }
        }
        violations.sort();
        Ok(violations)
    }
}

async fn runs(session: &mut Session) -> Result<Vec<Run>, Error> {
    let sql = format!("SELECT {} FROM sluice_run WHERE generation IS NOT NULL ORDER BY generation", Run::COLUMNS);
    let rows = session.fetch_all(sql, &[]).await?;
    rows.into_iter().map(|row| Run::from_row(&row)).collect()
}

/// I1, I4 and I12 for one run, by the functions that the activation itself decides by.
fn run_adds_up(run: &Run, services: &[Service], violations: &mut Vec<Violation>) {
    removals_are_bounded(run, services, violations);
    for service in services {
        let subject = format!("run {}, service `{}`", run.run_id, service.service_id);
        if service.state == State::Activated
            && let Err(open) = proof::complete(&service.facts)
        {
            let detail = format!("it is activated although its proof does not close: {open}");
            violations.push(Violation { invariant: "I1", subject: subject.clone(), detail });
        }
        let left = matches!(service.state, State::Discovered | State::Planned);
        if run.state == RunState::Activated && left {
            let detail = "its run is activated and the service is not".to_owned();
            violations.push(Violation { invariant: "I4", subject, detail });
        }
    }
}

/// I12: of each switched service, and of a whole run when all of it is switched.
fn removals_are_bounded(run: &Run, services: &[Service], violations: &mut Vec<Violation>) {
    let Some(bounds) = run.max_removed else { return };
    let switched = || services.iter().filter(|service| service.state == State::Activated);
    let own = switched().filter_map(|service| guard::service(&bounds, &service.service_id, &service.facts));
    let in_all = guard::in_all(&bounds, services.iter().map(|service| &service.facts));
    let in_all = in_all.filter(|_| run.state == RunState::Activated);
    violations.extend(own.chain(in_all).map(|exceeded| Violation {
        invariant: "I12",
        subject: format!("run {}", run.run_id),
        detail: format!("it took away more than its bound, and nobody accepted it: {exceeded}"),
    }));
}

/// Content that no version points to. An ended run's that waits for its deletion is known about.
///
/// By `NOT IN`, which databases answer with a look-up table; there is no index to join by.
async fn unreferenced_content(session: &mut Session, violations: &mut Vec<Violation>) -> Result<(), Error> {
    let pending = session
        .fetch_all("SELECT generation FROM sluice_run WHERE content_pending = 1 AND generation IS NOT NULL", &[])
        .await?
        .into_iter()
        .map(|row| row.int("generation"))
        .collect::<Result<Vec<_>, _>>()?;
    for table in ["sluice_content_bundle", "sluice_content_field"] {
        let mut sql = format!(
            "SELECT DISTINCT t.content_id FROM {table} t \
             WHERE t.content_id NOT IN (SELECT c.content_id FROM sluice_provider_content c)"
        );
        let mut values: Vec<Value<'_>> = Vec::new();
        for generation in &pending {
            sql.push_str(" AND (t.content_id < ? OR t.content_id >= ?)");
            values.push(content_id(Generation(*generation), 0).into());
            values.push(content_id(Generation(generation.saturating_add(1)), 0).into());
        }
        sql.push_str(" LIMIT ?");
        values.push(EACH.into());
        for row in session.fetch_all(sql, &values).await?.into_iter() {
            violations.push(Violation {
                invariant: "I2",
                subject: format!("{table}, content {}", row.int("content_id")?),
                detail: "no provider's version points to it".to_owned(),
            });
        }
    }
    Ok(())
}

/// A query that gives the rows for which a promise does not hold: `service`, `other` (texts), `found`, `expected`
/// (numbers).
struct Statement {
    invariant: &'static str,
    subject: &'static str,
    sql: String,
    detail: fn(Option<i64>, Option<i64>) -> String,
}

impl Statement {
    fn violation(&self, row: &Row<'_>) -> Result<Violation, Error> {
        let names = [row.optional_text("service")?, row.optional_text("other")?];
        let names: Vec<String> = names.into_iter().flatten().map(|name| format!("`{name}`")).collect();
        Ok(Violation {
            invariant: self.invariant,
            subject: format!("{} {}", self.subject, names.join("/")).trim_end().to_owned(),
            detail: (self.detail)(row.optional_int("found")?, row.optional_int("expected")?),
        })
    }
}
