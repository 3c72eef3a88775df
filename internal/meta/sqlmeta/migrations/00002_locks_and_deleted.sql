-- +goose Up
-- Bits of locks are those of meta.Locks: 1 no write, 2 no delete, 4 no read,
-- 8 not listed.
CREATE INDEX repositories_listed ON repositories (registry_id, name, locks) WHERE locks & 8 = 0;
CREATE INDEX manifests_locked ON manifests (repo_id, locks) WHERE locks & 3 <> 0;
CREATE INDEX tags_locked ON tags (repo_id, locks, manifest_id) WHERE locks & 3 <> 0;

-- Set with bit 8 of the manifest, so that lists read this table alone.
ALTER TABLE referrers ADD COLUMN hidden INTEGER NOT NULL DEFAULT 0;

-- When a tag that was deleted had changed before, by which lists go on after it.
ALTER TABLE tag_history ADD COLUMN changed INTEGER;

-- What was deleted and can be restored until its time is over. It lies apart, so
-- that no query of what is live has to look past it. Repositories are named, not
-- referred to: they may be gone. The payload comes last, where lists need not
-- read over it.
CREATE TABLE deleted_manifests (
	id            INTEGER PRIMARY KEY,
	registry_id   INTEGER NOT NULL REFERENCES registries (id),
	repo          TEXT NOT NULL,
	digest        BLOB NOT NULL,
	media_type    TEXT NOT NULL,
	architecture  TEXT NOT NULL,
	os            TEXT NOT NULL,
	image_size    INTEGER NOT NULL,
	locks         INTEGER NOT NULL,
	created       INTEGER NOT NULL,
	updated       INTEGER NOT NULL,
	deleted       INTEGER NOT NULL,
	actor         TEXT NOT NULL,
	payload       BLOB NOT NULL,
	UNIQUE (registry_id, repo, digest)
);
CREATE INDEX deleted_manifests_deleted ON deleted_manifests (deleted);

-- RESTRICT keeps the blobs of what can be restored.
CREATE TABLE deleted_manifest_blobs (
	blob_id     INTEGER NOT NULL REFERENCES blobs (id) ON DELETE RESTRICT,
	manifest_id INTEGER NOT NULL REFERENCES deleted_manifests (id) ON DELETE CASCADE,
	registry_id INTEGER NOT NULL,
	PRIMARY KEY (blob_id, manifest_id)
) WITHOUT ROWID;
CREATE INDEX deleted_manifest_blobs_manifest ON deleted_manifest_blobs (manifest_id);

-- Ids grow with the time of deletion.
CREATE TABLE deleted_tags (
	id          INTEGER PRIMARY KEY,
	registry_id INTEGER NOT NULL REFERENCES registries (id),
	repo        TEXT NOT NULL,
	name        TEXT NOT NULL,
	digest      BLOB NOT NULL,
	locks       INTEGER NOT NULL,
	deleted     INTEGER NOT NULL,
	actor       TEXT NOT NULL,
	UNIQUE (registry_id, repo, name, digest)
);
CREATE INDEX deleted_tags_repo ON deleted_tags (registry_id, repo, id);
CREATE INDEX deleted_tags_deleted ON deleted_tags (deleted);

-- Attributes of a repository that comes back with what is restored or pushed.
CREATE TABLE deleted_repositories (
	registry_id INTEGER NOT NULL REFERENCES registries (id),
	name        TEXT NOT NULL,
	locks       INTEGER NOT NULL,
	created     INTEGER NOT NULL,
	deleted     INTEGER NOT NULL,
	PRIMARY KEY (registry_id, name)
) WITHOUT ROWID;
CREATE INDEX deleted_repositories_deleted ON deleted_repositories (deleted);
