package test

import (
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/orlop/orlop/internal/testenv"
)

// rounds is how often a test is to repeat what it does: as often as the
// variable in the environment says, or n times.
func rounds(variable string, n int) int {
	if many, err := strconv.Atoi(os.Getenv(variable)); err == nil {
		return many
	}
	return n
}

// TestKill kills the real server at random moments while clients work, starts
// it again, and asks for everything that was acknowledged. ORLOP_KILL_ROUNDS
// says how often.
func TestKill(t *testing.T) {
	testenv.Binary(t, "orlopd")
	data, books := t.TempDir(), newLedger()
	var slowest time.Duration
	for round := range rounds("ORLOP_KILL_ROUNDS", 8) {
		began := time.Now()
		p := testenv.StartProcess(t, testenv.ProcessOptions{Data: data})
		slowest = max(slowest, time.Since(began))
		books.verify(t, &p.Server)
		workUntil(t, p, books, round, p.Kill)
		if t.Failed() {
			return
		}
	}
	p := testenv.StartProcess(t, testenv.ProcessOptions{Data: data})
	books.verify(t, &p.Server)
	t.Logf("%s; the slowest start took %s", books, slowest)
}

// workUntil lets a crowd work until the server has acknowledged some things
// more, and ends the server in the middle of others.
func workUntil(t *testing.T, p *testenv.Process, books *ledger, round int, end func()) {
	endAt := books.acked.Load() + 20 + rand.Int64N(60)
	over := make(chan struct{})
	ending := sync.OnceFunc(func() {
		time.AfterFunc(rand.N(8*time.Millisecond), func() { end(); close(over) })
	})
	c := &crowd{clients: []*api{newAPI(t, &p.Server)}, books: books, seed: round, failed: refusals(t), worked: func() bool {
		if books.acked.Load() >= endAt {
			ending()
		}
		return true
	}}
	c.work(t.Context())
	ending()
	<-over
	if books.acked.Load() < endAt {
		t.Error("the server went away before its end")
	}
}
