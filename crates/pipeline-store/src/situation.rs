//! How the copy is, for metrics: the open run, what it waits for, and how old what readers see is.

use pipeline_model::chain::Chain;
use pipeline_telemetry::run_events::{OpenRun, RunEvents, Situation};

use crate::{
    Error, Store,
    clock::now_ms,
    database::{Session, Value},
    operation::Operation,
};

impl Store {
    /// Tells how the copy is now. Reads a few small tables; every few seconds is often enough. Nobody's work fails because
    /// of it.
    pub async fn tell_situation(&self, events: &RunEvents) {
        match self.situation().await {
            Ok(situation) => events.situation(&situation),
            Err(error) => events.not_told("how the copy is", &Chain(&error)),
        }
    }

    async fn situation(&self) -> Result<Situation, Error> {
        let mut session = self.database.session(Operation::new("read the situation of", "the copy")).await?;
        let now = now_ms();
        let sql = "SELECT COUNT(*) AS found FROM sluice_dead_letter WHERE state = 'open'";
        let letters_open = session.fetch_one(sql, &[]).await?.int("found")?;
        let sql = "SELECT COALESCE(MAX(generation), 0) AS found FROM sluice_active_generation";
        let generation = session.fetch_one(sql, &[]).await?.int("found")?;
        // The service that was read longest ago decides how old the whole is. Services that are gone are in no view.
        let [services, ..] = self.views.names();
        let sql = format!(
            "SELECT MIN(r.requested_at_ms) AS oldest FROM {services} s JOIN sluice_run r ON r.generation = s.generation"
        );
        let oldest = session.fetch_one(sql, &[]).await?.optional_int("oldest")?;
        let run = open_run(&mut session, now).await?;
        Ok(Situation { run, letters_open, generation, freshness_ms: oldest.map(|oldest| now.saturating_sub(oldest)) })
    }
}

async fn open_run(session: &mut Session, now: i64) -> Result<Option<OpenRun>, Error> {
    let sql = "SELECT run_id, started_at_ms FROM sluice_run WHERE open_slot = 1";
    let Some((run_id, started)) = session
        .fetch_optional(sql, &[])
        .await?
        .map(|row| Ok::<_, Error>((row.text("run_id")?, row.int("started_at_ms")?)))
        .transpose()?
    else {
        return Ok(None);
    };
    let key: [Value<'_>; 1] = [(&run_id).into()];
    let services = session
        .fetch_one(
            "SELECT COUNT(CASE WHEN state = 'discovered' THEN 1 END) AS to_plan, \
             COUNT(CASE WHEN state = 'planned' THEN 1 END) AS to_switch, MAX(discovered_at_ms) AS discovered, \
             MAX(planned_at_ms) AS planned, MAX(activated_at_ms) AS activated FROM sluice_run_service WHERE run_id = ?",
            &key,
        )
        .await?;
    let (services_pending, activations_pending) = (services.int("to_plan")?, services.int("to_switch")?);
    let mut moved = started;
    for column in ["discovered", "planned", "activated"] {
        moved = moved.max(services.optional_int(column)?.unwrap_or_default());
    }
    let batches = session
        .fetch_one(
            "SELECT COUNT(CASE WHEN state = 'planned' THEN 1 END) AS to_store, MAX(stored_at_ms) AS stored \
             FROM sluice_run_batch WHERE run_id = ?",
            &key,
        )
        .await?;
    moved = moved.max(batches.optional_int("stored")?.unwrap_or_default());
    Ok(Some(OpenRun {
        age_ms: now.saturating_sub(started),
        still_ms: now.saturating_sub(moved),
        services_pending,
        batches_pending: batches.int("to_store")?,
        activations_pending,
    }))
}
