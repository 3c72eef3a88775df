package gc_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/blob/mem"
	"github.com/orlop/orlop/internal/gc"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
	"github.com/orlop/orlop/internal/registry"
)

var raceTime = flag.Duration("race-time", 2*time.Second, "how long TestRace pushes while garbage is collected")

const (
	racePushers = 6
	raceBlobs   = 24 // that all of them share
	raceRepos   = 3  // that all of them use
)

// TestRace pushes, mounts, deletes and tags the same few blobs from six sides,
// while two collectors take without any grace what nobody uses at that moment.
// A push may be told that a blob is gone; what was accepted is whole, always.
func TestRace(t *testing.T) { eachEngine(t, testRace) }

func testRace(t *testing.T, open opener) {
	db := open(t, sqlmeta.Options{ReviewGrace: -1, ObjectGrace: -1, UntaggedRetention: 1})
	blobs := mem.New(mem.Options{})
	reg, first := engine(t, db, blobs, registry.Options{})
	second := gc.New(db, blobs, gc.Options{Cache: reg.Service})
	ctx, cancel := context.WithTimeout(t.Context(), *raceTime)
	defer cancel()
	var race race
	var wg sync.WaitGroup
	for i := range racePushers {
		wg.Go(func() {
			p := &pusher{race: &race, t: t, reg: reg, n: i, rand: rand.New(rand.NewPCG(uint64(i), 1))}
			for ctx.Err() == nil {
				p.turn(context.WithoutCancel(ctx))
			}
		})
	}
	for _, c := range []*gc.Collector{first, second} {
		wg.Go(func() {
			for ctx.Err() == nil {
				if _, err := c.Cycle(ctx); err != nil && ctx.Err() == nil {
					t.Errorf("cycle: %v", err)
				}
			}
		})
	}
	wg.Wait()
	a, b := first.Status(), second.Status()
	t.Logf("%d pushes, %d refused for a blob that was gone, %d deletions; %d cycles; blobs %+v and %+v; manifests %+v and %+v",
		race.pushes.Load(), race.refused.Load(), race.deletions.Load(), a.Cycles+b.Cycles, a.Total.Blobs, b.Total.Blobs, a.Total.Manifests, b.Total.Manifests)
	if race.pushes.Load() == 0 || a.Total.Blobs.Removed+b.Total.Blobs.Removed == 0 {
		t.Error("nothing raced")
	}
	if *raceTime >= time.Minute && a.Cycles+b.Cycles < 50 {
		t.Errorf("%d cycles, want 50", a.Cycles+b.Cycles)
	}
	checkAll(t, reg)
}

// race counts what happened.
type race struct{ pushes, refused, deletions atomic.Int64 }

// pusher is one of those who push. Its manifests are its own, the blobs are not.
type pusher struct {
	*race
	t    *testing.T
	reg  *registry.Registry
	n    int
	rand *rand.Rand

	pushed []at
	count  int
}

// at is a manifest of a repository.
type at struct {
	repo   string
	digest digest.Digest
	tag    string
}

func hotBlob(i int) []byte {
	content := fmt.Appendf(nil, "%d", i)
	if i%2 == 0 { // an object
		content = append(content, "0123456789abcdef"...)
	}
	return content
}

// turn pushes an artifact, verifies what it pushed before, or deletes it.
func (p *pusher) turn(ctx context.Context) {
	if len(p.pushed) > 2 || len(p.pushed) > 0 && p.rand.IntN(2) == 0 {
		p.remove(ctx)
		return
	}
	repo := fmt.Sprint("repo", p.rand.IntN(raceRepos))
	var layers [][]byte
	for range 3 {
		content := hotBlob(p.rand.IntN(raceBlobs))
		if err := p.bring(ctx, repo, content); err != nil {
			p.t.Errorf("push blob: %v", err)
			return
		}
		layers = append(layers, content)
	}
	p.count++
	a := at{repo: repo, tag: fmt.Sprintf("tag%d-%d", p.n, p.count)}
	raw := manifest(a.tag, nil, layers...)
	desc, err := p.reg.PushManifest(ctx, repo, "", raw, a.tag)
	switch {
	case errors.Is(err, orlop.ErrManifestBlobUnknown):
		p.refused.Add(1)
	case err != nil:
		p.t.Errorf("push manifest: %v", err)
	default:
		p.pushes.Add(1)
		a.digest = desc.Digest
		p.pushed = append(p.pushed, a)
		p.verify(ctx, a)
	}
}

// bring makes a repository have a blob, as clients do: by asking, by a mount, by
// a push.
func (p *pusher) bring(ctx context.Context, repo string, content []byte) error {
	d := digest.FromBytes(content)
	if _, err := p.reg.StatBlob(ctx, repo, d); err == nil {
		return nil
	}
	if p.rand.IntN(2) == 0 && p.reg.MountFrom(ctx, repo, "", d, func(string) bool { return true }) == nil {
		return nil
	}
	_, err := pushBlob(ctx, p.reg, repo, content)
	return err
}

func (p *pusher) verify(ctx context.Context, a at) {
	if err := whole(ctx, p.reg, a.repo, string(a.digest)); err != nil {
		p.t.Errorf("%s of %s was accepted and is broken: %v", a.digest, a.repo, err)
	}
}

// remove verifies an artifact and deletes it, or only its tag and leaves it to
// the collector.
func (p *pusher) remove(ctx context.Context) {
	i := p.rand.IntN(len(p.pushed))
	a := p.pushed[i]
	p.verify(ctx, a)
	p.pushed = append(p.pushed[:i], p.pushed[i+1:]...)
	var err error
	if p.rand.IntN(2) == 0 {
		err = p.reg.DeleteManifest(ctx, a.repo, a.digest)
	} else {
		err = p.reg.DeleteTag(ctx, a.repo, a.tag)
	}
	if err != nil {
		p.t.Errorf("delete: %v", err)
	}
	p.deletions.Add(1)
}

// checkAll verifies all that tags name.
func checkAll(t *testing.T, reg *registry.Registry) {
	t.Helper()
	for repo, err := range reg.Repositories(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		for tag, err := range reg.Tags(t.Context(), repo, "") {
			if err != nil {
				t.Fatal(err)
			}
			if err := whole(t.Context(), reg, repo, tag); err != nil {
				t.Errorf("%s:%s is broken: %v", repo, tag, err)
			}
		}
	}
}
