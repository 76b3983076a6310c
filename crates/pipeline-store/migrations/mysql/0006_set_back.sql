-- How often a retry set the service back to before its plan: messages of an older plan may still be on their way then.
ALTER TABLE sluice_run_service ADD COLUMN set_back INT NOT NULL DEFAULT 0;
