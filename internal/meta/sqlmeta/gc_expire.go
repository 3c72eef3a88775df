package sqlmeta

import (
	"strings"

	"github.com/orlop/orlop/internal/meta"
)

const dueUploads = `SELECT id FROM uploads WHERE expires < $1 AND taken < $1 ORDER BY expires LIMIT $2`

// ExpireUploads removes uploads whose time is over and leaves their objects to
// be removed. It returns how many it removed.
func (tx *Tx) ExpireUploads(s Step) (meta.Review, error) {
	ids, err := scanAll(tx, scanText, dueUploads+tx.db.skipLocked(), micros(s.Until), s.Rows)
	if err != nil {
		return meta.Review{}, err
	}
	for _, id := range ids {
		if _, err := tx.exec(`INSERT INTO gc_objects (storage_key, registry_id, delete_after, size)
			SELECT storage_key, registry_id, $2, next_offset FROM uploads WHERE id = $1 AND storage_key IS NOT NULL ON CONFLICT DO NOTHING`,
			id, micros(s.Until)); err != nil {
			return meta.Review{}, err
		}
		if _, err := tx.exec(`DELETE FROM uploads WHERE id = $1`, id); err != nil {
			return meta.Review{}, err
		}
	}
	return meta.Review{Removed: len(ids), More: len(ids) == s.Rows}, nil
}

func scanText(scan func(...any) error) (s string, err error) {
	err = scan(&s)
	return s, err
}

// ExpireDeleted removes manifests, tags and repositories that can be restored no
// more, and has the blobs reviewed. It counts the manifests.
func (tx *Tx) ExpireDeleted(s Step) (meta.Review, error) {
	now, keep := micros(s.Until), tx.db.keep.Microseconds()
	rv := meta.Review{}
	ids, err := tx.ids(`SELECT id FROM deleted_manifests WHERE id IN (SELECT d.id `+goneFrom("deleted_manifests")+` LIMIT $3) ORDER BY id`+tx.db.skipLocked(), now, keep, s.Rows)
	if err != nil {
		return rv, err
	}
	for _, id := range ids {
		if _, err := tx.exec(`INSERT INTO gc_blob_queue (blob_id, registry_id, review_after)
			SELECT blob_id, registry_id, $2 FROM deleted_manifest_blobs WHERE manifest_id = $1 ORDER BY blob_id
			ON CONFLICT (blob_id) DO UPDATE SET review_after = excluded.review_after`, id, micros(tx.reviewAfter())); err != nil {
			return rv, err
		}
		if _, err := tx.exec(`DELETE FROM deleted_manifests WHERE id = $1`, id); err != nil {
			return rv, err
		}
	}
	rv.Removed, rv.More = len(ids), len(ids) == s.Rows
	for _, query := range []string{
		`DELETE FROM deleted_tags WHERE id IN (SELECT id FROM deleted_tags WHERE id IN (SELECT d.id ` + goneFrom("deleted_tags") + ` LIMIT $3) ORDER BY id SKIP)`,
		`DELETE FROM deleted_repositories WHERE (registry_id, name) IN (SELECT registry_id, name FROM deleted_repositories WHERE (registry_id, name) IN (
			SELECT d.registry_id, d.name ` + goneFrom("deleted_repositories") + ` LIMIT $3) ORDER BY registry_id, name SKIP)`,
	} {
		n, err := tx.exec(strings.Replace(query, " SKIP", tx.db.skipLocked(), 1), now, keep, s.Rows)
		if err != nil {
			return rv, err
		}
		rv.More = rv.More || int(n) == s.Rows
	}
	return rv, nil
}
