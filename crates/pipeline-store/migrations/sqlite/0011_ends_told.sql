-- When somebody showed the end of the run, as the root of its trace; see the MySQL file for the remarks.
ALTER TABLE sluice_run ADD COLUMN end_told_at_ms INTEGER NULL;
