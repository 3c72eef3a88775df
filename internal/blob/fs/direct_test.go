package fs

import (
	"fmt"
	"testing"

	"github.com/orlop/orlop/internal/blob/blobtest"
)

// TestDirectWrites writes objects whose parts go past the cache and through it
// in turn, in requests that end anywhere, and reads them back.
func TestDirectWrites(t *testing.T) {
	const mib = 1 << 20
	for _, parts := range [][]int{
		{3 * mib},
		{mib, mib, 5},
		{mib, 100, 2 * mib},           // an odd offset: no direct writes after it
		{mib + 4096, 3 * mib},         // whole blocks of 4 KiB
		{mib, -1, 2*mib + 17, -1, 99}, // closed and appended to at -1
		{5, 3 * mib},
	} {
		t.Run(fmt.Sprint(parts), func(t *testing.T) {
			s, err := Open(t.TempDir(), Options{DirectFrom: mib})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			w, err := s.Create(t.Context(), "key")
			if err != nil {
				t.Fatal(err)
			}
			var want []byte
			for i, n := range parts {
				if n < 0 {
					if _, err := w.Sync(); err != nil {
						t.Fatal(err)
					}
					w.Close()
					if w, err = s.Append(t.Context(), "key", int64(len(want)), nil); err != nil {
						t.Fatal(err)
					}
					continue
				}
				part := blobtest.Content(uint64(i), n)
				if k, err := w.Write(part); err != nil || k != n {
					t.Fatalf("wrote %d of %d, %v", k, n, err)
				}
				want = append(want, part...)
			}
			if err := w.Commit(); err != nil {
				t.Fatal(err)
			}
			if got := blobtest.Get(t, s, "key"); string(got) != string(want) {
				t.Errorf("read %d bytes, not the %d that were written", len(got), len(want))
			}
		})
	}
}
