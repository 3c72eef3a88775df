package sqlmeta

import (
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"
)

// TestDigests packs digests of both algorithms, of the same content too, and
// wants the bytes that databases hold already.
func TestDigests(t *testing.T) {
	for alg, first := range map[digest.Algorithm]byte{digest.SHA256: 1, digest.SHA512: 2} {
		d := alg.FromString("x")
		packed, err := packDigest(d)
		if err != nil || packed[0] != first || len(packed) != 1+alg.Size() || unpackDigest(packed) != d {
			t.Errorf("%s: %x, %v", d, packed, err)
		}
	}
	for _, bad := range []digest.Digest{"", "sha256:", "sha256:00", "md5:d41d8cd98f00b204e9800998ecf8427e", "sha512:" + digest.Digest(digest.FromString("").Encoded())} {
		if packed, err := packDigest(bad); err == nil {
			t.Errorf("%q: %x", bad, packed)
		}
	}
}

// TestReleasedByRequest takes a request that ends its own savepoint, which must
// cost its batch and nothing that comes after.
func TestReleasedByRequest(t *testing.T) {
	db, _ := openTest(t, Options{})
	if err := db.Update(t.Context(), func(tx *Tx) error { return tx.plain("RELEASE request") }); err == nil {
		t.Error("a request without its savepoint succeeded")
	}
	if err := putSmall(db, t, "a", "x"); err != nil {
		t.Errorf("the next one: %v", err)
	}
	if names, err := db.Repositories(t.Context(), 1, "", 10); err != nil || !slices.Equal(names, []string{"a"}) {
		t.Errorf("%q, %v", names, err)
	}
}
