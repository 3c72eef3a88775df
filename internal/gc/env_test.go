package gc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/blob"
	"github.com/orlop/orlop/internal/blob/mem"
	"github.com/orlop/orlop/internal/gc"
	"github.com/orlop/orlop/internal/meta"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
	"github.com/orlop/orlop/internal/registry"
	"github.com/orlop/orlop/internal/testenv/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

// opener opens the metadata of a test, the same at each call.
type opener func(t *testing.T, o sqlmeta.Options) *sqlmeta.DB

// eachEngine runs a test on every engine of metadata.
func eachEngine(t *testing.T, test func(t *testing.T, open opener)) {
	t.Run("sqlite", func(t *testing.T) { test(t, sqliteOpener(t)) })
	t.Run("postgresql", func(t *testing.T) {
		url := pgtest.Prepared(t, func(ctx context.Context, url string) error {
			db, err := sqlmeta.OpenPostgres(ctx, url, sqlmeta.Options{})
			if err != nil {
				return err
			}
			return db.Close()
		})
		test(t, func(t *testing.T, o sqlmeta.Options) *sqlmeta.DB {
			db, err := sqlmeta.OpenPostgres(t.Context(), url, o)
			return opened(t, db, err)
		})
	})
}

// sqliteOpener is an opener of a SQLite database.
func sqliteOpener(t *testing.T) opener {
	path := filepath.Join(t.TempDir(), "meta.db")
	return func(t *testing.T, o sqlmeta.Options) *sqlmeta.DB {
		db, err := sqlmeta.Open(t.Context(), path, o)
		return opened(t, db, err)
	}
}

func opened(t *testing.T, db *sqlmeta.DB, err error) *sqlmeta.DB {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// clock is a clock that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time // guarded by mu
}

func newClock() *clock { return &clock{now: time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// world is an engine with a collector, on a clock.
type world struct {
	t     *testing.T
	clock *clock
	db    *sqlmeta.DB
	blobs blob.Store
	reg   *registry.Registry
	gc    *gc.Collector
}

// newWorld makes an engine on metadata; blobs of more than 8 bytes are objects.
func newWorld(t *testing.T, open opener, o sqlmeta.Options) *world {
	t.Helper()
	w := &world{t: t, clock: newClock(), blobs: mem.New(mem.Options{})}
	o.Now = w.clock.Now
	w.db = open(t, o)
	w.reg, w.gc = engine(t, w.db, w.blobs, registry.Options{Now: w.clock.Now})
	return w
}

// engine makes an engine and a collector on stores.
func engine(t *testing.T, db *sqlmeta.DB, blobs blob.Store, o registry.Options) (*registry.Registry, *gc.Collector) {
	t.Helper()
	o.SmallBlob, o.Shared = 8, db.Shared()
	svc, err := registry.New(db, blobs, o)
	if err != nil {
		t.Fatal(err)
	}
	return svc.Registry(meta.DefaultRegistry, registry.Actor{ID: "1", Name: "tester"}), gc.New(db, blobs, gc.Options{Cache: svc})
}

// blob pushes a blob.
func (w *world) blob(repo, content string) digest.Digest {
	w.t.Helper()
	d, err := pushBlob(w.t.Context(), w.reg, repo, []byte(content))
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

func pushBlob(ctx context.Context, reg *registry.Registry, repo string, content []byte) (digest.Digest, error) {
	desc := orlop.Descriptor{Digest: digest.FromBytes(content), Size: int64(len(content))}
	return desc.Digest, reg.PushBlob(ctx, repo, desc, bytes.NewReader(content))
}

// manifest is a manifest with layers.
func manifest(note string, subject *ocispec.Descriptor, layers ...[]byte) []byte {
	var list bytes.Buffer
	for i, l := range layers {
		if i > 0 {
			list.WriteByte(',')
		}
		fmt.Fprintf(&list, `{"mediaType":"a/b","digest":%q,"size":%d}`, digest.FromBytes(l), len(l))
	}
	of := ""
	if subject != nil {
		of = fmt.Sprintf(`"subject":{"mediaType":%q,"digest":%q,"size":%d},`, subject.MediaType, subject.Digest, subject.Size)
	}
	return fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,%s"artifactType":"a/t","config":{"mediaType":"a/c","digest":%q,"size":%d},"layers":[%s],"annotations":{"note":%q}}`,
		ocispec.MediaTypeImageManifest, of, digest.FromBytes(layers[0]), len(layers[0]), list.String(), note)
}

// push pushes a manifest of blobs that are there.
func (w *world) push(repo string, raw []byte, tags ...string) orlop.Descriptor {
	w.t.Helper()
	desc, err := w.reg.PushManifest(w.t.Context(), repo, "", raw, tags...)
	if err != nil {
		w.t.Fatal(err)
	}
	return desc
}

// index pushes an index of manifests.
func (w *world) index(repo string, children []orlop.Descriptor, tags ...string) orlop.Descriptor {
	w.t.Helper()
	var list bytes.Buffer
	for i, c := range children {
		if i > 0 {
			list.WriteByte(',')
		}
		fmt.Fprintf(&list, `{"mediaType":%q,"digest":%q,"size":%d}`, c.MediaType, c.Digest, c.Size)
	}
	return w.push(repo, fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[%s]}`, ocispec.MediaTypeImageIndex, list.String()), tags...)
}

// collect runs a cycle that must succeed.
func (w *world) collect() gc.Report {
	w.t.Helper()
	r, err := w.gc.Cycle(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// has tells whether a repository has a blob, without a look that keeps it.
func (w *world) has(repo string, d digest.Digest) bool {
	w.t.Helper()
	rd, err := w.reg.OpenBlob(w.t.Context(), repo, d, 0, -1)
	if errors.Is(err, orlop.ErrBlobUnknown) {
		return false
	}
	if err != nil {
		w.t.Fatal(err)
	}
	defer rd.Close()
	if got, err := io.ReadAll(rd); err != nil || digest.FromBytes(got) != d {
		w.t.Errorf("blob %s: %v", d, err)
	}
	return true
}

// hasManifest tells whether a repository has a manifest.
func (w *world) hasManifest(repo string, d digest.Digest) bool {
	w.t.Helper()
	_, err := w.reg.ManifestInfo(w.t.Context(), repo, d)
	if err != nil && !errors.Is(err, orlop.ErrManifestUnknown) && !errors.Is(err, orlop.ErrNameUnknown) {
		w.t.Fatal(err)
	}
	return err == nil
}

// objects counts what the blob store holds.
func (w *world) objects() int {
	w.t.Helper()
	n := 0
	for _, err := range w.blobs.List(w.t.Context(), "") {
		if err != nil {
			w.t.Fatal(err)
		}
		n++
	}
	return n
}

// whole verifies that all that a manifest names can be read.
func whole(ctx context.Context, reg *registry.Registry, repo, reference string) error {
	m, err := reg.Manifest(ctx, repo, reference)
	if err != nil {
		return err
	}
	info, err := orlop.ParseManifest("", m.Raw)
	if err != nil {
		return err
	}
	for _, c := range info.Children {
		if err := whole(ctx, reg, repo, string(c.Digest)); err != nil {
			return fmt.Errorf("child %s: %w", c.Digest, err)
		}
	}
	blobs := info.Layers
	if info.Config != nil {
		blobs = append(blobs, *info.Config)
	}
	for _, d := range blobs {
		rd, err := reg.OpenBlob(ctx, repo, d.Digest, 0, -1)
		if err != nil {
			return fmt.Errorf("blob %s: %w", d.Digest, err)
		}
		got, err := io.ReadAll(rd)
		rd.Close()
		if err != nil || digest.FromBytes(got) != d.Digest {
			return fmt.Errorf("blob %s is not what it was: %w", d.Digest, err)
		}
	}
	return nil
}
