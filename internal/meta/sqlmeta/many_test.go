package sqlmeta

import (
	"fmt"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop/internal/meta"
)

func TestNumbered(t *testing.T) {
	for query, want := range map[string]string{
		"SELECT 1":                             "SELECT 1",
		"VALUES ($1,$2), ($3,$4)":              "VALUES (?,?), (?,?)",
		"VALUES ($1,$2,$2)":                    "VALUES (?1,?2,?2)",
		"WHERE a = $2 AND b = $1":              "WHERE a = ?2 AND b = ?1",
		"WHERE a = $1 AND b = $10":             "WHERE a = ?1 AND b = ?10",
		"($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11)": "(?,?,?,?,?,?,?,?,?,?,?)",
	} {
		if got := numbered(query); got != want {
			t.Errorf("numbered(%q) = %q, want %q", query, got, want)
		}
	}
}

// However many blobs are stored at once, and whichever are there already, each is
// there once and linked.
func TestPutBlobsOfEveryNumber(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		db := open(t, Options{})
		put := func(repo string, n int) error {
			blobs := make([]meta.Blob, 0, n+1)
			for i := range n {
				content := fmt.Appendf(nil, "content %d", i)
				if i == 0 {
					content = nil
				}
				blobs = append(blobs, meta.Blob{Digest: digest.FromBytes(content), Size: int64(len(content)), Content: content})
			}
			if n < MaxBlobs && n > 0 {
				blobs = append(blobs, blobs[0]) // twice
			}
			if err := db.Update(t.Context(), func(tx *Tx) error { return tx.PutBlobs(1, repo, blobs) }); err != nil {
				return err
			}
			for _, b := range blobs {
				got, err := db.Blob(t.Context(), 1, repo, b.Digest)
				if err != nil || string(got.Content) != string(b.Content) || got.Size != b.Size {
					return fmt.Errorf("%d blobs in %s: %q: %+v, %v", n, repo, b.Content, got, err)
				}
			}
			return nil
		}
		for _, n := range []int{0, 1, 2, 3, 7, 31, 50, 63, 64} {
			if err := put("a", n); err != nil {
				t.Fatal(err)
			}
			if err := put(fmt.Sprintf("b%d", n), n); err != nil {
				t.Fatal(err)
			}
		}
		if err := put("a", MaxBlobs+1); err == nil {
			t.Error("too many were taken")
		}
	})
}
