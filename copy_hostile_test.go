package orlop_test

import (
	"context"
	"iter"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/memory"
)

// lie changes every content of a blob.
type lie struct{ orlop.BlobReader }

func (l lie) Read(p []byte) (int, error) {
	n, err := l.BlobReader.Read(p)
	if n > 0 {
		p[n-1] ^= 1
	}
	return n, err
}

func TestCopyFromALiar(t *testing.T) {
	src, dst := newSpy(), newSpy()
	root := pushGraph(t, src, "from", "v1")
	src.open = func(_ digest.Digest, r orlop.BlobReader) (orlop.BlobReader, error) { return lie{r}, nil }
	_, err := orlop.Copy(t.Context(), dst, "to", src, "from", "v1", orlop.CopyOptions{Tags: []string{"v1"}})
	wantSide(t, err, orlop.Destination, orlop.ErrDigestInvalid)

	src.open = nil
	for _, reference := range []string{"v1", string(root.Digest)} {
		src.read = func(m *orlop.Manifest) error { m.Raw = append(m.Raw, ' '); return nil }
		_, err = orlop.Copy(t.Context(), dst, "to", src, "from", reference, orlop.CopyOptions{Tags: []string{"v1"}})
		wantSide(t, err, orlop.Source, orlop.ErrDamaged)
		src.read = func(m *orlop.Manifest) error { m.Raw[len(m.Raw)-1] = ' '; return nil }
		_, err = orlop.Copy(t.Context(), dst, "to", src, "from", reference, orlop.CopyOptions{Tags: []string{"v1"}})
		wantSide(t, err, orlop.Source, orlop.ErrDamaged)
	}
	src.read = func(m *orlop.Manifest) error { // it says what it gives, but that is not what was asked for
		m.Raw = append(m.Raw, ' ')
		m.Descriptor.Digest, m.Descriptor.Size = digest.FromBytes(m.Raw), int64(len(m.Raw))
		return nil
	}
	_, err = orlop.Copy(t.Context(), dst, "to", src, "from", string(root.Digest), orlop.CopyOptions{Tags: []string{"v1"}})
	wantSide(t, err, orlop.Source, orlop.ErrDamaged)
	if _, err := dst.Resolve(t.Context(), "to", "v1"); err == nil {
		t.Error("a lie has a tag")
	}
}

func TestCopyBombs(t *testing.T) {
	src := newSpy()
	deep := pushIndex(t, src, "from", "", "bottom", nil)
	for range 100 {
		deep = pushJSON(t, src, "from", ocispec.MediaTypeImageIndex, map[string]any{"schemaVersion": 2, "manifests": []any{deep}})
	}
	child := pushIndex(t, src, "from", "", "child", nil)
	var wide []any
	for range 20_000 {
		wide = append(wide, child)
	}
	wider := pushJSON(t, src, "from", ocispec.MediaTypeImageIndex, map[string]any{"schemaVersion": 2, "manifests": wide})
	huge := child
	huge.Size = 1 << 62
	claims := pushJSON(t, src, "from", ocispec.MediaTypeImageIndex, map[string]any{"schemaVersion": 2, "manifests": []any{huge}})
	for name, root := range map[string]orlop.Descriptor{"deep": deep, "wide": wider, "huge": claims} {
		_, err := orlop.Copy(t.Context(), memory.New(), "to", src, "from", string(root.Digest), orlop.CopyOptions{MaxNodes: 10_000})
		t.Log(name)
		wantSide(t, err, orlop.Source, orlop.ErrTooLarge)
	}
	if _, err := orlop.Copy(t.Context(), memory.New(), "to", src, "from", string(wider.Digest), orlop.CopyOptions{}); err != nil {
		t.Errorf("20,000 references are within the bounds: %v", err)
	}
}

// endless lists referrers without end.
type endless struct{ *spy }

func (endless) Referrers(ctx context.Context, repo string, _ digest.Digest, _ string) iter.Seq2[orlop.Descriptor, error] {
	return liar{}.Referrers(ctx, repo, "a", "")
}

func TestCopyEndlessReferrers(t *testing.T) {
	src := newSpy()
	pushImage(t, src, "from", "image", nil, "v1")
	_, err := orlop.Copy(t.Context(), memory.New(), "to", endless{src}, "from", "v1", orlop.CopyOptions{Referrers: true})
	wantSide(t, err, orlop.Source, orlop.ErrTooLarge)
}
