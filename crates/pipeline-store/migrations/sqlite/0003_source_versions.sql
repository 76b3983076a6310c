-- Which version of the document a row was made from; see the MySQL file for the remarks.

ALTER TABLE sluice_provider_service_version ADD COLUMN source_cas INTEGER NULL;
ALTER TABLE sluice_provider_version ADD COLUMN source_cas INTEGER NULL;
ALTER TABLE sluice_content_bundle ADD COLUMN source_cas INTEGER NULL;
