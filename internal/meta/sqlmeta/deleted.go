package sqlmeta

import (
	"context"
	"errors"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop/internal/meta"
)

// ErrTagged: a tag that is to be restored names another manifest by now.
var ErrTagged = errors.New("tag names another manifest")

// keepManifests copies manifests that are about to be deleted to where they can
// be restored from: those whose column, id or repo_id, has the value.
func (tx *Tx) keepManifests(registry int64, repo, actor, column string, value int64) error {
	if !tx.db.keeping(registry).on {
		return nil
	}
	if _, err := tx.exec(`INSERT INTO deleted_manifests (id, registry_id, repo, digest, media_type, architecture, os,
			image_size, locks, created, updated, deleted, actor, payload)
		SELECT m.id, m.registry_id, $2, m.digest, m.media_type, m.architecture, m.os,
			m.image_size, m.locks, m.created, m.updated, $3, $4, p.payload
		FROM manifests m JOIN manifest_payloads p ON p.manifest_id = m.id WHERE m.`+column+` = $1`,
		value, repo, micros(tx.db.now()), actor); err != nil {
		return err
	}
	_, err := tx.exec(`INSERT INTO deleted_manifest_blobs (blob_id, manifest_id, registry_id)
		SELECT e.blob_id, e.manifest_id, e.registry_id FROM manifests m JOIN manifest_blobs e ON e.manifest_id = m.id WHERE m.`+column+` = $1`, value)
	return err
}

// keepTag notes a tag that is about to be deleted.
func (tx *Tx) keepTag(registry int64, repo, tag string, dgst []byte, locks meta.Locks, actor string) error {
	if !tx.db.keeping(registry).on {
		return nil
	}
	now := tx.db.now()
	_, err := tx.exec(`INSERT INTO deleted_tags (id, registry_id, repo, name, digest, locks, deleted, actor) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (registry_id, repo, name, digest) DO UPDATE SET
			id = excluded.id, locks = excluded.locks, deleted = excluded.deleted, actor = excluded.actor`,
		tx.db.ids.next(now), registry, repo, tag, dgst, locks, micros(now), actor)
	return err
}

// keepRepository notes the attributes of a repository that is about to be
// deleted.
func (tx *Tx) keepRepository(registry, id int64) error {
	if !tx.db.keeping(registry).on {
		return nil
	}
	_, err := tx.exec(`INSERT INTO deleted_repositories (registry_id, name, locks, created, deleted)
		SELECT registry_id, name, locks, created, $2 FROM repositories WHERE id = $1
		ON CONFLICT (registry_id, name) DO UPDATE SET locks = excluded.locks, created = excluded.created, deleted = excluded.deleted`,
		id, micros(tx.db.now()))
	return err
}

// former are the attributes of something that was deleted and is there again.
type former struct {
	locks   meta.Locks
	created int64
}

// takeFormer removes the row of something deleted and returns its attributes;
// ErrNotFound if there is none that could still be restored.
func (tx *Tx) takeFormer(registry int64, query string, args ...any) (former, error) {
	var f former
	var deleted int64
	err := tx.row(query+` RETURNING locks, created, deleted`, args...).Scan(&f.locks, &f.created, &deleted)
	if err == nil && deleted <= tx.db.gone(registry) {
		err = ErrNotFound
	}
	return f, err
}

// revive gives a new manifest the attributes that it had when it was deleted:
// pushing it again is no way around its locks.
func (tx *Tx) revive(registry int64, repo string, id int64, dgst []byte) error {
	f, err := tx.takeFormer(registry, `DELETE FROM deleted_manifests WHERE registry_id = $1 AND repo = $2 AND digest = $3`, registry, repo, dgst)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := tx.exec(`UPDATE manifests SET locks = $2, created = $3 WHERE id = $1`, id, f.locks, f.created); err != nil {
		return err
	}
	return tx.hideReferrer(id)
}

// Restore makes a deleted manifest live again, in a repository that it makes if
// absent, and makes a tag name it, "" for none. m is the manifest as parsed from
// what DeletedManifest returned; of one that is live, the digest is enough, and
// only the tag is set.
// ErrNotFound if it can be restored no more, ErrTagged if the tag names another
// manifest and force is not set.
func (tx *Tx) Restore(registry int64, repo string, m meta.Manifest, tag string, force bool, actor string) error {
	repoID, err := tx.ensureRepository(registry, repo)
	if err != nil {
		return err
	}
	dgst, err := packDigest(m.Descriptor.Digest)
	if err != nil {
		return err
	}
	id, err := tx.manifestID(repoID, dgst)
	if errors.Is(err, ErrNotFound) {
		id, err = tx.restoreManifest(registry, repoID, repo, dgst, m)
	}
	if err == nil && tag != "" {
		err = tx.restoreTag(registry, repoID, repo, tag, id, dgst, force, actor)
	}
	if err != nil {
		return err
	}
	return tx.touch(repoID)
}

func (tx *Tx) restoreManifest(registry, repoID int64, repo string, dgst []byte, m meta.Manifest) (int64, error) {
	if m.Raw == nil { // it was live when the caller looked
		return 0, ErrNotFound
	}
	var old int64
	err := tx.row(`SELECT id FROM deleted_manifests WHERE registry_id = $1 AND repo = $2 AND digest = $3 AND deleted > $4`,
		registry, repo, dgst, tx.db.gone(registry)).Scan(&old)
	if err != nil {
		return 0, err
	}
	blobs, err := tx.ids(`SELECT blob_id FROM deleted_manifest_blobs WHERE manifest_id = $1`, old)
	if err != nil {
		return 0, err
	}
	for _, blob := range blobs {
		if err := tx.link(registry, repoID, blob); err != nil {
			return 0, err
		}
	}
	m.Sparse = true // what it lacked it lacks
	id, err := tx.insertManifest(registry, repoID, repo, dgst, m)
	if err != nil {
		return 0, err
	}
	return id, tx.reviewManifest(registry, id)
}

func (tx *Tx) restoreTag(registry, repoID int64, repo, tag string, manifest int64, dgst []byte, force bool, actor string) error {
	current, err := tx.Tag(registry, repo, tag)
	if err != nil {
		return err
	}
	if current != "" && current != unpackDigest(dgst) && !force {
		return ErrTagged
	}
	if err := tx.setTag(registry, repoID, tag, manifest, dgst, actor); err != nil {
		return err
	}
	var locks meta.Locks
	err = tx.row(`DELETE FROM deleted_tags WHERE registry_id = $1 AND repo = $2 AND name = $3 AND digest = $4 RETURNING locks`,
		registry, repo, tag, dgst).Scan(&locks)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil
	case err == nil && current == "":
		_, err = tx.exec(`UPDATE tags SET locks = $3 WHERE repo_id = $1 AND name = $2`, repoID, tag, locks)
	}
	return err
}

// ids runs a query for ids.
func (tx *Tx) ids(query string, args ...any) ([]int64, error) {
	rows, err := tx.rows(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, explain(err)
		}
		out = append(out, id)
	}
	return out, explain(rows.Err())
}

// DeletedManifest returns a deleted manifest that can be restored: media type,
// platform and bytes. ErrNotFound if there is none.
func (db *DB) DeletedManifest(ctx context.Context, registry int64, repo string, d digest.Digest) (meta.Manifest, error) {
	dgst, err := packDigest(d)
	if err != nil {
		return meta.Manifest{}, err
	}
	var m meta.Manifest
	err = db.row(ctx, `SELECT media_type, architecture, os, payload FROM deleted_manifests
		WHERE registry_id = $1 AND repo = $2 AND digest = $3 AND deleted > $4`, registry, repo, dgst, db.gone(registry)).
		Scan(&m.Descriptor.MediaType, &m.Architecture, &m.OS, &m.Raw)
	m.Descriptor.Digest = d
	return m, err
}

// DeletedRepositories lists at most n names of repositories, after a name, that
// have a manifest to restore. It goes from name to name, whatever number of
// manifests each has.
func (db *DB) DeletedRepositories(ctx context.Context, registry int64, after string, n int) ([]string, error) {
	var names *string
	err := db.row(ctx, `WITH RECURSIVE r (name) AS (
			SELECT min(repo) FROM deleted_manifests WHERE registry_id = $1 AND repo > $2
			UNION ALL SELECT (SELECT min(repo) FROM deleted_manifests WHERE registry_id = $1 AND repo > r.name) FROM r WHERE r.name IS NOT NULL)
		SELECT string_agg(name, ' ') FROM (SELECT name FROM r WHERE name IS NOT NULL
			AND EXISTS (SELECT 1 FROM deleted_manifests WHERE registry_id = $1 AND repo = r.name AND deleted > $4) LIMIT $3) names`,
		registry, after, n, db.gone(registry)).Scan(&names)
	return fields(names), err
}

// DeletedManifests lists at most n manifests of a repository that can be
// restored, after a digest, "" for the start.
func (db *DB) DeletedManifests(ctx context.Context, registry int64, repo string, after digest.Digest, n int) ([]meta.DeletedManifest, error) {
	from := []byte{}
	if after != "" {
		var err error
		if from, err = packDigest(after); err != nil {
			return nil, err
		}
	}
	found, err := list(db, ctx, scanDeletedManifest, `SELECT digest, media_type, image_size, architecture, os, locks, created, updated, deleted
		FROM deleted_manifests WHERE registry_id = $1 AND repo = $2 AND digest > $3 AND deleted > $4 ORDER BY digest LIMIT $5`,
		registry, repo, from, db.gone(registry), n)
	for i := range found {
		found[i].Expires = found[i].Deleted.Add(db.keeping(registry).time)
	}
	return found, err
}

func scanDeletedManifest(scan func(...any) error) (meta.DeletedManifest, error) {
	var m meta.DeletedManifest
	var dgst []byte
	var created, updated, deleted int64
	err := scan(&dgst, &m.MediaType, &m.ImageSize, &m.Architecture, &m.OS, &m.Locks, &created, &updated, &deleted)
	m.Digest, m.Created, m.Updated, m.Deleted = unpackDigest(dgst), moment(created), moment(updated), moment(deleted)
	return m, err
}

// DeletedTags lists at most n tags of a repository that can be restored, after
// an id, 0 for the start, the last deleted one last. Those that name what they
// named again are not among them.
func (db *DB) DeletedTags(ctx context.Context, registry int64, repo string, after int64, n int) ([]meta.DeletedTag, error) {
	found, err := list(db, ctx, scanDeletedTag, `SELECT d.id, d.name, d.digest, d.deleted FROM deleted_tags d
		WHERE d.registry_id = $1 AND d.repo = $2 AND d.id > $3 AND d.deleted > $4
			AND NOT EXISTS (SELECT 1 FROM repositories r JOIN tags t ON t.repo_id = r.id AND t.name = d.name
				JOIN manifests m ON m.id = t.manifest_id WHERE r.registry_id = $1 AND r.name = $2 AND m.digest = d.digest)
		ORDER BY d.id LIMIT $5`, registry, repo, after, db.gone(registry), n)
	for i := range found {
		found[i].Expires = found[i].Deleted.Add(db.keeping(registry).time)
	}
	return found, err
}

func scanDeletedTag(scan func(...any) error) (meta.DeletedTag, error) {
	var t meta.DeletedTag
	var dgst []byte
	var deleted int64
	err := scan(&t.ID, &t.Name, &dgst, &deleted)
	t.Digest, t.Deleted = unpackDigest(dgst), moment(deleted)
	return t, err
}
