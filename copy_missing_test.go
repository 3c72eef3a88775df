package orlop_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/memory"
)

// An index may be sparse: who made it left out platforms.
func TestCopySparseIndex(t *testing.T) {
	src, dst := newSpy(), newSpy()
	root := pushGraph(t, src, "from", "v1")
	m, err := src.Manifest(t.Context(), "from", "v1")
	if err != nil {
		t.Fatal(err)
	}
	info, err := orlop.ParseManifest("", m.Raw)
	if err != nil {
		t.Fatal(err)
	}
	missing := info.Children[1]
	if err := src.DeleteManifest(t.Context(), "from", missing.Digest); err != nil {
		t.Fatal(err)
	}
	_, err = orlop.Copy(t.Context(), dst, "to", src, "from", "v1", orlop.CopyOptions{})
	wantSide(t, err, orlop.Source, orlop.ErrManifestUnknown)
	var events []orlop.Event
	o := orlop.CopyOptions{AllowMissing: true, Progress: func(e orlop.Event) {
		if e.Kind == orlop.Missing {
			events = append(events, e)
		}
	}}
	if _, err := orlop.Copy(t.Context(), dst, "to", src, "from", "v1", o); err != nil {
		t.Fatal(err)
	}
	if len(events) != 1 || events[0].Descriptor.Digest != missing.Digest {
		t.Errorf("events %+v; want one, of %s", events, missing.Digest)
	}
	mustResolve(t, dst, "to", string(root.Digest))
	wantGraph(t, dst, "to", string(info.Children[0].Digest))
	wantGraph(t, dst, "to", string(info.Children[2].Digest))

	// What is missing of an image is an error all the same, and the root too.
	if err := src.DeleteBlob(t.Context(), "from", digest.FromString("shared by all")); err != nil {
		t.Fatal(err)
	}
	_, err = orlop.Copy(t.Context(), memory.New(), "to", src, "from", "v1", o)
	wantSide(t, err, orlop.Source, orlop.ErrBlobUnknown)
	_, err = orlop.Copy(t.Context(), dst, "to", src, "from", "absent", o)
	wantSide(t, err, orlop.Source, orlop.ErrManifestUnknown)
}

// The destination has a manifest, and with it, one would think, all below: but
// it refuses the index above for it. So it is sent again.
func TestCopyDoubtsWhatIsThere(t *testing.T) {
	src, dst := newSpy(), newSpy()
	root := pushGraph(t, src, "from", "v1")
	o := orlop.CopyOptions{Tags: []string{"v1"}}
	if _, err := orlop.Copy(t.Context(), dst, "to", src, "from", "v1", o); err != nil {
		t.Fatal(err)
	}
	if err := dst.DeleteBlob(t.Context(), "to", digest.FromString("shared by all")); err != nil {
		t.Fatal(err)
	}
	dst.put = func(raw []byte) error { // refuses every index of what has lost its parts
		info, err := orlop.ParseManifest("", raw)
		if err != nil || len(info.Children) == 0 {
			return err
		}
		if _, err := dst.StatBlob(t.Context(), "to", digest.FromString("shared by all")); err != nil {
			return orlop.ErrManifestBlobUnknown
		}
		return nil
	}
	if _, err := orlop.Copy(t.Context(), dst, "to", src, "from", "v1", o); err != nil {
		t.Fatal(err)
	}
	wantGraph(t, dst, "to", string(root.Digest))
	dst.put = func([]byte) error { return orlop.ErrManifestBlobUnknown } // whatever is sent
	_, err := orlop.Copy(t.Context(), dst, "to", src, "from", "v1", o)
	wantSide(t, err, orlop.Destination, orlop.ErrManifestBlobUnknown)
}

// A blob that was there when it was looked for is gone when the manifest comes.
func TestCopyBlobGoneMeanwhile(t *testing.T) {
	src, dst := newSpy(), newSpy()
	pushImage(t, src, "from", "image", nil, "v1")
	pushBlob(t, dst, "to", []byte("shared by all"))
	gone := false
	dst.put = func([]byte) error {
		if gone {
			return nil
		}
		gone = true
		return dst.DeleteBlob(t.Context(), "to", digest.FromString("shared by all"))
	}
	if _, err := orlop.Copy(t.Context(), dst, "to", src, "from", "v1", orlop.CopyOptions{Tags: []string{"v1"}}); err != nil {
		t.Fatal(err)
	}
	wantGraph(t, dst, "to", "v1")
}

// The same content goes up once, whatever it is called.
func TestCopySameContentOnce(t *testing.T) {
	src, dst := newSpy(), newSpy()
	m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: pushBlob(t, src, "from", []byte("{}"))}
	m.SchemaVersion = 2
	for _, mediaType := range []string{"text/plain", "text/html", "application/json"} {
		for i := range 3 {
			layer := m.Config
			layer.MediaType = mediaType
			layer.Annotations = map[string]string{ocispec.AnnotationTitle: fmt.Sprint(mediaType, i)}
			m.Layers = append(m.Layers, layer)
		}
	}
	pushJSON(t, src, "from", m.MediaType, m, "v1")
	if _, err := orlop.Copy(t.Context(), dst, "to", src, "from", "v1", orlop.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	if n := dst.calls.Load(); n != 2 {
		t.Errorf("%d things sent, want a blob and a manifest", n)
	}
}

// Many manifests share a blob that the destination was wrong to say it has.
func TestCopyDoubtsAtOnce(t *testing.T) {
	src, dst := newSpy(), newSpy()
	index := ocispec.Index{MediaType: ocispec.MediaTypeImageIndex}
	index.SchemaVersion = 2
	for i := range 20 {
		desc := pushImage(t, src, "from", fmt.Sprint("image ", i), nil)
		desc.Annotations = nil
		index.Manifests = append(index.Manifests, desc)
	}
	pushJSON(t, src, "from", index.MediaType, index, "v1")
	shared := pushBlob(t, dst, "to", []byte("shared by all"))
	var once sync.Once
	dst.put = func([]byte) (err error) {
		once.Do(func() { err = dst.DeleteBlob(t.Context(), "to", shared.Digest) })
		return err
	}
	if _, err := orlop.Copy(t.Context(), dst, "to", src, "from", "v1", orlop.CopyOptions{Tags: []string{"v1"}}); err != nil {
		t.Fatal(err)
	}
	wantGraph(t, dst, "to", "v1")
}
