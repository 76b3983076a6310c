//! What readers see of a service, and what of it leaves their sight with a provider.

use pipeline_model::ids::Generation;

use super::Plan;
use crate::{Counts, Error, versions::OPEN};

/// Counted when the plan is complete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Removals {
    /// What the views show of the service.
    pub(super) visible: Counts,
    /// What they will not show any more because its provider is gone, or the service.
    pub(super) removed: Counts,
}

impl Plan {
    /// Counts by what readers see, and not by the open rows: after a rollback the two differ. A provider without an
    /// open row when everything is planned is gone.
    pub(super) async fn count_removals(&mut self) -> Result<Removals, Error> {
        let Some(seen) = self.visible_at else { return Ok(Removals::default()) };
        let row = self
            .session
            .fetch_one(
                "SELECT COUNT(c.provider_id) AS providers, \
                 CAST(COALESCE(SUM(c.bundle_count), 0) AS SIGNED) AS bundles, \
                 CAST(COALESCE(SUM(c.field_count), 0) AS SIGNED) AS fields, \
                 CAST(COALESCE(SUM(CASE WHEN o.provider_id IS NULL THEN 1 ELSE 0 END), 0) AS SIGNED) AS gone, \
                 CAST(COALESCE(SUM(CASE WHEN o.provider_id IS NULL THEN c.bundle_count END), 0) AS SIGNED) \
                 AS bundles_gone, \
                 CAST(COALESCE(SUM(CASE WHEN o.provider_id IS NULL THEN c.field_count END), 0) AS SIGNED) \
                 AS fields_gone \
                 FROM sluice_provider_service_version s \
                 JOIN sluice_provider_version p ON p.service_id = s.service_id AND p.valid_from <= ? \
                 AND p.valid_to > ? \
                 JOIN sluice_provider_content c ON c.service_id = p.service_id AND c.provider_id = p.provider_id \
                 AND c.valid_from <= ? AND c.valid_to > ? \
                 LEFT JOIN sluice_provider_version o ON o.service_id = p.service_id AND o.provider_id = p.provider_id \
                 AND o.valid_to = ? \
                 WHERE s.service_id = ? AND s.valid_from <= ? AND s.valid_to > ?",
                &[
                    seen.into(),
                    seen.into(),
                    seen.into(),
                    seen.into(),
                    OPEN.into(),
                    (&self.service_id).into(),
                    seen.into(),
                    seen.into(),
                ],
            )
            .await?;
        let visible = Counts {
            services: 0,
            providers: row.int("providers")?,
            bundles: row.int("bundles")?,
            subscription_fields: row.int("fields")?,
        };
        let removed = Counts {
            services: 0,
            providers: row.int("gone")?,
            bundles: row.int("bundles_gone")?,
            subscription_fields: row.int("fields_gone")?,
        };
        // A service may have no provider, and is seen all the same.
        let services = self.is_visible(seen).await?;
        Ok(Removals {
            visible: Counts { services, ..visible },
            removed: Counts { services: if self.removed { services } else { 0 }, ..removed },
        })
    }

    /// 1 when readers see the service itself.
    async fn is_visible(&mut self, seen: Generation) -> Result<i64, Error> {
        let sql = "SELECT COUNT(*) AS visible FROM sluice_provider_service_version \
                   WHERE service_id = ? AND valid_from <= ? AND valid_to > ?";
        self.session.fetch_one(sql, &[(&self.service_id).into(), seen.into(), seen.into()]).await?.int("visible")
    }
}
