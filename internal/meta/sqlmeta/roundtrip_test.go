package sqlmeta

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop/internal/meta"
)

// roundTrips counts how often a connection turns from reading to writing.
type roundTrips struct {
	n       atomic.Int64
	reading atomic.Bool
}

type countedConn struct {
	net.Conn
	trips *roundTrips
}

func (c countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.trips.reading.Store(true)
	return n, err
}

func (c countedConn) Write(p []byte) (int, error) {
	if c.trips.reading.Swap(false) {
		c.trips.n.Add(1)
	}
	return c.Conn.Write(p)
}

// openCounted opens a PostgreSQL database with one connection whose round trips
// are counted.
func openCounted(t *testing.T) (*DB, *roundTrips) {
	t.Helper()
	cfg, err := pgConfig(postgresURL(t))
	if err != nil {
		t.Fatal(err)
	}
	cfg.MaxConns = 1
	trips := &roundTrips{}
	dial := cfg.ConnConfig.DialFunc
	cfg.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		return countedConn{conn, trips}, err
	}
	o := Options{}
	o.setDefaults()
	db, err := openPostgres(t.Context(), cfg, o)
	return opened(t, db, err), trips
}

// least is the least number of round trips of several runs: the first ones
// prepare statements.
func (r *roundTrips) least(t *testing.T, do func(i int) error) int64 {
	t.Helper()
	least := int64(-1)
	for i := range 6 {
		before := r.n.Load()
		if err := do(i); err != nil {
			t.Fatal(err)
		}
		if n := r.n.Load() - before; least < 0 || n < least {
			least = n
		}
	}
	return least
}

// TestOneRoundTrip counts what a push of a manifest and a pull by tag cost.
func TestOneRoundTrip(t *testing.T) {
	db, trips := openCounted(t)
	if err := putSmall(db, t, "a", "content"); err != nil {
		t.Fatal(err)
	}
	put := trips.least(t, func(i int) error {
		return db.PutManifest(t.Context(), 1, "a", manifestOf(fmt.Sprint("m", i), "content"), []string{"latest", fmt.Sprint(i)}, "me")
	})
	pull := trips.least(t, func(int) error {
		_, err := db.TaggedManifest(t.Context(), 1, "a", "latest")
		return err
	})
	if put != 1 || pull != 1 {
		t.Errorf("a push took %d round trips, a pull %d", put, pull)
	}
	long := trips.least(t, func(i int) error {
		return db.Update(t.Context(), func(tx *Tx) error {
			return tx.PutManifest(1, "a", manifestOf(fmt.Sprint("n", i), "content"), []string{"latest", fmt.Sprint(i)}, "me")
		})
	})
	t.Logf("the long way takes %d", long)
	checkHistory(t, db, "latest")
}

// TestUnusualPuts puts manifests for which the short way is not: the answer is
// that of the long way.
func TestUnusualPuts(t *testing.T) { eachEngine(t, testUnusualPuts) }

func testUnusualPuts(t *testing.T, open opener) {
	db, _ := openKeeping(t, open)
	set := meta.LockChange{Set: meta.NoWrite}
	child, index := bare("child"), bare("index", digest.FromString("child"))
	usual := func(repo string, m meta.Manifest, tags ...string) error {
		return db.PutManifest(t.Context(), 1, repo, m, tags, "me")
	}
	wrong := manifestOf("wrong", "content")
	wrong.Blobs[0].Size++
	steps := []struct {
		name string
		do   func() error
		want error
	}{
		{"a new repository", func() error { return usual("a", bare("first"), "v") }, nil},
		{"the same again", func() error { return usual("a", bare("first"), "v", "w") }, nil},
		{"one tag twice", func() error { return usual("a", bare("twice"), "x", "x") }, nil},
		{"an index before its child", func() error { return usual("a", index, "i") }, nil},
		{"its child", func() error { return usual("a", child) }, nil},
		{"a child that is there", func() error { return usual("a", bare("index2", child.Descriptor.Digest)) }, nil},
		{"a blob", func() error { return putSmall(db, t, "a", "content") }, nil},
		{"a locked tag", func() error {
			update(t, db, func(tx *Tx) error { return tx.SetTagLocks(1, "a", "v", set) })
			return usual("a", bare("to be locked"), "u", "v")
		}, ErrLocked},
		{"a locked repository", func() error {
			update(t, db, func(tx *Tx) error { return tx.SetRepositoryLocks(1, "a", set) })
			return usual("a", bare("to be locked"), "u")
		}, ErrLocked},
	}
	for _, s := range steps {
		if err := s.do(); !errors.Is(err, s.want) {
			t.Errorf("%s: %v", s.name, err)
		}
	}
	update(t, db, func(tx *Tx) error { return tx.SetRepositoryLocks(1, "a", meta.LockChange{Clear: meta.NoWrite}) })
	if _, ok := errors.AsType[*MissingError](usual("a", manifestOf("missing", "elsewhere"))); !ok {
		t.Error("a missing blob is not told")
	}
	if _, ok := errors.AsType[*SizeError](usual("a", wrong)); !ok {
		t.Error("a wrong size is not told")
	}
	if got := counts(t, db, "manifests", "manifest_children", "missing_children"); got[0] != 5 || got[1] != 2 || got[2] != 0 {
		t.Errorf("%d manifests, %d edges, %d that wait", got[0], got[1], got[2])
	}
	if _, err := db.TaggedManifest(t.Context(), 1, "a", "u"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a tag of a put that failed: %v", err)
	}
	checkRevived(t, db)
}

// checkRevived deletes a locked manifest's twin and pushes it again by the usual
// way: it has the locks that it had.
func checkRevived(t *testing.T, db *DB) {
	t.Helper()
	m := bare("revived")
	if err := db.PutManifest(t.Context(), 1, "a", m, []string{"r"}, "me"); err != nil {
		t.Fatal(err)
	}
	update(t, db, func(tx *Tx) error {
		return tx.SetManifestLocks(1, "a", m.Descriptor.Digest, meta.LockChange{Set: meta.NoList})
	})
	update(t, db, func(tx *Tx) error { _, err := tx.DeleteManifest(1, "a", m.Descriptor.Digest, "me"); return err })
	if err := db.PutManifest(t.Context(), 1, "a", m, []string{"r"}, "me"); err != nil {
		t.Fatal(err)
	}
	if info, err := db.ManifestInfo(t.Context(), 1, "a", m.Descriptor.Digest); err != nil || info.Locks != meta.NoList {
		t.Errorf("pushed again it has the locks %d, %v", info.Locks, err)
	}
}

// BenchmarkPutManifest stores manifests of one blob by a tag of their own and
// one that moves, from 16 workers: in one round trip and in many.
func BenchmarkPutManifest(b *testing.B) {
	for _, way := range []string{"batch", "long"} {
		b.Run(way, func(b *testing.B) {
			db, err := OpenPostgres(b.Context(), postgresURL(b), Options{})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { db.Close() })
			err = db.Update(b.Context(), func(tx *Tx) error {
				if err := tx.EnsureRegistry(1, "default"); err != nil {
					return err
				}
				_, err := tx.PutBlob(1, "a", meta.Blob{Digest: digest.FromString("content"), Size: 7, Content: []byte("content")})
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
			var n atomic.Int64
			b.SetParallelism(8)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					i := n.Add(1)
					m, tags := manifestOf(fmt.Sprint("m", i), "content"), []string{fmt.Sprint("t", i), fmt.Sprint("moving", i%64)}
					var err error
					if way == "batch" {
						err = db.PutManifest(b.Context(), 1, "a", m, tags, "me")
					} else {
						err = db.Update(b.Context(), func(tx *Tx) error { return tx.PutManifest(1, "a", m, tags, "me") })
					}
					if err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}
