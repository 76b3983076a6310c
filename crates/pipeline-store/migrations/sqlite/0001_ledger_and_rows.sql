-- The ledger, the versioned rows, and the views that readers use; see the MySQL file for the remarks on each table.
--
-- SQLite compares text byte for byte by default. Tables without a row id are clustered by their primary key.

-- === the ledger ===

CREATE TABLE IF NOT EXISTS sluice_run (
    run_id TEXT NOT NULL,
    generation INTEGER NULL,
    state TEXT NOT NULL,
    open_slot INTEGER NULL,
    mode TEXT NOT NULL,
    max_rejected_providers INTEGER NULL,
    max_rejected_percent REAL NULL,
    scope TEXT NOT NULL,
    batch_size INTEGER NOT NULL,
    requested_by TEXT NOT NULL,
    requested_at_ms INTEGER NOT NULL,
    started_at_ms INTEGER NOT NULL,
    finished_at_ms INTEGER NULL,
    reason TEXT NULL,
    discovered INTEGER NOT NULL,
    content_pending INTEGER NOT NULL,
    PRIMARY KEY (run_id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS sluice_run_generation ON sluice_run (generation);
CREATE UNIQUE INDEX IF NOT EXISTS sluice_run_open_slot ON sluice_run (open_slot);

CREATE TABLE IF NOT EXISTS sluice_run_ordinals (
    run_id TEXT NOT NULL,
    next_ordinal INTEGER NOT NULL,
    PRIMARY KEY (run_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS sluice_run_service (
    run_id TEXT NOT NULL,
    service_id TEXT NOT NULL,
    state TEXT NOT NULL,
    removed INTEGER NOT NULL,
    expected_batches INTEGER NULL,
    expected_providers INTEGER NULL,
    rejected_providers INTEGER NULL,
    removed_providers INTEGER NULL,
    kept_bundles INTEGER NULL,
    kept_fields INTEGER NULL,
    first_ordinal INTEGER NULL,
    epoch INTEGER NULL,
    unannounced INTEGER NULL,
    discovered_at_ms INTEGER NOT NULL,
    planned_at_ms INTEGER NULL,
    activated_at_ms INTEGER NULL,
    PRIMARY KEY (run_id, service_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sluice_run_service_unannounced ON sluice_run_service (unannounced);

CREATE TABLE IF NOT EXISTS sluice_run_batch (
    run_id TEXT NOT NULL,
    service_id TEXT NOT NULL,
    batch_no INTEGER NOT NULL,
    state TEXT NOT NULL,
    first_ordinal INTEGER NOT NULL,
    provider_ids TEXT NOT NULL,
    providers INTEGER NOT NULL,
    stored INTEGER NOT NULL,
    unchanged INTEGER NOT NULL,
    rejected INTEGER NOT NULL,
    skipped INTEGER NOT NULL,
    bundles INTEGER NOT NULL,
    fields INTEGER NOT NULL,
    bundles_written INTEGER NOT NULL,
    fields_written INTEGER NOT NULL,
    planned_at_ms INTEGER NOT NULL,
    stored_at_ms INTEGER NULL,
    PRIMARY KEY (run_id, service_id, batch_no)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sluice_run_batch_state ON sluice_run_batch (run_id, state, service_id);

CREATE TABLE IF NOT EXISTS sluice_run_reject (
    reject_id INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL,
    service_id TEXT NULL,
    provider_id TEXT NULL,
    level TEXT NOT NULL,
    document_id TEXT NULL,
    place TEXT NOT NULL,
    code TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS sluice_run_reject_whose ON sluice_run_reject (run_id, service_id, provider_id);

CREATE TABLE IF NOT EXISTS sluice_active_generation (
    service_id TEXT NOT NULL,
    generation INTEGER NOT NULL,
    previous INTEGER NULL,
    epoch INTEGER NOT NULL,
    activated_at_ms INTEGER NOT NULL,
    PRIMARY KEY (service_id)
) STRICT, WITHOUT ROWID;

-- === rows with versions: visible at generation g when valid_from <= g < valid_to ===

CREATE TABLE IF NOT EXISTS sluice_provider_service_version (
    service_id TEXT NOT NULL,
    valid_from INTEGER NOT NULL,
    valid_to INTEGER NOT NULL,
    name TEXT NULL,
    attributes TEXT NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (service_id, valid_from)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS sluice_provider_version (
    service_id TEXT NOT NULL,
    provider_id TEXT NOT NULL,
    valid_from INTEGER NOT NULL,
    valid_to INTEGER NOT NULL,
    name TEXT NULL,
    attributes TEXT NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (service_id, provider_id, valid_from)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS sluice_provider_content (
    service_id TEXT NOT NULL,
    provider_id TEXT NOT NULL,
    valid_from INTEGER NOT NULL,
    valid_to INTEGER NOT NULL,
    content_id INTEGER NOT NULL,
    digest BLOB NOT NULL,
    bundle_count INTEGER NOT NULL,
    field_count INTEGER NOT NULL,
    PRIMARY KEY (service_id, provider_id, valid_from)
) STRICT, WITHOUT ROWID;

-- === immutable content, clustered by the number that the plan assigned ===

CREATE TABLE IF NOT EXISTS sluice_content_bundle (
    content_id INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    bundle_id TEXT NOT NULL,
    name TEXT NULL,
    attributes TEXT NOT NULL,
    PRIMARY KEY (content_id, ordinal)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sluice_content_bundle_bundle_id ON sluice_content_bundle (bundle_id);

CREATE TABLE IF NOT EXISTS sluice_content_field (
    content_id INTEGER NOT NULL,
    bundle_ordinal INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    field_id TEXT NOT NULL,
    name TEXT NULL,
    value TEXT NULL,
    data_type TEXT NOT NULL,
    required INTEGER NULL,
    position INTEGER NOT NULL,
    attributes TEXT NOT NULL,
    PRIMARY KEY (content_id, bundle_ordinal, ordinal)
) STRICT, WITHOUT ROWID;

-- === the public interface ===

DROP VIEW IF EXISTS provider_services;
CREATE VIEW provider_services AS
SELECT s.service_id, s.name, s.attributes, a.generation
FROM sluice_active_generation a
JOIN sluice_provider_service_version s
    ON s.service_id = a.service_id AND s.valid_from <= a.generation AND s.valid_to > a.generation;

DROP VIEW IF EXISTS providers;
CREATE VIEW providers AS
SELECT p.service_id, p.provider_id, p.name, p.attributes, a.generation
FROM sluice_active_generation a
JOIN sluice_provider_service_version s
    ON s.service_id = a.service_id AND s.valid_from <= a.generation AND s.valid_to > a.generation
JOIN sluice_provider_version p
    ON p.service_id = a.service_id AND p.valid_from <= a.generation AND p.valid_to > a.generation
JOIN sluice_provider_content c
    ON c.service_id = p.service_id AND c.provider_id = p.provider_id
    AND c.valid_from <= a.generation AND c.valid_to > a.generation;

DROP VIEW IF EXISTS bundles;
CREATE VIEW bundles AS
SELECT p.service_id, p.provider_id, b.bundle_id, b.name, b.attributes, a.generation
FROM sluice_active_generation a
JOIN sluice_provider_service_version s
    ON s.service_id = a.service_id AND s.valid_from <= a.generation AND s.valid_to > a.generation
JOIN sluice_provider_version p
    ON p.service_id = a.service_id AND p.valid_from <= a.generation AND p.valid_to > a.generation
JOIN sluice_provider_content c
    ON c.service_id = p.service_id AND c.provider_id = p.provider_id
    AND c.valid_from <= a.generation AND c.valid_to > a.generation
JOIN sluice_content_bundle b ON b.content_id = c.content_id;

DROP VIEW IF EXISTS subscription_fields;
CREATE VIEW subscription_fields AS
SELECT p.service_id, p.provider_id, b.bundle_id, f.field_id, f.name, f.value, f.data_type, f.required, f.position,
    f.attributes, a.generation
FROM sluice_active_generation a
JOIN sluice_provider_service_version s
    ON s.service_id = a.service_id AND s.valid_from <= a.generation AND s.valid_to > a.generation
JOIN sluice_provider_version p
    ON p.service_id = a.service_id AND p.valid_from <= a.generation AND p.valid_to > a.generation
JOIN sluice_provider_content c
    ON c.service_id = p.service_id AND c.provider_id = p.provider_id
    AND c.valid_from <= a.generation AND c.valid_to > a.generation
JOIN sluice_content_bundle b ON b.content_id = c.content_id
JOIN sluice_content_field f ON f.content_id = b.content_id AND f.bundle_ordinal = b.ordinal;
