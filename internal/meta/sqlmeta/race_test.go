package sqlmeta

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop/internal/meta"
	"github.com/orlop/orlop/internal/testenv/pgtest"
)

// nodes opens a database as several processes would, with clocks that differ.
func nodes(t *testing.T, open opener, n int) []*DB {
	t.Helper()
	out := make([]*DB, 0, n)
	for i := range n {
		skew := time.Duration(i) * time.Second
		db := open(t, Options{KeepDeleted: time.Hour, Now: func() time.Time { return time.Now().Add(-skew) }})
		if out = append(out, db); !db.Shared() {
			break // one process alone has it
		}
	}
	return out
}

func node(dbs []*DB, i int) *DB { return dbs[i%len(dbs)] }

// bare is manifestOf without a blob.
func bare(raw string, children ...digest.Digest) meta.Manifest {
	m := manifestOf(raw, "", children...)
	m.Blobs = nil
	return m
}

func put(ctx context.Context, db *DB, repo string, m meta.Manifest, tags ...string) error {
	return db.PutManifest(ctx, 1, repo, m, tags, "me")
}

var errTaken = errors.New("there is one")

// TestOneOfManyCreatesATag has many ask that the tag be absent, at once.
func TestOneOfManyCreatesATag(t *testing.T) { eachEngine(t, testOneOfManyCreatesATag) }

func testOneOfManyCreatesATag(t *testing.T, open opener) {
	dbs := nodes(t, open, 3)
	for round := range 10 {
		tag := fmt.Sprintf("v%d", round)
		var won atomic.Int32
		var wg sync.WaitGroup
		for i := range 12 {
			wg.Go(func() {
				m := bare(fmt.Sprintf(`{"n":%d}`, i))
				err := node(dbs, i).Update(t.Context(), func(tx *Tx) error {
					current, err := tx.Tag(1, "a", tag)
					if err == nil && current != "" {
						err = errTaken
					}
					if err != nil {
						return err
					}
					return tx.PutManifest(1, "a", m, []string{tag}, "me")
				})
				switch {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, errTaken):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("%d of those that asked for an absent tag have made it", won.Load())
		}
	}
}

// TestHistoryIsLinear moves and deletes one tag on nodes whose clocks differ:
// each event begins where the one before it ended.
func TestHistoryIsLinear(t *testing.T) { eachEngine(t, testHistoryIsLinear) }

func testHistoryIsLinear(t *testing.T, open opener) {
	dbs := nodes(t, open, 3)
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			for k := range 15 {
				var err error
				if i == 0 {
					err = node(dbs, k).Update(t.Context(), func(tx *Tx) error { return tx.DeleteTag(1, "a", "v", "me") })
				} else {
					err = put(t.Context(), node(dbs, i), "a", bare(fmt.Sprintf(`{"n":%d}`, (i+k)%4)), "v")
				}
				if err != nil && !errors.Is(err, ErrNotFound) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	last := checkHistory(t, dbs[0], "v")
	m, err := dbs[0].TaggedManifest(t.Context(), 1, "a", "v")
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	if err != nil || m.Descriptor.Digest != last {
		t.Errorf("the tag names %q, its history ends with %q, %v", m.Descriptor.Digest, last, err)
	}
}

// checkHistory checks that the history of a tag has no gap, and returns what it
// ends with.
func checkHistory(t *testing.T, db *DB, tag string) digest.Digest {
	t.Helper()
	rows, err := db.rows(t.Context(), `SELECT old_digest, new_digest FROM tag_history WHERE name = $1 ORDER BY id`, tag)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var last digest.Digest
	n := 0
	for ; rows.Next(); n++ {
		var from, to []byte
		if err := rows.Scan(&from, &to); err != nil {
			t.Fatal(err)
		}
		if unpackDigest(from) != last {
			t.Errorf("event %d goes from %q, the one before it to %q", n, unpackDigest(from), last)
		}
		last = unpackDigest(to)
	}
	if n < 2 {
		t.Errorf("%d events", n)
	}
	return last
}

// TestIndexBesideItsChildren pushes an index and its children at once, on two
// nodes: whoever comes first, the children belong to the index in the end.
func TestIndexBesideItsChildren(t *testing.T) { eachEngine(t, testIndexBesideItsChildren) }

func testIndexBesideItsChildren(t *testing.T, open opener) {
	dbs := nodes(t, open, 3)
	for round := range 20 {
		a, b := bare(fmt.Sprintf(`{"a":%d}`, round)), bare(fmt.Sprintf(`{"b":%d}`, round))
		index := bare(fmt.Sprintf(`{"i":%d}`, round), a.Descriptor.Digest, b.Descriptor.Digest)
		var wg sync.WaitGroup
		for i, m := range []meta.Manifest{a, index, b} {
			wg.Go(func() {
				if err := put(t.Context(), node(dbs, i), "a", m); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	if got := counts(t, dbs[0], "manifest_children", "missing_children"); got[0] != 40 || got[1] != 0 {
		t.Errorf("%d edges, %d that wait", got[0], got[1])
	}
}

// TestSparseManifestBesideItsBlob is the same for a manifest and its blob.
func TestSparseManifestBesideItsBlob(t *testing.T) { eachEngine(t, testSparseManifestBesideItsBlob) }

func testSparseManifestBesideItsBlob(t *testing.T, open opener) {
	dbs := nodes(t, open, 2)
	for round := range 20 {
		content := fmt.Sprintf("content %d", round)
		m := manifestOf(fmt.Sprintf(`{"s":%d}`, round), content)
		m.Sparse = true
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := put(t.Context(), dbs[0], "a", m); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if err := putSmall(node(dbs, 1), t, "a", content); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
	}
	if got := counts(t, dbs[0], "manifest_blobs", "missing_blobs"); got[0] != 20 || got[1] != 0 {
		t.Errorf("%d edges, %d that wait", got[0], got[1])
	}
}

// TestLockedWhilePushing locks a repository, a tag and an index in the middle of
// what they forbid: when the lock is there, nothing of it happens any more.
func TestLockedWhilePushing(t *testing.T) { eachEngine(t, testLockedWhilePushing) }

func testLockedWhilePushing(t *testing.T, open opener) {
	dbs := nodes(t, open, 3)
	for round := range 5 {
		repo := fmt.Sprintf("r%d", round)
		child := bare(`{"child":1}`)
		index := bare(`{"index":1}`, child.Descriptor.Digest)
		for _, m := range []meta.Manifest{child, index, bare(`{"n":0}`)} {
			if err := put(t.Context(), dbs[0], repo, m, "moving"); err != nil {
				t.Fatal(err)
			}
		}
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				for k := 0; ctx.Err() == nil; k++ {
					m := bare(fmt.Sprintf(`{"n":%d}`, i*1000+k))
					if err := put(t.Context(), node(dbs, i), repo, m, "moving"); err != nil && !errors.Is(err, ErrLocked) {
						t.Error(err)
					}
				}
			})
		}
		lock := func(set func(tx *Tx, c meta.LockChange) error) {
			c := meta.LockChange{Set: meta.NoWrite | meta.NoDelete}
			if err := node(dbs, 2).Update(t.Context(), func(tx *Tx) error { return set(tx, c) }); err != nil {
				t.Error(err)
			}
		}
		lock(func(tx *Tx, c meta.LockChange) error { return tx.SetTagLocks(1, repo, "moving", c) })
		at, err := dbs[0].TagInfo(t.Context(), 1, repo, "moving")
		if err != nil {
			t.Error(err)
		}
		var deleting sync.WaitGroup
		deleting.Go(func() {
			err := node(dbs, 1).Update(t.Context(), func(tx *Tx) error { _, err := tx.DeleteManifest(1, repo, child.Descriptor.Digest, "me"); return err })
			if err != nil && !errors.Is(err, ErrLocked) {
				t.Error(err)
			}
		})
		lock(func(tx *Tx, c meta.LockChange) error { return tx.SetManifestLocks(1, repo, index.Descriptor.Digest, c) })
		_, err = dbs[0].ManifestInfo(t.Context(), 1, repo, child.Descriptor.Digest)
		deleting.Wait()
		if _, later := dbs[0].ManifestInfo(t.Context(), 1, repo, child.Descriptor.Digest); !errors.Is(later, err) {
			t.Errorf("the child of a locked index: %v, later %v", err, later)
		}
		lock(func(tx *Tx, c meta.LockChange) error { return tx.SetRepositoryLocks(1, repo, c) })
		before, err := dbs[0].RepositoryInfo(t.Context(), 1, repo)
		stop()
		wg.Wait()
		after, err2 := dbs[0].RepositoryInfo(t.Context(), 1, repo)
		if err != nil || err2 != nil || before.ManifestCount != after.ManifestCount {
			t.Errorf("a locked repository had %d manifests and got %d, %v, %v", before.ManifestCount, after.ManifestCount, err, err2)
		}
		if now, err := dbs[0].TagInfo(t.Context(), 1, repo, "moving"); err != nil || now.Digest != at.Digest {
			t.Errorf("a locked tag moved from %s to %s, %v", at.Digest, now.Digest, err)
		}
	}
}

// TestDeletionsBesidePushes deletes manifests and their repository under those
// who push: each of them gets what it wants or is told why not, and nothing
// dangles.
func TestDeletionsBesidePushes(t *testing.T) { eachEngine(t, testDeletionsBesidePushes) }

func testDeletionsBesidePushes(t *testing.T, open opener) {
	dbs := nodes(t, open, 3)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for k := range 20 {
				db, content := node(dbs, i+k), fmt.Sprint(k%3)
				m := manifestOf(fmt.Sprintf(`{"n":%d}`, k%3), content)
				err := putSmall(db, t, "a", content)
				if err == nil {
					err = put(t.Context(), db, "a", m, "x", "y")
				}
				if _, missing := errors.AsType[*MissingError](err); err != nil && !missing {
					t.Error("push:", err)
				}
			}
		})
	}
	for i := range 2 {
		wg.Go(func() {
			for k := range 15 {
				err := node(dbs, i+k).Update(t.Context(), func(tx *Tx) (err error) {
					if i == 0 {
						_, err = tx.DeleteRepository(1, "a", "me")
					} else {
						_, err = tx.DeleteManifest(1, "a", digest.FromString(fmt.Sprintf(`{"n":%d}`, k%3)), "me")
					}
					return err
				})
				if err != nil && !errors.Is(err, ErrNotFound) {
					t.Error("delete:", err)
				}
			}
		})
	}
	wg.Wait()
	var lost int
	err := dbs[0].row(t.Context(), `SELECT count(*) FROM manifests m WHERE NOT EXISTS (SELECT 1 FROM manifest_blobs e WHERE e.manifest_id = m.id)`).Scan(&lost)
	if err != nil || lost > 0 {
		t.Errorf("%d manifests without their blob, %v", lost, err)
	}
}

// TestTagsInAnyOrder moves the same tags from many sides, named in different
// orders.
func TestTagsInAnyOrder(t *testing.T) { eachEngine(t, testTagsInAnyOrder) }

func testTagsInAnyOrder(t *testing.T, open opener) {
	dbs := nodes(t, open, 2)
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			tags := []string{"a", "b", "c"}
			if i%2 == 1 {
				tags = []string{"c", "b", "a"}
			}
			for k := range 10 {
				if err := put(t.Context(), node(dbs, i), "a", bare(fmt.Sprintf(`{"n":%d}`, i*10+k)), tags...); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for _, tag := range []string{"a", "b", "c"} {
		checkHistory(t, dbs[0], tag)
	}
}

// TestOneServerKey has many nodes make the first key of a purpose at once.
func TestOneServerKey(t *testing.T) { eachEngine(t, testOneServerKey) }

func testOneServerKey(t *testing.T, open opener) {
	dbs := nodes(t, open, 3)
	var wg sync.WaitGroup
	for i := range 9 {
		wg.Go(func() {
			k := meta.ServerKey{ID: fmt.Sprint(i), Purpose: "p", Secret: []byte{1}, Created: time.Unix(1, 0)}
			if err := node(dbs, i).EnsureServerKey(t.Context(), k); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if keys, err := dbs[0].ServerKeys(t.Context(), "p"); err != nil || len(keys) != 1 {
		t.Errorf("%d keys, %v", len(keys), err)
	}
}

// TestNodesStartTogether opens an empty database from several nodes at once.
func TestNodesStartTogether(t *testing.T) {
	url := pgtest.Database(t)
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			db, err := OpenPostgres(t.Context(), url, Options{})
			if err != nil {
				t.Error(err)
				return
			}
			if err := errors.Join(db.Ping(t.Context()), db.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestNewerSchemaIsRefused: what a later version has changed may not be what
// this one takes it for.
func TestNewerSchemaIsRefused(t *testing.T) {
	url := pgtest.Database(t)
	db, err := OpenPostgres(t.Context(), url, Options{})
	if err != nil {
		t.Fatal(err)
	}
	update(t, db, func(tx *Tx) error {
		return tx.plain(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, TRUE)`)
	})
	db.Close()
	if _, err := OpenPostgres(t.Context(), url, Options{}); err == nil || !strings.Contains(err.Error(), "newer orlopd") {
		t.Errorf("opened with %v", err)
	}
}

// TestWrongAddress opens what is no database.
func TestWrongAddress(t *testing.T) {
	_, err := OpenPostgres(t.Context(), "postgres://u:s3cret@127.0.0.1:1/db?sslmode=disable", Options{})
	if !errors.Is(err, ErrUnavailable) {
		t.Errorf("nobody listens: %v", err)
	}
	for _, url := range []string{filepath.Join(t.TempDir(), "x"), "postgres://u:s3cret@:port/db"} {
		if _, err := OpenPostgres(t.Context(), url, Options{}); err == nil {
			t.Errorf("%s was opened", url)
		}
	}
}
