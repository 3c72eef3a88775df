package sqlmeta

import (
	"context"
	"errors"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop/internal/meta"
)

// ErrLocked: a lock of the repository, the tag or the manifest forbids it.
var ErrLocked = errors.New("locked")

// Locks are looked at in the transaction that makes the change, so that none
// comes between. In queries they are numbers, which partial indexes must have:
// 3 is meta.NoRemoval, 4 is meta.NoRead, 8 is meta.NoList.

// SetRepositoryLocks changes the locks of a repository; ErrNotFound if it is
// absent.
func (tx *Tx) SetRepositoryLocks(registry int64, repo string, c meta.LockChange) error {
	if _, err := tx.aloneIn(registry, repo, 0); err != nil {
		return err
	}
	return tx.found(`UPDATE repositories SET locks = (locks & ~CAST($3 AS BIGINT)) | $4, updated = $5 WHERE registry_id = $1 AND name = $2`,
		registry, repo, c.Clear, c.Set, micros(tx.db.now()))
}

// SetTagLocks changes the locks of a tag; ErrNotFound if it is absent.
func (tx *Tx) SetTagLocks(registry int64, repo, tag string, c meta.LockChange) error {
	id, err := tx.aloneIn(registry, repo, 0)
	if err != nil {
		return err
	}
	return tx.found(`UPDATE tags SET locks = (locks & ~CAST($3 AS BIGINT)) | $4, updated = $5 WHERE repo_id = $1 AND name = $2`,
		id, tag, c.Clear, c.Set, micros(tx.db.now()))
}

// SetManifestLocks changes the locks of a manifest; ErrNotFound if it is absent.
func (tx *Tx) SetManifestLocks(registry int64, repo string, d digest.Digest, c meta.LockChange) error {
	dgst, err := packDigest(d)
	if err != nil {
		return err
	}
	repoID, err := tx.aloneIn(registry, repo, 0)
	if err != nil {
		return err
	}
	id, err := tx.manifestID(repoID, dgst)
	if err != nil {
		return err
	}
	if err := tx.found(`UPDATE manifests SET locks = (locks & ~CAST($2 AS BIGINT)) | $3, updated = $4 WHERE id = $1`,
		id, c.Clear, c.Set, micros(tx.db.now())); err != nil {
		return err
	}
	return tx.hideReferrer(id)
}

// hideReferrer lists a manifest under its subject, or does not, as its locks
// say.
func (tx *Tx) hideReferrer(manifest int64) error {
	_, err := tx.exec(`UPDATE referrers SET hidden = (SELECT locks & 8 FROM manifests WHERE id = $1) <> 0 WHERE manifest_id = $1`, manifest)
	return err
}

// found runs a statement that changes one row; ErrNotFound if it changes none.
func (tx *Tx) found(query string, args ...any) error {
	n, err := tx.exec(query, args...)
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	return err
}

// Writable is ErrLocked if nothing may be pushed to a repository. One that is
// absent will be made.
func (tx *Tx) Writable(registry int64, repo string) error {
	_, err := tx.repository(registry, repo, meta.NoWrite)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// Writable is Tx.Writable, as it is at this moment.
func (db *DB) Writable(ctx context.Context, registry int64, repo string) error {
	var locks meta.Locks
	err := db.row(ctx, `SELECT locks FROM repositories WHERE registry_id = $1 AND name = $2`, registry, repo).Scan(&locks)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil
	case err == nil && locks&meta.NoWrite != 0:
		return ErrLocked
	}
	return err
}

// removable is ErrLocked if a manifest must stay: by its own lock, by that of a
// tag that names it, or because an index lists it of which that is true.
func (tx *Tx) removable(manifest int64) error {
	return tx.unlocked(`WITH RECURSIVE up (id) AS (
			VALUES (CAST($1 AS BIGINT)) UNION SELECT c.parent_id FROM up JOIN manifest_children c ON c.child_id = up.id)
		SELECT EXISTS (SELECT 1 FROM up JOIN manifests m ON m.id = up.id
			WHERE m.locks & 3 <> 0 OR EXISTS (SELECT 1 FROM tags t WHERE t.manifest_id = up.id AND t.locks & 3 <> 0))`, manifest)
}

// blobRemovable is ErrLocked if a blob must stay in a repository because a
// manifest needs it that must stay. It looks from the locked ones down, which
// are few, where a blob may be in very many.
func (tx *Tx) blobRemovable(repo, blob int64) error {
	return tx.unlocked(`WITH RECURSIVE held (id) AS (
			SELECT id FROM manifests WHERE repo_id = $1 AND locks & 3 <> 0
			UNION SELECT manifest_id FROM tags WHERE repo_id = $1 AND locks & 3 <> 0
			UNION SELECT c.child_id FROM held JOIN manifest_children c ON c.parent_id = held.id)
		SELECT EXISTS (SELECT 1 FROM held JOIN manifest_blobs e ON e.blob_id = $2 AND e.manifest_id = held.id)`, repo, blob)
}

// allRemovable is ErrLocked if a repository has a manifest or a tag that must
// stay.
func (tx *Tx) allRemovable(repo int64) error {
	return tx.unlocked(`SELECT EXISTS (SELECT 1 FROM manifests WHERE repo_id = $1 AND locks & 3 <> 0)
		OR EXISTS (SELECT 1 FROM tags WHERE repo_id = $1 AND locks & 3 <> 0)`, repo)
}

// unlocked asks whether something is locked, and is ErrLocked if so.
func (tx *Tx) unlocked(query string, args ...any) error {
	var locked bool
	err := tx.row(query, args...).Scan(&locked)
	if err == nil && locked {
		err = ErrLocked
	}
	return err
}

// readable is err, or ErrLocked if there is none and locks forbid to read.
func readable(locks meta.Locks, err error) error {
	if err == nil && locks&meta.NoRead != 0 {
		return ErrLocked
	}
	return err
}
