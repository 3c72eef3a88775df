package orlop

import (
	"context"
	"sync"
)

const (
	// smallBlob is the size, in bytes, up to which a blob is sent by one request
	// where a registry can take that: the question whether it is there costs as
	// much.
	smallBlob = 64 << 10
	// enoughMissing small blobs that were missing in a row suggest that the next
	// is missing too. That is put to the test after askAgain more, and, as long
	// as it proves true, after twice as many each time, up to askLeast.
	enoughMissing = 4
	askAgain      = 16
	askLeast      = 128
)

// guess decides whether to ask for a blob before it is sent. The first few small
// ones are asked for while the others wait: what is known then may spare as many
// questions as there are blobs under way.
type guess struct {
	known chan struct{} // closed when the first answers have told enough

	mu      sync.Mutex // guards what follows
	first   int        // small blobs that have been asked for before known
	missing int        // small blobs, in a row
	unasked int        // small blobs since the last that was asked for
	asked   int        // how often the guess was put to the test
}

// ask tells whether to ask for a blob of a size, of which learn is told the answer.
func (g *guess) ask(ctx context.Context, size int64) (bool, error) {
	if size > smallBlob {
		return true, nil
	}
	if g.isFirst() {
		return true, nil
	}
	select {
	case <-g.known:
	case <-ctx.Done():
		return false, ctx.Err()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.missing < enoughMissing {
		g.unasked, g.asked = 0, 0
		return true, nil
	}
	if g.unasked >= min(askAgain<<min(g.asked, 10), askLeast) {
		g.unasked = 0
		g.asked++
		return true, nil
	}
	g.unasked++
	return false, nil
}

func (g *guess) isFirst() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.first++
	return g.first <= enoughMissing
}

// learn takes notice of an answer, or that there was none.
func (g *guess) learn(size int64, there bool) {
	if size > smallBlob {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if there {
		g.missing = 0
	} else {
		g.missing++
	}
	if there || g.missing == enoughMissing {
		g.tell()
	}
}

// tell lets those go on that wait. g.mu is held.
func (g *guess) tell() {
	select {
	case <-g.known:
	default:
		close(g.known)
	}
}
