-- The oldest generation of which nothing was pruned; see the MySQL file for the remarks.
ALTER TABLE sluice_target ADD COLUMN kept_from INTEGER NOT NULL DEFAULT 0;
