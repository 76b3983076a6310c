-- When a run was expected to end, as it was told while the run went on. All times are milliseconds since the run's start;
-- `at_ms` is when it was told, the others are when the run ends: at the earliest, probably, at the latest.
CREATE TABLE IF NOT EXISTS sluice_run_estimate (
    run_id VARCHAR(36) NOT NULL,
    at_ms BIGINT NOT NULL,
    earliest_ms BIGINT NOT NULL,
    expected_ms BIGINT NOT NULL,
    latest_ms BIGINT NOT NULL,
    PRIMARY KEY (run_id, at_ms)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
