//! Which providers of a service are gone, and which are kept although they are in no batch.

use pipeline_model::ids::ProviderId;

use super::{Plan, batches::Kept, length};
use crate::{
    Error,
    versions::{self, OPEN, Table},
};

/// Ids read at a time.
const PAGE: i64 = 5_000;

impl Plan {
    /// Closes the providers that the source no longer has, with their contents; gives how many, and what stays visible
    /// although no batch of the plan has its provider.
    pub(super) async fn close_vanished(&mut self) -> Result<(i64, Kept), Error> {
        let mut removed = 0_i64;
        let mut kept = Kept::default();
        let mut after: Option<String> = None;
        loop {
            let page = {
                let table = Table::Providers(&self.service_id);
                versions::open_ids(&mut self.session, table, after.as_deref(), PAGE).await?
            };
            let last = length(page.len()) < PAGE;
            after = page.last().cloned();
            let unplanned: Vec<ProviderId> =
                page.into_iter().map(ProviderId).filter(|id| !self.planned.contains(id)).collect();
            let ids: Vec<&str> = unplanned.iter().map(ProviderId::as_str).collect();
            let named = self.with_named_bundles(&ids).await?;
            let (keep, close): (Vec<&str>, Vec<&str>) =
                ids.into_iter().partition(|id| self.keeps(id) || !self.removed && named.contains(*id));
            let table = Table::Providers(&self.service_id);
            let closed = versions::close(&mut self.session, table, self.generation, &close).await?;
            removed = removed.saturating_add(i64::try_from(closed).unwrap_or(i64::MAX));
            versions::close(&mut self.session, Table::Contents(&self.service_id), self.generation, &close).await?;
            self.add_kept(&keep, &mut kept).await?;
            if last {
                return Ok((removed, kept));
            }
        }
    }

    fn keeps(&self, id: &str) -> bool {
        let id = ProviderId::from(id);
        !self.removed && (self.protection.all || self.rejected.contains(&id) || self.protection.providers.contains(&id))
    }

    async fn add_kept(&mut self, ids: &[&str], kept: &mut Kept) -> Result<(), Error> {
        for ids in ids.chunks(crate::insert::IN_LIST) {
            let (condition, mut values) = Table::Contents(&self.service_id).condition(ids);
            values.push(OPEN.into());
            let sql = format!(
                "SELECT CAST(COALESCE(SUM(bundle_count), 0) AS SIGNED) AS bundles, \
                 CAST(COALESCE(SUM(field_count), 0) AS SIGNED) AS fields \
                 FROM sluice_provider_content {condition} AND valid_to = ?"
            );
            let row = self.session.fetch_one(sql, &values).await?;
            kept.add(Kept { bundles: row.int("bundles")?, fields: row.int("fields")? });
        }
        Ok(())
    }
}
