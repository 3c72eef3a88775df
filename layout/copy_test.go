package layout_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/layout"
	"github.com/orlop/orlop/memory"
)

// breaking is a source of which the n-th read fails.
type breaking struct {
	*memory.Registry
	reads atomic.Int64
	n     int64
	fail  func() error
}

func (b *breaking) OpenBlob(
	ctx context.Context, repo string, dgst digest.Digest, off, n int64,
) (orlop.BlobReader, error) {
	r, err := b.Registry.OpenBlob(ctx, repo, dgst, off, n)
	if err != nil {
		return nil, err
	}
	return &breakingReader{r, b}, nil
}

type breakingReader struct {
	orlop.BlobReader
	b *breaking
}

func (r *breakingReader) Read(p []byte) (int, error) {
	if r.b.reads.Add(1) == r.b.n {
		return 0, r.b.fail()
	}
	return r.BlobReader.Read(p[:min(len(p), 5000)])
}

// A copy to a layout that fails or is ended anywhere leaves no pieces, and the
// next one completes it.
func TestCopyBreaksOff(t *testing.T) {
	src := memory.New()
	var texts []string
	for i := range 6 {
		texts = append(texts, strings.Repeat(fmt.Sprint("text ", i), 2000))
	}
	if _, err := tryPushTexts(t, named{src, "a"}, texts, "v1"); err != nil {
		t.Fatal(err)
	}
	o := orlop.CopyOptions{Tags: []string{"v1"}}
	opens := map[string]func(t *testing.T, dir string) *layout.Registry{
		"directory": func(t *testing.T, dir string) *layout.Registry { return create(t, dir) },
		"batch":     func(t *testing.T, dir string) *layout.Registry { return batch(t, dir) },
		"tar":       func(t *testing.T, dir string) *layout.Registry { return createTar(t, filepath.Join(dir, "layout.tar")) },
	}
	for name, open := range opens {
		for _, cancelled := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", cancelled ", cancelled), func(t *testing.T) {
				for n := int64(1); ; n++ {
					ctx, cancel := context.WithCancel(t.Context())
					want := error(orlop.ErrDenied)
					from := &breaking{Registry: src, n: n, fail: func() error { return orlop.ErrDenied }}
					if cancelled {
						want = context.Canceled
						from.fail = func() error { cancel(); return context.Canceled }
					}
					dir := t.TempDir()
					dst := open(t, dir)
					_, err := orlop.Copy(ctx, dst, "", from, "a", "v1", o)
					cancel()
					if from.reads.Load() < n {
						if err != nil || n < 12 {
							t.Errorf("read %d: %v", n, err)
						}
						return
					}
					if !errors.Is(err, want) {
						t.Errorf("read %d: %v", n, err)
					}
					wantNothing(t, dst, dir)
					if _, err := orlop.Copy(t.Context(), dst, "", from, "a", "v1", o); err != nil {
						t.Fatal(err)
					}
					commit(t, dst)
					wantText(t, dst, "v1", texts[0])
				}
			})
		}
	}
}

// wantNothing checks that no tag is there and nothing half written.
func wantNothing(t *testing.T, r *layout.Registry, dir string) {
	t.Helper()
	for tag, err := range r.Tags(t.Context(), "", "") {
		t.Errorf("tag %s, %v", tag, err)
	}
	left, err := os.ReadDir(filepath.Join(dir, "ingest"))
	if err != nil && !errors.Is(err, os.ErrNotExist) || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
