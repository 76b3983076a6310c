//! Showing how runs ended: the root of a run's trace is exported when the run has ended, whoever ended it.
//!
//! A person may abort a run from a machine that exports no traces, and a process may die between the end and its export.
//! So it is not who ends a run that shows it, but whoever looks next and can: activators on their timer, the command after
//! what it did. A conditional update lets one of them win.

use pipeline_model::{chain::Chain, ids::RunId};
use pipeline_telemetry::{run_events::RunEvents, span::EndedRun};

use crate::{Error, Progress, Store, clock::now_ms, operation::Operation, run};

/// Runs, the newest first, among which ends are looked for: few are ended between two looks.
const NEWEST: i64 = 20;
/// Nobody waits any longer for the end of an older run.
const OLDEST_MS: i64 = 3_600_000;

impl Store {
    /// Shows the ends of runs that nobody has shown yet; of `refused` too, which has no generation. Does nothing in a
    /// process that cannot show them. Nobody's work fails because of it: what was not shown is shown by the next who looks.
    pub async fn tell_ends(&self, events: &RunEvents, refused: Option<RunId>) {
        if events.shows_ends()
            && let Err(error) = self.show_ends(events, refused).await
        {
            events.not_told("how runs ended", &Chain(&error));
        }
    }

    async fn show_ends(&self, events: &RunEvents, refused: Option<RunId>) -> Result<(), Error> {
        for id in self.untold().await?.into_iter().chain(refused) {
            // Read first: who has claimed it is the only one that shows it.
            let ended = self.progress(id).await?.as_ref().and_then(Progress::ended);
            if let Some(run) = ended
                && self.is_ours_to_show(id).await?
            {
                events.ended(&run);
            }
        }
        Ok(())
    }

    /// The newest runs that have ended and were not shown.
    async fn untold(&self) -> Result<Vec<RunId>, Error> {
        let mut session = self.database.session(Operation::new("look for", "ended runs")).await?;
        let rows = session
            .fetch_all(
                "SELECT run_id FROM (SELECT run_id, finished_at_ms, end_told_at_ms FROM sluice_run \
                 WHERE generation IS NOT NULL ORDER BY generation DESC LIMIT ?) newest \
                 WHERE finished_at_ms > ? AND end_told_at_ms IS NULL",
                &[NEWEST.into(), now_ms().saturating_sub(OLDEST_MS).into()],
            )
            .await?;
        rows.into_iter().map(|row| run::run_id(&row)).collect()
    }

    /// Whether it is this call that is to show the end of a run.
    async fn is_ours_to_show(&self, id: RunId) -> Result<bool, Error> {
        let mut session = self.database.session(Operation::new("note the end of run", id.to_string())).await?;
        let claimed = session
            .execute(
                "UPDATE sluice_run SET end_told_at_ms = ? WHERE run_id = ? AND finished_at_ms IS NOT NULL \
                 AND end_told_at_ms IS NULL",
                &[now_ms().into(), (&id.to_string()).into()],
            )
            .await?;
        Ok(claimed == 1)
    }
}

impl Progress {
    /// The run as the root of its trace shows it, when it has ended.
    fn ended(&self) -> Option<EndedRun> {
        let Self { run, services, batches, providers, .. } = self;
        Some(EndedRun {
            run_id: run.run_id,
            state: run.state.as_str(),
            reason: run.reason.clone(),
            requested_by: run.requested_by.clone(),
            generation: run.generation.map(|generation| generation.0),
            requested_at_ms: run.requested_at_ms,
            ended_at_ms: run.finished_at_ms?,
            services: services.discovered,
            batches: batches.planned,
            providers: providers.planned,
            rejected_providers: providers.rejected,
        })
    }
}
