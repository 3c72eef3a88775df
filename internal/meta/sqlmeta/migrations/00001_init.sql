-- +goose Up
-- Times are Unix microseconds. Digests are one algorithm byte and the raw hash.
-- Ids are made in Go. Every table has the registry it belongs to.

CREATE TABLE registries (
	id             INTEGER PRIMARY KEY,
	name           TEXT NOT NULL UNIQUE,
	anonymous_pull INTEGER NOT NULL DEFAULT 0,
	created        INTEGER NOT NULL
);

CREATE TABLE repositories (
	id             INTEGER PRIMARY KEY,
	registry_id    INTEGER NOT NULL REFERENCES registries (id),
	name           TEXT NOT NULL,
	anonymous_pull INTEGER NOT NULL DEFAULT 0,
	locks          INTEGER NOT NULL DEFAULT 0,
	created        INTEGER NOT NULL,
	updated        INTEGER NOT NULL,
	UNIQUE (registry_id, name)
);

-- Content, once for each registry: small content in blob_contents, other
-- content in the blob store under a key that is never used twice.
CREATE TABLE blobs (
	id          INTEGER PRIMARY KEY,
	registry_id INTEGER NOT NULL REFERENCES registries (id),
	digest      BLOB NOT NULL,
	size        INTEGER NOT NULL,
	storage_key TEXT,
	sums        BLOB,
	created     INTEGER NOT NULL,
	UNIQUE (registry_id, digest)
);
CREATE UNIQUE INDEX blobs_storage_key ON blobs (storage_key) WHERE storage_key IS NOT NULL;

CREATE TABLE blob_contents (
	blob_id     INTEGER PRIMARY KEY REFERENCES blobs (id) ON DELETE CASCADE,
	registry_id INTEGER NOT NULL,
	content     BLOB NOT NULL
);

-- The permission to serve a blob in a repository.
CREATE TABLE repository_blobs (
	repo_id     INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
	blob_id     INTEGER NOT NULL REFERENCES blobs (id) ON DELETE CASCADE,
	registry_id INTEGER NOT NULL,
	linked      INTEGER NOT NULL,
	PRIMARY KEY (repo_id, blob_id)
) WITHOUT ROWID;
CREATE INDEX repository_blobs_blob ON repository_blobs (blob_id);

CREATE TABLE manifests (
	id            INTEGER PRIMARY KEY,
	registry_id   INTEGER NOT NULL REFERENCES registries (id),
	repo_id       INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
	digest        BLOB NOT NULL,
	media_type    TEXT NOT NULL,
	artifact_type TEXT NOT NULL DEFAULT '',
	config_type   TEXT NOT NULL DEFAULT '',
	subject       BLOB,
	architecture  TEXT NOT NULL DEFAULT '',
	os            TEXT NOT NULL DEFAULT '',
	size          INTEGER NOT NULL,
	image_size    INTEGER NOT NULL,
	locks         INTEGER NOT NULL DEFAULT 0,
	created       INTEGER NOT NULL,
	updated       INTEGER NOT NULL,
	UNIQUE (repo_id, digest)
);
CREATE INDEX manifests_updated ON manifests (repo_id, updated, id);

CREATE TABLE manifest_payloads (
	manifest_id INTEGER PRIMARY KEY REFERENCES manifests (id) ON DELETE CASCADE,
	registry_id INTEGER NOT NULL,
	payload     BLOB NOT NULL
);

-- Manifests by their subject, in the order of lists, with the descriptor (JSON)
-- that these show.
CREATE TABLE referrers (
	repo_id       INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
	subject       BLOB NOT NULL,
	artifact_type TEXT NOT NULL,
	manifest_id   INTEGER NOT NULL REFERENCES manifests (id) ON DELETE CASCADE,
	registry_id   INTEGER NOT NULL,
	descriptor    BLOB NOT NULL,
	PRIMARY KEY (repo_id, subject, artifact_type, manifest_id)
) WITHOUT ROWID;
CREATE INDEX referrers_manifest ON referrers (manifest_id);

-- RESTRICT is the proof that what is referenced cannot be collected.
CREATE TABLE manifest_blobs (
	blob_id     INTEGER NOT NULL REFERENCES blobs (id) ON DELETE RESTRICT,
	manifest_id INTEGER NOT NULL REFERENCES manifests (id) ON DELETE CASCADE,
	registry_id INTEGER NOT NULL,
	PRIMARY KEY (blob_id, manifest_id)
) WITHOUT ROWID;
CREATE INDEX manifest_blobs_manifest ON manifest_blobs (manifest_id);

CREATE TABLE manifest_children (
	child_id    INTEGER NOT NULL REFERENCES manifests (id) ON DELETE RESTRICT,
	parent_id   INTEGER NOT NULL REFERENCES manifests (id) ON DELETE CASCADE,
	registry_id INTEGER NOT NULL,
	PRIMARY KEY (child_id, parent_id)
) WITHOUT ROWID;
CREATE INDEX manifest_children_parent ON manifest_children (parent_id);

-- Children of an index that are not there (a sparse index); they become rows of
-- manifest_children when they arrive.
CREATE TABLE missing_children (
	repo_id      INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
	child_digest BLOB NOT NULL,
	parent_id    INTEGER NOT NULL REFERENCES manifests (id) ON DELETE CASCADE,
	registry_id  INTEGER NOT NULL,
	PRIMARY KEY (repo_id, child_digest, parent_id)
) WITHOUT ROWID;
CREATE INDEX missing_children_parent ON missing_children (parent_id);

-- Blobs of a manifest that are not there (a sparse manifest); they become rows
-- of manifest_blobs when they are linked to the repository.
CREATE TABLE missing_blobs (
	repo_id     INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
	blob_digest BLOB NOT NULL,
	manifest_id INTEGER NOT NULL REFERENCES manifests (id) ON DELETE CASCADE,
	registry_id INTEGER NOT NULL,
	PRIMARY KEY (repo_id, blob_digest, manifest_id)
) WITHOUT ROWID;
CREATE INDEX missing_blobs_manifest ON missing_blobs (manifest_id);

CREATE TABLE tags (
	repo_id     INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
	name        TEXT NOT NULL,
	manifest_id INTEGER NOT NULL REFERENCES manifests (id),
	registry_id INTEGER NOT NULL,
	version     INTEGER NOT NULL,
	locks       INTEGER NOT NULL DEFAULT 0,
	created     INTEGER NOT NULL,
	updated     INTEGER NOT NULL,
	PRIMARY KEY (repo_id, name)
) WITHOUT ROWID;
CREATE INDEX tags_manifest ON tags (manifest_id);
CREATE INDEX tags_updated ON tags (repo_id, updated, name);

-- Every move and deletion of a tag, in the transaction that makes it.
CREATE TABLE tag_history (
	id          INTEGER PRIMARY KEY,
	registry_id INTEGER NOT NULL,
	repo_id     INTEGER NOT NULL,
	name        TEXT NOT NULL,
	old_digest  BLOB,
	new_digest  BLOB,
	actor       TEXT NOT NULL,
	at          INTEGER NOT NULL
);
CREATE INDEX tag_history_name ON tag_history (repo_id, name, id);

CREATE TABLE uploads (
	id          TEXT PRIMARY KEY,
	registry_id INTEGER NOT NULL REFERENCES registries (id),
	repo        TEXT NOT NULL,
	principal   TEXT NOT NULL,
	storage_key TEXT,
	next_offset INTEGER NOT NULL,
	state       BLOB,
	cancelled   INTEGER NOT NULL DEFAULT 0,
	created     INTEGER NOT NULL,
	expires     INTEGER NOT NULL
);
CREATE INDEX uploads_expires ON uploads (expires);

CREATE TABLE principals (
	id           TEXT PRIMARY KEY,
	registry_id  INTEGER NOT NULL REFERENCES registries (id),
	kind         TEXT NOT NULL,
	name         TEXT NOT NULL,
	display_name TEXT NOT NULL,
	disabled     INTEGER NOT NULL DEFAULT 0,
	created      INTEGER NOT NULL,
	UNIQUE (registry_id, name)
);

CREATE TABLE secrets (
	id           TEXT PRIMARY KEY,
	registry_id  INTEGER NOT NULL,
	principal_id TEXT NOT NULL REFERENCES principals (id) ON DELETE CASCADE,
	name         TEXT NOT NULL,
	hash         BLOB NOT NULL,
	created      INTEGER NOT NULL,
	expires      INTEGER
);
CREATE INDEX secrets_principal ON secrets (principal_id);

CREATE TABLE role_assignments (
	principal_id TEXT NOT NULL REFERENCES principals (id) ON DELETE CASCADE,
	role         TEXT NOT NULL,
	prefix       TEXT NOT NULL,
	registry_id  INTEGER NOT NULL,
	created      INTEGER NOT NULL,
	PRIMARY KEY (principal_id, role, prefix)
) WITHOUT ROWID;

-- Keys of the server: token signing keys, the key of upload ids.
CREATE TABLE server_keys (
	id      TEXT PRIMARY KEY,
	purpose TEXT NOT NULL,
	secret  BLOB NOT NULL,
	created INTEGER NOT NULL
);

-- What a garbage collector must look at, written with the event that may have
-- orphaned it.
CREATE TABLE gc_blob_queue (
	blob_id      INTEGER PRIMARY KEY,
	registry_id  INTEGER NOT NULL,
	review_after INTEGER NOT NULL,
	attempts     INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE gc_manifest_queue (
	manifest_id  INTEGER PRIMARY KEY,
	registry_id  INTEGER NOT NULL,
	review_after INTEGER NOT NULL,
	attempts     INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE gc_objects (
	storage_key  TEXT PRIMARY KEY,
	registry_id  INTEGER NOT NULL,
	delete_after INTEGER NOT NULL,
	attempts     INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
