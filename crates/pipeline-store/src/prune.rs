//! Forgetting old generations: what no kept generation can see is deleted.
//!
//! Kept are the newest activated generations, as many as the caller says, and of each service whatever its pointer or
//! the pointer's `previous` shows, so that readers and a rollback always find everything. Open rows are never deleted:
//! the next run compares with them.
//!
//! A version is valid from one generation up to, and not including, another. It can be seen by no kept generation when
//! both ends lie between two neighbouring kept ones, so a version is looked for gap by gap.
//!
//! **Small steps.** Each step is a transaction of its own: some hundred versions with their content. Whenever it is cut
//! off, what is left is sound, and the next call deletes the rest. It is refused while a run is open, because the two
//! would wait for each other's locks; a run that is opened in between does no harm and stops the pruning. Neither the
//! run nor its abort touches a version in a gap: their generation is newer than all that are kept.

use std::collections::BTreeSet;

use pipeline_model::ids::{Generation, RunId};
use serde::Serialize;

use crate::{Error, Store, audit::Deed, database::Session, generations, operation::Operation, rollback::open_run};

/// Versions deleted in one transaction.
const STEP: i64 = 200;

/// What is, or would be, deleted and kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pruned {
    /// Generations that stay readable for all services, oldest first.
    pub kept: Vec<Generation>,
    /// Versions of services.
    pub services: i64,
    /// Versions of providers.
    pub providers: i64,
    /// Versions of contents.
    pub contents: i64,
    /// Rows of bundles.
    pub bundles: i64,
    /// Rows of subscription fields.
    pub subscription_fields: i64,
    /// The run that is open, because of which not everything was deleted.
    pub stopped_by: Option<RunId>,
}

/// Two neighbouring kept generations. A version that begins after the first and ends at or before the second is seen
/// by neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Gap {
    after: i64,
    until: i64,
}

impl Store {
    /// What [`Store::prune`] would delete.
    pub async fn plan_prune(&self, keep: u32) -> Result<Pruned, Error> {
        let mut session = self.database.session(Operation::new("plan", "prune")).await?;
        let newest = newest(&mut session, keep).await?;
        let mut pruned = Pruned { stopped_by: open_run(&mut session).await?, ..Pruned::default() };
        for (service, gaps) in services(&mut session, &newest).await? {
            for gap in gaps {
                count(&mut session, gap, &service, &mut pruned).await?;
            }
        }
        pruned.kept = newest;
        Ok(pruned)
    }

    /// Deletes what no kept generation can see. `by` is who and why.
    pub async fn prune(&self, keep: u32, by: (&str, &str)) -> Result<Pruned, Error> {
        let mut session = self.database.session(Operation::new("prune", "generations")).await?;
        let newest = newest(&mut session, keep).await?;
        let services = services(&mut session, &newest).await?;
        drop(session);
        // Before anything is deleted: what is cut off must not leave a generation that looks whole.
        if let Some(oldest) = newest.first() {
            let mut session = self.database.begin(Operation::new("note", "kept generations")).await?;
            generations::keep_from(&mut session, *oldest).await?;
            session.commit().await?;
        }
        let mut pruned = Pruned { kept: newest, ..Pruned::default() };
        for (service, gaps) in services {
            for gap in gaps {
                while pruned.stopped_by.is_none() && self.prune_step(gap, &service, &mut pruned).await? {}
            }
        }
        let (who, why) = by;
        let subject = format!("keep {keep}");
        let result = format!(
            "{} versions of services, {} of providers and {} of contents were deleted",
            pruned.services, pruned.providers, pruned.contents
        );
        self.audit(&Deed { who, what: "generation prune", subject: &subject, why, result: &result }).await?;
        Ok(pruned)
    }

    /// One transaction; `false` when nothing of the service is left in the gap.
    async fn prune_step(&self, gap: Gap, service: &str, pruned: &mut Pruned) -> Result<bool, Error> {
        let mut session = self.database.begin(Operation::new("prune service", service)).await?;
        pruned.stopped_by = open_run(&mut session).await?;
        if pruned.stopped_by.is_some() {
            return Ok(false);
        }
        let contents =
            versions(&mut session, "sluice_provider_content", "provider_id, content_id", gap, service).await?;
        let providers =
            versions(&mut session, "sluice_provider_version", "provider_id, 0 AS content_id", gap, service).await?;
        if contents.is_empty() && providers.is_empty() {
            let sql =
                "DELETE FROM sluice_provider_service_version WHERE service_id = ? AND valid_from > ? AND valid_to <= ?";
            let deleted = session.execute(sql, &[service.into(), gap.after.into(), gap.until.into()]).await?;
            session.commit().await?;
            add(&mut pruned.services, deleted);
            return Ok(false);
        }
        for (provider, valid_from, content_id) in &contents {
            let number = [(*content_id).into()];
            let fields = session.execute("DELETE FROM sluice_content_field WHERE content_id = ?", &number).await?;
            add(&mut pruned.subscription_fields, fields);
            add(
                &mut pruned.bundles,
                session.execute("DELETE FROM sluice_content_bundle WHERE content_id = ?", &number).await?,
            );
            let sql = "DELETE FROM sluice_provider_content WHERE service_id = ? AND provider_id = ? AND valid_from = ?";
            let key = [service.into(), provider.into(), (*valid_from).into()];
            add(&mut pruned.contents, session.execute(sql, &key).await?);
        }
        for (provider, valid_from, _) in &providers {
            let sql = "DELETE FROM sluice_provider_version WHERE service_id = ? AND provider_id = ? AND valid_from = ?";
            let key = [service.into(), provider.into(), (*valid_from).into()];
            add(&mut pruned.providers, session.execute(sql, &key).await?);
        }
        session.commit().await?;
        Ok(true)
    }
}

/// The newest generations that switched something.
async fn newest(session: &mut Session, keep: u32) -> Result<Vec<Generation>, Error> {
    let rows = session
        .fetch_all(
            "SELECT r.generation FROM sluice_run r WHERE r.generation IS NOT NULL AND EXISTS (SELECT 1 \
             FROM sluice_run_service s WHERE s.run_id = r.run_id AND s.state = 'activated') \
             ORDER BY r.generation DESC LIMIT ?",
            &[i64::from(keep).into()],
        )
        .await?;
    let mut newest =
        rows.into_iter().map(|row| row.int("generation").map(Generation)).collect::<Result<Vec<_>, _>>()?;
    newest.reverse();
    Ok(newest)
}

/// All services with a pointer, and the gaps of each. One without a pointer was never switched: its rows are those of
/// a run under way.
async fn services(session: &mut Session, newest: &[Generation]) -> Result<Vec<(String, Vec<Gap>)>, Error> {
    let rows = session
        .fetch_all(
            "SELECT service_id, generation, COALESCE(previous, 0) AS previous FROM sluice_active_generation \
             ORDER BY service_id",
            &[],
        )
        .await?;
    rows.into_iter()
        .map(|row| {
            let mut kept: BTreeSet<Generation> = newest.iter().copied().collect();
            kept.insert(Generation(row.int("generation")?));
            kept.insert(Generation(row.int("previous")?));
            Ok((row.text("service_id")?, gaps(&kept)))
        })
        .collect()
}

fn gaps(kept: &BTreeSet<Generation>) -> Vec<Gap> {
    let kept = kept.iter().map(|generation| generation.0).filter(|generation| *generation > 0);
    std::iter::once(0).chain(kept.clone()).zip(kept).map(|(after, until)| Gap { after, until }).collect()
}

/// Adds what there is of a service in a gap.
async fn count(session: &mut Session, gap: Gap, service: &str, pruned: &mut Pruned) -> Result<(), Error> {
    let values = [service.into(), gap.after.into(), gap.until.into()];
    let condition = "WHERE service_id = ? AND valid_from > ? AND valid_to <= ?";
    for (table, count) in
        [("sluice_provider_service_version", &mut pruned.services), ("sluice_provider_version", &mut pruned.providers)]
    {
        let sql = format!("SELECT COUNT(*) AS found FROM {table} {condition}");
        *count = count.saturating_add(session.fetch_one(sql, &values).await?.int("found")?);
    }
    let sql = format!(
        "SELECT COUNT(*) AS found, CAST(COALESCE(SUM(bundle_count), 0) AS SIGNED) AS bundles, \
         CAST(COALESCE(SUM(field_count), 0) AS SIGNED) AS fields FROM sluice_provider_content {condition}"
    );
    let row = session.fetch_one(sql, &values).await?;
    pruned.contents = pruned.contents.saturating_add(row.int("found")?);
    pruned.bundles = pruned.bundles.saturating_add(row.int("bundles")?);
    pruned.subscription_fields = pruned.subscription_fields.saturating_add(row.int("fields")?);
    Ok(())
}

/// Some versions in the gap: provider, `valid_from`, number of the content.
async fn versions(
    session: &mut Session,
    table: &'static str,
    columns: &'static str,
    gap: Gap,
    service: &str,
) -> Result<Vec<(String, i64, i64)>, Error> {
    let sql = format!(
        "SELECT {columns}, valid_from FROM {table} WHERE service_id = ? AND valid_from > ? AND valid_to <= ? LIMIT ?"
    );
    let values = [service.into(), gap.after.into(), gap.until.into(), STEP.into()];
    let rows = session.fetch_all(sql, &values).await?;
    rows.into_iter().map(|row| Ok((row.text("provider_id")?, row.int("valid_from")?, row.int("content_id")?))).collect()
}

fn add(count: &mut i64, rows: u64) {
    *count = count.saturating_add(i64::try_from(rows).unwrap_or(i64::MAX));
}

#[cfg(test)]
mod tests {
    use pipeline_model::ids::Generation;

    use super::{Gap, gaps};

    #[test]
    fn gaps_lie_between_neighbours_and_before_the_first() {
        let of = |kept: &[i64]| gaps(&kept.iter().copied().map(Generation).collect());
        assert_eq!(of(&[]), []);
        assert_eq!(
            of(&[0, 3, 4, 9]),
            [Gap { after: 0, until: 3 }, Gap { after: 3, until: 4 }, Gap { after: 4, until: 9 }]
        );
    }
}
