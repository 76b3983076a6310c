-- The oldest generation of which nothing was pruned. Noted before anything is deleted, so that no generation looks whole
-- that is not; 0 while nothing was ever pruned.
ALTER TABLE sluice_target ADD COLUMN kept_from BIGINT NOT NULL DEFAULT 0;

-- A letter that was given up is discarded, as people call it; it was waived before.
UPDATE sluice_dead_letter SET state = 'discarded' WHERE state = 'waived';
