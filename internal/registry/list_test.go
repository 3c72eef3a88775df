package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/blob"
	"github.com/orlop/orlop/internal/blob/mem"
	"github.com/orlop/orlop/internal/gc"
)

// pushNames makes repositories of one blob each.
func pushNames(t *testing.T, r *Registry, names ...string) {
	t.Helper()
	for _, name := range names {
		desc := orlop.Descriptor{Digest: digest.FromString("x"), Size: 1}
		if err := r.PushBlob(t.Context(), name, desc, strings.NewReader("x")); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRepositoriesPage pages through what a caller may see among what it may
// not: pages are full, and only the last says that it is.
func TestRepositoriesPage(t *testing.T) { eachEngine(t, testRepositoriesPage) }

func testRepositoriesPage(t *testing.T, e engine) {
	r := e.open(t, Options{})
	pushNames(t, r, "a/1", "b/1", "a/2", "b/2", "b/3", "b/4", "a/3", "b/5")
	for prefix, all := range map[string][]string{
		"":   {"a/1", "a/2", "a/3", "b/1", "b/2", "b/3", "b/4", "b/5"},
		"a/": {"a/1", "a/2", "a/3"},
		"b/": {"b/1", "b/2", "b/3", "b/4", "b/5"},
		"c/": nil,
	} {
		for n := 1; n <= 9; n++ {
			rest, after := all, ""
			for {
				names, more, err := r.RepositoriesPage(t.Context(), after, n, func(name string) bool { return strings.HasPrefix(name, prefix) })
				if err != nil {
					t.Fatal(err)
				}
				want := rest[:min(n, len(rest))]
				rest = rest[len(want):]
				if !slices.Equal(names, want) || more != (len(rest) > 0) {
					t.Fatalf("%q by %d after %q: %q, more %v; want %q, %d more", prefix, n, after, names, more, want, len(rest))
				}
				if !more {
					break
				}
				after = names[len(names)-1]
			}
		}
	}
}

// TestTagsPage wants full pages, the last without more.
func TestTagsPage(t *testing.T) {
	r := openDisk(t)
	addTags(t, r, "a", 4)
	for n, want := range map[int]bool{3: true, 4: false, 5: false} {
		tags, more, err := r.TagsPage(t.Context(), "a", "", n)
		if err != nil || len(tags) != min(n, 4) || more != want {
			t.Errorf("by %d: %q, more %v, %v", n, tags, more, err)
		}
	}
}

// TestSweepTakesAll sweeps more than one step takes, what is due and no more.
func TestSweepTakesAll(t *testing.T) { eachEngine(t, testSweepTakesAll) }

func testSweepTakesAll(t *testing.T, e engine) {
	now := time.Now()
	blobs := mem.New(mem.Options{})
	r := e.openOn(t, blobs, Options{SmallBlob: 2, Now: func() time.Time { return now }, UploadLife: time.Hour})
	for i := range 201 {
		send(t, r, "", fmt.Sprint("upload ", i))
	}
	now = now.Add(59 * time.Minute)
	young := send(t, r, "", "young")
	now = now.Add(2 * time.Minute)
	content := "surplus"
	for _, repo := range []string{"a", "b"} {
		if err := r.PushBlob(t.Context(), repo, orlop.Descriptor{Digest: digest.FromString(content), Size: 7}, strings.NewReader(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := sweep(t, r); err != nil {
		t.Fatal(err)
	}
	if n := objects(t, blobs.List(t.Context(), "")); n != 2 {
		t.Errorf("%d objects, want those of the blob and of the young upload", n)
	}
	if off, err := r.UploadOffset(t.Context(), "a", young); err != nil || off != 5 {
		t.Errorf("young upload: %d, %v", off, err)
	}
	if n := dueObjects(t, r); n != 0 {
		t.Errorf("%d are still due", n)
	}
	now = now.Add(3 * time.Hour) // the surplus object's grace is over
	if n := dueObjects(t, r); n != 1 {
		t.Errorf("%d are due after the grace, want 1", n)
	}
}

// sweep collects what is due.
func sweep(t *testing.T, r *Registry) error {
	t.Helper()
	_, err := gc.New(r.db, r.blobs, gc.Options{Cache: r.Service}).Cycle(t.Context())
	return err
}

// dueObjects counts the objects that are to be removed now.
func dueObjects(t *testing.T, r *Registry) int {
	t.Helper()
	q, err := r.db.GCQueues(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return q.Objects.Due
}

// keeping is a store that cannot delete one object.
type keeping struct {
	blob.Store
	key string
}

var errKept = errors.New("cannot be deleted")

func (k *keeping) Delete(ctx context.Context, key string) error {
	if key == k.key {
		return errKept
	}
	return k.Store.Delete(ctx, key)
}

// TestSweepGoesOn sweeps past an object that cannot be deleted, and takes it
// when it can.
func TestSweepGoesOn(t *testing.T) { eachEngine(t, testSweepGoesOn) }

func testSweepGoesOn(t *testing.T, e engine) {
	now := time.Now()
	blobs := &keeping{Store: mem.New(mem.Options{})}
	r := e.openOn(t, blobs, Options{SmallBlob: 2, Now: func() time.Time { return now }, UploadLife: time.Hour})
	for i := range 3 {
		send(t, r, "", fmt.Sprint("upload ", i))
	}
	for info := range blobs.List(t.Context(), "") {
		blobs.key = info.Key
		break
	}
	now = now.Add(2 * time.Hour)
	if err := sweep(t, r); !errors.Is(err, errKept) {
		t.Errorf("sweep with an object that stays: %v", err)
	}
	if n := objects(t, blobs.List(t.Context(), "")); n != 1 {
		t.Errorf("%d objects are left", n)
	}
	blobs.key = ""
	now = now.Add(time.Hour) // it is not tried again at once
	if err := sweep(t, r); err != nil {
		t.Error(err)
	}
	if n := objects(t, blobs.List(t.Context(), "")); n != 0 {
		t.Errorf("%d objects are left", n)
	}
}
