-- What names the documents that a content was read from, where the source gives such names: while they have the same
-- one, a run need not read them. Not for readers, and no part of the content: an unchanged content may get another tag.

ALTER TABLE sluice_provider_content ADD COLUMN etag BINARY(32) NULL;
