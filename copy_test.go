package orlop_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/memory"
)

func pushBlob(t testing.TB, r orlop.Writer, repo string, content []byte) orlop.Descriptor {
	t.Helper()
	d := orlop.Descriptor{MediaType: "application/vnd.example.blob", Digest: digest.FromBytes(content), Size: int64(len(content))}
	if err := r.PushBlob(t.Context(), repo, d, bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	return d
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func pushJSON(t testing.TB, r orlop.Writer, repo, mediaType string, v any, tags ...string) orlop.Descriptor {
	t.Helper()
	d, err := r.PushManifest(t.Context(), repo, mediaType, marshal(t, v), tags...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func pushImage(t *testing.T, r orlop.Writer, repo, name string, subject *orlop.Descriptor, tags ...string) orlop.Descriptor {
	t.Helper()
	m := ocispec.Manifest{
		MediaType: ocispec.MediaTypeImageManifest,
		Config:    pushBlob(t, r, repo, []byte("{}")),
		Layers: []orlop.Descriptor{
			pushBlob(t, r, repo, []byte("shared by all")), pushBlob(t, r, repo, bytes.Repeat([]byte(name), 50_000)),
		},
		Subject:     subject,
		Annotations: map[string]string{"name": name},
	}
	m.SchemaVersion = 2
	return pushJSON(t, r, repo, m.MediaType, m, tags...)
}

// pushGraph pushes an index of two images and of an index of a third.
func pushGraph(t *testing.T, r orlop.Writer, repo string, tags ...string) orlop.Descriptor {
	t.Helper()
	index := func(children ...orlop.Descriptor) ocispec.Index {
		i := ocispec.Index{MediaType: ocispec.MediaTypeImageIndex, Manifests: children}
		i.SchemaVersion = 2
		return i
	}
	inner := pushJSON(t, r, repo, ocispec.MediaTypeImageIndex, index(pushImage(t, r, repo, "three", nil)))
	return pushJSON(t, r, repo, ocispec.MediaTypeImageIndex,
		index(pushImage(t, r, repo, "one", nil), pushImage(t, r, repo, "two", nil), inner), tags...)
}

// wantGraph checks that a manifest is there with all below it.
func wantGraph(t *testing.T, r orlop.Reader, repo, reference string) {
	t.Helper()
	m, err := r.Manifest(t.Context(), repo, reference)
	if err != nil {
		t.Fatalf("%s: %v", reference, err)
	}
	info, err := orlop.ParseManifest(m.Descriptor.MediaType, m.Raw)
	if err != nil {
		t.Fatal(err)
	}
	for blob := range info.Blobs() {
		rc, err := r.OpenBlob(t.Context(), repo, blob.Digest, 0, -1)
		if err != nil {
			t.Fatalf("blob of %s: %v", reference, err)
		}
		content, err := io.ReadAll(rc)
		if err != nil || blob.Digest.Algorithm().FromBytes(content) != blob.Digest {
			t.Errorf("blob %s: %d bytes, %v", blob.Digest, len(content), err)
		}
		rc.Close()
	}
	for _, child := range info.Children {
		wantGraph(t, r, repo, string(child.Digest))
	}
}

// spy is a registry whose calls a test can watch and break. Functions that are
// nil do nothing.
type spy struct {
	*memory.Registry
	open  func(dgst digest.Digest, r orlop.BlobReader) (orlop.BlobReader, error)
	push  func(ctx context.Context, desc orlop.Descriptor, content io.Reader) (done bool, err error)
	put   func(raw []byte) error
	read  func(m *orlop.Manifest) error
	mount func() error
	calls atomic.Int64 // that send or mount something
}

func (s *spy) OpenBlob(ctx context.Context, repo string, dgst digest.Digest, off, n int64) (orlop.BlobReader, error) {
	r, err := s.Registry.OpenBlob(ctx, repo, dgst, off, n)
	if err == nil && s.open != nil {
		return s.open(dgst, r)
	}
	return r, err
}

func (s *spy) PushBlob(ctx context.Context, repo string, desc orlop.Descriptor, content io.Reader) error {
	s.calls.Add(1)
	if s.push != nil {
		if done, err := s.push(ctx, desc, content); done || err != nil {
			return err
		}
	}
	return s.Registry.PushBlob(ctx, repo, desc, content)
}

func (s *spy) MountBlob(ctx context.Context, repo, from string, dgst digest.Digest) error {
	s.calls.Add(1)
	if s.mount != nil {
		if err := s.mount(); err != nil {
			return err
		}
	}
	return s.Registry.MountBlob(ctx, repo, from, dgst)
}

func (s *spy) PushManifest(ctx context.Context, repo, mediaType string, raw []byte, tags ...string) (orlop.Descriptor, error) {
	s.calls.Add(1)
	if s.put != nil {
		if err := s.put(raw); err != nil {
			return orlop.Descriptor{}, err
		}
	}
	return s.Registry.PushManifest(ctx, repo, mediaType, raw, tags...)
}

func (s *spy) Manifest(ctx context.Context, repo, reference string) (orlop.Manifest, error) {
	m, err := s.Registry.Manifest(ctx, repo, reference)
	if err == nil && s.read != nil {
		err = s.read(&m)
	}
	return m, err
}

func newSpy() *spy { return &spy{Registry: memory.New()} }

func TestCopy(t *testing.T) {
	src, dst := newSpy(), newSpy()
	root := pushGraph(t, src, "from", "v1")
	dst.put = func(raw []byte) error { // what it refers to is there: memory sees to the blobs
		info, err := orlop.ParseManifest("", raw)
		for _, child := range info.Children {
			_, absent := dst.Resolve(context.Background(), "to", string(child.Digest))
			err = errors.Join(err, absent)
		}
		return err
	}
	got, err := orlop.Copy(t.Context(), dst, "to", src, "from", "v1", orlop.CopyOptions{Tags: []string{"a", "b"}})
	if err != nil {
		t.Fatal(err)
	}
	if got.Digest != root.Digest {
		t.Errorf("copied %s, want %s", got.Digest, root.Digest)
	}
	wantGraph(t, dst, "to", "a")
	wantGraph(t, dst, "to", "b")

	before := dst.calls.Load()
	if _, err := orlop.Copy(t.Context(), dst, "to", src, "from", string(root.Digest), orlop.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	if n := dst.calls.Load() - before; n != 0 {
		t.Errorf("a second copy sent %d things", n)
	}
	if _, err := orlop.Copy(t.Context(), dst, "to", src, "from", "v1", orlop.CopyOptions{Tags: []string{"c"}}); err != nil {
		t.Fatal(err)
	}
	if n := dst.calls.Load() - before; n != 1 {
		t.Errorf("tagging what is there sent %d things", n)
	}
	wantGraph(t, dst, "to", "c")
	before = dst.calls.Load()
	if _, err := orlop.Copy(t.Context(), dst, "to", src, "from", "v1", orlop.CopyOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	if n := dst.calls.Load() - before; n != 5 {
		t.Errorf("a forced copy sent %d things, want 5 manifests", n)
	}
}

func TestCopyMounts(t *testing.T) {
	src, dst := newSpy(), newSpy()
	pushImage(t, src, "from", "image", nil, "v1")
	pushBlob(t, dst, "near", []byte("shared by all"))
	kinds := map[orlop.EventKind]int{}
	o := orlop.CopyOptions{MountFrom: []string{"absent", "near"}, Progress: func(e orlop.Event) { kinds[e.Kind]++ }}
	if _, err := orlop.Copy(t.Context(), dst, "to", src, "from", "v1", o); err != nil {
		t.Fatal(err)
	}
	if kinds[orlop.Mounted] != 1 || kinds[orlop.Done] != 3 {
		t.Errorf("%d mounted, %d sent; want 1 and 3", kinds[orlop.Mounted], kinds[orlop.Done])
	}
}

func TestCopyProgress(t *testing.T) {
	src, dst := newSpy(), newSpy()
	pushGraph(t, src, "from", "v1")
	pushBlob(t, dst, "to", []byte("{}"))
	state := map[digest.Digest]orlop.Event{}
	o := orlop.CopyOptions{Progress: func(e orlop.Event) { // not locked: the race detector sees to it
		before, seen := state[e.Descriptor.Digest]
		state[e.Descriptor.Digest] = e
		switch e.Kind {
		case orlop.Started, orlop.Exists:
			if seen {
				t.Errorf("%+v after %+v", e, before)
			}
		case orlop.Bytes:
			if !seen || e.N <= before.N || e.N > e.Descriptor.Size {
				t.Errorf("%+v after %+v", e, before)
			}
		case orlop.Done:
			if e.N != e.Descriptor.Size || before.N != e.N {
				t.Errorf("%+v after %+v", e, before)
			}
		}
	}}
	if _, err := orlop.Copy(t.Context(), dst, "to", src, "from", "v1", o); err != nil {
		t.Fatal(err)
	}
	count := map[orlop.EventKind]int{}
	for _, e := range state {
		count[e.Kind]++
	}
	if count[orlop.Done] != 9 || count[orlop.Exists] != 1 || len(count) != 2 {
		t.Errorf("the last events are %v; want 9 done (5 manifests, 4 blobs), 1 exists", count)
	}
}

func TestCopyReferrers(t *testing.T) {
	src, dst := newSpy(), newSpy()
	root := pushGraph(t, src, "from", "v1")
	m, _ := src.Manifest(t.Context(), "from", "v1")
	info, _ := orlop.ParseManifest("", m.Raw)
	child := info.Children[0]
	sbom := pushImage(t, src, "from", "sbom", &root)
	signature := pushImage(t, src, "from", "signature of sbom", &sbom)
	ofChild := pushImage(t, src, "from", "signature of child", &child)
	pushImage(t, src, "from", "unrelated", nil)
	if _, err := orlop.Copy(t.Context(), dst, "to", src, "from", "v1", orlop.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // what is there does not hide what refers to it
		if _, err := orlop.Copy(t.Context(), dst, "to", src, "from", "v1", orlop.CopyOptions{Referrers: true}); err != nil {
			t.Fatal(err)
		}
		for _, d := range []orlop.Descriptor{sbom, signature, ofChild} {
			wantGraph(t, dst, "to", string(d.Digest))
		}
	}
	_, err := orlop.Copy(t.Context(), dst, "to", struct{ orlop.Reader }{src}, "from", "v1", orlop.CopyOptions{Referrers: true})
	wantSide(t, err, orlop.Source, orlop.ErrUnsupported)
}

func TestCopyForeignLayer(t *testing.T) {
	src, dst := newSpy(), newSpy()
	m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: pushBlob(t, src, "from", []byte("{}"))}
	m.SchemaVersion = 2
	m.Layers = []orlop.Descriptor{{MediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", Digest: digest.FromString("x"), Size: 9}}
	pushJSON(t, src, "from", m.MediaType, m, "v1")
	skipped := 0
	o := orlop.CopyOptions{Tags: []string{"v1"}, Progress: func(e orlop.Event) {
		if e.Kind == orlop.Skipped {
			skipped++
		}
	}}
	if _, err := orlop.Copy(t.Context(), dst, "to", src, "from", "v1", o); err != nil || skipped != 1 {
		t.Errorf("%d skipped, %v", skipped, err)
	}
}

func TestCopySHA512(t *testing.T) {
	src, dst := memory.New(), memory.New()
	raw := []byte(`{"schemaVersion":2,"mediaType":"` + ocispec.MediaTypeImageIndex + `","manifests":[]}`)
	dgst := digest.SHA512.FromBytes(raw)
	child, err := src.PushManifestDigest(t.Context(), "from", "", dgst, raw)
	if err != nil {
		t.Fatal(err)
	}
	root := pushJSON(t, src, "from", ocispec.MediaTypeImageIndex, map[string]any{"schemaVersion": 2, "manifests": []any{child}})
	if _, err := orlop.Copy(t.Context(), dst, "to", src, "from", string(root.Digest), orlop.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	wantGraph(t, dst, "to", string(dgst))
	_, err = orlop.Copy(t.Context(), struct{ orlop.Registry }{memory.New()}, "to", src, "from", string(root.Digest), orlop.CopyOptions{})
	wantSide(t, err, orlop.Destination, orlop.ErrUnsupported)
}
