-- How often a retry set the service back to before its plan; see the MySQL file for the remarks.
ALTER TABLE sluice_run_service ADD COLUMN set_back INTEGER NOT NULL DEFAULT 0;
