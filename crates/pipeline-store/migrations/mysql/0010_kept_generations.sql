-- The oldest generation of which nothing was pruned. Noted before anything is deleted, so that no generation looks whole
-- that is not. 0 while nothing was pruned; of what was pruned before this step nothing is known.
ALTER TABLE sluice_target ADD COLUMN kept_from BIGINT NOT NULL DEFAULT 0;
