package cache

import (
	"bytes"
	"context"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
)

// smallOrigin is an origin that reads small blobs, with others for all we know.
type smallOrigin struct{ *origin }

func (o smallOrigin) ReadBlob(ctx context.Context, repo string, desc orlop.Descriptor) ([]byte, error) {
	o.count("small")
	return orlop.ReadSmall(ctx, o.origin, repo, desc)
}

// TestReadSmall keeps small blobs, whatever way the registry reads them, and
// fetches damage again.
func TestReadSmall(t *testing.T) {
	o, dir := newOrigin(), t.TempDir()
	content, dgst := o.blob(t, 1000, 1)
	desc := orlop.Descriptor{Digest: dgst, Size: 1000}
	mustReadSmall := func(from orlop.Reader, times int) {
		t.Helper()
		got, err := orlop.ReadSmall(t.Context(), open(t, dir, Options{}).Reader(from), repo, desc)
		if err != nil || !bytes.Equal(got, content) || o.times(dgst) != times {
			t.Errorf("%d bytes, %v; the registry was asked %d times, want %d", len(got), err, o.times(dgst), times)
		}
	}
	mustReadSmall(smallOrigin{o}, 1)
	mustReadSmall(smallOrigin{o}, 1)
	mustReadSmall(o, 1)
	replace(t, blobPath(dir, dgst), []byte("damage"))
	mustReadSmall(smallOrigin{o}, 2)
	mustReadSmall(o, 2)
	if o.times("small") != 1 {
		t.Errorf("asked %d times for a small blob", o.times("small"))
	}

	desc.Size++
	r := open(t, dir, Options{}).Reader(smallOrigin{o})
	if _, err := orlop.ReadSmall(t.Context(), r, repo, desc); err == nil {
		t.Error("a blob of another size was read")
	}
	if _, err := orlop.ReadSmall(t.Context(), r, repo, orlop.Descriptor{Digest: digest.FromString("absent"), Size: 1}); err == nil {
		t.Error("an absent blob was read")
	}
}
