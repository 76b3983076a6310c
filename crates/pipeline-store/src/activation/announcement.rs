//! What was switched and is still to be told to others.

use pipeline_model::{
    contracts::Activated,
    ids::{Generation, RunId, ServiceId},
};

use super::ServiceActivation;
use crate::{
    BEFORE_THE_FIRST, Counts, Error, Move, Store,
    clock::now_ms,
    database::{Row, Session, Value},
    insert::{IN_LIST, in_list},
    operation::Operation,
};

/// Switched services of one run or all, before `WHERE`. The sums come from the batches when they are asked for, so
/// that the switch itself need not compute them.
const ACTIVATIONS: &str = "\
    SELECT s.run_id, s.service_id, s.removed, s.epoch, s.expected_providers, s.activated_at_ms, r.generation, \
    r.requested_at_ms, \
    CAST(s.kept_bundles + COALESCE((SELECT SUM(b.bundles) FROM sluice_run_batch b \
        WHERE b.run_id = s.run_id AND b.service_id = s.service_id), 0) AS SIGNED) AS bundles, \
    CAST(s.kept_fields + COALESCE((SELECT SUM(b.fields) FROM sluice_run_batch b \
        WHERE b.run_id = s.run_id AND b.service_id = s.service_id), 0) AS SIGNED) AS fields, \
    COALESCE(s.removed_services, 0) AS removed_services, COALESCE(s.removed_providers, 0) AS removed_providers, \
    CAST(COALESCE(s.removed_bundles, 0) + COALESCE((SELECT SUM(b.removed_bundles) FROM sluice_run_batch b \
        WHERE b.run_id = s.run_id AND b.service_id = s.service_id), 0) AS SIGNED) AS removed_bundles, \
    CAST(COALESCE(s.removed_fields, 0) + COALESCE((SELECT SUM(b.removed_fields) FROM sluice_run_batch b \
        WHERE b.run_id = s.run_id AND b.service_id = s.service_id), 0) AS SIGNED) AS removed_fields \
    FROM sluice_run_service s JOIN sluice_run r ON r.run_id = s.run_id";

impl Store {
    /// Switched services whose announcement is not acknowledged yet, of one run or of all.
    pub async fn unannounced(&self, run: Option<RunId>) -> Result<Vec<ServiceActivation>, Error> {
        let mut session = self.database.session(Operation::new("list", "activations to announce")).await?;
        let run_id = run.map(|run| run.to_string());
        let which = if run_id.is_some() { " AND s.run_id = ?" } else { "" };
        let values: Vec<Value<'_>> = run_id.as_ref().map(Into::into).into_iter().collect();
        let sql = format!("{ACTIVATIONS} WHERE s.unannounced = 1{which} ORDER BY s.run_id, s.service_id");
        fetch(&mut session, sql, &values).await
    }

    /// The announcements of these services are acknowledged.
    pub async fn mark_announced(&self, run: RunId, services: &[ServiceId]) -> Result<(), Error> {
        let run_id = run.to_string();
        let mut session = self.database.begin(Operation::new("acknowledge activations of", run_id.as_str())).await?;
        let ids: Vec<&str> = services.iter().map(ServiceId::as_str).collect();
        for ids in ids.chunks(IN_LIST) {
            let (marks, list) = in_list(ids);
            let values: Vec<Value<'_>> = [(&run_id).into()].into_iter().chain(list).collect();
            let sql = format!(
                "UPDATE sluice_run_service SET unannounced = NULL WHERE run_id = ? AND service_id IN ({marks})"
            );
            session.execute(sql, &values).await?;
        }
        session.commit().await
    }

    /// What readers see of these services after a rollback, to be told like a switch: with an epoch above all before it
    /// and the older generation. A service that was taken back before its first generation is gone.
    pub async fn rolled_back(&self, plan: &[Move]) -> Result<Vec<ServiceActivation>, Error> {
        let mut session = self.database.session(Operation::new("list", "rolled back services")).await?;
        let sql = format!("{ACTIVATIONS} WHERE r.generation = ? AND s.service_id = ?");
        let mut found = Vec::with_capacity(plan.len());
        for each in plan {
            let gone = each.to == BEFORE_THE_FIRST;
            let run_of = if gone { each.from } else { each.to };
            let rows = session.fetch_all(sql.clone(), &[run_of.into(), (&each.service_id).into()]).await?;
            for row in rows.into_iter() {
                let shown = from_row(&row)?;
                let count = |number: i64| if gone { 0 } else { number };
                found.push(ServiceActivation {
                    generation: each.to,
                    epoch: each.epoch.saturating_add(1),
                    removed: !each.visible_after,
                    providers: count(shown.providers),
                    bundles: count(shown.bundles),
                    subscription_fields: count(shown.subscription_fields),
                    rows_removed: Counts::default(),
                    duration_ms: now_ms().saturating_sub(row.int("requested_at_ms")?).max(0),
                    ..shown
                });
            }
        }
        Ok(found)
    }

    /// What was switched by a run: one service, or all.
    pub(super) async fn activations(
        &self,
        run: RunId,
        only: Option<&ServiceId>,
    ) -> Result<Vec<ServiceActivation>, Error> {
        let mut session = self.database.session(Operation::new("list activations of", run.to_string())).await?;
        let run_id = run.to_string();
        let mut values: Vec<Value<'_>> = vec![(&run_id).into()];
        values.extend(only.map(Value::from));
        let which = if only.is_some() { " AND s.service_id = ?" } else { "" };
        let sql = format!("{ACTIVATIONS} WHERE s.run_id = ? AND s.state = 'activated'{which} ORDER BY s.service_id");
        fetch(&mut session, sql, &values).await
    }
}

impl From<ServiceActivation> for Activated {
    fn from(activation: ServiceActivation) -> Self {
        Self {
            run_id: activation.run_id.to_string(),
            generation: activation.generation.0,
            service_id: activation.service_id.0,
            epoch: activation.epoch,
            removed: activation.removed,
            providers: activation.providers,
            bundles: activation.bundles,
            subscription_fields: activation.subscription_fields,
            duration_ms: activation.duration_ms,
        }
    }
}

async fn fetch(session: &mut Session, sql: String, values: &[Value<'_>]) -> Result<Vec<ServiceActivation>, Error> {
    let rows = session.fetch_all(sql, values).await?;
    rows.into_iter().map(|row| from_row(&row)).collect()
}

fn from_row(row: &Row<'_>) -> Result<ServiceActivation, Error> {
    let run_id = row.text("run_id")?;
    Ok(ServiceActivation {
        run_id: RunId::parse(&run_id).map_err(|error| row.broken(error.to_string()))?,
        generation: Generation(row.int("generation")?),
        service_id: ServiceId(row.text("service_id")?),
        epoch: row.int("epoch")?,
        removed: row.int("removed")? != 0,
        providers: row.int("expected_providers")?,
        bundles: row.int("bundles")?,
        subscription_fields: row.int("fields")?,
        rows_removed: Counts {
            services: row.int("removed_services")?,
            providers: row.int("removed_providers")?,
            bundles: row.int("removed_bundles")?,
            subscription_fields: row.int("removed_fields")?,
        },
        duration_ms: row.int("activated_at_ms")?.saturating_sub(row.int("requested_at_ms")?).max(0),
    })
}
