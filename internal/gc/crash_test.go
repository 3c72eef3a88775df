package gc_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop/internal/blob/faultfs"
	"github.com/orlop/orlop/internal/blob/fs"
	"github.com/orlop/orlop/internal/gc"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
	"github.com/orlop/orlop/internal/registry"
)

// faulty is a world on files that lose power or fail, and a database whose
// commits count as calls of the same plan.
type faulty struct {
	*world
	files *faultfs.FS
	path  string // of the database
	close func()
}

// openFaulty opens a world on files and the database at path.
func openFaulty(t *testing.T, files *faultfs.FS, path string, c *clock) (*faulty, error) {
	t.Helper()
	db, err := sqlmeta.Open(t.Context(), path, sqlmeta.Options{
		KeepDeleted: 24 * time.Hour, UntaggedRetention: 24 * time.Hour, Now: c.Now,
		Fault: func(string) error {
			_, err := files.Stat(".") // counts as a call, and fails after the crash
			return err
		},
	})
	if err != nil {
		return nil, err
	}
	blobs, err := fs.OpenFS(files, fs.Options{})
	if err != nil {
		db.Close()
		return nil, err
	}
	w := &faulty{world: &world{t: t, clock: c, db: db, blobs: blobs}, files: files, close: func() { db.Close() }}
	svc, err := registry.New(db, blobs, registry.Options{SmallBlob: 8, Now: c.Now})
	if err != nil {
		db.Close()
		return nil, err
	}
	w.reg = svc.Registry(1, registry.Actor{ID: "1", Name: "tester"})
	w.gc = gc.New(db, blobs, gc.Options{Cache: svc})
	return w, nil
}

// litter fills a world with what is to stay, under tags, and something for every
// step of a collector.
func (w *faulty) litter() {
	w.t.Helper()
	for i := range 3 {
		content := fmt.Sprint(large, i)
		w.blob("a", content)
		w.push("a", manifest("stays", nil, []byte(content)), fmt.Sprint("t", i))
		w.push("a", manifest("untagged", nil, []byte(content)))
	}
	w.blob("a", large)
	w.blob("a", "small")
	w.blob("b", large+" of a deleted manifest")
	m := w.push("b", manifest("deleted", nil, []byte(large+" of a deleted manifest")), "t")
	if err := w.reg.DeleteManifest(w.t.Context(), "b", m.Digest); err != nil {
		w.t.Fatal(err)
	}
	u, err := w.reg.Upload(w.t.Context(), "a", "")
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := u.Write([]byte(large + " that never ends")); err != nil {
		w.t.Fatal(err)
	}
	if err := u.Close(); err != nil {
		w.t.Fatal(err)
	}
}

// clean runs cycles until all that is litter must be gone. It returns the first
// error.
func (w *faulty) clean(ctx context.Context) error {
	for range 10 {
		w.clock.add(25 * time.Hour)
		if _, err := w.gc.Cycle(ctx); err != nil {
			return err
		}
	}
	return nil
}

// check verifies that what is to stay is whole, and, at the end, that nothing else
// is left.
func (w *faulty) check(end bool) error {
	for i := range 3 {
		if err := whole(w.t.Context(), w.reg, "a", fmt.Sprint("t", i)); err != nil {
			return fmt.Errorf("tag t%d: %w", i, err)
		}
	}
	if !end {
		return nil
	}
	if n := w.objects(); n != 3 {
		return fmt.Errorf("%d objects are left, want 3", n)
	}
	for _, d := range []digest.Digest{digest.FromString(large), digest.FromString("small")} {
		if w.has("a", d) {
			return fmt.Errorf("blob %s is left", d)
		}
	}
	q, err := w.db.GCQueues(w.t.Context())
	if err == nil && (q.Blobs.Rows != 0 || q.Manifests.Rows != 0 || q.Objects.Rows != 0) {
		err = fmt.Errorf("queues are not empty: %+v", q)
	}
	return err
}

// TestCrashAtEveryCall cuts the power at the n-th call of storage or database
// while garbage is collected, for every n, opens the stores again, and collects to
// the end: what is used is whole at any time, and nothing is left behind.
func TestCrashAtEveryCall(t *testing.T) {
	t.Parallel()
	eachCall(t, func(w *faulty, n int) bool {
		w.files.CrashAt(w.files.Calls() + n)
		err := w.clean(t.Context())
		w.close()
		if !w.files.Crashed() {
			if err != nil {
				t.Fatalf("without a crash: %v", err)
			}
			return false
		}
		after, err := openFaulty(t, w.files.Reboot(int64(n)), w.path, w.clock)
		if err != nil {
			t.Fatalf("call %d: cannot open again: %v", n, err)
		}
		defer after.close()
		if err := errors.Join(after.check(false), after.clean(t.Context()), after.check(true)); err != nil {
			t.Errorf("crash at call %d: %v", n, err)
		}
		return true
	})
}

// TestFailAtEveryCall makes the n-th call fail: the error is told, and the next
// cycles do what was left.
func TestFailAtEveryCall(t *testing.T) {
	t.Parallel()
	eachCall(t, func(w *faulty, n int) bool {
		defer w.close()
		at := w.files.Calls() + n
		w.files.FailAt(at, errors.New("injected"))
		if err := w.clean(t.Context()); err != nil && !strings.Contains(err.Error(), "injected") {
			t.Errorf("call %d: the cause is not told: %v", n, err)
		}
		if w.files.Calls() < at {
			return false
		}
		if err := errors.Join(w.check(false), w.clean(t.Context()), w.check(true)); err != nil {
			t.Errorf("failure of call %d: %v", n, err)
		}
		return true
	})
}

// eachCall runs a test for n = 1, 2, …, each on a world of its own with the same
// litter, until it is false.
func eachCall(t *testing.T, test func(w *faulty, n int) bool) {
	t.Helper()
	template := filepath.Join(t.TempDir(), "template.db") // with the schema
	w, err := openFaulty(t, faultfs.New(), template, newClock())
	if err != nil {
		t.Fatal(err)
	}
	w.close()
	schema, err := os.ReadFile(template)
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; ; n++ {
		path := filepath.Join(t.TempDir(), "meta.db")
		if err := os.WriteFile(path, schema, 0o600); err != nil {
			t.Fatal(err)
		}
		w, err := openFaulty(t, faultfs.New(), path, newClock())
		if err != nil {
			t.Fatal(err)
		}
		w.path = path
		w.litter()
		if !test(w, n) {
			t.Logf("%d calls", n-1)
			if n < 20 {
				t.Error("the plan does not reach the storage")
			}
			return
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}
