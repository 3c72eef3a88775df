package layout_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/layout"
	"github.com/orlop/orlop/registrytest"
)

// batch opens a layout of which index.json is written by Commit and Close.
func batch(t *testing.T, dir string) *layout.Registry {
	t.Helper()
	r := create(t, dir)
	r.Batch()
	return r
}

func TestRegistryBatch(t *testing.T) {
	registrytest.Run(t, func(t *testing.T) orlop.Registry { return batch(t, t.TempDir()) },
		registrytest.Options{OneRepository: true, LooseNames: true})
}

func TestBatchIsSeenByOthersOnCommit(t *testing.T) {
	dir := t.TempDir()
	r := batch(t, dir)
	desc := push(t, r, "one", "a", "b")
	push(t, r, "two", "b")
	wantText(t, r, "a", "one")
	wantText(t, r, "b", "two")
	other := create(t, dir)
	if _, err := other.Resolve(t.Context(), "", "a"); !errors.Is(err, orlop.ErrManifestUnknown) {
		t.Errorf("before Commit: %v", err)
	}
	wantText(t, other, string(desc.Digest), "one")
	push(t, other, "three", "a", "c") // another's tag loses to what is committed later
	if err := r.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, r := range []*layout.Registry{r, other, create(t, dir)} {
		wantText(t, r, "a", "one")
		wantText(t, r, "b", "two")
		wantText(t, r, "c", "three")
	}
	push(t, other, "three", "a")
	wantText(t, r, "a", "three") // the batch has forgotten what it committed
}

func TestBatchIsCommittedByClose(t *testing.T) {
	dir := t.TempDir()
	r, err := layout.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	r.Batch()
	push(t, r, "one", "a")
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	wantText(t, create(t, dir), "a", "one")
}

// What another deletes between push and commit stays deleted.
func TestBatchDoesNotNameWhatIsGone(t *testing.T) {
	dir := t.TempDir()
	r := batch(t, dir)
	gone := push(t, r, "one", "a")
	push(t, r, "two", "b")
	if err := create(t, dir).DeleteManifest(t.Context(), "", gone.Digest); err != nil {
		t.Fatal(err)
	}
	if err := r.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantText(t, r, "b", "two")
	if _, err := r.Resolve(t.Context(), "", "a"); !errors.Is(err, orlop.ErrManifestUnknown) {
		t.Errorf("deleted: %v", err)
	}
}

// A commit that fails loses nothing.
func TestBatchCommitFails(t *testing.T) {
	dir := t.TempDir()
	r := batch(t, dir)
	push(t, r, "one", "a")
	index := filepath.Join(dir, "index.json")
	good, err := os.ReadFile(index)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(index, []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := r.Commit(t.Context()); err == nil {
		t.Error("committed to an index that cannot be read")
	}
	if err := os.WriteFile(index, good, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := r.Commit(t.Context()); err != nil {
		t.Error(err)
	}
	wantText(t, create(t, dir), "a", "one")
}

// Batches of several at once are merged.
func TestBatchesAtOnce(t *testing.T) {
	dir := t.TempDir()
	const writers, count = 4, 10
	var wg sync.WaitGroup
	for w := range writers {
		r := batch(t, dir)
		wg.Go(func() {
			for i := range count {
				tag := fmt.Sprintf("w%d-%d", w, i)
				if _, err := tryPush(t, r, "the text of "+tag, tag); err != nil {
					t.Error(err)
				}
				if i%4 == 3 {
					if err := r.Commit(t.Context()); err != nil {
						t.Error(err)
					}
				}
			}
			if err := r.Commit(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	r := create(t, dir)
	for w := range writers {
		for i := range count {
			tag := fmt.Sprintf("w%d-%d", w, i)
			wantText(t, r, tag, "the text of "+tag)
		}
	}
}

// The order of the pushes does not show in index.json.
func TestBatchOrder(t *testing.T) {
	var indexes [2]string
	for i, order := range [][]string{{"a", "b", "", "c"}, {"", "c", "a", "b"}} {
		dir := t.TempDir()
		r := batch(t, dir)
		for _, tag := range order {
			push(t, r, "text of "+tag, map[bool][]string{true: {tag}}[tag != ""]...)
		}
		if err := r.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(filepath.Join(dir, "index.json"))
		if err != nil {
			t.Fatal(err)
		}
		indexes[i] = string(raw)
	}
	if indexes[0] != indexes[1] {
		t.Errorf("%s\n%s", indexes[0], indexes[1])
	}
}
