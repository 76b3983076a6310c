-- What of an open run has stood still, and since when: so stages know what to announce again, and how often they have.

-- One row for each run and part: `services` are announced by the root stage (the run's own request while it is not
-- discovered), `batches` by the providers stage. `seen` is the part of the ledger that moves, as it was seen last;
-- `since_ms` is when that was seen first, or when a worker last said that it is at work on the part. `rounds` counts the
-- rounds of announcements, `in_vain` those since anything moved. While `round_open` is 1, a round is at the item named by
-- `cursor_service` and `cursor_batch`. All times are the database's own: the clocks of workers may differ.
CREATE TABLE IF NOT EXISTS sluice_run_standstill (
    run_id VARCHAR(36) NOT NULL,
    part VARCHAR(16) NOT NULL,
    seen VARCHAR(255) NOT NULL,
    since_ms BIGINT NOT NULL,
    rounds BIGINT NOT NULL DEFAULT 0,
    in_vain BIGINT NOT NULL DEFAULT 0,
    announced_at_ms BIGINT NOT NULL DEFAULT 0,
    round_open TINYINT NOT NULL DEFAULT 0,
    cursor_service VARCHAR(255) NOT NULL DEFAULT '',
    cursor_batch BIGINT NOT NULL DEFAULT -1,
    PRIMARY KEY (run_id, part)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};
