package registry

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/meta"
)

// TestLockAgainstOthers locks something while others try what the lock forbids,
// again and again: some get through before, and none of those that begin after
// the lock was acknowledged.
func TestLockAgainstOthers(t *testing.T) {
	ctx := context.Background()
	lockRepo := func(l meta.Locks) func(*Registry, digest.Digest) error {
		return func(r *Registry, _ digest.Digest) error {
			_, err := r.LockRepository(ctx, "a", meta.LockChange{Set: l})
			return err
		}
	}
	lockTag := func(l meta.Locks) func(*Registry, digest.Digest) error {
		return func(r *Registry, _ digest.Digest) error {
			_, err := r.LockTag(ctx, "a", "v1", meta.LockChange{Set: l})
			return err
		}
	}
	lockImage := func(l meta.Locks) func(*Registry, digest.Digest) error {
		return func(r *Registry, d digest.Digest) error {
			_, err := r.LockManifest(ctx, "a", d, meta.LockChange{Set: l})
			return err
		}
	}
	push := func(r *Registry, images []orlop.Manifest, n int) error {
		_, err := r.PushManifest(ctx, "a", "", images[n%len(images)].Raw, "v1", "v2")
		return err
	}
	pull := func(r *Registry, _ []orlop.Manifest, _ int) error { _, err := r.Manifest(ctx, "a", "v1"); return err }
	pullDigest := func(r *Registry, images []orlop.Manifest, _ int) error {
		_, err := r.Manifest(ctx, "a", string(images[0].Descriptor.Digest))
		return err
	}
	untag := func(r *Registry, images []orlop.Manifest, n int) error {
		if n%2 == 0 { // so that there is always something to remove
			_, err := r.PushManifest(ctx, "a", "", images[0].Raw, "v2")
			return err
		}
		return r.DeleteTag(ctx, "a", "v2")
	}
	for name, c := range map[string]struct {
		lock func(*Registry, digest.Digest) error
		try  func(r *Registry, images []orlop.Manifest, n int) error
	}{
		"push, repository":           {lockRepo(meta.NoWrite), push},
		"untag, repository":          {lockRepo(meta.NoWrite), untag},
		"pull, repository":           {lockRepo(meta.NoRead), pull},
		"pull, tag":                  {lockTag(meta.NoRead), pull},
		"pull, image":                {lockImage(meta.NoRead), pull},
		"pull by digest, image":      {lockImage(meta.NoRead), pullDigest},
		"pull by digest, repository": {lockRepo(meta.NoRead | meta.NoWrite), pullDigest},
	} {
		t.Run(name, func(t *testing.T) {
			r := openDisk(t)
			images := twoImages(t, r)
			contend(t, func() error { return c.lock(r, images[0].Descriptor.Digest) }, func(n int) error { return c.try(r, images, n) })
		})
	}
}

// twoImages pushes two images to repository a, the first as v1.
func twoImages(t *testing.T, r *Registry) []orlop.Manifest {
	t.Helper()
	var images []orlop.Manifest
	for i, tag := range []string{"other", "v1"} {
		desc := pushArtifact(t, r, "a", tag, i)
		m, err := r.Manifest(t.Context(), "a", string(desc.Digest))
		if err != nil {
			t.Fatal(err)
		}
		images = append([]orlop.Manifest{m}, images...)
	}
	return images
}

// contend runs try in many goroutines, and lock in the middle of it.
func contend(t *testing.T, lock func() error, try func(n int) error) {
	t.Helper()
	const before, after = 50, 20 // how often each tries before the lock is set, and after
	var locked atomic.Bool
	var warm, wg sync.WaitGroup
	for range 4 {
		warm.Add(1)
		wg.Go(func() {
			for n, late := 0, 0; late < after; n++ {
				isLate := locked.Load()
				err := try(n)
				switch {
				case isLate && !errors.Is(err, orlop.ErrDisallowed):
					t.Errorf("after the lock was acknowledged: %v", err)
					late = after
				case isLate:
					late++
				}
				if n == before {
					warm.Done()
				}
			}
		})
	}
	warm.Wait()
	if err := lock(); err != nil {
		t.Error(err)
	}
	locked.Store(true)
	wg.Wait()
}

// TestLockedTagStays locks a tag while others move and remove it: what it names
// when the lock is acknowledged it names for good.
func TestLockedTagStays(t *testing.T) {
	r := openDisk(t)
	images := twoImages(t, r)
	ctx := context.Background()
	var stop atomic.Bool
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := i; !stop.Load(); n++ {
				var err error
				switch n % 3 {
				case 0:
					err = r.DeleteTag(ctx, "a", "v1")
				default:
					_, err = r.PushManifest(ctx, "a", "", images[n%2].Raw, "v1")
				}
				if err != nil && !errors.Is(err, orlop.ErrDisallowed) && !errors.Is(err, orlop.ErrManifestUnknown) {
					t.Error(err)
				}
			}
		})
	}
	for { // the tag may be away
		_, err := r.LockTag(ctx, "a", "v1", meta.LockChange{Set: meta.NoWrite})
		if err == nil {
			break
		}
		if !errors.Is(err, orlop.ErrTagUnknown) {
			t.Fatal(err)
		}
	}
	want, err := r.Resolve(ctx, "a", "v1")
	if err != nil {
		t.Error(err)
	}
	for range 200 {
		if got, err := r.Resolve(ctx, "a", "v1"); err != nil || got.Digest != want.Digest {
			t.Errorf("the locked tag names %s, %v; it named %s", got.Digest, err, want.Digest)
			break
		}
	}
	stop.Store(true)
	wg.Wait()
	if got, err := r.Resolve(ctx, "a", "v1"); err != nil || got.Digest != want.Digest {
		t.Errorf("in the end the locked tag names %s, %v", got.Digest, err)
	}
}

// TestUnlock reads, pushes and deletes again what was locked.
func TestUnlock(t *testing.T) {
	r := openDisk(t)
	images := twoImages(t, r)
	d := images[0].Descriptor.Digest
	const all = meta.NoWrite | meta.NoDelete | meta.NoRead | meta.NoList
	for _, c := range []meta.LockChange{{Set: all}, {Clear: all}} {
		_, e1 := r.LockRepository(t.Context(), "a", c)
		_, e2 := r.LockTag(t.Context(), "a", "v1", c)
		_, e3 := r.LockManifest(t.Context(), "a", d, c)
		if err := errors.Join(e1, e2, e3); err != nil {
			t.Fatal(err)
		}
		_, err := r.Manifest(t.Context(), "a", "v1")
		if errors.Is(err, orlop.ErrDisallowed) != (c.Set != 0) {
			t.Errorf("after %+v: %v", c, err)
		}
	}
	if err := r.DeleteManifest(t.Context(), "a", d); err != nil {
		t.Error(err)
	}
}

// TestLockOfAbsent names what is absent.
func TestLockOfAbsent(t *testing.T) { eachEngine(t, testLockOfAbsent) }

func testLockOfAbsent(t *testing.T, e engine) {
	r := e.open(t, Options{})
	pushNames(t, r, "a")
	c := meta.LockChange{Set: meta.NoRead}
	_, repo := r.LockRepository(t.Context(), "none", c)
	_, tag := r.LockTag(t.Context(), "a", "none", c)
	_, image := r.LockManifest(t.Context(), "a", digest.FromString("none"), c)
	for what, err := range map[error]error{orlop.ErrNameUnknown: repo, orlop.ErrTagUnknown: tag, orlop.ErrManifestUnknown: image} {
		if !errors.Is(err, what) {
			t.Error(fmt.Errorf("%w, want %w", err, what))
		}
	}
}

// TestLockedImageStays locks an image while others delete it in every way and
// push it again: once the lock is acknowledged, it is there and stays.
func TestLockedImageStays(t *testing.T) {
	r := openDisk(t)
	image := twoImages(t, r)[0]
	d := image.Descriptor.Digest
	ctx := context.Background()
	var stop atomic.Bool
	var wg sync.WaitGroup
	for _, remove := range []func() error{
		func() error { return r.DeleteManifest(ctx, "a", d) },
		func() error { _, err := r.DeleteRepository(ctx, "a"); return err },
		func() error { return r.DeleteTag(ctx, "a", "v1") },
	} {
		wg.Go(func() {
			for !stop.Load() {
				err := errors.Join(remove(), r.Restore(ctx, "a", d, "v1", true))
				switch {
				case err == nil, errors.Is(err, orlop.ErrDisallowed), errors.Is(err, orlop.ErrManifestUnknown), errors.Is(err, orlop.ErrNameUnknown):
				default:
					t.Error(err)
				}
			}
		})
	}
	for { // it may be away
		_, err := r.LockManifest(ctx, "a", d, meta.LockChange{Set: meta.NoDelete})
		if err == nil {
			break
		}
		if !errors.Is(err, orlop.ErrManifestUnknown) && !errors.Is(err, orlop.ErrNameUnknown) {
			t.Fatal(err)
		}
	}
	for range 200 {
		if _, err := r.Manifest(ctx, "a", string(d)); err != nil {
			t.Errorf("the locked image: %v", err)
			break
		}
	}
	stop.Store(true)
	wg.Wait()
	if info, err := r.ManifestInfo(ctx, "a", d); err != nil || info.Locks != meta.NoDelete {
		t.Errorf("in the end: %+v, %v", info, err)
	}
}
