package gc_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/meta"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
	"github.com/orlop/orlop/internal/registry"
)

const large = "content that is kept as an object"

// TestBlobGrace: a blob that nothing uses goes when its grace is over, and its
// object when that of the object is.
func TestBlobGrace(t *testing.T) { eachEngine(t, testBlobGrace) }

func testBlobGrace(t *testing.T, open opener) {
	w := newWorld(t, open, sqlmeta.Options{})
	d, small := w.blob("a", large), w.blob("a", "small")
	w.clock.add(24*time.Hour - time.Second)
	w.collect()
	if !w.has("a", d) || !w.has("a", small) {
		t.Fatal("a blob went within its grace")
	}
	w.clock.add(time.Second)
	r := w.collect()
	if r.Blobs.Removed != 2 || r.Later != 1 || r.LaterSize != int64(len(large)) || r.Freed != int64(len("small")) || r.Objects != 0 {
		t.Errorf("report: %+v", r)
	}
	if w.has("a", d) || w.has("a", small) {
		t.Error("a blob that nothing uses is still served")
	}
	if w.objects() != 1 {
		t.Error("an object went before readers had their time")
	}
	w.clock.add(2 * time.Hour)
	if r = w.collect(); r.Objects != 1 || r.Freed != int64(len(large)) || w.objects() != 0 {
		t.Errorf("report: %+v, %d objects", r, w.objects())
	}
}

// TestUsesPutOffBlobs: whoever is told that a blob is there can still use it half a
// grace later, also where the answer came from a cache.
func TestUsesPutOffBlobs(t *testing.T) {
	d := digest.FromString(large)
	for name, use := range map[string]func(w *world) error{
		"stat":  func(w *world) error { _, err := w.reg.StatBlob(w.t.Context(), "a", d); return err },
		"mount": func(w *world) error { return w.reg.MountBlob(w.t.Context(), "b", "a", d) },
		"push":  func(w *world) error { _, err := pushBlob(w.t.Context(), w.reg, "b", []byte(large)); return err },
	} {
		t.Run(name, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, open opener) {
				w := newWorld(t, open, sqlmeta.Options{})
				w.blob("a", large)
				for range 4 {
					if _, err := w.reg.StatBlob(t.Context(), "a", d); err != nil { // now it is cached
						t.Fatal(err)
					}
					w.clock.add(13 * time.Hour)
					if err := use(w); err != nil {
						t.Fatal(err)
					}
					w.clock.add(12*time.Hour - time.Second)
					w.collect()
				}
				w.push("a", manifest("late", nil, []byte(large)), "t")
				w.clock.add(100 * time.Hour)
				w.collect()
				if !w.has("a", d) {
					t.Error("a blob went that a manifest uses")
				}
			})
		})
	}
}

// TestCachedStatIsNotTooOld: a cached answer knows no review that came after it.
func TestCachedStatIsNotTooOld(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		w := newWorld(t, open, sqlmeta.Options{})
		d := w.blob("a", large)
		m := w.push("a", manifest("m", nil, []byte(large)), "t")
		w.clock.add(25 * time.Hour)
		w.collect()
		if _, err := w.reg.StatBlob(t.Context(), "a", d); err != nil { // cached: it has no review
			t.Fatal(err)
		}
		if err := w.reg.DeleteManifest(t.Context(), "a", m.Digest); err != nil {
			t.Fatal(err)
		}
		w.clock.add(20 * time.Hour)
		if _, err := w.reg.StatBlob(t.Context(), "a", d); err != nil {
			t.Fatal(err)
		}
		w.clock.add(5 * time.Hour)
		w.collect()
		if !w.has("a", d) {
			t.Error("a blob went five hours after a client was told that it is there")
		}
	})
}

// TestKept lists what keeps a manifest, and what takes that away.
func TestKept(t *testing.T) {
	for name, c := range map[string]struct {
		keep   func(w *world, m orlop.Descriptor)
		letGo  func(w *world, m orlop.Descriptor) error
		future time.Duration // after which it goes, from then on
	}{
		"tag": {
			func(w *world, m orlop.Descriptor) { w.push("a", manifest("m", nil, []byte(large)), "t") },
			func(w *world, m orlop.Descriptor) error { return w.reg.DeleteTag(w.t.Context(), "a", "t") },
			48 * time.Hour,
		},
		"moved tag": {
			func(w *world, m orlop.Descriptor) { w.push("a", manifest("m", nil, []byte(large)), "t") },
			func(w *world, m orlop.Descriptor) error {
				w.push("a", manifest("other", nil, []byte(large)), "t")
				return nil
			},
			48 * time.Hour,
		},
		"index": {
			func(w *world, m orlop.Descriptor) { w.index("a", []orlop.Descriptor{m}, "i") },
			func(w *world, m orlop.Descriptor) error {
				i, err := w.reg.Resolve(w.t.Context(), "a", "i")
				return errors.Join(err, w.reg.DeleteManifest(w.t.Context(), "a", i.Digest))
			},
			48 * time.Hour,
		},
		"lock": {
			func(w *world, m orlop.Descriptor) { lockManifest(w, m, meta.LockChange{Set: meta.NoDelete}) },
			func(w *world, m orlop.Descriptor) error {
				lockManifest(w, m, meta.LockChange{Clear: meta.NoDelete})
				return nil
			},
			24 * time.Hour,
		},
		"lock of the repository": {
			func(w *world, m orlop.Descriptor) { lockRepository(w, meta.LockChange{Set: meta.NoWrite}) },
			func(w *world, m orlop.Descriptor) error {
				lockRepository(w, meta.LockChange{Clear: meta.NoWrite})
				return nil
			},
			24 * time.Hour,
		},
		"pulls by digest": {
			func(w *world, m orlop.Descriptor) {},
			func(w *world, m orlop.Descriptor) error { return nil },
			24 * time.Hour,
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, open opener) {
				w := newWorld(t, open, sqlmeta.Options{UntaggedRetention: 48 * time.Hour})
				w.collect() // learns the retention
				w.blob("a", large)
				m := w.push("a", manifest("m", nil, []byte(large)))
				c.keep(w, m)
				for range 10 {
					w.clock.add(12 * time.Hour)
					if name == "pulls by digest" {
						if _, err := w.reg.Resolve(t.Context(), "a", string(m.Digest)); err != nil {
							t.Fatal(err)
						}
					}
					w.collect()
				}
				if !w.hasManifest("a", m.Digest) {
					t.Fatal("it went")
				}
				if err := c.letGo(w, m); err != nil {
					t.Fatal(err)
				}
				w.collect()
				if !w.hasManifest("a", m.Digest) {
					t.Error("it went before its retention was over")
				}
				w.clock.add(c.future)
				r := w.collect()
				if w.hasManifest("a", m.Digest) || r.Manifests.Removed == 0 {
					t.Errorf("it is still there: %+v", r)
				}
			})
		})
	}
}

func lockManifest(w *world, m orlop.Descriptor, c meta.LockChange) {
	w.t.Helper()
	if _, err := w.reg.LockManifest(w.t.Context(), "a", m.Digest, c); err != nil {
		w.t.Fatal(err)
	}
}

func lockRepository(w *world, c meta.LockChange) {
	w.t.Helper()
	if _, err := w.reg.LockRepository(w.t.Context(), "a", c); err != nil {
		w.t.Fatal(err)
	}
}

// TestUntaggedStay: without a retention no manifest goes, and with one set later
// those that waited are found.
func TestUntaggedStay(t *testing.T) { eachEngine(t, testUntaggedStay) }

func testUntaggedStay(t *testing.T, open opener) {
	w := newWorld(t, open, sqlmeta.Options{})
	w.blob("a", large)
	m := w.push("a", manifest("m", nil, []byte(large)))
	w.clock.add(1000 * time.Hour)
	if r := w.collect(); r.Manifests.Removed != 0 || !w.hasManifest("a", m.Digest) {
		t.Fatalf("it went: %+v", r)
	}
	later := open(t, sqlmeta.Options{UntaggedRetention: 30 * 24 * time.Hour, Now: w.clock.Now})
	_, w.gc = engine(t, later, w.blobs, registry.Options{})
	if r := w.collect(); r.Manifests.Removed != 1 {
		t.Errorf("it was not found: %+v", r)
	}
}

// TestReferrersFollow: what refers to a manifest lives as long as that does.
func TestReferrersFollow(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		w := newWorld(t, open, sqlmeta.Options{UntaggedRetention: 24 * time.Hour})
		w.blob("a", large)
		m := w.push("a", manifest("m", nil, []byte(large)), "t")
		sig := w.push("a", manifest("signature", &m, []byte(large)))
		sbom := w.push("a", manifest("of the signature", &sig, []byte(large)))
		w.clock.add(100 * time.Hour)
		if r := w.collect(); r.Manifests.Removed != 0 {
			t.Fatalf("they went before their subject: %+v", r)
		}
		if err := w.reg.DeleteTag(t.Context(), "a", "t"); err != nil {
			t.Fatal(err)
		}
		for i, d := range []orlop.Descriptor{m, sig, sbom} {
			w.clock.add(24 * time.Hour)
			if r := w.collect(); r.Manifests.Removed != 1 || w.hasManifest("a", d.Digest) {
				t.Errorf("%d: %+v", i, r)
			}
		}
	})
}

// TestCollectedCanBeRestored: the collector deletes as a user does.
func TestCollectedCanBeRestored(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		w := newWorld(t, open, sqlmeta.Options{UntaggedRetention: 24 * time.Hour, KeepDeleted: 72 * time.Hour})
		d := w.blob("a", large)
		raw := manifest("m", nil, []byte(large))
		m := w.push("a", raw)
		w.clock.add(24 * time.Hour)
		w.collect()
		if w.hasManifest("a", m.Digest) {
			t.Fatal("it is still there")
		}
		w.clock.add(48 * time.Hour)
		w.collect()
		if err := w.reg.Restore(t.Context(), "a", m.Digest, "back", false); err != nil {
			t.Fatal(err)
		}
		if err := whole(t.Context(), w.reg, "a", "back"); err != nil {
			t.Fatal(err)
		}
		if err := w.reg.DeleteManifest(t.Context(), "a", m.Digest); err != nil {
			t.Fatal(err)
		}
		w.clock.add(72 * time.Hour)
		if r := w.collect(); r.Expired != 1 || !w.has("a", d) {
			t.Errorf("report: %+v", r)
		}
		w.clock.add(24 * time.Hour)
		if r := w.collect(); r.Blobs.Removed != 1 || w.has("a", d) {
			t.Errorf("report: %+v", r)
		}
	})
}

// TestRepositoryDeleted: all of a repository goes, what others use stays.
func TestRepositoryDeleted(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		w := newWorld(t, open, sqlmeta.Options{})
		shared, own := w.blob("a", large), w.blob("a", large+" of a alone")
		if err := w.reg.MountBlob(t.Context(), "b", "a", shared); err != nil {
			t.Fatal(err)
		}
		w.push("b", manifest("b", nil, []byte(large)), "t")
		w.push("a", manifest("a", nil, []byte(large), []byte(large+" of a alone")), "t")
		if _, err := w.reg.DeleteRepository(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		w.clock.add(24 * time.Hour)
		w.collect()
		w.clock.add(2 * time.Hour)
		w.collect()
		if w.objects() != 1 || !w.has("b", shared) {
			t.Errorf("%d objects are left, want the shared one", w.objects())
		}
		w.blob("a", "again")
		if w.has("a", own) {
			t.Error("a blob of a deleted repository is served")
		}
	})
}

// TestSparse: a manifest whose blobs are missing keeps those that came later.
func TestSparse(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		w := newWorld(t, open, sqlmeta.Options{})
		w.reg, w.gc = engine(t, w.db, w.blobs, registry.Options{Sparse: true, Now: w.clock.Now})
		w.push("a", manifest("m", nil, []byte(large)), "t")
		w.clock.add(100 * time.Hour)
		w.collect()
		d := w.blob("a", large)
		w.clock.add(100 * time.Hour)
		w.collect()
		if !w.has("a", d) {
			t.Error("it went")
		}
	})
}

// TestManyLinks: a blob of very many repositories goes in several steps.
func TestManyLinks(t *testing.T) {
	w := newWorld(t, sqliteOpener(t), sqlmeta.Options{})
	d := w.blob("a", large)
	for i := range 450 {
		if err := w.reg.MountBlob(t.Context(), fmt.Sprint("r", i), "a", d); err != nil {
			t.Fatal(err)
		}
	}
	if !w.has("r449", d) { // and cached
		t.Fatal("not mounted")
	}
	w.clock.add(24 * time.Hour)
	if r := w.collect(); r.Blobs.Removed != 1 || w.has("r449", d) || w.has("a", d) {
		t.Errorf("report: %+v", r)
	}
}

// TestDeletedRegistry: what a deleted registry held goes, and then the registry.
func TestDeletedRegistry(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		w := newWorld(t, open, sqlmeta.Options{KeepDeleted: 24 * time.Hour})
		r, _, err := w.db.CreateRegistry(t.Context(), "other")
		if err != nil {
			t.Fatal(err)
		}
		other := *w
		other.reg = w.reg.Service.Registry(r.ID, registry.Actor{ID: "1", Name: "tester"})
		other.blob("a", large)
		other.push("a", manifest("m", nil, []byte(large)), "t")
		deleted := other.push("a", manifest("deleted", nil, []byte(large)), "d")
		if err := other.reg.DeleteManifest(t.Context(), "a", deleted.Digest); err != nil {
			t.Fatal(err)
		}
		mine := w.blob("a", large)
		w.push("a", manifest("m", nil, []byte(large)), "t")
		if _, err := w.db.DeleteRegistry(t.Context(), r.ID); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			w.collect()
			w.clock.add(25 * time.Hour)
		}
		if w.objects() != 1 || !w.has("a", mine) {
			t.Errorf("%d objects are left, want one", w.objects())
		}
	})
}
