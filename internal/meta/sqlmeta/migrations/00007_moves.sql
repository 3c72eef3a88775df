-- +goose Up
-- Ids of history grow within a tag; those of two tags may be the same where
-- several nodes have made them.
CREATE TABLE tag_events (
	id          INTEGER NOT NULL,
	registry_id INTEGER NOT NULL,
	repo_id     INTEGER NOT NULL,
	name        TEXT NOT NULL,
	old_digest  BLOB,
	new_digest  BLOB,
	actor       TEXT NOT NULL,
	at          INTEGER NOT NULL,
	changed     INTEGER,
	PRIMARY KEY (repo_id, name, id)
) WITHOUT ROWID;
INSERT INTO tag_events (id, registry_id, repo_id, name, old_digest, new_digest, actor, at, changed)
	SELECT id, registry_id, repo_id, name, old_digest, new_digest, actor, at, changed FROM tag_history;
DROP TABLE tag_history;
ALTER TABLE tag_events RENAME TO tag_history;
CREATE INDEX tag_history_id ON tag_history (id);

-- That the registry is being moved: into this database ('here'), which is not
-- whole until then, or out of it ('away'), which is not to change any more.
CREATE TABLE moves (
	direction TEXT PRIMARY KEY,
	peer      TEXT NOT NULL,
	began     INTEGER NOT NULL
) WITHOUT ROWID;
