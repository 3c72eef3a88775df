package sqlmeta

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop/internal/meta"
)

// planOf is how SQLite carries out a query.
func planOf(t *testing.T, db *DB, query string) string {
	t.Helper()
	var args []any
	for strings.Contains(query, fmt.Sprint("$", len(args)+1)) {
		args = append(args, 1)
	}
	steps, err := list(db, t.Context(), func(scan func(...any) error) (detail string, err error) {
		var id, parent, unused int
		err = scan(&id, &parent, &unused, &detail)
		return detail, err
	}, `EXPLAIN QUERY PLAN `+query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return strings.Join(steps, "; ")
}

// TestDueQueriesUseIndexes: finding what is due costs what is due, not what is
// stored, and nothing is sorted.
func TestDueQueriesUseIndexes(t *testing.T) {
	db := onSQLite(t)(t, Options{})
	for query, index := range map[string]string{
		dueBlobs:     "gc_blob_queue_due",
		dueManifests: "gc_manifest_queue_due",
		dueObjects:   "gc_objects_due",
		dueUploads:   "uploads_expires",
	} {
		got := planOf(t, db, query)
		if !strings.Contains(got, index) || strings.Contains(got, "TEMP B-TREE") || strings.Contains(got, "SCAN") {
			t.Errorf("%s\n%s", query, got)
		}
	}
	for _, query := range []string{
		`DELETE FROM blobs WHERE id = $1
			AND NOT EXISTS (SELECT 1 FROM manifest_blobs WHERE blob_id = $1) AND NOT EXISTS (SELECT 1 FROM deleted_manifest_blobs WHERE blob_id = $1)`,
		manifestUseQuery,
	} {
		if got := planOf(t, db, query); strings.Contains(got, "SCAN") {
			t.Errorf("%s\n%s", query, got)
		}
	}
}

// TestForeignKeysAreTheProof: a blob that a manifest needs cannot be removed, even
// if all questions before it had the wrong answers.
func TestForeignKeysAreTheProof(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		db := open(t, Options{})
		if err := putSmall(db, t, "a", "x"); err != nil {
			t.Fatal(err)
		}
		update(t, db, func(tx *Tx) error {
			return tx.PutManifest(1, "a", manifestOf("parent", "x", manifestOf("child", "x").Descriptor.Digest), []string{"t"}, "")
		})
		update(t, db, func(tx *Tx) error { return tx.PutManifest(1, "a", manifestOf("child", "x"), nil, "") })
		for _, query := range []string{`DELETE FROM blobs`, `DELETE FROM manifests WHERE id IN (SELECT child_id FROM manifest_children)`,
			`DELETE FROM manifests WHERE id IN (SELECT manifest_id FROM tags)`} {
			if err := db.Update(t.Context(), func(tx *Tx) error { return tx.plain(query) }); err == nil {
				t.Errorf("%s succeeded", query)
			}
		}
	})
}

// TestHotRow: a row that cannot be dealt with goes to the back of the queue, further
// each time, and the others are not kept.
func TestHotRow(t *testing.T) {
	at := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	db := onSQLite(t)(t, Options{ReviewGrace: -1, Now: func() time.Time { return at }})
	for _, content := range []string{"hot", "cold"} {
		if err := putSmall(db, t, "a", content); err != nil {
			t.Fatal(err)
		}
	}
	update(t, db, func(tx *Tx) error {
		return tx.plain(`CREATE TRIGGER refuse BEFORE DELETE ON blobs WHEN old.size = 3 BEGIN SELECT RAISE(ABORT, 'refused'); END`)
	})
	review := func(rows int) (meta.Review, error) {
		var rv meta.Review
		err := db.Update(t.Context(), func(tx *Tx) (err error) {
			rv, err = tx.ReviewBlobs(Step{Until: at, Rows: rows}, func(meta.Removal) {})
			return err
		})
		return rv, err
	}
	wait := time.Minute
	for range 3 {
		if _, err := review(1); err == nil || !strings.Contains(err.Error(), "refused") {
			t.Fatalf("the hot row is not the first: %v", err)
		}
		update(t, db, func(tx *Tx) error { return tx.PostponeBlob(at) })
		if rv, err := review(10); err != nil || rv.Kept != 0 {
			t.Errorf("%+v, %v", rv, err)
		}
		at = at.Add(wait - time.Second)
		if rv, err := review(10); err != nil || rv.More {
			t.Errorf("it comes too soon: %+v, %v", rv, err)
		}
		at, wait = at.Add(time.Second), 2*wait
	}
	if _, err := db.Blob(t.Context(), 1, "a", digest.FromString("cold")); !errors.Is(err, ErrNotFound) {
		t.Errorf("the cold one is there: %v", err)
	}
	if n := queued(t, db, "gc_blob_queue"); n != 1 {
		t.Errorf("%d rows are left, want the hot one", n)
	}
}

// TestStepHasAnEnd: a step stops when its time is over, and says so.
func TestStepHasAnEnd(t *testing.T) {
	db := onSQLite(t)(t, Options{ReviewGrace: -1})
	for _, content := range []string{"1", "2", "3"} {
		if err := putSmall(db, t, "a", content); err != nil {
			t.Fatal(err)
		}
	}
	update(t, db, func(tx *Tx) error {
		rv, err := tx.ReviewBlobs(Step{Until: db.Now(), Rows: 100, Time: 1}, func(meta.Removal) {})
		if !rv.More || rv.Removed > 1 {
			t.Errorf("%+v", rv)
		}
		return err
	})
}

// TestKeepingWhatIsGone: who asks whether a blob may be relied on, when it has just
// been removed, is told so.
func TestKeepingWhatIsGone(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		db := open(t, Options{})
		if err := putSmall(db, t, "a", "x"); err != nil {
			t.Fatal(err)
		}
		if err := db.KeepBlob(t.Context(), 1, "a", digest.FromString("x")); err != nil {
			t.Error(err)
		}
		update(t, db, func(tx *Tx) error { return tx.plain(`DELETE FROM blobs`) })
		if err := db.KeepBlob(t.Context(), 1, "a", digest.FromString("x")); !errors.Is(err, ErrNotFound) {
			t.Errorf("%v", err)
		}
	})
}
