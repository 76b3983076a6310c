//! Which providers a plan must not remove: those that an earlier transaction of the run found broken, and those that a
//! document without a parent could belong to.

use std::collections::HashSet;

use pipeline_model::ids::ProviderId;

use super::Plan;
use crate::{
    Error,
    insert::{IN_LIST, in_list},
    versions::OPEN,
};

/// What is kept although nothing of it is planned.
#[derive(Debug, Default)]
pub(super) struct Protection {
    /// A broken document could be any provider's.
    pub(super) all: bool,
    /// Providers that a broken document names.
    pub(super) providers: HashSet<ProviderId>,
    /// Bundles that a broken subscription field names: whoever has one is kept.
    pub(super) bundles: HashSet<String>,
}

impl Plan {
    /// What earlier transactions of the run found broken. A provider of this service whose own document is broken is
    /// rejected. A document that no parent asks for protects what it names in this service, or everything.
    pub(super) async fn read_earlier_rejects(&mut self) -> Result<(), Error> {
        // Of many documents that name the same, one says it.
        let rows = self
            .session
            .fetch_all(
                "SELECT DISTINCT service_id, provider_id, bundle_id, unreachable FROM sluice_run_reject \
                 WHERE run_id = ? AND ((service_id IS NULL AND unreachable = 1) \
                 OR (service_id = ? AND (level = 'provider' OR unreachable = 1)))",
                &[(&self.run_id).into(), (&self.service_id).into()],
            )
            .await?;
        for row in rows.into_iter() {
            let provider = row.optional_text("provider_id")?.map(ProviderId);
            let bundle = row.optional_text("bundle_id")?;
            match (provider, bundle) {
                (Some(id), _) if row.int("unreachable")? != 0 => drop(self.protection.providers.insert(id)),
                (Some(id), _) => drop(self.rejected.insert(id)),
                (None, Some(bundle)) => drop(self.protection.bundles.insert(bundle)),
                (None, None) => self.protection.all = true,
            }
        }
        Ok(())
    }

    /// Those of these providers whose open content has a bundle that a broken field names.
    pub(super) async fn with_named_bundles(&mut self, ids: &[&str]) -> Result<HashSet<String>, Error> {
        let mut found = HashSet::new();
        let bundles: Vec<&str> = self.protection.bundles.iter().map(String::as_str).collect();
        // Both lists have to find room in one statement.
        let half = IN_LIST / 2;
        for bundles in bundles.chunks(half) {
            for ids in ids.chunks(half) {
                let ((of_ids, ids), (of_bundles, bundles)) = (in_list(ids), in_list(bundles));
                let mut values = vec![(&self.service_id).into(), OPEN.into()];
                values.extend(ids.into_iter().chain(bundles));
                let sql = format!(
                    "SELECT DISTINCT c.provider_id FROM sluice_provider_content c JOIN sluice_content_bundle b \
                     ON b.content_id = c.content_id \
                     WHERE c.service_id = ? AND c.valid_to = ? AND c.provider_id IN ({of_ids}) \
                     AND b.bundle_id IN ({of_bundles})"
                );
                for row in self.session.fetch_all(sql, &values).await?.into_iter() {
                    found.insert(row.text("provider_id")?);
                }
            }
        }
        Ok(found)
    }
}
