//go:build unix

package files

import (
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
)

// copies makes the same tree twice, in a different order, with other times and
// under another umask.
func copies(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	for i, dir := range []string{"one/tree", "two/tree"} {
		umask := syscall.Umask([]int{0o022, 0o077}[i])
		names := []string{"a", "b/c", "b/d", "e", "script"}
		if i == 1 {
			slices.Reverse(names)
		}
		for _, name := range names {
			mode := os.FileMode(0o666)
			if name == "script" {
				mode = 0o777
			}
			path := filepath.Join(dir, name)
			os.MkdirAll(filepath.Dir(path), 0o777)
			if err := os.WriteFile(path, []byte("content of "+name), mode); err != nil {
				t.Fatal(err)
			}
			os.Chtimes(path, time.Time{}, time.Unix(int64(1_700_000_000+i*1000+len(name)), 0))
		}
		os.Symlink("../e", dir+"/b/link")
		os.Chtimes(dir, time.Time{}, time.Unix(int64(1_700_000_000+i), 0))
		syscall.Umask(umask)
	}
}

func packCopies(t *testing.T, o LoadOptions) (one, two orlop.Descriptor) {
	t.Helper()
	o.Annotations = map[string]map[string]string{"one/tree": {ocispec.AnnotationTitle: "tree"}, "two/tree": {ocispec.AnnotationTitle: "tree"}}
	one = load(t, o, Arg{"one/tree", ""}).Layers()[0]
	two = load(t, o, Arg{"two/tree", ""}).Layers()[0]
	return one, two
}

func TestReproducible(t *testing.T) {
	copies(t)
	if one, two := packCopies(t, LoadOptions{}); one.Digest == two.Digest {
		t.Error("the copies do not differ")
	}
	var seen []digest.Digest
	for _, o := range []LoadOptions{
		{Reproducible: true}, {Reproducible: true, Epoch: time.Unix(1_000_000_000, 0)}, {Reproducible: true, Compression: Zstd}, {Reproducible: true, Compression: None},
	} {
		one, two := packCopies(t, o)
		if one.Digest != two.Digest || slices.Contains(seen, one.Digest) {
			t.Errorf("%+v: %s and %s", o, one.Digest, two.Digest)
		}
		seen = append(seen, one.Digest)
	}
}
