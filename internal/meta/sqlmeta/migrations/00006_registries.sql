-- +goose Up
-- When a registry was deleted: its name is free from then on, and the row goes
-- when nothing refers to it any more. 0: it was not.
ALTER TABLE registries ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0;

-- Tokens for Resource Manager are not taken by the exchange.
ALTER TABLE registries ADD COLUMN data_tokens_only INTEGER NOT NULL DEFAULT 0;

-- Policies: on or off, and days. NULL where nobody has set them: what was
-- deleted is kept as the server is set, and manifests without tags stay.
ALTER TABLE registries ADD COLUMN soft_delete INTEGER;
ALTER TABLE registries ADD COLUMN soft_delete_days INTEGER;
ALTER TABLE registries ADD COLUMN retention INTEGER;
ALTER TABLE registries ADD COLUMN retention_days INTEGER;

-- What can be restored no more, with each registry's own time.
DROP INDEX deleted_manifests_deleted;
DROP INDEX deleted_tags_deleted;
DROP INDEX deleted_repositories_deleted;
CREATE INDEX deleted_manifests_deleted ON deleted_manifests (registry_id, deleted, id);
CREATE INDEX deleted_tags_deleted ON deleted_tags (registry_id, deleted, id);
CREATE INDEX deleted_repositories_deleted ON deleted_repositories (registry_id, deleted);
