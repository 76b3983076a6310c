-- Which target this is; see the MySQL file for the remarks.

CREATE TABLE IF NOT EXISTS sluice_target (
    slot INTEGER NOT NULL PRIMARY KEY,
    identity TEXT NOT NULL,
    installation TEXT
) STRICT;

INSERT OR IGNORE INTO sluice_target (slot, identity) VALUES (1, lower(hex(randomblob(16))));
