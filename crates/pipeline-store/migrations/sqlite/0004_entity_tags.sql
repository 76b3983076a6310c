-- What names the documents that a content was read from; see the MySQL file for the remarks.

ALTER TABLE sluice_provider_content ADD COLUMN etag BLOB NULL;
