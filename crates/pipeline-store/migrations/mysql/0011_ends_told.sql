-- When somebody showed the end of the run, as the root of its trace. Who ends a run may export no traces; then another
-- process does it, and this says that one is enough.
ALTER TABLE sluice_run ADD COLUMN end_told_at_ms BIGINT NULL;
