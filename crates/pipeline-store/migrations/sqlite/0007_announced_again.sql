-- What of an open run has stood still, and since when; see the MySQL file for the remarks.

CREATE TABLE IF NOT EXISTS sluice_run_standstill (
    run_id TEXT NOT NULL,
    part TEXT NOT NULL,
    seen TEXT NOT NULL,
    since_ms INTEGER NOT NULL,
    rounds INTEGER NOT NULL DEFAULT 0,
    in_vain INTEGER NOT NULL DEFAULT 0,
    announced_at_ms INTEGER NOT NULL DEFAULT 0,
    round_open INTEGER NOT NULL DEFAULT 0,
    cursor_service TEXT NOT NULL DEFAULT '',
    cursor_batch INTEGER NOT NULL DEFAULT -1,
    PRIMARY KEY (run_id, part)
) STRICT, WITHOUT ROWID;
