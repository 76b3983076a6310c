-- The ledger, the versioned rows, and the views that readers use.
--
-- Each statement may be run again: MySQL and MariaDB commit after each definition, so that a migration that was cut
-- off half-way is simply run once more. {collation} compares ids byte for byte, trailing spaces included.

-- === the ledger ===

-- One row for each run. `open_slot` is 1 while the run is open and null afterwards, so that its unique key lets one
-- run be open at most. `content_pending` is 1 while an undone run's bundles and fields wait to be deleted.
CREATE TABLE IF NOT EXISTS sluice_run (
    run_id VARCHAR(36) NOT NULL,
    generation BIGINT NULL,
    state VARCHAR(16) NOT NULL,
    open_slot TINYINT NULL,
    mode VARCHAR(16) NOT NULL,
    max_rejected_providers BIGINT NULL,
    max_rejected_percent DOUBLE NULL,
    scope LONGTEXT NOT NULL,
    batch_size BIGINT NOT NULL,
    requested_by TEXT NOT NULL,
    requested_at_ms BIGINT NOT NULL,
    started_at_ms BIGINT NOT NULL,
    finished_at_ms BIGINT NULL,
    reason TEXT NULL,
    discovered TINYINT NOT NULL,
    content_pending TINYINT NOT NULL,
    PRIMARY KEY (run_id),
    UNIQUE KEY sluice_run_generation (generation),
    UNIQUE KEY sluice_run_open_slot (open_slot)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

-- The next ordinal of a provider in the run's plan; a row of its own, so that plans do not meet on the run's row.
CREATE TABLE IF NOT EXISTS sluice_run_ordinals (
    run_id VARCHAR(36) NOT NULL,
    next_ordinal BIGINT NOT NULL,
    PRIMARY KEY (run_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

-- One row for each service of a run. `unannounced` is 1 from the activation until its announcement is acknowledged.
CREATE TABLE IF NOT EXISTS sluice_run_service (
    run_id VARCHAR(36) NOT NULL,
    service_id VARCHAR(255) NOT NULL,
    state VARCHAR(16) NOT NULL,
    removed TINYINT NOT NULL,
    expected_batches BIGINT NULL,
    expected_providers BIGINT NULL,
    rejected_providers BIGINT NULL,
    removed_providers BIGINT NULL,
    kept_bundles BIGINT NULL,
    kept_fields BIGINT NULL,
    first_ordinal BIGINT NULL,
    epoch BIGINT NULL,
    unannounced TINYINT NULL,
    discovered_at_ms BIGINT NOT NULL,
    planned_at_ms BIGINT NULL,
    activated_at_ms BIGINT NULL,
    PRIMARY KEY (run_id, service_id),
    KEY sluice_run_service_unannounced (unannounced)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

-- One row for each batch: the outbox. `first_ordinal` counts within the service.
CREATE TABLE IF NOT EXISTS sluice_run_batch (
    run_id VARCHAR(36) NOT NULL,
    service_id VARCHAR(255) NOT NULL,
    batch_no INT NOT NULL,
    state VARCHAR(16) NOT NULL,
    first_ordinal BIGINT NOT NULL,
    provider_ids LONGTEXT NOT NULL,
    providers BIGINT NOT NULL,
    stored BIGINT NOT NULL,
    unchanged BIGINT NOT NULL,
    rejected BIGINT NOT NULL,
    skipped BIGINT NOT NULL,
    bundles BIGINT NOT NULL,
    fields BIGINT NOT NULL,
    bundles_written BIGINT NOT NULL,
    fields_written BIGINT NOT NULL,
    planned_at_ms BIGINT NOT NULL,
    stored_at_ms BIGINT NULL,
    PRIMARY KEY (run_id, service_id, batch_no),
    KEY sluice_run_batch_state (run_id, state, service_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

-- Documents that break rules.
CREATE TABLE IF NOT EXISTS sluice_run_reject (
    reject_id BIGINT NOT NULL AUTO_INCREMENT,
    run_id VARCHAR(36) NOT NULL,
    service_id VARCHAR(255) NULL,
    provider_id VARCHAR(255) NULL,
    level VARCHAR(32) NOT NULL,
    document_id LONGTEXT NULL,
    place LONGTEXT NOT NULL,
    code VARCHAR(32) NOT NULL,
    reason LONGTEXT NOT NULL,
    PRIMARY KEY (reject_id),
    KEY sluice_run_reject_whose (run_id, service_id, provider_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

-- What readers see: one small row for each service.
CREATE TABLE IF NOT EXISTS sluice_active_generation (
    service_id VARCHAR(255) NOT NULL,
    generation BIGINT NOT NULL,
    previous BIGINT NULL,
    epoch BIGINT NOT NULL,
    activated_at_ms BIGINT NOT NULL,
    PRIMARY KEY (service_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

-- === rows with versions: visible at generation g when valid_from <= g < valid_to ===

CREATE TABLE IF NOT EXISTS sluice_provider_service_version (
    service_id VARCHAR(255) NOT NULL,
    valid_from BIGINT NOT NULL,
    valid_to BIGINT NOT NULL,
    name VARCHAR(1024) NULL,
    attributes LONGTEXT NOT NULL,
    digest BINARY(32) NOT NULL,
    PRIMARY KEY (service_id, valid_from)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS sluice_provider_version (
    service_id VARCHAR(255) NOT NULL,
    provider_id VARCHAR(255) NOT NULL,
    valid_from BIGINT NOT NULL,
    valid_to BIGINT NOT NULL,
    name VARCHAR(1024) NULL,
    attributes LONGTEXT NOT NULL,
    digest BINARY(32) NOT NULL,
    PRIMARY KEY (service_id, provider_id, valid_from)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS sluice_provider_content (
    service_id VARCHAR(255) NOT NULL,
    provider_id VARCHAR(255) NOT NULL,
    valid_from BIGINT NOT NULL,
    valid_to BIGINT NOT NULL,
    content_id BIGINT NOT NULL,
    digest BINARY(32) NOT NULL,
    bundle_count BIGINT NOT NULL,
    field_count BIGINT NOT NULL,
    PRIMARY KEY (service_id, provider_id, valid_from)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

-- === immutable content, clustered by the number that the plan assigned ===

CREATE TABLE IF NOT EXISTS sluice_content_bundle (
    content_id BIGINT NOT NULL,
    ordinal INT NOT NULL,
    bundle_id VARCHAR(255) NOT NULL,
    name VARCHAR(1024) NULL,
    attributes LONGTEXT NOT NULL,
    PRIMARY KEY (content_id, ordinal),
    KEY sluice_content_bundle_bundle_id (bundle_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

CREATE TABLE IF NOT EXISTS sluice_content_field (
    content_id BIGINT NOT NULL,
    bundle_ordinal INT NOT NULL,
    ordinal INT NOT NULL,
    field_id VARCHAR(255) NOT NULL,
    name VARCHAR(1024) NULL,
    value LONGTEXT NULL,
    data_type VARCHAR(16) NOT NULL,
    required TINYINT NULL,
    position BIGINT NOT NULL,
    attributes LONGTEXT NOT NULL,
    PRIMARY KEY (content_id, bundle_ordinal, ordinal)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

-- === the public interface ===

CREATE OR REPLACE VIEW provider_services AS
SELECT s.service_id, s.name, s.attributes, a.generation
FROM sluice_active_generation a
JOIN sluice_provider_service_version s
    ON s.service_id = a.service_id AND s.valid_from <= a.generation AND s.valid_to > a.generation;

CREATE OR REPLACE VIEW providers AS
SELECT p.service_id, p.provider_id, p.name, p.attributes, a.generation
FROM sluice_active_generation a
JOIN sluice_provider_service_version s
    ON s.service_id = a.service_id AND s.valid_from <= a.generation AND s.valid_to > a.generation
JOIN sluice_provider_version p
    ON p.service_id = a.service_id AND p.valid_from <= a.generation AND p.valid_to > a.generation
JOIN sluice_provider_content c
    ON c.service_id = p.service_id AND c.provider_id = p.provider_id
    AND c.valid_from <= a.generation AND c.valid_to > a.generation;

CREATE OR REPLACE VIEW bundles AS
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

CREATE OR REPLACE VIEW subscription_fields AS
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
