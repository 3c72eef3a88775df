package sqlmeta

import (
	"context"
	"fmt"
	"testing"
)

// Fill adds manifests with the ids from first on, of three blobs each. Nothing of
// them waits for a collector. It is for tests that need very many rows.
func (db *DB) Fill(t testing.TB, first, manifests int) {
	t.Helper()
	const step = 100_000          // in each transaction
	cache := func(pages string) { // for the random order of digests
		if err := db.Update(context.Background(), func(tx *Tx) error { return tx.plain(`PRAGMA cache_size(` + pages + `)`) }); err != nil {
			t.Fatal(err)
		}
	}
	cache("-600000")
	defer cache("-8192")
	for at := first; at < first+manifests; at += step {
		n := min(step, first+manifests-at)
		if err := db.Update(context.Background(), func(tx *Tx) error { return tx.fillRows(at, n) }); err != nil {
			t.Fatal(err)
		}
	}
}

func (tx *Tx) fillRows(first, n int) error {
	manifests := fmt.Sprintf(`WITH RECURSIVE s (m) AS (SELECT %d UNION ALL SELECT m + 1 FROM s WHERE m < %d) `, first, first+n-1)
	blobs := fmt.Sprintf(`WITH RECURSIVE s (b) AS (SELECT %d UNION ALL SELECT b + 1 FROM s WHERE b < %d) `, 3*first, 3*(first+n)-1)
	for _, query := range []string{
		`INSERT INTO registries (id, name, created) VALUES (1, 'default', 1) ON CONFLICT DO NOTHING`,
		`INSERT INTO repositories (id, registry_id, name, created, updated) VALUES (1, 1, 'a', 1, 1) ON CONFLICT DO NOTHING`,
		blobs + `INSERT INTO blobs (id, registry_id, digest, size, storage_key, created)
			SELECT b, 1, CAST(x'01' || randomblob(32) AS BLOB), 1000, 'k' || b, 1 FROM s`,
		blobs + `INSERT INTO repository_blobs (repo_id, blob_id, registry_id, linked) SELECT 1, b, 1, 1 FROM s`,
		manifests + `INSERT INTO manifests (id, registry_id, repo_id, digest, media_type, size, image_size, created, updated)
			SELECT m, 1, 1, CAST(x'01' || randomblob(32) AS BLOB), 'application/vnd.oci.image.manifest.v1+json', 500, 3500, 1, 1 FROM s`,
		manifests + `INSERT INTO manifest_payloads (manifest_id, registry_id, payload) SELECT m, 1, randomblob(500) FROM s`,
		blobs + `INSERT INTO manifest_blobs (blob_id, manifest_id, registry_id) SELECT b, b / 3, 1 FROM s`,
	} {
		if err := tx.plain(query); err != nil {
			return err
		}
	}
	return nil
}

// Orphan deletes every step-th of n manifests with the ids from first on, as a user
// does, and leaves their blobs to the collector.
func (db *DB) Orphan(t testing.TB, first, n, step int) {
	t.Helper()
	for i := range n {
		id := int64(first + i*step)
		if err := db.Update(context.Background(), func(tx *Tx) error {
			if err := tx.letGo(1, id, nil); err != nil {
				return err
			}
			_, err := tx.exec(`DELETE FROM manifests WHERE id = $1`, id)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// Touch makes a small change.
func (db *DB) Touch(ctx context.Context) error {
	return db.Update(ctx, func(tx *Tx) error { return tx.touch(1) })
}

// Queue has the blobs of n manifests reviewed, which are used.
func (db *DB) Queue(t testing.TB, first, n, step int) {
	t.Helper()
	if err := db.Update(context.Background(), func(tx *Tx) error {
		for i := range n {
			for k := range 3 {
				if err := tx.reviewBlob(1, int64(3*(first+i*step)+k)); err != nil {
					return err
				}
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
