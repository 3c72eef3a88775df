package sqlmeta

import (
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop/internal/meta"
)

// update runs fn in a transaction that must succeed.
func update(t *testing.T, db *DB, fn func(*Tx) error) {
	t.Helper()
	if err := db.Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

// queued counts the rows of a queue, and empties it.
func queued(t *testing.T, db *DB, table string) int64 {
	t.Helper()
	var n int64
	update(t, db, func(tx *Tx) (err error) {
		n, err = tx.exec(`DELETE FROM ` + table)
		return err
	})
	return n
}

// manifestOf makes a manifest that has one blob.
func manifestOf(raw, content string, children ...digest.Digest) meta.Manifest {
	m := meta.Manifest{Raw: []byte(raw), Children: children}
	m.Descriptor = ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString(raw), Size: int64(len(raw))}
	m.Blobs = []ocispec.Descriptor{{Digest: digest.FromString(content), Size: int64(len(content))}}
	return m
}

// TestOrphansAreReviewed lists every event that may leave content without a use,
// and wants the collector to be told of it in the same transaction.
func TestOrphansAreReviewed(t *testing.T) { eachEngine(t, testOrphansAreReviewed) }

func testOrphansAreReviewed(t *testing.T, open opener) {
	child, parent := manifestOf("child", "x"), manifestOf("parent", "x", digest.FromString("child"))
	for _, event := range []struct {
		name             string
		fn               func(tx *Tx) error
		blobs, manifests int64
	}{
		{"blob linked", func(tx *Tx) error { return tx.MountBlob(1, "b", "a", digest.FromString("x")) }, 1, 0},
		{"blob unlinked", func(tx *Tx) error { return tx.UnlinkBlob(1, "a", digest.FromString("x")) }, 1, 0},
		{"manifest without a tag", func(tx *Tx) error { return tx.PutManifest(1, "a", child, nil, "") }, 0, 1},
		{"tag moved", func(tx *Tx) error { return tx.PutManifest(1, "a", child, []string{"p"}, "") }, 0, 1},
		{"tag deleted", func(tx *Tx) error { return tx.DeleteTag(1, "a", "p", "") }, 0, 1},
		{"index deleted", func(tx *Tx) error {
			_, err := tx.DeleteManifest(1, "a", parent.Descriptor.Digest, "")
			return err
		}, 1, 2}, // of the manifests, itself by its tag and its child
		{"repository deleted after its blob was unlinked", func(tx *Tx) error {
			if err := tx.UnlinkBlob(1, "a", digest.FromString("x")); err != nil {
				return err
			}
			if _, err := tx.exec(`DELETE FROM gc_blob_queue`); err != nil { // reviewed, and found in use
				return err
			}
			_, err := tx.DeleteRepository(1, "a", "")
			return err
		}, 1, 2},
	} {
		t.Run(event.name, func(t *testing.T) {
			db := open(t, Options{})
			if err := putSmall(db, t, "a", "x"); err != nil {
				t.Fatal(err)
			}
			update(t, db, func(tx *Tx) error { return tx.PutManifest(1, "a", child, []string{"c"}, "") })
			update(t, db, func(tx *Tx) error { return tx.PutManifest(1, "a", parent, []string{"p"}, "") })
			queued(t, db, "gc_blob_queue")
			queued(t, db, "gc_manifest_queue")
			update(t, db, event.fn)
			if n := queued(t, db, "gc_blob_queue"); n != event.blobs {
				t.Errorf("%d blobs, want %d", n, event.blobs)
			}
			if n := queued(t, db, "gc_manifest_queue"); n != event.manifests {
				t.Errorf("%d manifests, want %d", n, event.manifests)
			}
		})
	}
}
