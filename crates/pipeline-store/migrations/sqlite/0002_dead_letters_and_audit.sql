-- Dead letters, what people decided about them, and who did what; see the MySQL file for the remarks on each table.

CREATE TABLE IF NOT EXISTS sluice_dead_letter (
    letter_id INTEGER PRIMARY KEY,
    run_id TEXT NULL,
    stage TEXT NOT NULL,
    service_id TEXT NULL,
    batch_no INTEGER NULL,
    source_topic TEXT NOT NULL,
    source_partition INTEGER NOT NULL,
    source_offset INTEGER NOT NULL,
    letter_topic TEXT NOT NULL,
    letter_partition INTEGER NOT NULL,
    letter_offset INTEGER NOT NULL,
    message_key TEXT NULL,
    code TEXT NOT NULL,
    reason TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    first_failed_at_ms INTEGER NOT NULL,
    recorded_at_ms INTEGER NOT NULL,
    state TEXT NOT NULL,
    settled_at_ms INTEGER NULL,
    replays INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS sluice_dead_letter_source
    ON sluice_dead_letter (source_topic, source_partition, source_offset);
CREATE INDEX IF NOT EXISTS sluice_dead_letter_run ON sluice_dead_letter (run_id, state);

CREATE TABLE IF NOT EXISTS sluice_audit (
    audit_id INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    who TEXT NOT NULL,
    what TEXT NOT NULL,
    subject TEXT NOT NULL,
    why TEXT NOT NULL,
    result TEXT NOT NULL
) STRICT;
