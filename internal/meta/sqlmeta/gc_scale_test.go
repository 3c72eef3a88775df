package sqlmeta_test

import (
	"context"
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/orlop/orlop/internal/blob/mem"
	"github.com/orlop/orlop/internal/gc"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
)

var gcScale = flag.Int("gc-scale", 0, "up to how many manifests, each of three blobs, TestGCScale stores")

// TestGCScale measures cycles with the same number of changes at growing sizes of
// the registry. It takes minutes and asserts nothing of time; the figures are in
// docs/performance.md.
func TestGCScale(t *testing.T) {
	if *gcScale == 0 {
		t.Skip("a measurement: ask for it by -gc-scale 1000000")
	}
	var later time.Duration
	db, err := sqlmeta.Open(t.Context(), filepath.Join(t.TempDir(), "meta.db"), sqlmeta.Options{Now: func() time.Time { return time.Now().Add(later) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	const changed, step = 1000, 7
	stored := 0
	for _, size := range []int{10_000, 100_000, 1_000_000} {
		if size > *gcScale {
			break
		}
		db.Fill(t, 1+stored, size-stored)
		first := 1 + stored // of what no round has changed yet
		stored = size
		c := gc.New(db, mem.New(mem.Options{}), gc.Options{})
		cycle := func(what string) {
			wait := watch(t, db)
			start := time.Now()
			r, err := c.Cycle(t.Context())
			took := time.Since(start)
			p50, worst := wait()
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%9d manifests, %s: %v; another writer waits %v, at most %v; %d removed, %d kept",
				size, what, took.Round(100*time.Microsecond), p50, worst, r.Blobs.Removed, r.Blobs.Kept)
		}
		cycle("nothing changed")
		db.Queue(t, first, changed, step)
		later += 25 * time.Hour
		cycle(fmt.Sprint(3*changed, " blobs to review, in use"))
		db.Orphan(t, first, changed, step)
		later += 25 * time.Hour
		cycle(fmt.Sprint(3*changed, " blobs to remove"))
		later += 3 * time.Hour
		cycle(fmt.Sprint(3*changed, " objects to remove"))
	}
}

// watch writes again and again until the function it returns is called, which tells
// how long one write took, in the middle and at most.
func watch(t *testing.T, db *sqlmeta.DB) func() (p50, worst time.Duration) {
	ctx, cancel := context.WithCancel(t.Context())
	var took []time.Duration
	var wg sync.WaitGroup
	wg.Go(func() {
		for first := true; first || ctx.Err() == nil; first = false {
			start := time.Now()
			if err := db.Touch(context.WithoutCancel(ctx)); err != nil {
				t.Error(err)
			}
			took = append(took, time.Since(start))
		}
	})
	return func() (time.Duration, time.Duration) {
		cancel()
		wg.Wait()
		slices.Sort(took)
		return took[len(took)/2].Round(10 * time.Microsecond), took[len(took)-1].Round(100 * time.Microsecond)
	}
}
