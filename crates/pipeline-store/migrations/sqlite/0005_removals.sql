-- What a run takes away, what it may take away, and what it must not; see the MySQL file for the remarks.

ALTER TABLE sluice_run ADD COLUMN max_removed TEXT NULL;
ALTER TABLE sluice_run ADD COLUMN unreachable INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sluice_run ADD COLUMN held_at_ms INTEGER NULL;

ALTER TABLE sluice_run_service ADD COLUMN unreachable INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sluice_run_service ADD COLUMN visible_services INTEGER NULL;
ALTER TABLE sluice_run_service ADD COLUMN visible_providers INTEGER NULL;
ALTER TABLE sluice_run_service ADD COLUMN visible_bundles INTEGER NULL;
ALTER TABLE sluice_run_service ADD COLUMN visible_fields INTEGER NULL;
ALTER TABLE sluice_run_service ADD COLUMN removed_services INTEGER NULL;
ALTER TABLE sluice_run_service ADD COLUMN removed_bundles INTEGER NULL;
ALTER TABLE sluice_run_service ADD COLUMN removed_fields INTEGER NULL;
ALTER TABLE sluice_run_service ADD COLUMN accepted_services INTEGER NULL;
ALTER TABLE sluice_run_service ADD COLUMN accepted_providers INTEGER NULL;
ALTER TABLE sluice_run_service ADD COLUMN accepted_bundles INTEGER NULL;
ALTER TABLE sluice_run_service ADD COLUMN accepted_fields INTEGER NULL;

ALTER TABLE sluice_run_batch ADD COLUMN removed_bundles INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sluice_run_batch ADD COLUMN removed_fields INTEGER NOT NULL DEFAULT 0;

ALTER TABLE sluice_run_reject ADD COLUMN bundle_id TEXT NULL;
ALTER TABLE sluice_run_reject ADD COLUMN unreachable INTEGER NOT NULL DEFAULT 0;
