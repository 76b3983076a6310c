-- What a run takes away, what it may take away, and what it must not: removed rows are counted at each level, and
-- documents whose owner cannot be told protect what they could belong to.

-- `max_removed` is the guard of the run as JSON; null for a run without one. `unreachable` counts the documents and
-- missing owners that could belong to any service. `held_at_ms` is when the guard stopped the run first.
ALTER TABLE sluice_run ADD COLUMN max_removed LONGTEXT NULL;
ALTER TABLE sluice_run ADD COLUMN unreachable BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sluice_run ADD COLUMN held_at_ms BIGINT NULL;

-- `unreachable` is the same within the service. The plan counts what readers see of the service (`visible_`) and what
-- leaves the views with a provider (`removed_`); `accepted_` is what a person accepted.
ALTER TABLE sluice_run_service ADD COLUMN unreachable BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sluice_run_service ADD COLUMN visible_services BIGINT NULL;
ALTER TABLE sluice_run_service ADD COLUMN visible_providers BIGINT NULL;
ALTER TABLE sluice_run_service ADD COLUMN visible_bundles BIGINT NULL;
ALTER TABLE sluice_run_service ADD COLUMN visible_fields BIGINT NULL;
ALTER TABLE sluice_run_service ADD COLUMN removed_services BIGINT NULL;
ALTER TABLE sluice_run_service ADD COLUMN removed_bundles BIGINT NULL;
ALTER TABLE sluice_run_service ADD COLUMN removed_fields BIGINT NULL;
ALTER TABLE sluice_run_service ADD COLUMN accepted_services BIGINT NULL;
ALTER TABLE sluice_run_service ADD COLUMN accepted_providers BIGINT NULL;
ALTER TABLE sluice_run_service ADD COLUMN accepted_bundles BIGINT NULL;
ALTER TABLE sluice_run_service ADD COLUMN accepted_fields BIGINT NULL;

-- What leaves the views below providers that stay.
ALTER TABLE sluice_run_batch ADD COLUMN removed_bundles BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sluice_run_batch ADD COLUMN removed_fields BIGINT NOT NULL DEFAULT 0;

-- `unreachable` is 1 for a document that no parent asks for. It names what it could belong to.
ALTER TABLE sluice_run_reject ADD COLUMN bundle_id VARCHAR(255) NULL;
ALTER TABLE sluice_run_reject ADD COLUMN unreachable TINYINT NOT NULL DEFAULT 0;
