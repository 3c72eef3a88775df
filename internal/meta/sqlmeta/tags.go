package sqlmeta

import (
	"context"
	"errors"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop/internal/meta"
)

// setTag makes a tag name a manifest and records the move. Setting it to what
// it names already changes nothing. ErrLocked if it must not move.
func (tx *Tx) setTag(registry, repo int64, tag string, manifest int64, dgst []byte, actor string) error {
	oldID, locks, err := tx.holdTag(repo, tag)
	var oldDigest []byte
	now := micros(tx.db.now())
	switch {
	case err == nil && tx.db.Shared() && tx.unseen == tag:
		return errAgain
	case err == nil && oldID == manifest:
		return nil
	case err == nil && locks&meta.NoWrite != 0:
		return ErrLocked
	case err == nil:
		if oldDigest, err = tx.manifestDigest(oldID); err != nil {
			return err
		}
		if _, err = tx.exec(`UPDATE tags SET manifest_id = $3, version = version + 1, updated = $4 WHERE repo_id = $1 AND name = $2`,
			repo, tag, manifest, now); err != nil {
			return err
		}
		err = tx.reviewManifest(registry, oldID)
	case errors.Is(err, ErrNotFound):
		tx.unseen = ""
		_, err = tx.exec(`INSERT INTO tags (repo_id, name, manifest_id, registry_id, version, created, updated) VALUES ($1, $2, $3, $4, 1, $5, $5)`,
			repo, tag, manifest, registry, now)
	}
	if err != nil {
		return err
	}
	return tx.recordTag(registry, repo, tag, oldDigest, dgst, actor, now, now)
}

// holdTag returns the manifest that a tag names and the locks of the tag, which
// nobody else changes before the transaction ends. ErrNotFound if there is none;
// of two that make it then, the database refuses one, which is run again.
// What it names is for another query: one query would see the tag as it is when
// its turn has come, and all else as it was before.
func (tx *Tx) holdTag(repo int64, tag string) (manifest int64, locks meta.Locks, err error) {
	err = tx.row(`SELECT manifest_id, locks FROM tags WHERE repo_id = $1 AND name = $2`+tx.db.locking(" FOR UPDATE"), repo, tag).
		Scan(&manifest, &locks)
	return manifest, locks, err
}

func (tx *Tx) manifestDigest(id int64) (dgst []byte, err error) {
	err = tx.row(`SELECT digest FROM manifests WHERE id = $1`, id).Scan(&dgst)
	return dgst, err
}

// recordTag appends to the history of a tag. changed is when the tag has last
// changed, before it was deleted if it was. The history is in the order of its
// ids, also where the clocks of the nodes that write it differ.
func (tx *Tx) recordTag(registry, repo int64, tag string, from, to []byte, actor string, at, changed int64) error {
	query := `INSERT INTO tag_history (id, registry_id, repo_id, name, old_digest, new_digest, actor, at, changed)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`
	if tx.db.Shared() {
		query = `INSERT INTO tag_history (id, registry_id, repo_id, name, old_digest, new_digest, actor, at, changed)
		VALUES (greatest($1, (SELECT max(id) + 1 FROM tag_history WHERE repo_id = $3 AND name = $4)), $2, $3, $4, $5, $6, $7, $8, $9)`
	}
	_, err := tx.exec(query, tx.db.ids.next(tx.db.now()), registry, repo, tag, from, to, actor, at, changed)
	return err
}

// Tag returns the digest that a tag names, "" if there is no such tag. Nobody
// else moves the tag before the transaction ends.
func (tx *Tx) Tag(registry int64, repo, tag string) (digest.Digest, error) {
	repoID, err := tx.repository(registry, repo, 0)
	var manifest int64
	if err == nil {
		manifest, _, err = tx.holdTag(repoID, tag)
	}
	if errors.Is(err, ErrNotFound) {
		tx.unseen = tag
		return "", nil
	}
	if err != nil {
		return "", err
	}
	dgst, err := tx.manifestDigest(manifest)
	return unpackDigest(dgst), err
}

// DeleteTag removes a tag and leaves its manifest. ErrNotFound if it is absent,
// ErrLocked if it must stay.
func (tx *Tx) DeleteTag(registry int64, repo, tag, actor string) error {
	repoID, err := tx.repository(registry, repo, meta.NoWrite)
	if err != nil {
		return err
	}
	if _, _, err := tx.holdTag(repoID, tag); err != nil {
		return err
	}
	gone, err := tx.deleteTags(registry, repoID, repo, actor, `t.repo_id = $1 AND t.name = $2`, repoID, tag)
	if err == nil && len(gone) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return err
	}
	return tx.touch(repoID)
}

// deleteTags removes the tags t that meet a condition, records it, has their
// manifests reviewed, and returns their names. ErrLocked if one must stay.
func (tx *Tx) deleteTags(registry, repoID int64, repo, actor, where string, args ...any) ([]string, error) {
	type tagRow struct {
		name     string
		manifest int64
		locks    meta.Locks
		updated  int64
		digest   []byte
	}
	rows, err := tx.rows(`SELECT t.name, t.manifest_id, t.locks, t.updated, m.digest FROM tags t JOIN manifests m ON m.id = t.manifest_id WHERE `+where+` ORDER BY t.name`, args...)
	if err != nil {
		return nil, err
	}
	var found []tagRow
	for rows.Next() {
		var r tagRow
		if err := rows.Scan(&r.name, &r.manifest, &r.locks, &r.updated, &r.digest); err != nil {
			rows.Close()
			return nil, explain(err)
		}
		found = append(found, r)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, explain(err)
	}
	var names []string
	now := micros(tx.db.now())
	for _, r := range found {
		if r.locks&meta.NoRemoval != 0 {
			return nil, ErrLocked
		}
		if _, err := tx.exec(`DELETE FROM tags WHERE repo_id = $1 AND name = $2`, repoID, r.name); err != nil {
			return nil, err
		}
		if err := tx.recordTag(registry, repoID, r.name, r.digest, nil, actor, now, r.updated); err != nil {
			return nil, err
		}
		if err := tx.keepTag(registry, repo, r.name, r.digest, r.locks, actor); err != nil {
			return nil, err
		}
		if err := tx.reviewManifest(registry, r.manifest); err != nil {
			return nil, err
		}
		names = append(names, r.name)
	}
	return names, nil
}

// TaggedManifest is Manifest for what a tag names, in one query. ErrLocked if
// the tag must not be read, or what it names.
func (db *DB) TaggedManifest(ctx context.Context, registry int64, repo, tag string) (meta.Manifest, error) {
	var m meta.Manifest
	var dgst []byte
	var locks meta.Locks
	err := db.row(ctx, `SELECT m.digest, m.media_type, m.artifact_type, m.size, t.locks | m.locks | r.locks, p.payload
		FROM repositories r JOIN tags t ON t.repo_id = r.id AND t.name = $3 JOIN manifests m ON m.id = t.manifest_id
		JOIN manifest_payloads p ON p.manifest_id = m.id
		WHERE r.registry_id = $1 AND r.name = $2`, registry, repo, tag).
		Scan(&dgst, &m.Descriptor.MediaType, &m.Descriptor.ArtifactType, &m.Descriptor.Size, &locks, &m.Raw)
	m.Descriptor.Digest = unpackDigest(dgst)
	return m, readable(locks, err)
}

// Tags lists at most n tags of a repository after a name, in byte order, without
// those that must not be listed. An absent repository has none.
func (db *DB) Tags(ctx context.Context, registry int64, repo, after string, n int) ([]string, error) {
	var names *string
	err := db.row(ctx, `SELECT string_agg(name, ' ') FROM (SELECT t.name FROM tags t
		WHERE t.repo_id = (SELECT id FROM repositories WHERE registry_id = $1 AND name = $2) AND t.name > $3 AND t.locks & 8 = 0
		ORDER BY t.name LIMIT $4) names`, registry, repo, after, n).Scan(&names)
	return fields(names), err
}
