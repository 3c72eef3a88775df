-- +goose Up
-- An upload may be gone on with on any node: every change of its row is made to
-- a version and gives it the next one. A request that receives says until when it
-- is to be left alone; 0: none does. cancelled is set as well where an upload has
-- ended and its id must not begin another.
ALTER TABLE uploads ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE uploads ADD COLUMN taken INTEGER NOT NULL DEFAULT 0;
CREATE INDEX uploads_storage_key ON uploads (storage_key) WHERE storage_key IS NOT NULL;

-- Counts changes by topic, for nodes that keep what they have read.
CREATE TABLE versions (
	name    TEXT PRIMARY KEY,
	version INTEGER NOT NULL
) WITHOUT ROWID;
