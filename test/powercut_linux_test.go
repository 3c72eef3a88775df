package test

import (
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/orlop/orlop/internal/testenv"
)

// TestPowerCut takes the power from the file system under the real server in
// the middle of pushes, tag moves, deletes and uploads, mounts it again, and
// asks for everything that was acknowledged. ORLOP_CUT_ROUNDS says how often.
func TestPowerCut(t *testing.T) {
	testenv.Binary(t, "orlopd")
	for _, fstype := range []string{"ext4", "xfs"} {
		t.Run(fstype, func(t *testing.T) {
			d := newDisk(t, fstype, "1G")
			const most = 16 // rounds with one registry, which fills up meanwhile
			for left := rounds("ORLOP_CUT_ROUNDS", 4); left > 0 && !t.Failed(); left -= most {
				testPowerCut(t, d, min(left, most))
			}
		})
	}
}

func testPowerCut(t *testing.T, d *disk, rounds int) {
	books, data := newLedger(), filepath.Join(d.dir, "data")
	var slowest time.Duration
	for round := range rounds {
		began := time.Now()
		p := testenv.StartProcess(t, testenv.ProcessOptions{Data: data, Log: io.Discard})
		slowest = max(slowest, time.Since(began))
		books.verify(t, &p.Server)
		workUntilCut(t, d, p, books, round)
		p.Kill()
		d.reboot(t)
		books.power(true)
		if t.Failed() {
			return
		}
	}
	p := testenv.StartProcess(t, testenv.ProcessOptions{Data: data})
	books.verify(t, &p.Server)
	p.Kill() // before the disk goes
	t.Logf("%d cuts: %s; the slowest start took %s", rounds, books, slowest)
	if err := os.RemoveAll(data); err != nil {
		t.Fatal(err)
	}
}

// workUntilCut lets a crowd work until the power is cut, and after that until
// each worker has met its first failure.
func workUntilCut(t *testing.T, d *disk, p *testenv.Process, books *ledger, round int) {
	cutAt := books.acked.Load() + 20 + rand.Int64N(100)
	cut := make(chan struct{}, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		<-cut
		books.power(false)
		if err := d.cut(); err != nil {
			t.Error(err)
		}
	}()
	c := &crowd{clients: []*api{newAPI(t, &p.Server)}, books: books, seed: round,
		failed: func(err error) bool {
			if _, refused := errors.AsType[*statusError](err); refused && books.acked.Load() < cutAt {
				t.Errorf("before the cut: %v", err)
			}
			return false
		},
		worked: func() bool {
			if books.acked.Load() >= cutAt {
				select {
				case cut <- struct{}{}:
				default:
				}
			}
			return true
		}}
	c.work(t.Context())
	select {
	case cut <- struct{}{}: // the workers ended by themselves: an error above
	default:
	}
	<-done
}
