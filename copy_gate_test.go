package orlop

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// full is how many transfers of a size fit through a gate at once.
func full(t *testing.T, g gate, size int64) int {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	end := make(chan struct{})
	defer close(end)
	for n := 0; ; n++ {
		if n > 1000 {
			t.Fatal("the gate has no bound")
		}
		in, out := make(chan struct{}), make(chan error)
		waiting := !g.room.TryAcquire(g.weight(size))
		if !waiting {
			g.room.Release(g.weight(size))
		}
		if waiting { // one more waits until it is cancelled
			wg.Go(func() { out <- g.pass(ctx, size, func() error { close(in); return nil }) })
			cancel()
			if err := <-out; !errors.Is(err, context.Canceled) {
				t.Errorf("one too many: %v", err)
			}
			return n
		}
		wg.Go(func() {
			g.pass(ctx, size, func() error { close(in); <-end; return nil })
		})
		<-in
	}
}

func TestGate(t *testing.T) {
	tests := []struct {
		concurrency int
		together    bool
		size        int64
		want        int
	}{
		{0, false, 0, 32}, {0, false, 10 << 10, 32}, {0, false, 1 << 20, 32}, {0, false, 4 << 20, 8}, {0, false, 6 << 20, 5},
		{0, false, 1 << 40, 5}, {0, false, 1<<63 - 1, 5}, {0, false, -1, 32},
		{0, true, 0, 256}, {0, true, 64 << 10, 256}, {0, true, 64<<10 + 1, 32}, {0, true, 4 << 20, 8}, {0, true, 1 << 40, 5},
		{1, true, 0, 1}, {1, false, 1 << 40, 1}, {3, true, 10 << 10, 3}, {40, false, 1 << 40, 40},
	}
	for _, tt := range tests {
		if got := full(t, newGate(tt.concurrency, tt.together), tt.size); got != tt.want {
			t.Errorf("concurrency %d, blobs of %d bytes: %d at once, want %d", tt.concurrency, tt.size, got, tt.want)
		}
	}
}

// Goroutines multiply with the depth of an index in indexes.
func TestGateWidth(t *testing.T) {
	for _, n := range []int{0, 1, 5, 100} {
		g := newGate(n, true)
		all := g.limit // of the blobs of one manifest
		for depth := range maxDepth {
			all *= g.width(depth)
			if g.width(depth) < 1 {
				t.Errorf("%d at once at depth %d", g.width(depth), depth)
			}
		}
		if all > 200_000 {
			t.Errorf("concurrency %d: %d goroutines", n, all)
		}
	}
}

// Images wait for memory; indexes, which wait for images, are refused it.
func TestHold(t *testing.T) {
	c, err := newCopier(nil, "to", nil, "from", CopyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	const fit = maxHeld / MaxManifestSize
	image := Descriptor{MediaType: ocispec.MediaTypeImageManifest, Size: MaxManifestSize}
	index := Descriptor{MediaType: ocispec.MediaTypeImageIndex, Size: MaxManifestSize}
	var releases []func()
	hold := func(desc Descriptor) {
		t.Helper()
		release, err := c.hold(t.Context(), desc)
		if err != nil {
			t.Fatal(err)
		}
		releases = append(releases, release)
	}
	for range fit {
		hold(index)
		hold(image)
	}
	if _, err := c.hold(t.Context(), index); !errors.Is(err, ErrTooLarge) {
		t.Errorf("one more index: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.hold(ctx, image); !errors.Is(err, context.Canceled) {
		t.Errorf("one more image: %v", err)
	}
	for _, release := range releases[:2] {
		release()
	}
	hold(index)
	hold(image)
	hold(Descriptor{MediaType: ocispec.MediaTypeImageManifest, Size: -5}) // as a listing may say
	image.Size++
	if _, err := c.hold(t.Context(), image); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a manifest beyond the limit: %v", err)
	}
}

func TestGuess(t *testing.T) {
	g := guess{known: make(chan struct{})}
	worthAsking := func(size int64) bool {
		yes, err := g.ask(t.Context(), size)
		if err != nil {
			t.Fatal(err)
		}
		return yes
	}
	ask := func(n int, there bool) (asked int) {
		for range n {
			if worthAsking(100) {
				asked++
				g.learn(100, there)
			}
		}
		return asked
	}
	if n := ask(4+16+1+32+1+64+1+128+1+128+1, false); n != 4+5 {
		t.Errorf("asked for %d missing", n)
	}
	if !worthAsking(smallBlob+1) || !worthAsking(1<<40) {
		t.Error("did not ask for a large blob")
	}
	g.learn(1<<40, true) // which tells nothing of small ones
	if n := ask(askLeast, true); n != 0 {
		t.Errorf("asked for %d, too soon", n)
	}
	if n := ask(100, true); n != 100 {
		t.Errorf("asked for %d of what is there", n)
	}
}

// While the first few are asked for, the others wait, until the answers tell what
// to think of them, or until their context ends.
func TestOthersWaitForTheFirstAnswers(t *testing.T) {
	for _, there := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			g := guess{known: make(chan struct{})}
			for range enoughMissing {
				if yes, _ := g.ask(t.Context(), 100); !yes {
					t.Error("one of the first was not asked for")
				}
			}
			ended, end := context.WithCancel(t.Context())
			end()
			if _, err := g.ask(ended, 100); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			answer := make(chan bool)
			go func() {
				yes, _ := g.ask(t.Context(), 100)
				answer <- yes
			}()
			synctest.Wait()
			for range enoughMissing {
				g.learn(100, there)
			}
			if yes := <-answer; yes != there {
				t.Errorf("the first are there: %v; asked for the next: %v", there, yes)
			}
		})
	}
}
