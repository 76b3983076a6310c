//! What happened to a run, step by step: what the ledger noted, and what people did.

use pipeline_model::ids::RunId;
use serde::Serialize;

use crate::{
    Error, RunState, Store,
    database::{Row, Session},
    operation::Operation,
};

/// Who does what nobody asks for.
const SLUICE: &str = "sluice";

/// A step of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// When, in milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
    /// What happened, in few words that stay the same, such as `service activated`; of what a person did, the verb, such as
    /// `dlq discard`.
    pub what: String,
    /// To what: the run, a service, a dead letter.
    pub subject: String,
    /// Who did it: a person, or `sluice`.
    pub who: String,
    /// What is to be said of it; empty when the rest says it.
    pub detail: String,
}

impl Store {
    /// The steps of a run, the first one first; `None` when the ledger does not have it. Batches are no steps: there may
    /// be thousands.
    pub async fn history(&self, id: RunId) -> Result<Option<Vec<Step>>, Error> {
        let Some(run) = self.run(id).await? else {
            return Ok(None);
        };
        let run_id = id.to_string();
        let of_run = |at_ms: i64, what: &str, who: &str, detail: &str| Step {
            at_ms,
            what: what.to_owned(),
            subject: run_id.clone(),
            who: who.to_owned(),
            detail: detail.to_owned(),
        };
        let mut steps = vec![of_run(run.requested_at_ms, "run requested", &run.requested_by, "")];
        let reason = run.reason.as_deref().unwrap_or_default();
        match run.state {
            RunState::Refused => steps.push(of_run(run.started_at_ms, "run refused", SLUICE, reason)),
            _ => steps.push(of_run(run.started_at_ms, "run opened", SLUICE, "")),
        }
        let mut session = self.database.session(Operation::new("read the history of run", run_id.as_str())).await?;
        services(&mut session, &run_id, &mut steps).await?;
        letters(&mut session, &run_id, &mut steps).await?;
        deeds(&mut session, &run_id, &mut steps).await?;
        let ended = match run.state {
            RunState::Activated => Some("run activated"),
            RunState::Aborted => Some("run aborted"),
            RunState::Failed => Some("run failed"),
            RunState::Running | RunState::Held | RunState::Refused => None,
        };
        if let (Some(what), Some(at_ms)) = (ended, run.finished_at_ms) {
            steps.push(of_run(at_ms, what, SLUICE, reason));
        }
        // Stable: what happened in the same millisecond stays in the order of the flow.
        steps.sort_by_key(|step| step.at_ms);
        Ok(Some(steps))
    }
}

async fn services(session: &mut Session, run_id: &str, steps: &mut Vec<Step>) -> Result<(), Error> {
    let sql = "SELECT service_id, discovered_at_ms, planned_at_ms, activated_at_ms, expected_providers, expected_batches, \
               removed FROM sluice_run_service WHERE run_id = ? ORDER BY service_id";
    for row in session.fetch_all(sql, &[run_id.into()]).await?.into_iter() {
        let service = row.text("service_id")?;
        let mut step = |at_ms: Option<i64>, what: &str, detail: String| {
            let (what, subject, who) = (what.to_owned(), service.clone(), SLUICE.to_owned());
            steps.extend(at_ms.map(|at_ms| Step { at_ms, what, subject, who, detail }));
        };
        let is_removed = row.int("removed")? != 0;
        let gone = if is_removed { "it is gone from the source" } else { "" };
        step(Some(row.int("discovered_at_ms")?), "service discovered", gone.to_owned());
        let number = |column: &'static str| row.optional_int(column).map(Option::unwrap_or_default);
        let plan = format!("{} providers in {} batches", number("expected_providers")?, number("expected_batches")?);
        step(row.optional_int("planned_at_ms")?, "service planned", plan);
        step(row.optional_int("activated_at_ms")?, "service activated", String::new());
    }
    Ok(())
}

async fn letters(session: &mut Session, run_id: &str, steps: &mut Vec<Step>) -> Result<(), Error> {
    let sql = "SELECT letter_id, recorded_at_ms, stage, code, reason FROM sluice_dead_letter WHERE run_id = ? ORDER BY letter_id";
    for row in session.fetch_all(sql, &[run_id.into()]).await?.into_iter() {
        let detail = format!("{}: {}", row.text("code")?, row.text("reason")?);
        steps.push(Step {
            at_ms: row.int("recorded_at_ms")?,
            what: "message given up".to_owned(),
            subject: format!("dead letter {}", row.int("letter_id")?),
            who: format!("{SLUICE} ({})", row.text("stage")?),
            detail,
        });
    }
    Ok(())
}

/// What people did to the run and to its letters, and what Sluice wrote down in their place.
async fn deeds(session: &mut Session, run_id: &str, steps: &mut Vec<Step>) -> Result<(), Error> {
    let sql = "SELECT a.at_ms, a.who, a.what, a.subject, a.why, a.result FROM sluice_audit a WHERE a.subject = ? \
               OR (a.what IN ('dlq replay', 'dlq discard') AND a.subject IN \
               (SELECT CAST(l.letter_id AS CHAR(20)) FROM sluice_dead_letter l WHERE l.run_id = ?)) ORDER BY a.audit_id";
    for row in session.fetch_all(sql, &[run_id.into(), run_id.into()]).await?.into_iter() {
        steps.push(deed(&row)?);
    }
    Ok(())
}

fn deed(row: &Row<'_>) -> Result<Step, Error> {
    let (why, result, subject) = (row.text("why")?, row.text("result")?, row.text("subject")?);
    let detail = [why, result].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
    let is_letter = subject.bytes().all(|byte| byte.is_ascii_digit());
    Ok(Step {
        at_ms: row.int("at_ms")?,
        what: row.text("what")?,
        subject: if is_letter { format!("dead letter {subject}") } else { subject },
        who: row.text("who")?,
        detail: detail.join(": "),
    })
}
