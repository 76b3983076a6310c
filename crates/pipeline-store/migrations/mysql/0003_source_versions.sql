-- Which version of the document a row was made from, where the source counts versions: Couchbase's CAS, as a number,
-- so that it can be held against `META().cas`. Not for readers: the views do not show it, and digests do not cover it.
--
-- A CAS is a time in nanoseconds, below 2^63 until the year 2262. Adding a nullable column at the end changes no row.

ALTER TABLE provider_service ADD COLUMN source_cas BIGINT NULL;
ALTER TABLE provider ADD COLUMN source_cas BIGINT NULL;
ALTER TABLE bundle ADD COLUMN source_cas BIGINT NULL;
