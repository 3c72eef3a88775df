package sqlmeta

import (
	"context"
	"errors"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop/internal/meta"
)

// PutBlob stores a blob whose content is durable already and links it to a
// repository, which it makes if absent. If the registry has the blob, only the
// link is made, and the object of b.Key, if any, is left to be removed:
// stored is false then.
func (tx *Tx) PutBlob(registry int64, repo string, b meta.Blob) (stored bool, err error) {
	repoID, err := tx.ensureRepository(registry, repo)
	if err != nil {
		return false, err
	}
	dgst, err := packDigest(b.Digest)
	if err != nil {
		return false, err
	}
	id, err := tx.blobID(registry, dgst)
	switch {
	case err == nil:
		if b.Key != "" {
			err = tx.dropObject(registry, b.Key)
		}
	case errors.Is(err, ErrNotFound):
		stored = true
		id, err = tx.insertBlob(registry, dgst, b)
	}
	if err != nil {
		return false, err
	}
	return stored, tx.link(registry, repoID, id)
}

func (tx *Tx) blobID(registry int64, dgst []byte) (int64, error) {
	var id int64
	err := tx.row(`SELECT id FROM blobs WHERE registry_id = $1 AND digest = $2`, registry, dgst).Scan(&id)
	return id, err
}

func (tx *Tx) insertBlob(registry int64, dgst []byte, b meta.Blob) (int64, error) {
	now := tx.db.now()
	id := tx.db.ids.next(now)
	if _, err := tx.exec(`INSERT INTO blobs (id, registry_id, digest, size, storage_key, sums, created) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		id, registry, dgst, b.Size, null(b.Key), b.Sums, micros(now)); err != nil {
		return 0, err
	}
	if b.Key != "" {
		return id, nil
	}
	content := b.Content
	if content == nil {
		content = []byte{}
	}
	_, err := tx.exec(`INSERT INTO blob_contents (blob_id, registry_id, content) VALUES ($1, $2, $3)`, id, registry, content)
	return id, err
}

// link lets a repository serve a blob, gives it to the manifests that have been
// waiting for it, and puts off its review.
func (tx *Tx) link(registry, repo, blob int64) error {
	if _, err := tx.exec(`INSERT INTO repository_blobs (repo_id, blob_id, registry_id, linked) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
		repo, blob, registry, micros(tx.db.now())); err != nil {
		return err
	}
	if tx.db.mayBeSparse() {
		if err := tx.fill(registry, repo, blob); err != nil {
			return err
		}
	}
	return tx.reviewBlob(registry, blob)
}

// fill gives a blob to the manifests of a repository that have been waiting for
// it.
func (tx *Tx) fill(registry, repo, blob int64) error {
	n, err := tx.exec(`INSERT INTO manifest_blobs (blob_id, manifest_id, registry_id)
		SELECT b.id, m.manifest_id, $3 FROM blobs b JOIN missing_blobs m ON m.repo_id = $2 AND m.blob_digest = b.digest
		WHERE b.id = $1 ON CONFLICT DO NOTHING`, blob, repo, registry)
	if err != nil || n == 0 {
		return err
	}
	_, err = tx.exec(`DELETE FROM missing_blobs WHERE repo_id = $2 AND blob_digest = (SELECT digest FROM blobs WHERE id = $1)`, blob, repo)
	return err
}

func (tx *Tx) reviewBlob(registry, blob int64) error {
	return tx.review("gc_blob_queue", "blob_id", registry, blob)
}

// review puts off the review of something, unless it was put off a short time
// ago: what very many push, as the empty configuration, would have them all wait
// for each other.
func (tx *Tx) review(queue, column string, registry, id int64) error {
	after := tx.reviewAfter()
	_, err := tx.exec(`INSERT INTO `+queue+` (`+column+`, registry_id, review_after) SELECT $1, $2, $3
		WHERE NOT EXISTS (SELECT 1 FROM `+queue+` WHERE `+column+` = $1 AND review_after > $4)
		ON CONFLICT (`+column+`) DO UPDATE SET review_after = excluded.review_after`,
		id, registry, micros(after), micros(after.Add(-tx.db.reviewGrace/16)))
	return err
}

// dropObject leaves an object that no row names to be removed.
func (tx *Tx) dropObject(registry int64, key string) error {
	_, err := tx.exec(`INSERT INTO gc_objects (storage_key, registry_id, delete_after) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
		key, registry, micros(tx.db.now().Add(tx.db.objectGrace)))
	return err
}

// MountBlob links a blob of the repository from to the repository repo.
// ErrNotFound if from does not have it, or nothing may be read there.
func (tx *Tx) MountBlob(registry int64, repo, from string, d digest.Digest) error {
	dgst, err := packDigest(d)
	if err != nil {
		return err
	}
	var blob int64
	if err := tx.row(`SELECT b.id FROM blobs b
		JOIN repositories r ON r.registry_id = b.registry_id AND r.name = $2 AND r.locks & 4 = 0
		JOIN repository_blobs l ON l.repo_id = r.id AND l.blob_id = b.id
		WHERE b.registry_id = $1 AND b.digest = $3`, registry, from, dgst).Scan(&blob); err != nil {
		return err
	}
	repoID, err := tx.ensureRepository(registry, repo)
	if err != nil {
		return err
	}
	return tx.link(registry, repoID, blob)
}

// UnlinkBlob takes a blob from a repository; ErrNotFound if it is not linked.
// Manifests that need it go on to have it; the link is what serves it alone.
// ErrLocked if a manifest needs it that must stay.
func (tx *Tx) UnlinkBlob(registry int64, repo string, d digest.Digest) error {
	dgst, err := packDigest(d)
	if err != nil {
		return err
	}
	repoID, err := tx.aloneIn(registry, repo, meta.NoWrite)
	if err != nil {
		return err
	}
	blob, err := tx.blobID(registry, dgst)
	if err != nil {
		return err
	}
	if err := tx.blobRemovable(repoID, blob); err != nil {
		return err
	}
	n, err := tx.exec(`DELETE FROM repository_blobs WHERE repo_id = $1 AND blob_id = $2`, repoID, blob)
	if err != nil {
		return err
	}
	if n == 0 {
		return ErrNotFound
	}
	return tx.reviewBlob(registry, blob)
}

// Blob returns a blob that is linked to a repository, with its content if it is
// kept here. ErrNotFound if it is absent or not linked, ErrLocked if nothing may
// be read there.
func (db *DB) Blob(ctx context.Context, registry int64, repo string, d digest.Digest) (meta.Blob, error) {
	dgst, err := packDigest(d)
	if err != nil {
		return meta.Blob{}, err
	}
	b := meta.Blob{Digest: d}
	var key *string
	var locks meta.Locks
	var review *int64
	err = db.row(ctx, `SELECT b.size, b.storage_key, b.sums, r.locks, c.content, q.review_after
		FROM blobs b
		JOIN repositories r ON r.registry_id = b.registry_id AND r.name = $2
		JOIN repository_blobs l ON l.repo_id = r.id AND l.blob_id = b.id
		LEFT JOIN blob_contents c ON c.blob_id = b.id
		LEFT JOIN gc_blob_queue q ON q.blob_id = b.id
		WHERE b.registry_id = $1 AND b.digest = $3`, registry, repo, dgst).Scan(&b.Size, &key, &b.Sums, &locks, &b.Content, &review)
	b.Safe = db.safeUntil(review, 0)
	if key != nil {
		b.Key = *key
	}
	return b, readable(locks, err)
}

// BlobRepositories lists at most n repositories that have a blob.
func (db *DB) BlobRepositories(ctx context.Context, registry int64, d digest.Digest, n int) ([]string, error) {
	dgst, err := packDigest(d)
	if err != nil {
		return nil, err
	}
	var names *string
	err = db.row(ctx, `SELECT string_agg(name, ' ') FROM (SELECT r.name FROM blobs b
		JOIN repository_blobs l ON l.blob_id = b.id JOIN repositories r ON r.id = l.repo_id
		WHERE b.registry_id = $1 AND b.digest = $2 LIMIT $3) names`, registry, dgst, n).Scan(&names)
	return fields(names), err
}
