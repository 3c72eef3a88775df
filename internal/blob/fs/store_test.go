package fs

import (
	"testing"

	"github.com/orlop/orlop/internal/blob"
	"github.com/orlop/orlop/internal/blob/blobtest"
	"github.com/orlop/orlop/internal/blob/faultfs"
)

func openDir(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir, Options{Writeback: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestStore(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blob.Store { return openDir(t, t.TempDir()) })
}

func TestStoreInMemory(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blob.Store {
		s, err := OpenFS(faultfs.New(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}
