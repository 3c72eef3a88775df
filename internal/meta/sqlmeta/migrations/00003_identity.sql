-- +goose Up
-- The mode of a registry in which only the repository-scoped roles give rights
-- on content.
ALTER TABLE registries ADD COLUMN repository_roles INTEGER NOT NULL DEFAULT 0;

-- What tokens may do. actions is JSON text: a list of "repositories/R/content/read".
CREATE TABLE scope_maps (
	registry_id INTEGER NOT NULL REFERENCES registries (id),
	name        TEXT NOT NULL,
	description TEXT NOT NULL,
	actions     TEXT NOT NULL,
	created     INTEGER NOT NULL,
	PRIMARY KEY (registry_id, name)
) WITHOUT ROWID;

-- The scope map of a token; a name that is not in the table is one of those
-- that every registry has. "" for other principals.
ALTER TABLE principals ADD COLUMN scope_map TEXT NOT NULL DEFAULT '';
CREATE INDEX principals_scope_map ON principals (registry_id, scope_map);
CREATE INDEX principals_kind ON principals (registry_id, kind, name);
