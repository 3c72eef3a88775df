package registry

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/meta"
)

// TestTagNeverGoesBack moves a tag forward while readers watch it through the
// cache: none sees an older value after a newer one.
func TestTagNeverGoesBack(t *testing.T) {
	r := openDisk(t)
	const moves, readers = 100, 4
	order := map[digest.Digest]int{}
	for i := range moves {
		desc := pushArtifact(t, r, "a", fmt.Sprintf("m%d", i), i)
		order[desc.Digest] = i
	}
	raws := make([]orlop.Manifest, moves)
	for d, i := range order {
		m, err := r.Manifest(t.Context(), "a", string(d))
		if err != nil {
			t.Fatal(err)
		}
		raws[i] = m
	}
	if _, err := r.PushManifest(t.Context(), "a", "", raws[0].Raw, "latest"); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range readers {
		wg.Go(func() {
			last := 0
			for {
				desc, err := r.Resolve(t.Context(), "a", "latest")
				if err != nil {
					t.Errorf("resolve: %v", err)
					return
				}
				if now := order[desc.Digest]; now < last {
					t.Errorf("went back from %d to %d", last, now)
					return
				} else {
					last = now
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for i := 1; i < moves; i++ {
		if _, err := r.PushManifest(t.Context(), "a", "", raws[i].Raw, "latest"); err != nil {
			t.Fatal(err)
		}
		if desc, err := r.Resolve(t.Context(), "a", "latest"); err != nil || order[desc.Digest] != i {
			t.Fatalf("after move %d the tag names %d, %v", i, order[desc.Digest], err)
		}
	}
	close(done)
	wg.Wait()
}

func TestDeleteShowsAtOnce(t *testing.T) {
	r := openDisk(t)
	desc := pushArtifact(t, r, "a", "v1", 1)
	if _, err := r.Resolve(t.Context(), "a", "v1"); err != nil { // into the cache
		t.Fatal(err)
	}
	if err := r.DeleteManifest(t.Context(), "a", desc.Digest); err != nil {
		t.Fatal(err)
	}
	for _, reference := range []string{"v1", string(desc.Digest)} {
		if _, err := r.Resolve(t.Context(), "a", reference); !errors.Is(err, orlop.ErrManifestUnknown) {
			t.Errorf("%s after its deletion: %v", reference, err)
		}
	}
	pushArtifact(t, r, "b", "v1", 2)
	if _, err := r.Resolve(t.Context(), "b", "v1"); err != nil {
		t.Fatal(err)
	}
	gone, err := r.DeleteRepository(t.Context(), "b")
	if err != nil || len(gone.Tags) != 1 || len(gone.Manifests) != 1 {
		t.Fatalf("%+v, %v", gone, err)
	}
	if _, err := r.Resolve(t.Context(), "b", "v1"); !errors.Is(err, orlop.ErrNameUnknown) {
		t.Errorf("tag of a deleted repository: %v", err)
	}
}

// TestTagsByTime pages through tags in the order of their change while the
// reader deletes them, as clean-up tools do.
func TestTagsByTime(t *testing.T) {
	r := openDisk(t)
	for i := range 10 {
		pushArtifact(t, r, "a", fmt.Sprintf("t%d", 9-i), i)
	}
	for name, q := range map[string]struct {
		order meta.Order
		want  string
	}{"newest": {meta.NewestFirst, "t0"}, "oldest": {meta.OldestFirst, "t9"}, "name": {meta.ByName, "t0"}} {
		tags, more, err := r.TagInfos(t.Context(), "a", meta.TagQuery{N: 3, Order: q.order})
		if err != nil || !more || len(tags) != 3 || tags[0].Name != q.want {
			t.Errorf("%s: %v %v %v", name, tags, more, err)
		}
	}
	seen, after := 0, ""
	for {
		tags, more, err := r.TagInfos(t.Context(), "a", meta.TagQuery{After: after, N: 3, Order: meta.NewestFirst})
		if err != nil {
			t.Fatal(err)
		}
		for _, tag := range tags {
			if want := fmt.Sprintf("t%d", seen); tag.Name != want {
				t.Fatalf("got %s, want %s", tag.Name, want)
			}
			seen++
			if err := r.DeleteTag(t.Context(), "a", tag.Name); err != nil {
				t.Fatal(err)
			}
			after = tag.Name
		}
		if !more {
			break
		}
	}
	if seen != 10 {
		t.Errorf("saw %d of 10 tags", seen)
	}
}

// TestTagMovesWhileItIsRead moves a tag to and fro and deletes what it named
// before: a reader, who may have read that just then, always finds the tag.
func TestTagMovesWhileItIsRead(t *testing.T) {
	r := openDisk(t)
	var raws [2][]byte
	var digests [2]digest.Digest
	for i := range raws {
		desc := pushArtifact(t, r, "a", "latest", i)
		m, err := r.Manifest(t.Context(), "a", string(desc.Digest))
		if err != nil {
			t.Fatal(err)
		}
		raws[i], digests[i] = m.Raw, desc.Digest
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				if _, err := r.Resolve(t.Context(), "a", "latest"); err != nil {
					t.Errorf("resolve: %v", err)
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for i := range 200 {
		if _, err := r.PushManifest(t.Context(), "a", "", raws[i%2], "latest"); err != nil {
			t.Fatal(err)
		}
		if err := r.DeleteManifest(t.Context(), "a", digests[(i+1)%2]); err != nil {
			t.Fatal(err)
		}
	}
	close(done)
	wg.Wait()
}

// TestDeleteShowsAtOnceInCache deletes a tag and a blob that are in the cache,
// and moves a tag on a condition.
func TestDeleteShowsAtOnceInCache(t *testing.T) {
	r := openDisk(t)
	desc := pushArtifact(t, r, "a", "v1", 1)
	config := digest.FromString("config 1")
	if _, err := r.StatBlob(t.Context(), "a", config); err != nil {
		t.Fatal(err)
	}
	if err := r.DeleteBlob(t.Context(), "a", config); err != nil {
		t.Fatal(err)
	}
	if _, err := r.StatBlob(t.Context(), "a", config); !errors.Is(err, orlop.ErrBlobUnknown) {
		t.Errorf("blob after its deletion: %v", err)
	}
	if _, err := r.Resolve(t.Context(), "a", "v1"); err != nil {
		t.Fatal(err)
	}
	if err := r.DeleteTag(t.Context(), "a", "v1"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Resolve(t.Context(), "a", "v1"); !errors.Is(err, orlop.ErrManifestUnknown) {
		t.Errorf("tag after its deletion: %v", err)
	}
	if _, err := r.Resolve(t.Context(), "a", string(desc.Digest)); err != nil {
		t.Errorf("manifest whose tag was deleted: %v", err)
	}
}

// TestPutOnCondition stores a manifest only if the tag names what it should.
func TestPutOnCondition(t *testing.T) {
	r := openDisk(t)
	first, second := pushArtifact(t, r, "a", "v1", 1), pushArtifact(t, r, "a", "v2", 2)
	m, err := r.Manifest(t.Context(), "a", "v2")
	if err != nil {
		t.Fatal(err)
	}
	put := func(tag string, want digest.Digest) error {
		_, err := r.PutManifest(t.Context(), "a", PutManifest{Raw: m.Raw, Tags: []string{tag}, If: func(current digest.Digest) bool { return current == want }})
		return err
	}
	for _, c := range []struct {
		tag     string
		current digest.Digest
		met     bool
	}{{"v1", second.Digest, false}, {"v1", "", false}, {"v1", first.Digest, true}, {"v1", first.Digest, false}, {"v3", first.Digest, false}, {"v3", "", true}} {
		before, _ := r.Resolve(t.Context(), "a", c.tag)
		err := put(c.tag, c.current)
		if c.met != (err == nil) || !c.met && !errors.Is(err, orlop.ErrPreconditionFailed) {
			t.Errorf("%s if it is %q: %v", c.tag, c.current, err)
		}
		want := before.Digest
		if c.met {
			want = second.Digest
		}
		if after, _ := r.Resolve(t.Context(), "a", c.tag); after.Digest != want {
			t.Errorf("%s if it is %q: names %q, want %q", c.tag, c.current, after.Digest, want)
		}
	}
}

// TestPushAgainAfterABlobWasDeleted: a manifest that is there already is no
// proof that its blobs are.
func TestPushAgainAfterABlobWasDeleted(t *testing.T) {
	r := openDisk(t)
	desc := pushArtifact(t, r, "a", "v1", 1)
	m, err := r.Manifest(t.Context(), "a", "v1")
	if err != nil {
		t.Fatal(err)
	}
	info, err := orlop.ParseManifest("", m.Raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.DeleteBlob(t.Context(), "a", info.Layers[0].Digest); err != nil {
		t.Fatal(err)
	}
	if _, err := r.PushManifest(t.Context(), "a", "", m.Raw, "v2"); !errors.Is(err, orlop.ErrManifestBlobUnknown) {
		t.Errorf("pushed again without its layer: %v", err)
	}
	if _, err := r.Resolve(t.Context(), "a", "v2"); !errors.Is(err, orlop.ErrManifestUnknown) {
		t.Errorf("its tag: %v", err)
	}
	pushArtifact(t, r, "a", "v2", 1) // with the layer
	if got, err := r.Resolve(t.Context(), "a", "v2"); err != nil || got.Digest != desc.Digest {
		t.Errorf("with the layer: %v", err)
	}
}
