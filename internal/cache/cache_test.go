package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/layout"
	"github.com/orlop/orlop/memory"
)

const repo = "samples/artifact"

// origin is a registry that counts what is read from it.
type origin struct {
	*memory.Registry
	mu    sync.Mutex
	reads map[string]int
}

func newOrigin() *origin { return &origin{Registry: memory.New(), reads: map[string]int{}} }

func (o *origin) count(what string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.reads[what]++
}

func (o *origin) times(what any) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.reads[fmt.Sprint(what)]
}

func (o *origin) Manifest(ctx context.Context, repo, reference string) (orlop.Manifest, error) {
	o.count(reference)
	return o.Registry.Manifest(ctx, repo, reference)
}

func (o *origin) OpenBlob(ctx context.Context, repo string, dgst digest.Digest, off, n int64) (orlop.BlobReader, error) {
	o.count(string(dgst))
	return o.Registry.OpenBlob(ctx, repo, dgst, off, n)
}

// blob pushes n bytes that depend on a seed.
func (o *origin) blob(t *testing.T, n int, seed uint64) ([]byte, digest.Digest) {
	t.Helper()
	content := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	r.Read(content)
	desc := orlop.Descriptor{Digest: digest.FromBytes(content), Size: int64(n)}
	if err := o.PushBlob(t.Context(), repo, desc, bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	return content, desc.Digest
}

func open(t *testing.T, dir string, o Options) *Cache {
	t.Helper()
	if o.Warn == nil {
		o.Warn = func(err error) { t.Errorf("warning: %v", err) }
	}
	c, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// read reads a range of a blob.
func read(ctx context.Context, r orlop.Reader, dgst digest.Digest, off, n int64) ([]byte, error) {
	b, err := r.OpenBlob(ctx, repo, dgst, off, n)
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(b)
	return raw, errors.Join(err, b.Close())
}

// mustRead reads a whole blob and compares it.
func mustRead(t *testing.T, r orlop.Reader, dgst digest.Digest, want []byte) {
	t.Helper()
	got, err := read(t.Context(), r, dgst, 0, -1)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("read %d bytes of %s, want %d: %v", len(got), dgst, len(want), err)
	}
}

// blobPath is where the cache in dir keeps a blob.
func blobPath(dir string, dgst digest.Digest) string {
	return filepath.Join(dir, filepath.FromSlash(blobName(dgst)))
}

// replace puts something else where a blob is.
func replace(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func noTemps(t *testing.T, dir string) {
	t.Helper()
	if names, _ := filepath.Glob(filepath.Join(dir, ingestDir, "*")); len(names) > 0 {
		t.Errorf("temporary files are left: %v", names)
	}
}

func TestBlobs(t *testing.T) {
	for _, size := range []int{0, 1, bufferSize, bufferSize + 1, maxInMemory, maxInMemory + 1, 3 << 20} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			o, dir := newOrigin(), filepath.Join(t.TempDir(), "a", "cache")
			content, dgst := o.blob(t, size, 1)
			mustRead(t, open(t, dir, Options{}).Reader(o), dgst, content)
			r := open(t, dir, Options{}).Reader(o)
			mustRead(t, r, dgst, content)
			for _, off := range []int64{1, int64(size / 2), int64(size)} {
				if off > int64(size) {
					continue
				}
				for _, n := range []int64{-1, 0, 5, 1 << 40} {
					got, err := read(t.Context(), r, dgst, off, n)
					want := content[off:]
					if n >= 0 && n < int64(len(want)) {
						want = want[:n]
					}
					if err != nil || !bytes.Equal(got, want) {
						t.Errorf("range %d+%d: %d bytes, %v", off, n, len(got), err)
					}
				}
			}
			for _, off := range []int64{-1, int64(size) + 1} {
				if _, err := read(t.Context(), r, dgst, off, -1); !errors.Is(err, orlop.ErrRangeInvalid) {
					t.Errorf("offset %d: %v", off, err)
				}
			}
			if n := o.times(dgst); n != 1 {
				t.Errorf("the registry was asked %d times", n)
			}
			noTemps(t, dir)
		})
	}
}

// TestPartlyRead keeps nothing of what was not read to its end.
func TestPartlyRead(t *testing.T) {
	o, dir := newOrigin(), t.TempDir()
	content, dgst := o.blob(t, 2<<20, 1)
	r := open(t, dir, Options{}).Reader(o)
	for _, n := range []int64{0, 1, int64(len(content)) - 1} {
		b, err := r.OpenBlob(t.Context(), repo, dgst, 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, b, n); err != nil {
			t.Fatal(err)
		}
		b.Close()
		if _, err := os.Stat(blobPath(dir, dgst)); err == nil {
			t.Fatalf("content is kept after %d bytes", n)
		}
		noTemps(t, dir)
	}
	// A range is not what the digest is of.
	if _, err := read(t.Context(), r, dgst, 5, -1); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(blobPath(dir, dgst)); err == nil {
		t.Error("a range is kept")
	}
	mustRead(t, r, dgst, content)
}

func TestManifests(t *testing.T) {
	o, dir := newOrigin(), t.TempDir()
	_, config := o.blob(t, 2, 1)
	raw := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",`+
		`"config":{"mediaType":"application/x","digest":%q,"size":2},"layers":[]}`, config)
	untyped := fmt.Appendf(nil, `{"schemaVersion":2,"config":{"mediaType":"application/x","digest":%q,"size":2},"layers":[]}`, config)
	const image = "application/vnd.oci.image.manifest.v1+json"
	for tag, raw := range map[string][]byte{"1": raw, "2": untyped} {
		if _, err := o.PushManifest(t.Context(), repo, image, raw, tag); err != nil {
			t.Fatal(err)
		}
		r, dgst := open(t, dir, Options{}).Reader(o), digest.FromBytes(raw)
		for range 2 {
			for _, reference := range []string{tag, string(dgst)} {
				m, err := r.Manifest(t.Context(), repo, reference)
				want := orlop.Descriptor{MediaType: image, Digest: dgst, Size: int64(len(raw))}
				if err != nil || !bytes.Equal(m.Raw, raw) || m.Descriptor.MediaType != image || m.Descriptor.Digest != dgst || m.Descriptor.Size != want.Size {
					t.Errorf("%s: %+v, %v", reference, m.Descriptor, err)
				}
			}
		}
		if n := o.times(dgst); n != 1 || o.times(tag) != 0 {
			t.Errorf("manifest %s was read %d times", tag, n)
		}
	}
	// A tag that moves is followed.
	if _, err := o.PushManifest(t.Context(), repo, image, raw, "2"); err != nil {
		t.Fatal(err)
	}
	m, err := open(t, dir, Options{}).Reader(o).Manifest(t.Context(), repo, "2")
	if err != nil || !bytes.Equal(m.Raw, raw) {
		t.Errorf("after the tag moved: %s, %v", m.Raw, err)
	}
	if err := o.DeleteTag(t.Context(), repo, "2"); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, dir, Options{}).Reader(o).Manifest(t.Context(), repo, "2"); !errors.Is(err, orlop.ErrManifestUnknown) {
		t.Errorf("after the tag was deleted: %v", err)
	}
}

// TestUnknown passes on what the registry says.
func TestUnknown(t *testing.T) {
	o := newOrigin()
	r := open(t, t.TempDir(), Options{}).Reader(o)
	dgst := digest.FromString("nothing")
	if _, err := read(t.Context(), r, dgst, 0, -1); !errors.Is(err, orlop.ErrBlobUnknown) {
		t.Error(err)
	}
	for _, bad := range []digest.Digest{"", "sha256:../../x", "x"} {
		if _, err := read(t.Context(), r, bad, 0, -1); !errors.Is(err, orlop.ErrDigestInvalid) {
			t.Errorf("%q: %v", bad, err)
		}
		if _, err := r.Manifest(t.Context(), repo, string(bad)); err == nil {
			t.Errorf("manifest %q was found", bad)
		}
	}
}

// TestIsLayout reads what was kept with another program of layouts, and the
// other way round.
func TestIsLayout(t *testing.T) {
	o, dir := newOrigin(), t.TempDir()
	content, dgst := o.blob(t, 1000, 1)
	mustRead(t, open(t, dir, Options{}).Reader(o), dgst, content)
	l, err := layout.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	mustRead(t, l, dgst, content)

	other, otherDigest := o.blob(t, 2000, 2)
	desc := orlop.Descriptor{Digest: otherDigest, Size: 2000}
	if err := l.PushBlob(t.Context(), repo, desc, bytes.NewReader(other)); err != nil {
		t.Fatal(err)
	}
	mustRead(t, open(t, dir, Options{}).Reader(o), otherDigest, other)
	if o.times(otherDigest) != 0 {
		t.Error("the registry was asked for what is in the layout")
	}
}

// TestSHA512 keeps content by other digests too.
func TestSHA512(t *testing.T) {
	o, dir := newOrigin(), t.TempDir()
	content := []byte("content")
	desc := orlop.Descriptor{Digest: digest.SHA512.FromBytes(content), Size: int64(len(content))}
	if err := o.PushBlob(t.Context(), repo, desc, bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		mustRead(t, open(t, dir, Options{}).Reader(o), desc.Digest, content)
	}
	if n := o.times(desc.Digest); n != 1 {
		t.Errorf("the registry was asked %d times", n)
	}
}
