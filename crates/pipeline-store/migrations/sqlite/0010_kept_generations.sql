-- The oldest generation of which nothing was pruned; see the MySQL file for the remarks.
ALTER TABLE sluice_target ADD COLUMN kept_from INTEGER NOT NULL DEFAULT 0;

-- A letter that was given up is discarded, as people call it; it was waived before.
UPDATE sluice_dead_letter SET state = 'discarded' WHERE state = 'waived';
