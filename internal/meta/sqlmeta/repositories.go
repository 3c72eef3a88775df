package sqlmeta

import (
	"context"
	"errors"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop/internal/meta"
)

// EnsureRegistry makes the registry id exist.
func (tx *Tx) EnsureRegistry(id int64, name string) error {
	_, err := tx.exec(`INSERT INTO registries (id, name, created) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
		id, name, micros(tx.db.now()))
	return err
}

// ensureRepository returns the id of a repository to push to, which it makes if
// absent: one that was deleted comes back with its attributes. ErrLocked if
// nothing may be pushed to it.
func (tx *Tx) ensureRepository(registry int64, name string) (int64, error) {
	id, err := tx.repository(registry, name, meta.NoWrite)
	if !errors.Is(err, ErrNotFound) {
		return id, err
	}
	now := tx.db.now()
	f, err := tx.takeFormer(registry, `DELETE FROM deleted_repositories WHERE registry_id = $1 AND name = $2`, registry, name)
	if errors.Is(err, ErrNotFound) {
		f, err = former{created: micros(now)}, nil
	}
	if err != nil {
		return 0, err
	}
	id = tx.db.ids.next(now)
	_, err = tx.exec(`INSERT INTO repositories (id, registry_id, name, locks, created, updated) VALUES ($1, $2, $3, $4, $5, $6)`,
		id, registry, name, f.locks, f.created, micros(now))
	return id, err
}

// HasRepository tells whether a repository exists.
func (db *DB) HasRepository(ctx context.Context, registry int64, name string) (bool, error) {
	var one int
	err := db.row(ctx, `SELECT 1 FROM repositories WHERE registry_id = $1 AND name = $2`, registry, name).Scan(&one)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Repositories lists at most n repository names after a name, in byte order,
// without those that must not be listed.
func (db *DB) Repositories(ctx context.Context, registry int64, after string, n int) ([]string, error) {
	var names *string
	err := db.row(ctx, `SELECT string_agg(name, ' ') FROM (
		SELECT name FROM repositories WHERE registry_id = $1 AND name > $2 AND locks & 8 = 0 ORDER BY name LIMIT $3) names`,
		registry, after, n).Scan(&names)
	return fields(names), err
}

// fields splits a list that SQL joined with blanks, which names cannot hold.
// One row to scan costs a tenth of a hundred rows.
func fields(joined *string) []string {
	if joined == nil {
		return nil
	}
	return strings.Split(*joined, " ")
}

// RepositoryInfo describes a repository; ErrNotFound if it is absent.
func (db *DB) RepositoryInfo(ctx context.Context, registry int64, name string) (meta.RepositoryInfo, error) {
	info := meta.RepositoryInfo{Name: name}
	var created, updated int64
	err := db.row(ctx, `SELECT r.created, r.updated, r.locks,
			(SELECT count(*) FROM manifests m WHERE m.repo_id = r.id),
			(SELECT count(*) FROM tags t WHERE t.repo_id = r.id)
		FROM repositories r WHERE r.registry_id = $1 AND r.name = $2`, registry, name).
		Scan(&created, &updated, &info.Locks, &info.ManifestCount, &info.TagCount)
	info.Created, info.Updated = moment(created), moment(updated)
	return info, err
}

// touch notes that a repository has changed. Of several that do so at once one
// is enough: the others do not wait for it.
func (tx *Tx) touch(repo int64) error {
	query := `UPDATE repositories SET updated = $2 WHERE id = $1`
	if tx.db.Shared() {
		query = `UPDATE repositories SET updated = $2 WHERE id = (SELECT id FROM repositories WHERE id = $1 FOR NO KEY UPDATE SKIP LOCKED)`
	}
	_, err := tx.exec(query, repo, micros(tx.db.now()))
	return err
}

// DeleteRepository removes a repository with its tags, manifests and links, and
// tells what it removed. ErrNotFound if it is absent, ErrLocked if it or
// something in it must stay.
func (tx *Tx) DeleteRepository(registry int64, name, actor string) (meta.Deleted, error) {
	var gone meta.Deleted
	repo, err := tx.aloneIn(registry, name, meta.NoRemoval)
	if err == nil {
		err = tx.allRemovable(repo)
	}
	if err == nil {
		err = tx.keepRepository(registry, repo)
	}
	if err == nil {
		err = tx.keepManifests(registry, name, actor, "repo_id", repo)
	}
	if err != nil {
		return gone, err
	}
	if gone.Tags, err = tx.deleteTags(registry, repo, name, actor, `t.repo_id = $1`, repo); err != nil {
		return gone, err
	}
	if gone.Manifests, err = tx.manifestDigests(repo); err != nil {
		return gone, err
	}
	return gone, tx.dropRepository(repo)
}

// dropRepository removes a repository without tags, with its manifests and
// links, and has its blobs reviewed.
func (tx *Tx) dropRepository(repo int64) error {
	if _, err := tx.exec(`INSERT INTO gc_blob_queue (blob_id, registry_id, review_after)
		SELECT blob_id, registry_id, CAST($2 AS BIGINT) FROM repository_blobs WHERE repo_id = $1
		UNION SELECT e.blob_id, e.registry_id, CAST($2 AS BIGINT) FROM manifest_blobs e JOIN manifests m ON m.id = e.manifest_id WHERE m.repo_id = $1
		ON CONFLICT (blob_id) DO UPDATE SET review_after = excluded.review_after`, repo, micros(tx.reviewAfter())); err != nil {
		return err
	}
	for _, query := range []string{
		`DELETE FROM manifest_children WHERE parent_id IN (SELECT id FROM manifests WHERE repo_id = $1)`,
		`DELETE FROM manifests WHERE repo_id = $1`,
		`DELETE FROM repositories WHERE id = $1`,
	} {
		if _, err := tx.exec(query, repo); err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) manifestDigests(repo int64) ([]digest.Digest, error) {
	rows, err := tx.rows(`SELECT digest FROM manifests WHERE repo_id = $1 ORDER BY digest`, repo)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []digest.Digest
	for rows.Next() {
		var b []byte
		if err := rows.Scan(&b); err != nil {
			return nil, explain(err)
		}
		out = append(out, unpackDigest(b))
	}
	return out, explain(rows.Err())
}
