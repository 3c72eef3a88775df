package gc_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop/internal/blob/faultfs"
	"github.com/orlop/orlop/internal/blob/fs"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
	"github.com/orlop/orlop/internal/registry"
)

// faulty is a world on files that lose power or fail, and a database whose
// commits count as calls of the same plan.
type faulty struct {
	*world
	open  opener
	files *faultfs.FS
	n     int // of the world, whose content is its own
}

// openFaulty opens a world on files and a database.
func openFaulty(t *testing.T, open opener, files *faultfs.FS, c *clock, n int) *faulty {
	t.Helper()
	db := open(t, sqlmeta.Options{
		KeepDeleted: 24 * time.Hour, UntaggedRetention: 24 * time.Hour, Now: c.Now,
		Fault: func(string) error {
			_, err := files.Stat(".") // counts as a call, and fails after the crash
			return err
		},
	})
	blobs, err := fs.OpenFS(files, fs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := &faulty{world: &world{t: t, clock: c, db: db, blobs: blobs}, open: open, files: files, n: n}
	w.reg, w.gc = engine(t, db, blobs, registry.Options{Now: c.Now})
	return w
}

// content is content of this world alone, kept as an object.
func (w *faulty) content(what any) string { return fmt.Sprint(large, " ", w.n, " ", what) }

// repo is a repository of this world alone.
func (w *faulty) repo() string { return fmt.Sprint("repo", w.n) }

// litter fills a world with what is to stay, under tags, and something for every
// step of a collector.
func (w *faulty) litter() {
	w.t.Helper()
	for i := range 3 {
		content := w.content(i)
		w.blob(w.repo(), content)
		w.push(w.repo(), manifest("stays", nil, []byte(content)), fmt.Sprint("t", i))
		w.push(w.repo(), manifest("untagged", nil, []byte(content)))
	}
	w.blob(w.repo(), w.content("unused"))
	w.blob(w.repo(), fmt.Sprint("s", w.n))
	w.blob(w.repo(), w.content("deleted"))
	m := w.push(w.repo(), manifest("deleted", nil, []byte(w.content("deleted"))), "deleted")
	if err := w.reg.DeleteManifest(w.t.Context(), w.repo(), m.Digest); err != nil {
		w.t.Fatal(err)
	}
	u, err := w.reg.Upload(w.t.Context(), w.repo(), "")
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := u.Write([]byte(w.content("never ends"))); err != nil {
		w.t.Fatal(err)
	}
	if err := u.Close(); err != nil {
		w.t.Fatal(err)
	}
}

// clean runs cycles until all that is litter must be gone. It returns the first
// error.
func (w *faulty) clean(ctx context.Context) error {
	for range 6 {
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
		if err := whole(w.t.Context(), w.reg, w.repo(), fmt.Sprint("t", i)); err != nil {
			return fmt.Errorf("tag t%d: %w", i, err)
		}
	}
	if !end {
		return nil
	}
	if n := w.objects(); n != 3 {
		return fmt.Errorf("%d objects are left, want 3", n)
	}
	for _, content := range []string{w.content("unused"), w.content("deleted"), fmt.Sprint("s", w.n)} {
		if w.has(w.repo(), digest.FromString(content)) {
			return fmt.Errorf("blob %q is left", content)
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
func TestCrashAtEveryCall(t *testing.T) { eachEngine(t, testCrashAtEveryCall) }

func testCrashAtEveryCall(t *testing.T, open opener) {
	eachCall(t, open, func(t *testing.T, w *faulty) bool {
		w.files.CrashAt(w.files.Calls() + w.n)
		err := w.clean(t.Context())
		w.db.Close()
		if !w.files.Crashed() {
			if err != nil {
				t.Fatalf("without a crash: %v", err)
			}
			return false
		}
		after := openFaulty(t, w.open, w.files.Reboot(int64(w.n)), w.clock, w.n)
		if err := errors.Join(after.check(false), after.clean(t.Context()), after.check(true)); err != nil {
			t.Errorf("crash at call %d: %v", w.n, err)
		}
		return true
	})
}

// TestFailAtEveryCall makes the n-th call fail: the error is told, and the next
// cycles do what was left.
func TestFailAtEveryCall(t *testing.T) { eachEngine(t, testFailAtEveryCall) }

func testFailAtEveryCall(t *testing.T, open opener) {
	eachCall(t, open, func(t *testing.T, w *faulty) bool {
		at := w.files.Calls() + w.n
		w.files.FailAt(at, errors.New("injected"))
		if err := w.clean(t.Context()); err != nil && !strings.Contains(err.Error(), "injected") {
			t.Errorf("call %d: the cause is not told: %v", w.n, err)
		}
		if w.files.Calls() < at {
			return false
		}
		if err := errors.Join(w.check(false), w.clean(t.Context()), w.check(true)); err != nil {
			t.Errorf("failure of call %d: %v", w.n, err)
		}
		return true
	})
}

// eachCall runs a test for n = 1, 2, …, each on a world of its own with the same
// litter, in one database, until it is false.
func eachCall(t *testing.T, open opener, test func(t *testing.T, w *faulty) bool) {
	t.Helper()
	c, more := newClock(), true
	n := 0
	for more {
		n++
		t.Run(fmt.Sprint(n), func(t *testing.T) { // closes its databases
			w := openFaulty(t, open, faultfs.New(), c, n)
			w.litter()
			more = test(t, w) && !t.Failed()
		})
	}
	if n < 20 && !t.Failed() {
		t.Errorf("%d calls: the plan does not reach the storage", n)
	}
}
