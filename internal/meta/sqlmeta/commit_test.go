package sqlmeta

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop/internal/meta"
)

func openTest(t *testing.T, o Options) (*DB, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "meta.db")
	db, err := Open(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := db.Update(t.Context(), func(tx *Tx) error { return tx.EnsureRegistry(1, "default") }); err != nil {
		t.Fatal(err)
	}
	return db, path
}

func putSmall(db *DB, t *testing.T, repo, content string) error {
	t.Helper()
	return db.Update(t.Context(), func(tx *Tx) error {
		_, err := tx.PutBlob(1, repo, meta.Blob{Digest: digest.FromString(content), Size: int64(len(content)), Content: []byte(content)})
		return err
	})
}

// TestSettings checks what durability rests on.
func TestSettings(t *testing.T) {
	db, _ := openTest(t, Options{})
	err := db.Update(t.Context(), func(tx *Tx) error {
		for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "integrity_check": "ok"} {
			var got string
			if err := tx.row("PRAGMA " + pragma).Scan(&got); err != nil {
				return err
			}
			if got != want {
				t.Errorf("%s is %s, want %s", pragma, got, want)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestPlaceholders would fail if $N were sent as it is: SQLite numbers such
// parameters by their order of appearance.
func TestPlaceholders(t *testing.T) { eachEngine(t, testPlaceholders) }

func testPlaceholders(t *testing.T, open opener) {
	db := open(t, Options{})
	var got string
	if err := db.row(t.Context(), `SELECT $2 || $1 || $2`, "a", "b").Scan(&got); err != nil || got != "bab" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestOneOfABatchFails lets many updates meet in one commit; those that fail
// take nothing of the others with them, and leave nothing.
func TestOneOfABatchFails(t *testing.T) { eachEngine(t, testOneOfABatchFails) }

func testOneOfABatchFails(t *testing.T, open opener) {
	db := open(t, Options{})
	const n = 200
	bad := errors.New("no")
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			content := fmt.Sprint(i)
			err := db.Update(t.Context(), func(tx *Tx) error {
				if _, err := tx.PutBlob(1, "a", meta.Blob{Digest: digest.FromString(content), Size: int64(len(content)), Content: []byte(content)}); err != nil {
					return err
				}
				switch i % 10 {
				case 3:
					return bad
				case 7:
					panic("a mistake in an update")
				}
				return nil
			})
			if failed := i%10 == 3 || i%10 == 7; (err != nil) != failed || i%10 == 3 && !errors.Is(err, bad) {
				t.Errorf("update %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	for i := range n {
		_, err := db.Blob(t.Context(), 1, "a", digest.FromString(fmt.Sprint(i)))
		if failed := i%10 == 3 || i%10 == 7; errors.Is(err, ErrNotFound) != failed {
			t.Errorf("blob %d: %v", i, err)
		}
	}
}

// TestTransactionThatIsGone has SQLite roll back all of a batch in the middle of
// it: all of it fails, for the reason of the one that caused it, and nothing of it
// is visible.
func TestTransactionThatIsGone(t *testing.T) {
	db, _ := openTest(t, Options{})
	busy, next := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { // the batch gathers while this one runs
		if err := db.Update(t.Context(), func(*Tx) error { close(busy); <-next; return nil }); err != nil {
			t.Error(err)
		}
	})
	<-busy
	errs := make([]error, 5)
	for i := range errs {
		wg.Go(func() {
			errs[i] = db.Update(t.Context(), func(tx *Tx) error {
				if i == 2 {
					return errors.Join(ErrFull, tx.plain("ROLLBACK"))
				}
				return tx.EnsureRegistry(int64(100+i), fmt.Sprint(i))
			})
		})
	}
	for len(db.engine.(*sqliteEngine).queue) < len(errs) {
		runtime.Gosched()
	}
	close(next)
	wg.Wait()
	for i, err := range errs {
		if !errors.Is(err, ErrFull) {
			t.Errorf("update %d: %v", i, err)
		}
	}
	var n int
	if err := db.row(t.Context(), `SELECT count(*) FROM registries WHERE id >= 100`).Scan(&n); err != nil || n != 0 {
		t.Errorf("%d updates of the batch are visible, %v", n, err)
	}
	if err := putSmall(db, t, "a", "x"); err != nil {
		t.Errorf("after it: %v", err)
	}
}

// TestFailedCommit makes the commit fail: the caller learns it, and nothing of
// it is visible.
func TestFailedCommit(t *testing.T) { eachEngine(t, testFailedCommit) }

func testFailedCommit(t *testing.T, open opener) {
	fail := false
	db := open(t, Options{Fault: func(point string) error {
		if fail && point == "commit" {
			return errors.New("injected")
		}
		return nil
	}})
	fail = true
	if err := putSmall(db, t, "a", "x"); err == nil {
		t.Error("the failure is not told")
	}
	if has, err := db.HasRepository(t.Context(), 1, "a"); has || err != nil {
		t.Errorf("half of a failed update is visible: %v %v", has, err)
	}
	fail = false
	if err := putSmall(db, t, "a", "x"); err != nil {
		t.Errorf("after the failure: %v", err)
	}
}

// TestIDsAfterTheClockWentBack opens a database with a clock that is a day
// behind what its rows were made with.
func TestIDsAfterTheClockWentBack(t *testing.T) { eachEngine(t, testIDsAfterTheClockWentBack) }

func testIDsAfterTheClockWentBack(t *testing.T, open opener) {
	db := open(t, Options{})
	if err := putSmall(db, t, "a", "x"); err != nil {
		t.Fatal(err)
	}
	db.Close()
	db = open(t, Options{Now: func() time.Time { return time.Now().Add(-24 * time.Hour) }})
	for i := range 10 {
		if err := putSmall(db, t, fmt.Sprintf("r%d", i), fmt.Sprint(i)); err != nil {
			t.Error(err)
		}
	}
	var grown bool
	err := db.row(t.Context(), `SELECT min(id) = (SELECT id FROM repositories WHERE name = 'a') FROM repositories`).Scan(&grown)
	if err != nil || !grown {
		t.Errorf("new ids are smaller than old ones, %v", err)
	}
}

func TestClosed(t *testing.T) { eachEngine(t, testClosed) }

func testClosed(t *testing.T, open opener) {
	db := open(t, Options{})
	db.Close()
	if err := putSmall(db, t, "a", "x"); !errors.Is(err, ErrClosed) {
		t.Errorf("update of a closed database: %v", err)
	}
}

// TestReferencedBlobStays is the proof that garbage collection rests on: the
// database itself refuses to drop a blob that a manifest needs.
func TestReferencedBlobStays(t *testing.T) { eachEngine(t, testReferencedBlobStays) }

func testReferencedBlobStays(t *testing.T, open opener) {
	db := open(t, Options{})
	if err := putSmall(db, t, "a", "x"); err != nil {
		t.Fatal(err)
	}
	m := meta.Manifest{Raw: []byte("{}")}
	m.Descriptor.Digest, m.Descriptor.Size = digest.FromString("{}"), 2
	m.Blobs = append(m.Blobs, m.Descriptor)
	m.Blobs[0].Digest, m.Blobs[0].Size = digest.FromString("x"), 1
	if err := db.Update(t.Context(), func(tx *Tx) error { return tx.PutManifest(1, "a", m, []string{"t"}, "me") }); err != nil {
		t.Fatal(err)
	}
	if err := db.Update(t.Context(), func(tx *Tx) error { return tx.plain(`DELETE FROM blobs`) }); err == nil {
		t.Error("a referenced blob was dropped")
	}
	if err := db.Update(t.Context(), func(tx *Tx) error {
		_, err := tx.DeleteManifest(1, "a", m.Descriptor.Digest, "me")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.Update(t.Context(), func(tx *Tx) error { return tx.plain(`DELETE FROM blobs`) }); err != nil {
		t.Errorf("a blob that nothing references: %v", err)
	}
}
