-- Which target this is. A request for a run carries the identity of the target that it is meant for, and the root stage of
-- another one refuses it. Made once, never changed: one row, whatever is run again or side by side. `installation` is whose
-- target it is: the first word of the topics of the first root stage that worked on it.
CREATE TABLE IF NOT EXISTS sluice_target (
    slot TINYINT NOT NULL PRIMARY KEY,
    identity VARCHAR(36) NOT NULL,
    installation VARCHAR(255)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};

INSERT IGNORE INTO sluice_target (slot, identity) VALUES (1, UUID());
