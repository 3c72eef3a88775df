package layout_test

import (
	"archive/tar"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/layout"
	"github.com/orlop/orlop/registrytest"
)

func create(t *testing.T, dir string) *layout.Registry {
	t.Helper()
	r, err := layout.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func TestRegistry(t *testing.T) {
	registrytest.Run(t, func(t *testing.T) orlop.Registry { return create(t, t.TempDir()) }, registrytest.Options{OneRepository: true})
}

var (
	_ = tar.TypeReg
	_ = fs.ErrNotExist
	_ = os.Args
	_ = filepath.Join
)
