package fs

import (
	"fmt"
	"testing"

	"github.com/orlop/orlop/internal/blob/blobtest"
)

// BenchmarkPut writes and commits objects, durably.
func BenchmarkPut(b *testing.B) {
	for _, bench := range []struct {
		name      string
		size      int
		writeback int64
	}{
		{"64KiB", 64 << 10, 0},
		{"128MiB", 128 << 20, 0},
		{"128MiB/noWriteback", 128 << 20, -1},
	} {
		b.Run(bench.name, func(b *testing.B) {
			s, err := Open(b.TempDir(), Options{Writeback: bench.writeback})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			part := blobtest.Content(1, min(bench.size, 1<<20))
			b.SetBytes(int64(bench.size))
			i := 0
			for b.Loop() {
				i++
				key := fmt.Sprintf("%04x", i%0x10000)
				w, err := s.Create(b.Context(), key)
				if err != nil {
					b.Fatal(err)
				}
				for written := 0; written < bench.size; written += len(part) {
					if _, err := w.Write(part); err != nil {
						b.Fatal(err)
					}
				}
				if err := w.Commit(); err != nil {
					b.Fatal(err)
				}
				if err := s.Delete(b.Context(), key); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
