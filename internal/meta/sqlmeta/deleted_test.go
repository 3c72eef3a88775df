package sqlmeta

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop/internal/meta"
)

// openKeeping opens a database that keeps for an hour what is deleted.
func openKeeping(t *testing.T, open opener) (db *DB, now *time.Time) {
	t.Helper()
	at := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	db = open(t, Options{KeepDeleted: time.Hour, Now: func() time.Time { return at }})
	if err := putSmall(db, t, "a", "x"); err != nil {
		t.Fatal(err)
	}
	return db, &at
}

func deleteManifest(t *testing.T, db *DB, m meta.Manifest) {
	t.Helper()
	update(t, db, func(tx *Tx) error {
		_, err := tx.DeleteManifest(1, "a", m.Descriptor.Digest, "")
		return err
	})
}

// collect tries to remove every blob, as a collector would that knows nothing.
func collect(t *testing.T, db *DB) error {
	t.Helper()
	return db.Update(t.Context(), func(tx *Tx) error { return tx.plain(`DELETE FROM blobs`) })
}

// TestDeletedKeepsItsBlobs wants the database to refuse to remove the blobs of
// what can be restored, and the collector to be told when that is over.
func TestDeletedKeepsItsBlobs(t *testing.T) { eachEngine(t, testDeletedKeepsItsBlobs) }

func testDeletedKeepsItsBlobs(t *testing.T, open opener) {
	db, now := openKeeping(t, open)
	m := manifestOf("m", "x")
	update(t, db, func(tx *Tx) error { return tx.PutManifest(1, "a", m, []string{"t"}, "") })
	update(t, db, func(tx *Tx) error { _, err := tx.DeleteRepository(1, "a", ""); return err })
	queued(t, db, "gc_blob_queue")
	*now = now.Add(time.Hour)
	if err := collect(t, db); err == nil {
		t.Fatal("the blob of a deleted manifest could be removed")
	}
	update(t, db, func(tx *Tx) error {
		rv, err := tx.ExpireDeleted(Step{Until: *now, Rows: 10})
		if rv.Removed != 1 {
			t.Errorf("%d expired", rv.Removed)
		}
		return err
	})
	if n := queued(t, db, "gc_blob_queue"); n != 1 {
		t.Errorf("%d blobs are to be reviewed", n)
	}
	if got := counts(t, db, "deleted_manifests", "deleted_manifest_blobs", "deleted_tags", "deleted_repositories"); !slices.Equal(got, []int{0, 0, 0, 0}) {
		t.Errorf("left: %v", got)
	}
	if err := collect(t, db); err != nil {
		t.Error(err)
	}
}

// TestExpireInBatches leaves what can be restored, and takes no more than it is
// told to.
func TestExpireInBatches(t *testing.T) { eachEngine(t, testExpireInBatches) }

func testExpireInBatches(t *testing.T, open opener) {
	db, now := openKeeping(t, open)
	for i := range 5 {
		m := manifestOf(fmt.Sprint(i), "x")
		update(t, db, func(tx *Tx) error { return tx.PutManifest(1, "a", m, []string{"t"}, "") })
		deleteManifest(t, db, m)
		*now = now.Add(time.Minute)
	}
	*now = now.Add(time.Hour - 2*time.Minute) // the last is kept
	for _, want := range []int{2, 2, 0} {
		update(t, db, func(tx *Tx) error {
			rv, err := tx.ExpireDeleted(Step{Until: *now, Rows: 2})
			if rv.Removed != want {
				t.Errorf("%d expired, want %d", rv.Removed, want)
			}
			return err
		})
	}
	if got := counts(t, db, "deleted_manifests", "deleted_tags"); !slices.Equal(got, []int{1, 1}) {
		t.Errorf("left: %v", got)
	}
}

// TestRestoredChild becomes a child again of the index that lists it, also when
// its blob was unlinked.
func TestRestoredChild(t *testing.T) { eachEngine(t, testRestoredChild) }

func testRestoredChild(t *testing.T, open opener) {
	db, _ := openKeeping(t, open)
	child, parent := manifestOf("child", "x"), manifestOf("parent", "x", digest.FromString("child"))
	update(t, db, func(tx *Tx) error { return tx.PutManifest(1, "a", child, nil, "") })
	update(t, db, func(tx *Tx) error { return tx.PutManifest(1, "a", parent, []string{"p"}, "") })
	deleteManifest(t, db, child)
	update(t, db, func(tx *Tx) error { return tx.UnlinkBlob(1, "a", digest.FromString("x")) })
	update(t, db, func(tx *Tx) error { return tx.Restore(1, "a", child, "", false, "") })
	if got := counts(t, db, "manifest_children", "missing_children", "repository_blobs", "manifest_blobs", "deleted_manifests"); !slices.Equal(got, []int{1, 0, 1, 2, 0}) {
		t.Errorf("edges, missing, links, blobs, deleted: %v", got)
	}
}

// TestRestoreOfWhatIsGone fails where the manifest is neither live nor kept, and
// where it was live when the caller looked and is not any more.
func TestRestoreOfWhatIsGone(t *testing.T) { eachEngine(t, testRestoreOfWhatIsGone) }

func testRestoreOfWhatIsGone(t *testing.T, open opener) {
	db, _ := openKeeping(t, open)
	m := manifestOf("m", "x")
	restore := func(m meta.Manifest) error {
		return db.Update(t.Context(), func(tx *Tx) error { return tx.Restore(1, "a", m, "t", true, "") })
	}
	if err := restore(m); !errors.Is(err, ErrNotFound) {
		t.Errorf("of what never was: %v", err)
	}
	update(t, db, func(tx *Tx) error { return tx.PutManifest(1, "a", m, nil, "") })
	deleteManifest(t, db, m)
	live := meta.Manifest{Descriptor: m.Descriptor}
	if err := restore(live); !errors.Is(err, ErrNotFound) {
		t.Errorf("of what was taken to be live: %v", err)
	}
	if got := counts(t, db, "manifests", "tags", "deleted_manifests"); !slices.Equal(got, []int{0, 0, 1}) {
		t.Errorf("manifests, tags, deleted: %v", got)
	}
}

// TestPagesWhileDeleting pages by time and deletes each item after it was seen,
// of which some had been locked and unlocked since they were pushed.
func TestPagesWhileDeleting(t *testing.T) { eachEngine(t, testPagesWhileDeleting) }

func testPagesWhileDeleting(t *testing.T, open opener) {
	db, now := openKeeping(t, open)
	names := []string{"e", "d", "c", "b", "a"} // in the order of their last change
	for _, name := range names {
		update(t, db, func(tx *Tx) error { return tx.PutManifest(1, "a", manifestOf(name, "x"), []string{name}, "") })
	}
	for _, name := range names {
		*now = now.Add(time.Second)
		change := meta.LockChange{Set: meta.NoDelete}
		for range 2 {
			update(t, db, func(tx *Tx) error {
				return errors.Join(tx.SetTagLocks(1, "a", name, change), tx.SetManifestLocks(1, "a", digest.FromString(name), change))
			})
			change = meta.LockChange{Clear: meta.NoDelete}
		}
	}
	got := tagPages(t, db, meta.TagQuery{N: 1, Order: meta.OldestFirst}, func(last string) {
		update(t, db, func(tx *Tx) error { return tx.DeleteTag(1, "a", last, "") })
	})
	if !slices.Equal(got, names) {
		t.Errorf("tags %q, want %q", got, names)
	}
	q := meta.ManifestQuery{N: 1, Order: meta.NewestFirst}
	for _, name := range slices.Backward(names) {
		page, err := db.ManifestInfos(t.Context(), 1, "a", q)
		if err != nil || len(page) != 1 || page[0].Digest != digest.FromString(name) {
			t.Fatalf("%v, %v: want %s", page, err, name)
		}
		q.After = page[0].Digest.String()
		deleteManifest(t, db, manifestOf(name, "x"))
	}
}

// TestListsUseTheirIndexes looks at how the database goes about the lists that
// leave out what is hidden.
func TestListsUseTheirIndexes(t *testing.T) {
	db := onSQLite(t)(t, Options{})
	for query, want := range map[string]string{
		`SELECT name FROM repositories WHERE registry_id = 1 AND name > 'a' AND locks & 8 = 0 ORDER BY name LIMIT 10`: "USING COVERING INDEX repositories_listed",
		`SELECT id FROM manifests WHERE repo_id = 1 AND locks & 3 <> 0`:                                               "USING COVERING INDEX manifests_locked",
		`SELECT t.name FROM tags t WHERE t.repo_id = 1 AND t.locks & 8 = 0 AND t.name > 'a'
			AND t.manifest_id = (SELECT id FROM manifests WHERE repo_id = 1 AND digest = x'00') ORDER BY t.name LIMIT 10`: "USING INDEX tags_manifest (manifest_id=? AND repo_id=? AND name>?)",
		`SELECT manifest_id FROM tags WHERE repo_id = 1 AND locks & 3 <> 0`: "USING COVERING INDEX tags_locked",
	} {
		var id, parent, unused int
		var plan string
		if err := db.row(t.Context(), `EXPLAIN QUERY PLAN `+query).Scan(&id, &parent, &unused, &plan); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(plan, want) {
			t.Errorf("%s: %s", query, plan)
		}
	}
}
