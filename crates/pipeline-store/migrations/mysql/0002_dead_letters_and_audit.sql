-- Dead letters, what people decided about them, and who did what.

-- One row for each message that a stage gave up, by the place where the message lies. `service_id` and `batch_no` are
-- what its key says.
CREATE TABLE IF NOT EXISTS sluice_dead_letter (
    letter_id BIGINT NOT NULL AUTO_INCREMENT,
    run_id VARCHAR(36) NULL,
    stage VARCHAR(64) NOT NULL,
    service_id VARCHAR(255) NULL,
    batch_no INT NULL,
    source_topic VARCHAR(249) NOT NULL,
    source_partition INT NOT NULL,
    source_offset BIGINT NOT NULL,
    letter_topic VARCHAR(249) NOT NULL,
    letter_partition INT NOT NULL,
    letter_offset BIGINT NOT NULL,
    message_key LONGTEXT NULL,
    code VARCHAR(64) NOT NULL,
    reason LONGTEXT NOT NULL,
    attempts BIGINT NOT NULL,
    first_failed_at_ms BIGINT NOT NULL,
    recorded_at_ms BIGINT NOT NULL,
    state VARCHAR(16) NOT NULL,
    settled_at_ms BIGINT NULL,
    replays BIGINT NOT NULL,
    PRIMARY KEY (letter_id),
    UNIQUE KEY sluice_dead_letter_source (source_topic, source_partition, source_offset),
    KEY sluice_dead_letter_run (run_id, state)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

-- What people changed: who, what, on what, why, and what came of it.
CREATE TABLE IF NOT EXISTS sluice_audit (
    audit_id BIGINT NOT NULL AUTO_INCREMENT,
    at_ms BIGINT NOT NULL,
    who LONGTEXT NOT NULL,
    what VARCHAR(64) NOT NULL,
    subject LONGTEXT NOT NULL,
    why LONGTEXT NOT NULL,
    result LONGTEXT NOT NULL,
    PRIMARY KEY (audit_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
