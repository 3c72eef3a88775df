package sqlmeta

import (
	"errors"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop/internal/meta"
)

// TestSparseManifest stores a manifest before one of its blobs, and wants the
// blob to belong to it once it comes, also after the database was opened again.
func TestSparseManifest(t *testing.T) { eachEngine(t, testSparseManifest) }

func testSparseManifest(t *testing.T, open opener) {
	db := open(t, Options{})
	if err := putSmall(db, t, "a", "here"); err != nil {
		t.Fatal(err)
	}
	m := meta.Manifest{
		Descriptor: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString("{}"), Size: 2},
		Raw:        []byte("{}"),
		Blobs: []ocispec.Descriptor{
			{Digest: digest.FromString("here"), Size: 4},
			{Digest: digest.FromString("late"), Size: 4},
		},
	}
	put := func() error {
		return db.Update(t.Context(), func(tx *Tx) error { return tx.PutManifest(1, "a", m, []string{"v1"}, "") })
	}
	if missing, ok := errors.AsType[*MissingError](put()); !ok || missing.Digest != digest.FromString("late") {
		t.Fatalf("a manifest that may not be sparse: %v", missing)
	}
	m.Sparse = true
	if err := put(); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, Options{})
	for _, repo := range []string{"b", "a"} { // another repository's blob is not ours
		var edges int
		if err := db.row(t.Context(), `SELECT count(*) FROM manifest_blobs`).Scan(&edges); err != nil || edges != 1 {
			t.Errorf("before the blob came to %s: %d edges, %v", repo, edges, err)
		}
		if err := putSmall(db, t, repo, "late"); err != nil {
			t.Fatal(err)
		}
	}
	var edges, missing int
	err := db.row(t.Context(), `SELECT (SELECT count(*) FROM manifest_blobs), (SELECT count(*) FROM missing_blobs)`).Scan(&edges, &missing)
	if err != nil || edges != 2 || missing != 0 {
		t.Errorf("%d edges, %d missing, %v", edges, missing, err)
	}
}
