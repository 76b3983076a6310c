//! The transactions that move the pointers.

use pipeline_model::ids::{Generation, RunId, ServiceId};

use super::{
    Outcome,
    verdict::{self, Verdict},
};
use crate::{Error, RunState, Store, clock::now_ms, database::Session, fence, operation::Operation, proof::Waiting};

/// Who switched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Switched {
    /// This call.
    ByUs,
    /// Another one, earlier.
    Before,
    /// Nobody: it has to wait after all, since something was set back after the first look.
    NotYet(Waiting),
    /// Nobody: the run is not open.
    Closed,
}

impl Store {
    /// Switches one service when its proof closes under the lock on the run's row.
    pub(super) async fn switch_service(
        &self,
        run: RunId,
        service_id: &ServiceId,
        operation: Operation,
    ) -> Result<Switched, Error> {
        let mut session = self.database.begin(operation).await?;
        let Some((open, generation)) = fence::pass_open(&mut session, run).await? else {
            return who_closed(&mut session, run).await;
        };
        // Whoever sets something back takes this lock exclusively, so that the answer stays true until the commit.
        match verdict::of_service(&mut session, &open, service_id).await? {
            Verdict::Switch => {}
            verdict => return Ok(Switched::not(verdict)),
        }
        let run_id = run.to_string();
        let now = now_ms();
        let won = session
            .execute(
                "UPDATE sluice_run_service SET state = 'activated', activated_at_ms = ?, unannounced = 1 \
                 WHERE run_id = ? AND service_id = ? AND state = 'planned'",
                &[now.into(), (&run_id).into(), service_id.into()],
            )
            .await?;
        if won == 0 {
            return Ok(Switched::Before);
        }
        let moved = session
            .execute(
                "UPDATE sluice_active_generation SET previous = generation, generation = ?, epoch = epoch + 1, \
                 activated_at_ms = ? WHERE service_id = ? AND generation < ?",
                &[generation.into(), now.into(), service_id.into(), generation.into()],
            )
            .await?;
        if moved == 0 {
            // The first time. Should there be a pointer to this or a later generation, its key refuses this one.
            session
                .execute_one(
                    "INSERT INTO sluice_active_generation (service_id, generation, previous, epoch, activated_at_ms) \
                     VALUES (?, ?, NULL, 1, ?)",
                    &[service_id.into(), generation.into(), now.into()],
                )
                .await?;
        }
        session
            .execute_one(
                "UPDATE sluice_run_service SET epoch = \
                 (SELECT a.epoch FROM sluice_active_generation a WHERE a.service_id = sluice_run_service.service_id) \
                 WHERE run_id = ? AND service_id = ?",
                &[(&run_id).into(), service_id.into()],
            )
            .await?;
        session.commit().await?;
        Ok(Switched::ByUs)
    }

    /// Switches all services of the run and ends it, when the run's proof closes under the exclusive lock on its row.
    pub(super) async fn switch_run(
        &self,
        run: RunId,
        service_id: &ServiceId,
        operation: Operation,
    ) -> Result<Switched, Error> {
        let mut session = self.database.begin(operation).await?;
        let Some((open, generation)) = fence::close(&mut session, run).await? else {
            return who_closed(&mut session, run).await;
        };
        match verdict::of_run(&mut session, &open, service_id).await? {
            Verdict::Switch => {}
            verdict => return Ok(Switched::not(verdict)),
        }
        let run_id = run.to_string();
        let now = now_ms();
        let won = session
            .execute(
                "UPDATE sluice_run_service SET state = 'activated', activated_at_ms = ?, unannounced = 1 \
                 WHERE run_id = ? AND state = 'planned'",
                &[now.into(), (&run_id).into()],
            )
            .await?;
        let moved = move_pointers(&mut session, &run_id, generation, now).await?;
        if moved != won {
            let broken = format!("{moved} pointers were moved for {won} services");
            return Err(Error::broken(session.operation(), broken));
        }
        session
            .execute(
                "UPDATE sluice_run_service SET epoch = \
                 (SELECT a.epoch FROM sluice_active_generation a WHERE a.service_id = sluice_run_service.service_id) \
                 WHERE run_id = ? AND state = 'activated'",
                &[(&run_id).into()],
            )
            .await?;
        session
            .execute_one(
                "UPDATE sluice_run SET state = 'activated', open_slot = NULL, finished_at_ms = ? \
                 WHERE run_id = ? AND state = 'running'",
                &[now.into(), (&run_id).into()],
            )
            .await?;
        session.commit().await?;
        Ok(Switched::ByUs)
    }
}

// === impl Switched ===

impl Switched {
    /// Nothing was switched, for the reason that the verdict gives.
    fn not(verdict: Verdict) -> Self {
        match verdict {
            Verdict::NotYet(waiting) => Self::NotYet(waiting),
            Verdict::Switch | Verdict::Done => Self::Before,
            Verdict::Closed => Self::Closed,
        }
    }

    /// What whoever asked for the switch is told when it was not this call that switched.
    pub(super) fn into_outcome(self) -> Outcome {
        match self {
            Self::ByUs | Self::Before => Outcome::AlreadyDone,
            Self::NotYet(waiting) => Outcome::NotYet(waiting),
            Self::Closed => Outcome::Closed,
        }
    }
}

/// Moves the pointers of all services that the run has just activated, and makes those that are missing.
async fn move_pointers(session: &mut Session, run_id: &str, generation: Generation, now: i64) -> Result<u64, Error> {
    let moved = session
        .execute(
            "UPDATE sluice_active_generation SET previous = generation, generation = ?, epoch = epoch + 1, \
             activated_at_ms = ? WHERE generation < ? AND service_id IN \
             (SELECT s.service_id FROM sluice_run_service s WHERE s.run_id = ? AND s.state = 'activated')",
            &[generation.into(), now.into(), generation.into(), run_id.into()],
        )
        .await?;
    let made = session
        .execute(
            "INSERT INTO sluice_active_generation (service_id, generation, previous, epoch, activated_at_ms) \
             SELECT s.service_id, r.generation, NULL, 1, s.activated_at_ms \
             FROM sluice_run_service s JOIN sluice_run r ON r.run_id = s.run_id \
             LEFT JOIN sluice_active_generation a ON a.service_id = s.service_id \
             WHERE s.run_id = ? AND s.state = 'activated' AND a.service_id IS NULL",
            &[run_id.into()],
        )
        .await?;
    Ok(moved.saturating_add(made))
}

/// The run was closed since the proof was read: by the activator that switched the last service, or by an abort.
async fn who_closed(session: &mut Session, run: RunId) -> Result<Switched, Error> {
    let run_id = run.to_string();
    let row = session.fetch_one("SELECT state FROM sluice_run WHERE run_id = ?", &[(&run_id).into()]).await?;
    Ok(if row.text("state")? == RunState::Activated.as_str() { Switched::Before } else { Switched::Closed })
}
