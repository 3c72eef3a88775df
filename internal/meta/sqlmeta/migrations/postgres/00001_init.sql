-- +goose Up
-- Times are Unix microseconds. Digests are one algorithm byte and the raw hash.
-- Ids are made in Go. Every table has the registry it belongs to. Names compare
-- by their bytes.
--
-- Bits of locks are those of meta.Locks: 1 no write, 2 no delete, 4 no read,
-- 8 not listed.

CREATE TABLE registries (
	id               BIGINT PRIMARY KEY,
	name             TEXT COLLATE "C" NOT NULL UNIQUE,
	anonymous_pull   BOOLEAN NOT NULL DEFAULT FALSE,
	-- Only the repository-scoped roles give rights on content.
	repository_roles BOOLEAN NOT NULL DEFAULT FALSE,
	created          BIGINT NOT NULL,
	-- When it was deleted: its name is free from then on, and the row goes when
	-- nothing refers to it any more. 0: it was not.
	deleted          BIGINT NOT NULL DEFAULT 0,
	-- Tokens for Resource Manager are not taken by the exchange.
	data_tokens_only BOOLEAN NOT NULL DEFAULT FALSE,
	-- Policies: on or off, and days. NULL where nobody has set them: what was
	-- deleted is kept as the server is set, and manifests without tags stay.
	soft_delete      BOOLEAN,
	soft_delete_days BIGINT,
	retention        BOOLEAN,
	retention_days   BIGINT
);

-- Every push updates its repository, in place where the page has room.
CREATE TABLE repositories (
	id             BIGINT PRIMARY KEY,
	registry_id    BIGINT NOT NULL REFERENCES registries (id),
	name           TEXT COLLATE "C" NOT NULL,
	anonymous_pull BOOLEAN NOT NULL DEFAULT FALSE,
	locks          BIGINT NOT NULL DEFAULT 0,
	created        BIGINT NOT NULL,
	updated        BIGINT NOT NULL,
	UNIQUE (registry_id, name)
) WITH (fillfactor = 70);
CREATE INDEX repositories_listed ON repositories (registry_id, name) WHERE locks & 8 = 0;

-- Content, once for each registry: small content in blob_contents, other
-- content in the blob store under a key that is never used twice.
-- Rows that every push writes do not refer to registries: all pushes would lock
-- the one row there.
CREATE TABLE blobs (
	id          BIGINT PRIMARY KEY,
	registry_id BIGINT NOT NULL,
	digest      BYTEA NOT NULL,
	size        BIGINT NOT NULL,
	storage_key TEXT COLLATE "C",
	sums        BYTEA,
	created     BIGINT NOT NULL,
	UNIQUE (registry_id, digest)
);
CREATE UNIQUE INDEX blobs_storage_key ON blobs (storage_key) WHERE storage_key IS NOT NULL;

CREATE TABLE blob_contents (
	blob_id     BIGINT PRIMARY KEY REFERENCES blobs (id) ON DELETE CASCADE,
	registry_id BIGINT NOT NULL,
	content     BYTEA NOT NULL
);

-- The permission to serve a blob in a repository.
CREATE TABLE repository_blobs (
	repo_id     BIGINT NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
	blob_id     BIGINT NOT NULL REFERENCES blobs (id) ON DELETE CASCADE,
	registry_id BIGINT NOT NULL,
	linked      BIGINT NOT NULL,
	PRIMARY KEY (repo_id, blob_id)
);
CREATE INDEX repository_blobs_blob ON repository_blobs (blob_id);

CREATE TABLE manifests (
	id            BIGINT PRIMARY KEY,
	registry_id   BIGINT NOT NULL,
	repo_id       BIGINT NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
	digest        BYTEA NOT NULL,
	media_type    TEXT NOT NULL,
	artifact_type TEXT NOT NULL DEFAULT '',
	config_type   TEXT NOT NULL DEFAULT '',
	subject       BYTEA,
	architecture  TEXT NOT NULL DEFAULT '',
	os            TEXT NOT NULL DEFAULT '',
	size          BIGINT NOT NULL,
	image_size    BIGINT NOT NULL,
	locks         BIGINT NOT NULL DEFAULT 0,
	created       BIGINT NOT NULL,
	updated       BIGINT NOT NULL,
	UNIQUE (repo_id, digest)
);
CREATE INDEX manifests_updated ON manifests (repo_id, updated, id);
CREATE INDEX manifests_locked ON manifests (repo_id) WHERE locks & 3 <> 0;

CREATE TABLE manifest_payloads (
	manifest_id BIGINT PRIMARY KEY REFERENCES manifests (id) ON DELETE CASCADE,
	registry_id BIGINT NOT NULL,
	payload     BYTEA NOT NULL
);

-- Manifests by their subject, in the order of lists, with the descriptor (JSON)
-- that these show. hidden is set with bit 8 of the manifest, so that lists read
-- this table alone.
CREATE TABLE referrers (
	repo_id       BIGINT NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
	subject       BYTEA NOT NULL,
	artifact_type TEXT COLLATE "C" NOT NULL,
	manifest_id   BIGINT NOT NULL REFERENCES manifests (id) ON DELETE CASCADE,
	registry_id   BIGINT NOT NULL,
	descriptor    BYTEA NOT NULL,
	hidden        BOOLEAN NOT NULL DEFAULT FALSE,
	PRIMARY KEY (repo_id, subject, artifact_type, manifest_id)
);
CREATE INDEX referrers_manifest ON referrers (manifest_id);

-- RESTRICT is the proof that what is referenced cannot be collected.
CREATE TABLE manifest_blobs (
	blob_id     BIGINT NOT NULL REFERENCES blobs (id) ON DELETE RESTRICT,
	manifest_id BIGINT NOT NULL REFERENCES manifests (id) ON DELETE CASCADE,
	registry_id BIGINT NOT NULL,
	PRIMARY KEY (blob_id, manifest_id)
);
CREATE INDEX manifest_blobs_manifest ON manifest_blobs (manifest_id);

CREATE TABLE manifest_children (
	child_id    BIGINT NOT NULL REFERENCES manifests (id) ON DELETE RESTRICT,
	parent_id   BIGINT NOT NULL REFERENCES manifests (id) ON DELETE CASCADE,
	registry_id BIGINT NOT NULL,
	PRIMARY KEY (child_id, parent_id)
);
CREATE INDEX manifest_children_parent ON manifest_children (parent_id);

-- Children of an index that are not there (a sparse index); they become rows of
-- manifest_children when they arrive.
CREATE TABLE missing_children (
	repo_id      BIGINT NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
	child_digest BYTEA NOT NULL,
	parent_id    BIGINT NOT NULL REFERENCES manifests (id) ON DELETE CASCADE,
	registry_id  BIGINT NOT NULL,
	PRIMARY KEY (repo_id, child_digest, parent_id)
);
CREATE INDEX missing_children_parent ON missing_children (parent_id);

-- Blobs of a manifest that are not there (a sparse manifest); they become rows
-- of manifest_blobs when they are linked to the repository.
CREATE TABLE missing_blobs (
	repo_id     BIGINT NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
	blob_digest BYTEA NOT NULL,
	manifest_id BIGINT NOT NULL REFERENCES manifests (id) ON DELETE CASCADE,
	registry_id BIGINT NOT NULL,
	PRIMARY KEY (repo_id, blob_digest, manifest_id)
);
CREATE INDEX missing_blobs_manifest ON missing_blobs (manifest_id);

CREATE TABLE tags (
	repo_id     BIGINT NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
	name        TEXT COLLATE "C" NOT NULL,
	manifest_id BIGINT NOT NULL REFERENCES manifests (id),
	registry_id BIGINT NOT NULL,
	version     BIGINT NOT NULL,
	locks       BIGINT NOT NULL DEFAULT 0,
	created     BIGINT NOT NULL,
	updated     BIGINT NOT NULL,
	PRIMARY KEY (repo_id, name)
);
CREATE INDEX tags_manifest ON tags (manifest_id);
CREATE INDEX tags_updated ON tags (repo_id, updated, name);
CREATE INDEX tags_locked ON tags (repo_id, manifest_id) WHERE locks & 3 <> 0;

-- Every move and deletion of a tag, in the transaction that makes it. changed is
-- when a tag that was deleted had changed before, by which lists go on after it.
-- Ids grow within a tag; those of two tags may be the same.
CREATE TABLE tag_history (
	id          BIGINT NOT NULL,
	registry_id BIGINT NOT NULL,
	repo_id     BIGINT NOT NULL,
	name        TEXT COLLATE "C" NOT NULL,
	old_digest  BYTEA,
	new_digest  BYTEA,
	actor       TEXT NOT NULL,
	at          BIGINT NOT NULL,
	changed     BIGINT,
	PRIMARY KEY (repo_id, name, id)
);

-- Uploads that have received bytes. An upload may be gone on with on any node:
-- every change of its row is made to a version and gives it the next one. A
-- request that receives says until when it is to be left alone (taken); 0: none
-- does. cancelled is set as well where an upload has ended and its id must not
-- begin another.
CREATE TABLE uploads (
	id          TEXT COLLATE "C" PRIMARY KEY,
	registry_id BIGINT NOT NULL,
	repo        TEXT COLLATE "C" NOT NULL,
	principal   TEXT NOT NULL,
	storage_key TEXT COLLATE "C",
	next_offset BIGINT NOT NULL,
	state       BYTEA,
	cancelled   BOOLEAN NOT NULL DEFAULT FALSE,
	version     BIGINT NOT NULL DEFAULT 1,
	taken       BIGINT NOT NULL DEFAULT 0,
	created     BIGINT NOT NULL,
	expires     BIGINT NOT NULL
);
CREATE INDEX uploads_expires ON uploads (expires);
CREATE INDEX uploads_storage_key ON uploads (storage_key) WHERE storage_key IS NOT NULL;

-- scope_map is that of a token; a name that is not in scope_maps is one of those
-- that every registry has. "" for other principals.
CREATE TABLE principals (
	id           TEXT COLLATE "C" PRIMARY KEY,
	registry_id  BIGINT NOT NULL REFERENCES registries (id),
	kind         TEXT COLLATE "C" NOT NULL,
	name         TEXT COLLATE "C" NOT NULL,
	display_name TEXT NOT NULL,
	disabled     BOOLEAN NOT NULL DEFAULT FALSE,
	scope_map    TEXT COLLATE "C" NOT NULL DEFAULT '',
	created      BIGINT NOT NULL,
	UNIQUE (registry_id, name)
);
CREATE INDEX principals_scope_map ON principals (registry_id, scope_map);
CREATE INDEX principals_kind ON principals (registry_id, kind, name);

CREATE TABLE secrets (
	id           TEXT COLLATE "C" PRIMARY KEY,
	registry_id  BIGINT NOT NULL,
	principal_id TEXT COLLATE "C" NOT NULL REFERENCES principals (id) ON DELETE CASCADE,
	name         TEXT NOT NULL,
	hash         BYTEA NOT NULL,
	created      BIGINT NOT NULL,
	expires      BIGINT
);
CREATE INDEX secrets_principal ON secrets (principal_id);

CREATE TABLE role_assignments (
	principal_id TEXT COLLATE "C" NOT NULL REFERENCES principals (id) ON DELETE CASCADE,
	role         TEXT COLLATE "C" NOT NULL,
	prefix       TEXT COLLATE "C" NOT NULL,
	registry_id  BIGINT NOT NULL,
	created      BIGINT NOT NULL,
	PRIMARY KEY (principal_id, role, prefix)
);

-- What tokens may do. actions is JSON text: a list of "repositories/R/content/read".
CREATE TABLE scope_maps (
	registry_id BIGINT NOT NULL REFERENCES registries (id),
	name        TEXT COLLATE "C" NOT NULL,
	description TEXT NOT NULL,
	actions     TEXT NOT NULL,
	created     BIGINT NOT NULL,
	PRIMARY KEY (registry_id, name)
);

-- Keys of the server: token signing keys, the key of upload ids.
CREATE TABLE server_keys (
	id      TEXT COLLATE "C" PRIMARY KEY,
	purpose TEXT COLLATE "C" NOT NULL,
	secret  BYTEA NOT NULL,
	created BIGINT NOT NULL
);
CREATE INDEX server_keys_purpose ON server_keys (purpose);

-- What a garbage collector must look at, written with the event that may have
-- orphaned it.
CREATE TABLE gc_blob_queue (
	blob_id      BIGINT PRIMARY KEY,
	registry_id  BIGINT NOT NULL,
	review_after BIGINT NOT NULL,
	attempts     BIGINT NOT NULL DEFAULT 0
);
CREATE TABLE gc_manifest_queue (
	manifest_id  BIGINT PRIMARY KEY,
	registry_id  BIGINT NOT NULL,
	review_after BIGINT NOT NULL,
	attempts     BIGINT NOT NULL DEFAULT 0
);
-- size is how many bytes the object takes, where that is known.
CREATE TABLE gc_objects (
	storage_key  TEXT COLLATE "C" PRIMARY KEY,
	registry_id  BIGINT NOT NULL,
	delete_after BIGINT NOT NULL,
	attempts     BIGINT NOT NULL DEFAULT 0,
	size         BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX gc_blob_queue_due ON gc_blob_queue (review_after);
CREATE INDEX gc_manifest_queue_due ON gc_manifest_queue (registry_id, review_after);
CREATE INDEX gc_objects_due ON gc_objects (delete_after);

-- What was deleted and can be restored until its time is over. It lies apart, so
-- that no query of what is live has to look past it. Repositories are named, not
-- referred to: they may be gone.
CREATE TABLE deleted_manifests (
	id            BIGINT PRIMARY KEY,
	registry_id   BIGINT NOT NULL REFERENCES registries (id),
	repo          TEXT COLLATE "C" NOT NULL,
	digest        BYTEA NOT NULL,
	media_type    TEXT NOT NULL,
	architecture  TEXT NOT NULL,
	os            TEXT NOT NULL,
	image_size    BIGINT NOT NULL,
	locks         BIGINT NOT NULL,
	created       BIGINT NOT NULL,
	updated       BIGINT NOT NULL,
	deleted       BIGINT NOT NULL,
	actor         TEXT NOT NULL,
	payload       BYTEA NOT NULL,
	UNIQUE (registry_id, repo, digest)
);
CREATE INDEX deleted_manifests_deleted ON deleted_manifests (registry_id, deleted, id);

-- RESTRICT keeps the blobs of what can be restored.
CREATE TABLE deleted_manifest_blobs (
	blob_id     BIGINT NOT NULL REFERENCES blobs (id) ON DELETE RESTRICT,
	manifest_id BIGINT NOT NULL REFERENCES deleted_manifests (id) ON DELETE CASCADE,
	registry_id BIGINT NOT NULL,
	PRIMARY KEY (blob_id, manifest_id)
);
CREATE INDEX deleted_manifest_blobs_manifest ON deleted_manifest_blobs (manifest_id);

-- Ids grow with the time of deletion.
CREATE TABLE deleted_tags (
	id          BIGINT PRIMARY KEY,
	registry_id BIGINT NOT NULL REFERENCES registries (id),
	repo        TEXT COLLATE "C" NOT NULL,
	name        TEXT COLLATE "C" NOT NULL,
	digest      BYTEA NOT NULL,
	locks       BIGINT NOT NULL,
	deleted     BIGINT NOT NULL,
	actor       TEXT NOT NULL,
	UNIQUE (registry_id, repo, name, digest)
);
CREATE INDEX deleted_tags_repo ON deleted_tags (registry_id, repo, id);
CREATE INDEX deleted_tags_deleted ON deleted_tags (registry_id, deleted, id);

-- Attributes of a repository that comes back with what is restored or pushed.
CREATE TABLE deleted_repositories (
	registry_id BIGINT NOT NULL REFERENCES registries (id),
	name        TEXT COLLATE "C" NOT NULL,
	locks       BIGINT NOT NULL,
	created     BIGINT NOT NULL,
	deleted     BIGINT NOT NULL,
	PRIMARY KEY (registry_id, name)
);
CREATE INDEX deleted_repositories_deleted ON deleted_repositories (registry_id, deleted);

-- Counts changes by topic, for nodes that keep what they have read.
CREATE TABLE versions (
	name    TEXT COLLATE "C" PRIMARY KEY,
	version BIGINT NOT NULL
);

-- Repositories in which somebody waits to be alone, and since when.
CREATE TABLE reservations (
	registry_id BIGINT NOT NULL,
	name        TEXT COLLATE "C" NOT NULL,
	since       BIGINT NOT NULL,
	PRIMARY KEY (registry_id, name)
);

-- Rows that transactions lock to take turns where no other row is theirs.
CREATE TABLE turns (
	name TEXT COLLATE "C" PRIMARY KEY
);
