package orlop

import "sync"

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

// guess decides whether to ask for a blob before it is sent. The zero value
// begins with asking.
type guess struct {
	mu      sync.Mutex
	missing int // small blobs, in a row
	unasked int // small blobs since the last that was asked for
	asked   int // how often the guess was put to the test
}

// ask tells whether to ask for a blob of a size.
func (g *guess) ask(size int64) bool {
	if size > smallBlob {
		return true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.missing < enoughMissing {
		g.unasked, g.asked = 0, 0
		return true
	}
	if g.unasked >= min(askAgain<<min(g.asked, 10), askLeast) {
		g.unasked = 0
		g.asked++
		return true
	}
	g.unasked++
	return false
}

// learn takes notice of an answer.
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
}
