-- Which version of the document a row was made from; see the MySQL file for the remarks.

ALTER TABLE provider_service ADD COLUMN source_cas INTEGER NULL;
ALTER TABLE provider ADD COLUMN source_cas INTEGER NULL;
ALTER TABLE bundle ADD COLUMN source_cas INTEGER NULL;
