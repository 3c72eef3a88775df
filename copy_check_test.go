package orlop_test

import (
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/layout"
)

// trusting is a reader that notes that it need not check.
type trusting struct {
	orlop.BlobReader
	told *atomic.Int64
}

func (r trusting) Unchecked() { r.told.Add(1) }

func TestCopyChecksOnce(t *testing.T) {
	src := newSpy()
	root := pushGraph(t, src, "from", "v1")
	var told atomic.Int64
	src.open = func(_ digest.Digest, r orlop.BlobReader) (orlop.BlobReader, error) { return trusting{r, &told}, nil }
	if _, err := orlop.Copy(t.Context(), newSpy(), "to", src, "from", "v1", orlop.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	if told.Load() != 0 {
		t.Error("nobody checks the blobs in this process")
	}
	dst, err := layout.Create(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dst.Close()
	if _, err := orlop.Copy(t.Context(), dst, "", src, "from", "v1", orlop.CopyOptions{Tags: []string{"v1"}}); err != nil {
		t.Fatal(err)
	}
	if told.Load() == 0 {
		t.Error("blobs are checked twice")
	}
	wantGraph(t, dst, "", string(root.Digest))
}

// TestCopyBlamesTheSource: what the destination finds wrong came from there.
func TestCopyBlamesTheSource(t *testing.T) {
	src := newSpy()
	pushGraph(t, src, "from", "v1")
	src.open = func(_ digest.Digest, r orlop.BlobReader) (orlop.BlobReader, error) { return lie{r}, nil }
	dst, err := layout.Create(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dst.Close()
	_, err = orlop.Copy(t.Context(), dst, "", src, "from", "v1", orlop.CopyOptions{Tags: []string{"v1"}})
	wantSide(t, err, orlop.Source, orlop.ErrDamaged)
	if _, err := dst.Resolve(t.Context(), "", "v1"); err == nil {
		t.Error("a lie has a tag")
	}
}
