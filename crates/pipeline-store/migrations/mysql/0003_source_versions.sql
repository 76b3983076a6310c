-- Which version of the document a row was made from, where the source counts versions: Couchbase's CAS, as a number,
-- so that it can be held against `META().cas`. Not for readers: the views do not show it, and digests do not cover it.
--
-- A CAS is a time in nanoseconds, below 2^63 until the year 2262. Adding a nullable column at the end changes no row.

ALTER TABLE sluice_provider_service_version ADD COLUMN source_cas BIGINT NULL;
ALTER TABLE sluice_provider_version ADD COLUMN source_cas BIGINT NULL;
ALTER TABLE sluice_content_bundle ADD COLUMN source_cas BIGINT NULL;
