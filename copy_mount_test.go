package orlop_test

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
)

// mounter is a spy that can mount in the request that begins a push. It counts
// what would be requests.
type mounter struct {
	*spy
	pushes atomic.Int64
	stats  atomic.Int64

	mu   sync.Mutex
	from []string // each asked for, "" too
}

func newMounter() *mounter { return &mounter{spy: newSpy()} }

func (m *mounter) PushOrMount(
	ctx context.Context, repo, from string, desc orlop.Descriptor, content io.Reader,
) (bool, error) {
	m.pushes.Add(1)
	m.mu.Lock()
	m.from = append(m.from, from)
	m.mu.Unlock()
	if from != "" && m.Registry.MountBlob(ctx, repo, from, desc.Digest) == nil {
		return true, nil
	}
	return false, m.PushBlob(ctx, repo, desc, content)
}

func (m *mounter) StatBlob(ctx context.Context, repo string, dgst digest.Digest) (orlop.Descriptor, error) {
	m.stats.Add(1)
	return m.Registry.StatBlob(ctx, repo, dgst)
}

func TestCopyMountsByPush(t *testing.T) {
	src, dst := newSpy(), newMounter()
	pushImage(t, src, "from", "image", nil, "v1")
	pushBlob(t, dst, "near", []byte("shared by all"))
	kinds := map[orlop.EventKind]int{}
	o := orlop.CopyOptions{MountFrom: []string{"absent", "near"}, Progress: func(e orlop.Event) { kinds[e.Kind]++ }}
	if _, err := orlop.Copy(t.Context(), dst, "to", src, "from", "v1", o); err != nil {
		t.Fatal(err)
	}
	wantGraph(t, dst, "to", string(mustResolve(t, src, "from", "v1").Digest))
	if kinds[orlop.Mounted] != 1 || kinds[orlop.Done] != 3 || kinds[orlop.Started] != 3 {
		t.Errorf("%d mounted, %d sent; want 1 and 3", kinds[orlop.Mounted], kinds[orlop.Done])
	}
	if got := fmt.Sprint(dst.from); got != "[near near near]" {
		t.Errorf("mounts tried with the push: %s", got)
	}
	dst = newMounter()
	if _, err := orlop.Copy(t.Context(), dst, "to", src, "from", "v1", orlop.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%q", dst.from); got != `["" "" ""]` {
		t.Errorf("mounts tried with the push: %s", got)
	}
}

func mustResolve(t *testing.T, r orlop.Reader, repo, reference string) orlop.Descriptor {
	t.Helper()
	desc, err := r.Resolve(t.Context(), repo, reference)
	if err != nil {
		t.Fatal(err)
	}
	return desc
}

// pushMany pushes an artifact of n small blobs.
func pushMany(t testing.TB, r orlop.Writer, repo string, n int, tags ...string) {
	t.Helper()
	m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: pushBlob(t, r, repo, []byte("{}"))}
	m.SchemaVersion = 2
	for i := range n {
		m.Layers = append(m.Layers, pushBlob(t, r, repo, fmt.Appendf(nil, "blob %d", i)))
	}
	pushJSON(t, r, repo, m.MediaType, m, tags...)
}

func TestCopyAsksForFewSmallBlobs(t *testing.T) {
	const n = 400
	src := newSpy()
	pushMany(t, src, "from", n, "v1")
	copyTo := func(dst orlop.Target) {
		t.Helper()
		o := orlop.CopyOptions{Tags: []string{"v1"}, Concurrency: 1}
		if _, err := orlop.Copy(t.Context(), dst, "to", src, "from", "v1", o); err != nil {
			t.Fatal(err)
		}
		wantGraph(t, dst, "to", "v1")
	}

	missing := newMounter()
	copyTo(missing)
	if asked, sent := missing.stats.Load(), missing.pushes.Load(); asked > 30 || sent != n+1 {
		t.Errorf("none there: %d asked for, %d sent", asked, sent)
	}

	existing := newMounter()
	pushMany(t, existing, "to", n)
	copyTo(existing)
	if err := existing.DeleteManifest(t.Context(), "to", mustResolve(t, src, "from", "v1").Digest); err != nil {
		t.Fatal(err)
	}
	existing.stats.Store(0)
	copyTo(existing)
	if asked, sent := existing.stats.Load(), existing.pushes.Load(); asked != n+1 || sent != 0 {
		t.Errorf("all there: %d asked for, %d sent", asked, sent)
	}

	half := newMounter() // the first ten are missing, as of an artifact that changed
	pushMany(t, half, "to", n)
	for i := range 10 {
		if err := half.DeleteBlob(t.Context(), "to", digest.FromString(fmt.Sprint("blob ", i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := half.DeleteManifest(t.Context(), "to", mustResolve(t, src, "from", "v1").Digest); err != nil {
		t.Fatal(err)
	}
	copyTo(half)
	if sent := half.pushes.Load(); sent > 30 {
		t.Errorf("ten missing: %d sent", sent)
	}

	local := newSpy() // which cannot mount so, and is asked without a request
	copyTo(local)
	if sent := local.calls.Load(); sent != n+2 {
		t.Errorf("a registry that is no MountPusher: %d sent", sent)
	}
}

// Whoever cannot be mounted from, the blob is sent; an end is an end.
func TestCopyMountEnds(t *testing.T) {
	src, dst := newSpy(), newSpy()
	pushImage(t, src, "from", "image", nil, "v1")
	ctx, cancel := context.WithCancel(t.Context())
	dst.mount = func() error { cancel(); return ctx.Err() }
	_, err := orlop.Copy(ctx, dst, "to", src, "from", "v1", orlop.CopyOptions{MountFrom: []string{"a"}})
	if err != context.Canceled {
		t.Errorf("error %v", err)
	}
	dst.mount = func() error { return orlop.ErrDenied }
	o := orlop.CopyOptions{MountFrom: []string{"a", "b"}, Tags: []string{"v1"}}
	if _, err := orlop.Copy(t.Context(), dst, "to", src, "from", "v1", o); err != nil {
		t.Fatal(err)
	}
	wantGraph(t, dst, "to", "v1")
}

// Within one registry blobs are mounted without a question; where that does not
// work one attempt shows it.
func TestCopyWithinARegistry(t *testing.T) {
	for _, works := range []bool{true, false} {
		dst := newMounter()
		src := orlop.Target(dst)
		if !works { // what is said to be one registry is two
			src = newSpy()
		}
		pushImage(t, src, "from", "image", nil, "v1")
		dst.stats.Store(0)
		dst.pushes.Store(0)
		mounted := 0
		o := orlop.CopyOptions{MountFrom: []string{"from"}, Progress: func(e orlop.Event) {
			if e.Kind == orlop.Mounted {
				mounted++
			}
		}}
		if _, err := orlop.Copy(t.Context(), dst, "to", src, "from", "v1", o); err != nil {
			t.Fatal(err)
		}
		wantGraph(t, dst, "to", string(mustResolve(t, src, "from", "v1").Digest))
		asked := dst.stats.Load() + dst.pushes.Load()
		if works && (asked != 0 || mounted == 0) || !works && mounted != 0 {
			t.Errorf("mounts work: %v: %d mounted, %d questions and pushes", works, mounted, asked)
		}
	}
}
