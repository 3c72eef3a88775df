package orlop

import (
	"context"

	"golang.org/x/sync/semaphore"
)

// Bounds on what is under way at once if the caller gives none. Small blobs
// wait for answers more than for bytes, so many go at once; of large ones few
// fill the connection, and more would only cost memory.
const (
	maxUnderWay  = 32
	largest      = 6       // what the largest weigh, so that 5 of them go at once
	bytesPerUnit = 1 << 20 // of a transfer that weighs 1
	share        = 8       // small blobs that weigh 1 together, where they can share requests
)

// gate lets in as many transfers at once as there is room for.
type gate struct {
	room   *semaphore.Weighted
	limit  int   // transfers at most
	wide   int   // manifests at most
	unit   int64 // what a transfer of one unit weighs
	bySize bool  // large ones take more room
}

// newGate returns a gate for n at once; 0 goes by their sizes. together is where
// small blobs can share requests, which then are the fuller the more of them
// wait.
func newGate(n int, together bool) gate {
	g := gate{limit: n, wide: n, unit: 1}
	if n <= 0 {
		g = gate{limit: maxUnderWay, wide: maxUnderWay, unit: 1, bySize: true}
	}
	if g.bySize && together {
		g.limit, g.unit = share*maxUnderWay, share
	}
	g.room = semaphore.NewWeighted(int64(g.limit))
	return g
}

// pass runs f, which transfers size bytes, when there is room. f must not use
// the gate again.
func (g gate) pass(ctx context.Context, size int64, f func() error) error {
	weight := g.weight(size)
	if err := g.room.Acquire(ctx, weight); err != nil {
		return err
	}
	defer g.room.Release(weight)
	return f()
}

// weight is how much room a transfer takes.
func (g gate) weight(size int64) int64 {
	if !g.bySize || size <= smallBlob {
		return 1
	}
	return min(max(size/bytesPerUnit, 1), largest) * g.unit
}

// width is how many manifests of an index at a depth are copied at once. It
// falls with the depth, since it multiplies with every level.
func (g gate) width(depth int) int { return max(1, g.wide>>(3*min(depth, 8))) }
