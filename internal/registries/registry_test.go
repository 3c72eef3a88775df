package registries

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/memory"
)

// host is a registry in memory that counts what it is asked, and can be down.
type host struct {
	*memory.Registry
	name string
	seen *log
	down error // what every read fails with
}

// log lists who was asked for what.
type log struct {
	mu    sync.Mutex
	lines []string
}

func (l *log) add(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprintf(format, args...))
}

// take returns what was asked since it was called last.
func (l *log) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := l.lines
	l.lines = nil
	return strings.Join(lines, ", ")
}

func (h *host) PushOrMount(ctx context.Context, repo, _ string, desc orlop.Descriptor, content io.Reader) (bool, error) {
	h.seen.add("%s push %s", h.name, repo)
	return false, h.PushBlob(ctx, repo, desc, content)
}

func (h *host) Resolve(ctx context.Context, repo, reference string) (orlop.Descriptor, error) {
	h.seen.add("%s resolve %s", h.name, repo)
	if h.down != nil {
		return orlop.Descriptor{}, h.down
	}
	return h.Registry.Resolve(ctx, repo, reference)
}

func (h *host) Manifest(ctx context.Context, repo, reference string) (orlop.Manifest, error) {
	h.seen.add("%s manifest %s", h.name, repo)
	if h.down != nil {
		return orlop.Manifest{}, h.down
	}
	return h.Registry.Manifest(ctx, repo, reference)
}

func (h *host) OpenBlob(ctx context.Context, repo string, dgst digest.Digest, off, n int64) (orlop.BlobReader, error) {
	h.seen.add("%s blob %s", h.name, repo)
	if h.down != nil {
		return nil, h.down
	}
	return h.Registry.OpenBlob(ctx, repo, dgst, off, n)
}

func (h *host) ReadBlob(ctx context.Context, repo string, desc orlop.Descriptor) ([]byte, error) {
	return orlop.ReadSmall(ctx, struct{ orlop.Reader }{h}, repo, desc)
}

func (h *host) Tags(ctx context.Context, repo, after string) iter.Seq2[string, error] {
	h.seen.add("%s tags %s", h.name, repo)
	if h.down != nil {
		return func(yield func(string, error) bool) { yield("", h.down) }
	}
	return h.Registry.Tags(ctx, repo, after)
}

// world is registries by name, and a route over them.
type world struct {
	hosts map[string]*host
	seen  *log
	route *Route
	debug bytes.Buffer
}

func newWorld() *world {
	w := &world{hosts: map[string]*host{}, seen: &log{}, route: &Route{
		Named: Source{Host: "named", Repo: "a"},
		Reads: []Source{
			{Host: "m1", Repo: "x/a", Mirror: true}, {Host: "m2", Repo: "a", Mirror: true}, {Host: "loc", Repo: "b/a"},
		},
	}}
	for _, name := range []string{"named", "m1", "m2", "loc"} {
		w.hosts[name] = &host{Registry: memory.New(), name: name, seen: w.seen}
	}
	return w
}

func (w *world) open(mirrors bool) *Registry {
	opener := func(_ context.Context, s Source) (Endpoint, error) {
		if h := w.hosts[s.Host]; h != nil {
			return h, nil
		}
		return nil, errors.New("no such host")
	}
	return NewRegistry(w.route, mirrors, opener, slog.New(slog.NewTextHandler(&w.debug, &slog.HandlerOptions{Level: slog.LevelDebug})))
}

// fill pushes an artifact with one blob and returns their digests.
func fill(t *testing.T, h *host, repo, tag, text string) (manifest, blob digest.Digest) {
	t.Helper()
	push := func(content, mediaType string) ocispec.Descriptor {
		d := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromString(content), Size: int64(len(content))}
		if err := h.PushBlob(t.Context(), repo, d, strings.NewReader(content)); err != nil {
			t.Fatal(err)
		}
		return d
	}
	config, layer := push("{}", ocispec.MediaTypeEmptyJSON), push(text, "text/plain")
	raw := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"digest":%q,"size":2},"layers":[{"mediaType":"text/plain","digest":%q,"size":%d}]}`,
		ocispec.MediaTypeImageManifest, config.MediaType, config.Digest, layer.Digest, layer.Size)
	d, err := h.PushManifest(t.Context(), repo, ocispec.MediaTypeImageManifest, []byte(raw), tag)
	if err != nil {
		t.Fatal(err)
	}
	return d.Digest, layer.Digest
}

func TestFirstMirrorServes(t *testing.T) {
	w := newWorld()
	want, blob := fill(t, w.hosts["m1"], "x/a", "v1", "one")
	fill(t, w.hosts["loc"], "b/a", "v1", "another")
	r := w.open(true)
	d, err := r.Resolve(t.Context(), "a", "v1")
	if err != nil || d.Digest != want {
		t.Errorf("Resolve = %v, %v, want what the mirror says", d.Digest, err)
	}
	b, err := r.OpenBlob(t.Context(), "a", blob, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if got, err := io.ReadAll(b); string(got) != "one" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	if got := w.seen.take(); got != "m1 resolve x/a, m1 blob x/a" {
		t.Errorf("asked were %s", got)
	}
	if got := w.debug.String(); !strings.Contains(got, "from=m1/x/a") {
		t.Errorf("the log says %s", got)
	}
}

func TestNextSourceServes(t *testing.T) {
	w := newWorld()
	_, blob := fill(t, w.hosts["loc"], "b/a", "v1", "one")
	delete(w.hosts, "m1")
	w.hosts["m2"].down = orlop.ErrUnauthorized
	r := w.open(true)
	if _, err := r.Manifest(t.Context(), "a", "v1"); err != nil {
		t.Fatal(err)
	}
	if got := w.seen.take(); got != "m2 manifest a, loc manifest b/a" {
		t.Errorf("asked were %s", got)
	}
	if _, err := r.OpenBlob(t.Context(), "a", blob, 0, -1); err != nil {
		t.Fatal(err)
	}
	if got := w.seen.take(); got != "loc blob b/a" {
		t.Errorf("a mirror that had failed was asked again: %s", got)
	}
}

// TestMirrorLacksABlob goes on with the mirror for all others.
func TestMirrorLacksABlob(t *testing.T) {
	w := newWorld()
	_, blob := fill(t, w.hosts["m1"], "x/a", "v1", "one")
	_, other := fill(t, w.hosts["loc"], "b/a", "v1", "two")
	w.hosts["m2"].down = errors.New("down")
	r := w.open(true)
	for _, d := range []digest.Digest{other, blob} {
		if _, err := r.OpenBlob(t.Context(), "a", d, 0, -1); err != nil {
			t.Errorf("%s: %v", d, err)
		}
	}
	if got := w.seen.take(); got != "m1 blob x/a, m2 blob a, loc blob b/a, m1 blob x/a" {
		t.Errorf("asked were %s", got)
	}
}

func TestNobodyServes(t *testing.T) {
	w := newWorld()
	w.hosts["m1"].down = errors.New("m1 is down")
	w.hosts["m2"].down = orlop.ErrDenied
	_, err := w.open(true).Resolve(t.Context(), "a", "v1")
	if !errors.Is(err, orlop.ErrNameUnknown) || errors.Is(err, orlop.ErrDenied) {
		t.Errorf("error %v, want that of the location", err)
	}
	if !strings.Contains(fmt.Sprint(err), "m1/x/a: m1 is down; m2/a: ") {
		t.Errorf("error %v, want what the mirrors said too", err)
	}
}

func TestDamageIsFinal(t *testing.T) {
	w := newWorld()
	fill(t, w.hosts["loc"], "b/a", "v1", "one")
	w.hosts["m1"].down = fmt.Errorf("manifest: %w", orlop.ErrDamaged)
	if _, err := w.open(true).Manifest(t.Context(), "a", "v1"); !errors.Is(err, orlop.ErrDamaged) {
		t.Errorf("error %v, want ErrDamaged", err)
	}
	if got := w.seen.take(); got != "m1 manifest x/a" {
		t.Errorf("asked were %s", got)
	}
}

func TestCancelledIsFinal(t *testing.T) {
	w := newWorld()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w.hosts["m1"].down = context.Canceled
	if _, err := w.open(true).Manifest(ctx, "a", "v1"); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if got := w.seen.take(); got != "m1 manifest x/a" {
		t.Errorf("asked were %s", got)
	}
}

// TestWritesGoToTheNamedRegistry, and so do the reads of who is about to write.
func TestWritesGoToTheNamedRegistry(t *testing.T) {
	w := newWorld()
	fill(t, w.hosts["m1"], "x/a", "v1", "one")
	r := w.open(false)
	if _, err := r.Resolve(t.Context(), "a", "v1"); !errors.Is(err, orlop.ErrNameUnknown) {
		t.Errorf("Resolve: %v", err)
	}
	d := ocispec.Descriptor{MediaType: "text/plain", Digest: digest.FromString("x"), Size: 1}
	for _, r := range []*Registry{r, w.open(true)} {
		if _, err := r.PushOrMount(t.Context(), "a", "", d, strings.NewReader("x")); err != nil {
			t.Error(err)
		}
	}
	if got := w.seen.take(); got != "named resolve a, named push a, named push a" {
		t.Errorf("asked were %s", got)
	}
	if _, err := w.hosts["named"].StatBlob(t.Context(), "a", d.Digest); err != nil {
		t.Error(err)
	}
	// Another repository may be under another prefix.
	if _, err := w.open(true).Resolve(t.Context(), "other", "v1"); !errors.Is(err, orlop.ErrNameUnknown) {
		t.Errorf("another repository: %v", err)
	}
	if got := w.seen.take(); got != "named resolve other" {
		t.Errorf("asked were %s", got)
	}
}

func TestListsComeFromTheLocation(t *testing.T) {
	w := newWorld()
	fill(t, w.hosts["m1"], "x/a", "mirrored", "one")
	fill(t, w.hosts["loc"], "b/a", "v1", "one")
	tags := func() string {
		var all []string
		for tag, err := range w.open(true).Tags(t.Context(), "a", "") {
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, tag)
		}
		return strings.Join(all, " ")
	}
	if got := tags(); got != "v1" {
		t.Errorf("tags are %s", got)
	}
	w.hosts["loc"].down = errors.New("down")
	if got := tags(); got != "mirrored" {
		t.Errorf("tags without the location are %s", got)
	}
	w.hosts["m1"].down, w.hosts["m2"].down = errors.New("m1"), errors.New("m2")
	for _, err := range w.open(true).Tags(t.Context(), "a", "") {
		if err == nil || err.Error() != "down" {
			t.Errorf("error %v, want that of the location", err)
		}
	}
	for range w.open(true).Tags(t.Context(), "b", "") {
	}
	if got := w.seen.take(); !strings.HasSuffix(got, "named tags b") {
		t.Errorf("asked were %s", got)
	}
}

// cut is a reader that breaks off.
type cut struct{ orlop.BlobReader }

func (c cut) Read(p []byte) (int, error) {
	n, _ := c.BlobReader.Read(p[:1])
	return n, io.ErrUnexpectedEOF
}

// cutting is a registry whose content breaks off.
type cutting struct{ *host }

func (c cutting) OpenBlob(ctx context.Context, repo string, dgst digest.Digest, off, n int64) (orlop.BlobReader, error) {
	b, err := c.host.OpenBlob(ctx, repo, dgst, off, n)
	return cut{b}, err
}

func (c cutting) ReadBlob(ctx context.Context, repo string, desc orlop.Descriptor) ([]byte, error) {
	return orlop.ReadSmall(ctx, struct{ orlop.Reader }{c}, repo, desc)
}

// TestContentOfAMirrorBreaksOff: the rest comes from the next source.
func TestContentOfAMirrorBreaksOff(t *testing.T) {
	w := newWorld()
	want, _ := fill(t, w.hosts["m1"], "x/a", "v1", "a text that is long enough")
	fill(t, w.hosts["m2"], "a", "v1", "a text that is long enough")
	r := NewRegistry(w.route, true, func(_ context.Context, s Source) (Endpoint, error) {
		if s.Host == "m1" {
			return cutting{w.hosts["m1"]}, nil
		}
		return w.hosts[s.Host], nil
	}, slog.New(slog.DiscardHandler))
	got, err := orlop.Copy(t.Context(), memory.New(), "to", r, "a", "v1", orlop.CopyOptions{})
	if err != nil || got.Digest != want {
		t.Errorf("Copy = %v, %v", got.Digest, err)
	}
	if seen := w.seen.take(); !strings.Contains(seen, "m1 blob x/a") || !strings.HasSuffix(seen, "m2 blob a") {
		t.Errorf("asked were %s", seen)
	}
}

func TestManyReadsAtOnce(t *testing.T) {
	w := newWorld()
	_, blob := fill(t, w.hosts["loc"], "b/a", "v1", "one")
	delete(w.hosts, "m1")
	w.hosts["m2"].down = errors.New("down")
	w.debug.Reset()
	r := NewRegistry(w.route, true, func(_ context.Context, s Source) (Endpoint, error) {
		if h := w.hosts[s.Host]; h != nil {
			return h, nil
		}
		return nil, errors.New("no such host")
	}, slog.New(slog.DiscardHandler))
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if _, err := r.OpenBlob(t.Context(), "a", blob, 0, -1); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if i := slices.IndexFunc(w.seen.lines, func(s string) bool { return strings.HasPrefix(s, "named") }); i >= 0 {
		t.Error("the named registry was asked")
	}
}
