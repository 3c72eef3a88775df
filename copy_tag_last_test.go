package orlop_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/memory"
)

// tagOrder notes in which order manifests are pushed, and which tags with them.
type tagOrder struct {
	orlop.Registry
	mu     sync.Mutex
	pushed []digest.Digest
	tagged []digest.Digest
	fail   digest.Digest // is not taken
}

func (r *tagOrder) PushManifest(
	ctx context.Context, repo, mediaType string, raw []byte, tags ...string,
) (orlop.Descriptor, error) {
	d := digest.FromBytes(raw)
	r.mu.Lock()
	if r.pushed = append(r.pushed, d); len(tags) > 0 {
		r.tagged = append(r.tagged, d)
	}
	r.mu.Unlock()
	if d == r.fail {
		return orlop.Descriptor{}, orlop.ErrDenied
	}
	return r.Registry.PushManifest(ctx, repo, mediaType, raw, tags...)
}

// TestCopyTagsLast: who finds the tag finds the signature too.
func TestCopyTagsLast(t *testing.T) {
	src := newSpy()
	root := pushGraph(t, src, "from", "v1")
	signature := pushImage(t, src, "from", "signature", &root)
	o := orlop.CopyOptions{Tags: []string{"v1"}, Referrers: true}
	for _, there := range []bool{false, true} {
		dst := &tagOrder{Registry: memory.New()}
		if there {
			if _, err := orlop.Copy(t.Context(), dst.Registry, "to", src, "from", "v1", orlop.CopyOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := orlop.Copy(t.Context(), dst, "to", src, "from", "v1", o); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(dst.tagged, []digest.Digest{root.Digest}) || dst.pushed[len(dst.pushed)-1] != root.Digest {
			t.Errorf("there %t: pushed %v, tagged %v", there, dst.pushed, dst.tagged)
		}
		wantGraph(t, dst, "to", "v1")
		wantGraph(t, dst, "to", string(signature.Digest))
	}
	dst := &tagOrder{Registry: memory.New(), fail: signature.Digest}
	if _, err := orlop.Copy(t.Context(), dst, "to", src, "from", "v1", o); !errors.Is(err, orlop.ErrDenied) {
		t.Errorf("error %v", err)
	}
	if _, err := dst.Resolve(t.Context(), "to", "v1"); !errors.Is(err, orlop.ErrManifestUnknown) {
		t.Errorf("a tag without the signature: %v", err)
	}
}

// TestCopyTagsLastHeals: what the destination turns out to lack is copied.
func TestCopyTagsLastHeals(t *testing.T) {
	src, dst := newSpy(), memory.New()
	root := pushImage(t, src, "from", "image", nil, "v1")
	if _, err := orlop.Copy(t.Context(), dst, "to", src, "from", "v1", orlop.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	m, err := src.Manifest(t.Context(), "from", string(root.Digest))
	if err != nil {
		t.Fatal(err)
	}
	info, err := orlop.ParseManifest("", m.Raw)
	if err != nil {
		t.Fatal(err)
	}
	for blob := range info.Blobs() {
		if err := dst.DeleteBlob(t.Context(), "to", blob.Digest); err != nil {
			t.Fatal(err)
		}
	}
	o := orlop.CopyOptions{Tags: []string{"v1"}, Referrers: true}
	if _, err := orlop.Copy(t.Context(), dst, "to", src, "from", "v1", o); err != nil {
		t.Fatal(err)
	}
	wantGraph(t, dst, "to", "v1")
}
