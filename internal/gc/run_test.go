package gc_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/orlop/orlop/internal/blob"
	"github.com/orlop/orlop/internal/gc"
	"github.com/orlop/orlop/internal/meta"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
)

// TestRunIsTriggered: a cycle that was asked for is done at once, and Status tells
// when.
func TestRunIsTriggered(t *testing.T) {
	w := newWorld(t, sqliteOpener(t), sqlmeta.Options{})
	d := w.blob("a", large)
	ctx, cancel := context.WithCancel(t.Context())
	c := gc.New(w.db, w.blobs, gc.Options{Cache: w.reg.Service, Interval: 1000 * time.Hour})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.Run(ctx)
	}()
	await := func(what string, ok func(gc.Status) bool) {
		t.Helper()
		for !ok(c.Status()) {
			select {
			case <-ended:
				t.Fatalf("it ended before %s", what)
			default:
			}
		}
	}
	await("its first cycle", func(s gc.Status) bool { return s.Cycles == 1 })
	w.clock.add(25 * time.Hour)
	c.Trigger()
	await("the cycle that was asked for", func(s gc.Status) bool { return !s.Asked })
	if s := c.Status(); s.Last.Blobs.Removed != 1 || w.has("a", d) {
		t.Errorf("%+v", s)
	}
	cancel()
	<-ended
}

// failing is a store that removes nothing.
type failing struct{ blob.Store }

func (failing) Delete(context.Context, string) error { return errors.New("out of order") }

// TestFailuresAreTold and tried again later, without a word to the store before.
func TestFailuresAreTold(t *testing.T) {
	w := newWorld(t, sqliteOpener(t), sqlmeta.Options{})
	w.blob("a", large)
	w.clock.add(24 * time.Hour)
	w.collect()
	w.clock.add(2 * time.Hour)
	c := gc.New(w.db, failing{w.blobs}, gc.Options{})
	r, err := c.Cycle(t.Context())
	if err == nil || !strings.Contains(err.Error(), "out of order") || r.Failed != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	if s := c.Status(); s.Failures != 1 || s.Err == nil {
		t.Errorf("%+v", s)
	}
	if r := w.collect(); r.Objects != 0 {
		t.Error("it was tried again at once")
	}
	w.clock.add(time.Minute)
	if r := w.collect(); r.Objects != 1 || w.objects() != 0 {
		t.Errorf("it was not tried again: %+v", r)
	}
}

// TestExplain: what is said to go goes, and what is said to stay stays.
func TestExplain(t *testing.T) { eachEngine(t, testExplain) }

func testExplain(t *testing.T, open opener) {
	w := newWorld(t, open, sqlmeta.Options{KeepDeleted: 24 * time.Hour, UntaggedRetention: 24 * time.Hour})
	w.blob("a", large)
	w.push("a", manifest("tagged", nil, []byte(large)), "t")
	w.blob("a", "unused")
	untagged := w.push("a", manifest("untagged", nil, []byte(large)))
	deleted := w.push("a", manifest("deleted", nil, []byte(large)), "d")
	if err := w.reg.DeleteManifest(t.Context(), "a", deleted.Digest); err != nil {
		t.Fatal(err)
	}
	w.clock.add(12 * time.Hour)
	w.blob("a", "young")
	goes := func(kept bool) (goes, stays int) {
		t.Helper()
		for f, err := range w.gc.Explain(t.Context(), kept) {
			if err != nil {
				t.Fatal(err)
			}
			if f.Reason == "" || f.Digest == "" || len(f.Repositories) != 1 || f.Repositories[0] != "a" || f.Size == 0 || f.Since.IsZero() {
				t.Errorf("not explained: %+v", f)
			}
			if f.Goes {
				goes++
			} else {
				stays++
			}
		}
		return goes, stays
	}
	if g, s := goes(false); g != 0 || s != 0 {
		t.Errorf("within the grace %d go and %d are told of", g, s)
	}
	w.clock.add(12 * time.Hour)
	g, s := goes(true)
	if g != 3 || s == 0 { // the unused blob, the untagged manifest, and the deleted one
		t.Errorf("%d go, %d stay", g, s)
	}
	if g2, s2 := goes(false); g2 != g || s2 != 0 {
		t.Errorf("without what is kept, %d go and %d stay", g2, s2)
	}
	r := w.collect()
	if r.Blobs.Removed+r.Manifests.Removed+r.Expired != g || w.hasManifest("a", untagged.Digest) {
		t.Errorf("%d were to go: %+v", g, r)
	}
	for f, err := range w.gc.Explain(t.Context(), true) {
		if err != nil || f.Goes || f.Kind == meta.GCManifest {
			t.Errorf("after it: %+v, %v", f, err)
		}
	}
}
