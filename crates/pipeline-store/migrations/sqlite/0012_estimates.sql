-- When a run was expected to end, as it was told while the run went on; see the MySQL file for the remarks.
CREATE TABLE IF NOT EXISTS sluice_run_estimate (
    run_id TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    earliest_ms INTEGER NOT NULL,
    expected_ms INTEGER NOT NULL,
    latest_ms INTEGER NOT NULL,
    PRIMARY KEY (run_id, at_ms)
) STRICT, WITHOUT ROWID;
