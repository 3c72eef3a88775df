package orlop_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/memory"
)

// pushIndex pushes an empty index: the smallest manifest.
func pushIndex(t *testing.T, r orlop.Registry, repo, artifactType, name string, subject *orlop.Descriptor, tags ...string) orlop.Descriptor {
	t.Helper()
	s := ""
	if subject != nil {
		s = `,"subject":` + desc(subject.MediaType, string(subject.Digest), int(subject.Size))
	}
	raw := fmt.Sprintf(`{"schemaVersion":2,"artifactType":%q,"manifests":[],"annotations":{"name":%q}%s}`, artifactType, name, s)
	d, err := r.PushManifest(t.Context(), repo, ocispec.MediaTypeImageIndex, []byte(raw), tags...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestWalkReferrers(t *testing.T) {
	r := memory.New()
	root := pushIndex(t, r, "a", "", "root", nil)
	sbom := pushIndex(t, r, "a", "application/sbom", "sbom", &root)
	pushIndex(t, r, "a", "application/signature", "signature", &root)
	nested := pushIndex(t, r, "a", "application/signature", "signature of sbom", &sbom)
	pushIndex(t, r, "a", "application/sbom", "deep", &nested)
	tests := []struct {
		o    orlop.WalkOptions
		want []string
	}{
		{orlop.WalkOptions{}, []string{"1 sbom", "1 signature", "2 signature of sbom", "3 deep"}},
		{orlop.WalkOptions{MaxDepth: 1}, []string{"1 sbom", "1 signature"}},
		{orlop.WalkOptions{MaxDepth: 2}, []string{"1 sbom", "1 signature", "2 signature of sbom"}},
		{orlop.WalkOptions{ArtifactType: "application/sbom"}, []string{"1 sbom"}},
		{orlop.WalkOptions{ArtifactType: "application/none"}, nil},
		{orlop.WalkOptions{MaxNodes: 4}, []string{"1 sbom", "1 signature", "2 signature of sbom", "3 deep"}},
	}
	for _, tt := range tests {
		var got []string
		before := map[digest.Digest]bool{root.Digest: true}
		for referrer, err := range orlop.WalkReferrers(t.Context(), r, "a", root.Digest, tt.o) {
			if err != nil {
				t.Fatal(err)
			}
			if !before[referrer.Subject] {
				t.Errorf("%s came before its subject", referrer.Descriptor.Annotations["name"])
			}
			before[referrer.Descriptor.Digest] = true
			got = append(got, fmt.Sprint(referrer.Depth, " ", referrer.Descriptor.Annotations["name"]))
		}
		slices.Sort(got)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%+v: %q, want %q", tt.o, got, tt.want)
		}
	}
}

func TestWalkReferrersStops(t *testing.T) {
	r := memory.New()
	root := pushIndex(t, r, "a", "", "root", nil)
	for i := range 5 {
		pushIndex(t, r, "a", "", fmt.Sprint(i), &root)
	}
	n := 0
	for _, err := range orlop.WalkReferrers(t.Context(), r, "a", root.Digest, orlop.WalkOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 2 {
			break
		}
	}
	var last error
	for _, last = range orlop.WalkReferrers(t.Context(), r, "a", root.Digest, orlop.WalkOptions{MaxNodes: 4}) {
	}
	if !errors.Is(last, orlop.ErrTooLarge) {
		t.Errorf("error %v, want ErrTooLarge", last)
	}
}

// liar lists referrers without end, and the subject among its own.
type liar struct{ orlop.Registry }

func (liar) Referrers(_ context.Context, _ string, dgst digest.Digest, _ string) iter.Seq2[orlop.Descriptor, error] {
	return func(yield func(orlop.Descriptor, error) bool) {
		for i := 0; ; i++ {
			if !yield(orlop.Descriptor{Digest: dgst}, nil) || !yield(orlop.Descriptor{Digest: digest.FromString(fmt.Sprint(dgst, i))}, nil) {
				return
			}
		}
	}
}

func TestWalkReferrersOfALiar(t *testing.T) {
	var last error
	for _, last = range orlop.WalkReferrers(t.Context(), liar{}, "a", emptyDigest, orlop.WalkOptions{MaxNodes: 1000}) {
	}
	if !errors.Is(last, orlop.ErrTooLarge) {
		t.Errorf("error %v, want ErrTooLarge", last)
	}
}

// twice lists every referrer twice, and the root among them.
type twice struct {
	orlop.Registry
	root orlop.Descriptor
}

func (r twice) Referrers(ctx context.Context, repo string, dgst digest.Digest, artifactType string) iter.Seq2[orlop.Descriptor, error] {
	return func(yield func(orlop.Descriptor, error) bool) {
		for range 2 {
			for desc, err := range r.Registry.Referrers(ctx, repo, dgst, artifactType) {
				if !yield(desc, err) || !yield(r.root, nil) {
					return
				}
			}
		}
	}
}

func TestWalkReferrersOnce(t *testing.T) {
	r := memory.New()
	root := pushIndex(t, r, "a", "", "root", nil)
	sbom := pushIndex(t, r, "a", "", "sbom", &root)
	pushIndex(t, r, "a", "", "signature", &sbom)
	n := 0
	for _, err := range orlop.WalkReferrers(t.Context(), twice{r, root}, "a", root.Digest, orlop.WalkOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 2 {
		t.Errorf("%d referrers, want 2", n)
	}
}

// crowd answers nobody until it was asked for several lists, of those below the
// root.
type crowd struct {
	orlop.Registry
	root digest.Digest

	mu    sync.Mutex
	asked int
	ready chan struct{} // closed when enough have asked
}

func (c *crowd) Referrers(ctx context.Context, repo string, dgst digest.Digest, artifactType string) iter.Seq2[orlop.Descriptor, error] {
	if dgst != c.root {
		c.mu.Lock()
		if c.asked++; c.asked == 3 {
			close(c.ready)
		}
		c.mu.Unlock()
		select {
		case <-c.ready:
		case <-ctx.Done():
		}
	}
	return c.Registry.Referrers(ctx, repo, dgst, artifactType)
}

// Lists are asked for at once, and the order is the same.
func TestWalkReferrersAhead(t *testing.T) {
	r := memory.New()
	root := pushIndex(t, r, "a", "", "root", nil)
	for i := range 5 {
		d := pushIndex(t, r, "a", "", fmt.Sprint(i), &root)
		pushIndex(t, r, "a", "", fmt.Sprint(i, " signed"), &d)
	}
	names := func(r orlop.Lister) (names []string) {
		for referrer, err := range orlop.WalkReferrers(t.Context(), r, "a", root.Digest, orlop.WalkOptions{}) {
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, referrer.Descriptor.Annotations["name"])
		}
		return names
	}
	want := names(r)
	if got := names(&crowd{Registry: r, root: root.Digest, ready: make(chan struct{})}); !slices.Equal(got, want) || len(got) != 10 {
		t.Errorf("referrers are %q, want %q", got, want)
	}
}

// heavy lists referrers of many bytes.
type heavy struct{ orlop.Registry }

func (heavy) Referrers(_ context.Context, _ string, dgst digest.Digest, _ string) iter.Seq2[orlop.Descriptor, error] {
	text := strings.Repeat("x", 4<<20)
	return func(yield func(orlop.Descriptor, error) bool) {
		for i := range 1000 {
			d := orlop.Descriptor{Digest: digest.FromString(fmt.Sprint(dgst, i)), Annotations: map[string]string{"k": text}}
			if !yield(d, nil) {
				return
			}
		}
	}
}

func TestWalkReferrersOfManyBytes(t *testing.T) {
	var last error
	for _, last = range orlop.WalkReferrers(t.Context(), heavy{}, "a", emptyDigest, orlop.WalkOptions{}) {
	}
	if !errors.Is(last, orlop.ErrTooLarge) {
		t.Errorf("error %v, want ErrTooLarge", last)
	}
}
